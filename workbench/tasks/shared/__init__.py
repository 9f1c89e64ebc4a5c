"""What several tasks are built from."""
