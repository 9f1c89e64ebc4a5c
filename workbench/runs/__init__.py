"""Runs: made, launched, watched, stopped, resumed, and judged when they end."""
