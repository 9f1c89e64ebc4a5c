"""What every room stands on: errors, clean text, paths, the home, run directories. Imports nothing of ours."""
