"""Simulations of the verdict's statistics: what is claimed beside how often it holds."""
