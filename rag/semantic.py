"""Documents cut where neighbouring sentences differ most."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from advisor.models import Embedder, Vectors
from advisor.tasks import Document
from advisor.tasks.words import count_words
from rag.chunking import Section
from rag.searcher import Floats
from rag.sentences import sentences

BESIDE = 3  # sentences on each side of a place that are compared
SMALLEST = 0.25  # of the most words in a stretch: how many it has at least, where more follow


def semantic_sections(documents: Sequence[Document], size: int, embedder: Embedder) -> list[Section]:
    """Each document in stretches of at most `size` words, of which each ends where what follows differs most from it.

    How much it differs at a place is told by the cosine of the mean vectors of up to three sentences on both sides, as
    TextTiling compares blocks (Hearst 1997); the vectors are those of a sentence embedder (Kamradt 2023, "5 Levels of
    Text Splitting", which LangChain's SemanticChunker follows). Where those cut at every place beyond a percentile of
    the differences, here the limit of words decides, so that passages are of a length. Documents that are short enough
    stay whole, and nothing of them is embedded. A single sentence may be longer.
    """
    parts = [sentences(d.text) if count_words(d.text) > size else [d.text] for d in documents]
    long = [text for found in parts if len(found) > 1 for text in found]
    vectors = embedder.embed([text.strip() for text in long]) if long else np.zeros((0, 1), dtype=np.float32)
    sections, used = [], 0
    for document, found in zip(documents, parts, strict=True):
        cuts = [0, len(found)]
        if len(found) > 1:
            own = vectors[used : used + len(found)]
            cuts, used = _cuts([count_words(text) for text in found], _differences(own), size), used + len(found)
        starts = [0, *accumulate(map(len, found))]
        for first, last in pairwise(cuts):
            text = "".join(found[first:last])
            sections.append(Section(document, document.title, text, starts[first]))
    return sections


def _differences(vectors: Vectors) -> Floats:
    """How much the sentences before each differ from it and those behind it, from 0; there is none before the first."""
    differ = np.zeros(len(vectors), dtype=np.float32)
    for at in range(1, len(vectors)):
        before = vectors[max(at - BESIDE, 0) : at].mean(axis=0)
        behind = vectors[at : at + BESIDE].mean(axis=0)
        norms = float(np.linalg.norm(before) * np.linalg.norm(behind))
        differ[at] = 1 - float(before @ behind) / norms if norms else 1.0
    return differ


def _cuts(words: Sequence[int], differ: Floats, size: int) -> list[int]:
    """Before which sentences is cut, with the first and the one behind the last."""
    until = [0, *accumulate(words)]
    found = [0]
    while until[-1] - until[found[-1]] > size:
        first = found[-1]
        last = max(bisect_right(until, until[first] + size) - 1, first + 1)
        places = range(max(bisect_left(until, until[first] + SMALLEST * size), first + 1), last + 1)
        found.append(max(places or [last], key=lambda place: (differ[place] if place < len(differ) else 0.0, place)))
    return [*found, len(words)] if found[-1] < len(words) else found
