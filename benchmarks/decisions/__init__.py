"""Advice against measured outcomes: the table of comparisons, what is learned from it, and how often it is right."""
