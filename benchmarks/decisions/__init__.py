"""Advice against measured outcomes: a table of comparisons, what is learned from it, and how often it is right."""
