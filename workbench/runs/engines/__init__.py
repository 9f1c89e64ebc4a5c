"""Where a run's trainer runs: each engine starts attempts, finds them again, signals them and cleans up after them."""
