"""Training: what happens between a run's directory and its events, checkpoints, model and predictions.

`python -m workbench.train RUN_DIR` is one rank. Only `checkpoints` is light: it needs the standard library alone.
"""
