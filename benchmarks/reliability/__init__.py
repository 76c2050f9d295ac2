"""Runs that are killed, disturbed and starved, against the same runs left alone."""
