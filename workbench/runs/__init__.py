"""Runs: made, launched, watched, stopped, resumed, and told how they ended."""
