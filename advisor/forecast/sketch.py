"""Sketches (bottom-k hashes) that tell whether two tasks hold the same data without keeping texts.

A sketch is the smallest of the hashes of a task's inputs (bottom-k, Broder 1997): of all of them where a task has no
more. Two sketches are compared below the largest hash that both reach, where each is complete: so a small part of a
large set of data is found in it too. A hash has 32 bits, too few to tell which of two inputs it was of, and enough
that no two tasks share a tenth of theirs by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from advisor.tasks import Task
from advisor.tasks.forms import normalised
from advisor.tasks.minhash import squeezed

Sketch = Sequence[int]
SIZE = 512
SAME = 0.1
"""Share of the smaller one's hashes from which on two tasks hold the same data."""


def sketch(task: Task) -> tuple[int, ...]:
    """The sketch of all splits' inputs, ignoring case, spacing and punctuation; ascending, at most `SIZE` hashes."""
    inputs = (example.input for example in (*task.train, *task.dev, *task.test))
    return tuple(sorted({_hash(squeezed(text) or normalised(text)) for text in inputs})[:SIZE])


def same_data(first: Sketch, second: Sketch) -> bool:
    """Whether the smaller data set is partly contained in the other; False where either has no hash."""
    reach = min((found[-1] for found in (first, second) if len(found) >= SIZE), default=2**32)
    left, right = ({value for value in found if value <= reach} for found in (first, second))
    fewer = min(len(left), len(right))
    return fewer > 0 and len(left & right) >= SAME * fewer


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest())
