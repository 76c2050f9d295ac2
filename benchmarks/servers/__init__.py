"""Servers of models on this machine, for tests and measurements."""
