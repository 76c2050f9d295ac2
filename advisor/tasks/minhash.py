"""Near-duplicate texts: MinHash finds candidates, exact Jaccard similarity decides.

Own MinHash in NumPy, not `datasketch`: all texts are signed at once, which is ten times as fast for thousands of
short texts, and `datasketch` imports the whole of SciPy, which alone takes longer than the rest of a profile.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from advisor.tasks.words import count_words, split_words

THRESHOLD = 0.8
"""Jaccard similarity of their shingles from which two texts count as nearly the same."""
SHINGLE = 4  # characters
LONGEST = 20_000  # characters of a text that are compared
BANDS, ROWS = 16, 4
"""A pair at the threshold shares one of 16 bands of 4 rows with probability 0.9998, at 0.5 with 0.64."""
LARGEST_BUCKET = 60
"""Larger buckets hold a template's texts; true pairs share what is rare in them and meet in smaller ones too."""

FRAME = 0.5
"""Shingles in more than this share of the texts are a template's frame and do not count."""
_FEWEST_FRAMED = 20  # texts that show a frame at least
_BLOCK = 65_536  # shingles that are turned at once, so that they stay in the processor's cache
_SAMPLE = 500  # texts that the frame is read off

_ASCII_WORDS = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_ALIKE = 0.75  # ratio of matching characters from which one word counts as another spelling of the other
_SHORTEST = 3  # characters of a word that may count as a part of another
_REWORDED = 0.05  # share of a text's words that may be other words

Hashes = NDArray[np.uint32]


def squeezed(text: str) -> str:
    """The words of a text, normalised: without case, punctuation, spacing and compatibility forms.

    In scripts without spaces each character is a word, so that texts in them are compared by two characters at a time.
    """
    if text.isascii():  # ten times as fast
        return " ".join(text.translate(_ASCII_WORDS).split())
    return " ".join(split_words(unicodedata.normalize("NFKC", text).casefold()))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts by position, `first` before `second`, with the Jaccard similarity of their shingles."""

    first: int
    second: int
    similarity: float


def near_pairs(texts: Sequence[str], alike: Callable[[int, int], bool]) -> list[Pair]:
    """Find the pairs of texts that are near-duplicates but not identical, in order.

    Args:
        texts: squeezed texts, all different; empty ones have no pair.
        alike: whether a pair is wanted; asked before the similarity is worked out.
    """
    if len(texts) < 2:
        return []
    shingles = _Shingles(texts)
    found = []
    for first, second in _candidates(shingles.signatures()):
        if alike(first, second):
            similarity = shingles.similarity(first, second)
            if similarity >= THRESHOLD:
                found.append(Pair(first, second, similarity))
    return found


def reworded(first: str, second: str) -> bool:
    """Whether two normalised texts say the same except for spelling, order or added words.

    Texts made from one template are similar too, but say different things: they differ in a number, or one word
    stands where another stood. In long texts a few such words, one in twenty, do not matter. A character of a script
    without spaces is only part of a word, and any of them that is another may say another thing.
    """
    left, right = Counter(first.split()), Counter(second.split())
    fewer, more = sorted((list((left - right).elements()), list((right - left).elements())), key=len)
    numbers = sum(any(map(str.isnumeric, word)) for word in more)
    others = sum(not any(_spelt_alike(word, other) for other in more) for word in fewer)
    return max(numbers, others) <= _REWORDED * min(count_words(first), count_words(second))


def _spelt_alike(word: str, other: str) -> bool:
    if any(map(str.isnumeric, word + other)):
        return False
    if min(len(word), len(other)) >= _SHORTEST and (word in other or other in word):
        return True
    return SequenceMatcher(None, word, other).ratio() >= _ALIKE


def shingles_of(text: str) -> Hashes:
    """The hashed shingles of one squeezed text, each once and in ascending order."""
    return np.unique(_hashed(_padded(text)))


def _padded(text: str) -> str:
    return f" {text[:LONGEST]} ".ljust(SHINGLE)


def _hashed(text: str) -> Hashes:
    """The hash of what begins at each character of a text, up to the last that begins a whole shingle."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    hashed = codes[: len(codes) - SHINGLE + 1].astype(np.uint64)
    for step in range(1, SHINGLE):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + codes[step : len(codes) - SHINGLE + 1 + step]
    hashed ^= hashed >> np.uint64(32)
    hashed *= np.uint64(0xD6E8FEB86659FD93)
    return (hashed >> np.uint64(32)).astype(np.uint32)


