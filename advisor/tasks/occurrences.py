"""An inverted index that finds phrases word for word among many texts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence


class Occurrences:
    """An inverted index over normalised texts: a phrase is only searched where its rarest word occurs.

    Args:
        texts: squeezed texts (`advisor.tasks.minhash.squeezed`); a phrase is found in them by its position.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = [f" {text} " for text in texts]
        self.holders: dict[str, list[int]] = defaultdict(list)
        for at, text in enumerate(texts):
            for word in set(text.split()):
                self.holders[word].append(at)

    def of(self, phrase: str) -> Iterator[int]:
        """Yield the positions of the texts that contain a normalised phrase word for word; none for an empty phrase."""
        rarest: Sequence[int] | None = None
        for word in set(phrase.split()):
            holders = self.holders.get(word, ())
            if rarest is None or len(holders) < len(rarest):
                rarest = holders
        whole = f" {phrase} "
        return (at for at in rarest or () if whole in self.texts[at])

    def shared(self, text: str) -> tuple[dict[int, float], float]:
        """The overlap of a normalised text with each indexed text, as the weight of shared words (rarer weigh more).

        Returns:
            The weight of the words that each text holds, by its position, where it holds any; and that of all words.
        """
        held: dict[int, float] = defaultdict(float)
        whole = 0.0
        for word in dict.fromkeys(text.split()):  # in order, so that sums are the same to the bit
            holders = self.holders.get(word, ())
            weight = math.log((len(self.texts) + 1) / (len(holders) + 0.5))
            whole += weight
            for at in holders:
                held[at] += weight
        return held, whole

    def any(self, phrases: Iterable[str]) -> bool:
        """Whether any of the phrases occurs in any of the texts."""
        return any(True for phrase in phrases for _ in self.of(phrase))


def holds(text: str, phrases: Iterable[str]) -> bool:
    """Whether any of the normalised phrases occurs in the normalised text word for word; empty phrases do not."""
    whole = f" {text} "
    return any(phrase and f" {phrase} " in whole for phrase in phrases)
