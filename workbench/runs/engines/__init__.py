"""Where a run's trainer runs: each engine turns a run into a command and its environment."""
