"""Any bytes give a value or a `UserError`, within a bound of time: every reader, with inputs that are nearly right.

`tests/test_fuzz.py` runs a few of them each time, always the same, and every input that once failed;
`python -m benchmarks.fuzz --minutes N` runs as many as fit into that time, each time others.
"""
