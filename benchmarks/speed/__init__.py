"""Advisor's speed beside that of the libraries people use instead; see `benchmarks/README.md`."""
