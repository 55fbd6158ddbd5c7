"""What frozen features are worth: one test a file."""
