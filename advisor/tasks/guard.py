"""What tells that a text is nearly one of some that are not shown: how whoever writes training examples keeps away from
the test split, which no approach is given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from advisor.tasks.minhash import shingles_of, squeezed

KEPT = 64
"""Hashes of a text that are kept: with 64 a similarity of 0.7 is told to about 0.06."""
REFUSED = 0.7
"""Estimated Jaccard similarity of their shingles from which a text counts as nearly another one. The audit takes 0.8 of
the texts themselves; here it is an estimate, and a training example more or less matters little."""

Sketch = tuple[int, ...]


@dataclass(frozen=True)
class LeakGuard:
    """Sketches of texts, by which another text can be held against them and nothing be read.

    Of each text only the `KEPT` least hashes of its shingles are here (Broder 1997, "On the resemblance and containment
    of documents"): no text, no answer, no order of the words. What one may ask is whether a text is nearly one of them,
    not which. It is no secret from somebody who sets out to guess the words; nothing in one process would be.

    Attributes:
        sketches: one for each text that has a word, the hashes ascending.
    """

    sketches: tuple[Sketch, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> LeakGuard:
        """The guard of these texts."""
        return cls(tuple(filter(None, map(_sketch, texts))))

    def beside(self, other: LeakGuard) -> LeakGuard:
        """The guard of the texts of both."""
        return LeakGuard(self.sketches + other.sketches) if other.sketches else self

    def refuses(self, text: str) -> bool:
        """Whether a text is the same as one of them but for case, spacing and punctuation, or nearly the same."""
        own = _sketch(text)
        met = Counter(number for value in own for number in self._holding.get(value, ()))
        return any(_similarity(own, self.sketches[number]) >= REFUSED for number, _ in met.most_common(KEPT))

    @cached_property
    def _holding(self) -> dict[int, list[int]]:
        """The numbers of the sketches that hold a hash."""
        found: dict[int, list[int]] = defaultdict(list)
        for number, sketch in enumerate(self.sketches):
            for value in sketch:
                found[value].append(number)
        return found


def _sketch(text: str) -> Sketch:
    words = squeezed(text)
    return tuple(map(int, shingles_of(words)[:KEPT])) if words else ()


def _similarity(one: Sketch, other: Sketch) -> float:
    """The estimate: of the least hashes of both together, the share that both have."""
    least = sorted({*one, *other})[:KEPT]
    return len({*one} & {*other} & {*least}) / len(least)
