"""Creates, launches, watches, stops and resumes runs, and records how they ended."""