class _Shingles:
    """The hashed shingles of all texts, concatenated."""

    def __init__(self, texts: Sequence[str]) -> None:
        padded = list(map(_padded, texts))
        counts = np.array([len(text) - SHINGLE + 1 for text in padded])
        hashed = _hashed("".join(padded))
        own = np.ones(len(hashed), dtype=bool)  # not those that begin in one text and end in the next
        for back in range(1, SHINGLE):
            own[(np.cumsum(counts + SHINGLE - 1) - back)[:-1]] = False
        self._hashes: Hashes = hashed[own]
        self._bound(counts)
        self._sets: dict[int, Hashes] = {}
        self._leave_frame_out(counts)

    def _bound(self, counts: NDArray[np.int64]) -> None:
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts

    def _leave_frame_out(self, counts: NDArray[np.int64]) -> None:
        """Drop the shingles of a template shared by most texts, except in texts that are nothing else."""
        sample = np.unique(np.linspace(0, len(counts) - 1, min(_SAMPLE, len(counts))).astype(int))
        if len(sample) < _FEWEST_FRAMED:
            return
        seen = np.concatenate([np.unique(self._hashes[self._starts[i] : self._ends[i]]) for i in sample])
        values, texts = np.unique(seen, return_counts=True)
        frame = values[texts > FRAME * len(sample)]
        if not len(frame):
            return
        at = np.minimum(np.searchsorted(frame, self._hashes), len(frame) - 1)
        kept = frame[at] != self._hashes
        left = np.add.reduceat(kept.astype(np.int64), self._starts)
        bare = left == 0
        kept |= np.repeat(bare, counts)
        self._hashes = self._hashes[kept]
        self._bound(np.where(bare, counts, left))

    def signatures(self) -> NDArray[np.uint32]:
        """The MinHash signatures: each text's least value under each permutation; shape (permutations, texts)."""
        turns = np.random.default_rng(0).integers(0, 2**32, size=(BANDS * ROWS, 2), dtype=np.uint32)
        values = np.empty((BANDS * ROWS, len(self._starts)), dtype=np.uint32)
        blocks = np.flatnonzero(np.diff(self._starts // _BLOCK, prepend=-1))  # texts with which a block begins
        for first, end in zip(blocks, [*blocks[1:], len(self._starts)], strict=True):
            begin = self._starts[first]
            hashes = self._hashes[begin : self._ends[end - 1]]
            starts = self._starts[first:end] - begin
            turned = np.empty_like(hashes)
            for row, (factor, shift) in zip(values, turns, strict=True):
                np.multiply(hashes, factor | np.uint32(1), out=turned)
                turned += shift
                turned ^= turned >> np.uint32(15)  # the high bits decide the least, the low ones hold the mixture
                row[first:end] = np.minimum.reduceat(turned, starts)
        return values

    def similarity(self, first: int, second: int) -> float:
        """Jaccard similarity of two texts' sets of shingles."""
        left, right = self._set(first), self._set(second)
        shared = len(np.intersect1d(left, right, assume_unique=True))
        return shared / (len(left) + len(right) - shared)

    def _set(self, at: int) -> Hashes:
        if at not in self._sets:
            self._sets[at] = np.unique(self._hashes[self._starts[at] : self._ends[at]])
        return self._sets[at]


def _candidates(signatures: NDArray[np.uint32]) -> list[tuple[int, int]]:
    """Candidate pairs of texts that agree in at least one band, sorted."""
    found: set[tuple[int, int]] = set()
    for band in range(BANDS):
        rows = signatures[band * ROWS : (band + 1) * ROWS].astype(np.uint64)
        keys = rows[0]
        for row in rows[1:]:
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + row
        for bucket in _buckets(keys):
            found.update((a, b) for i, a in enumerate(bucket) for b in bucket[i + 1 :])
    return sorted(found)


def _buckets(keys: NDArray[np.uint64]) -> Iterator[list[int]]:
    """Yield the positions of equal keys, ascending, for buckets of at least two and not too many texts."""
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    for bucket in np.split(order, edges):
        if 2 <= len(bucket) <= LARGEST_BUCKET:
            yield [int(at) for at in bucket]
