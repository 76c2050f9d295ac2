"""Inputs for fuzzing: valid ones with a few places damaged."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from hypothesis import strategies as st

from advisor.errors import UserError
from benchmarks.fuzz.readers import Reader

SECONDS = 5.0
"""That one input may take; each is of some 100 kB at most, so that a time which grows with the square shows."""
MEGABYTES = 300
"""By which one input may raise the most memory that the process ever had; libraries that come with the first count."""
LINES = 7  # of a message: three faults, each with what fixes it, and a count of the rest
CHARACTERS = 15_000

_HOSTILE = (
    *("[", "]", "{", "}", '"', "'", "\\", ",", ":", "=", "\n", "\r", "\t", " ", "#", "<", ">", "<!--", "<a b='", "&#"),
    *("[[", '{"a":', "[1,", "a.", "'''", '"""', "\0", "\x1b[2J", "\u2028", "\ufdd0", "\ufeff", "\\ud800", "\\u0000"),
    *("NaN", "Infinity", "-0", "1e999", "9" * 400, "9" * 5000, "0x" + "f" * 6000, "null", "true", "2025-02-30", "''"),
    *('"id": "a", ', '"target": [], ', "[task]\n", "</script", "<pre>", "```\n", "sep=;\n", '""', ";", "|", "$", "%s"),
)
_PIECES = st.one_of(
    st.sampled_from([piece.encode() for piece in _HOSTILE]),
    st.binary(max_size=6),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
_EDIT = st.tuples(
    st.integers(0, 10_000),  # where, in ten thousandths of the length
    st.sampled_from((0, 0, 1, 2, 8, 50)),  # how much is cut out there
    _PIECES,
    st.sampled_from((1, 1, 1, 1, 2, 70, 3_000)),  # how often that is put in
)
_MOST = 100_000


def inputs(reader: Reader) -> st.SearchStrategy[bytes]:
    """The inputs for a reader; now and then bytes that have nothing to do with it."""
    seeds = [seed.encode() if isinstance(seed, str) else seed for seed in reader.seeds]
    damaged = st.builds(_damaged, st.sampled_from(seeds), st.lists(_EDIT, max_size=5))
    return st.one_of(damaged, damaged, damaged, st.binary(max_size=200))


def _damaged(seed: bytes, edits: list[tuple[int, int, bytes, int]]) -> bytes:
    for place, cut, piece, times in edits:
        at = place * len(seed) // 10_000
        seed = seed[:at] + piece * times + seed[at + cut :]
    return seed[:_MOST]


def check(reader: Reader, data: bytes, folder: Path) -> float:
    """Read an input and return the seconds it took.

    Raises:
        AssertionError: it took too long, or was refused in a way that fills a page or cannot be printed.
        Exception: whatever a reader raises that is no `UserError`.
    """
    place = folder / reader.name.replace(": ", "-")
    place.mkdir(exist_ok=True)
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        reader.read(data, place)
    except UserError as error:
        said = str(error)
        assert error.hint or "\n  try: " in said, said
        assert len(said.split("\n")) <= LINES and len(said) < CHARACTERS, said[:500]
    seconds = time.process_time() - before
    assert seconds < SECONDS, f"{reader.name}: {seconds:.1f} s"
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) // 1000
    assert more < MEGABYTES, f"{reader.name}: {more} MB"
    return seconds
