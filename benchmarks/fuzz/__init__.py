"""Fuzzing of every reader with nearly valid inputs: any bytes give a value or a `UserError` in bounded time.

`tests/test_fuzz.py` runs a few of them each time, always the same, and every input that once failed;
`python -m benchmarks.fuzz --minutes N` runs as many as fit into that time, each time others.
"""
