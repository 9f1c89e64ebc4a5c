"""Readers: one file format each, and what they share."""
