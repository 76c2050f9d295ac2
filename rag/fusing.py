"""How much vectors count beside words in a hybrid search: as told, or as training questions with evidence tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from advisor.approaches import Facts
from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.tasks import Example
from rag import checks
from rag.hybrid import EVEN, Fuse, Fusion, Hybrid
from rag.index import PassageIndex
from rag.registry import searcher
from rag.searcher import Floats

Weight = float | Literal["learned"]
LEAST = 30  # questions with evidence from which a weight is learned
MOST = 300  # questions that are tried
TRIED = np.linspace(0, 1, 11, dtype=np.float32)
DEPTH = 10  # a right passage further down counts nothing


@dataclass(frozen=True, slots=True)
class Fusing:
    """What a builder says of the fusion: the parameters `fuse` and `weight` of `Rag`."""

    name: str
    fuse: Fuse
    weight: Weight

    def check(self, retriever: str) -> None:
        """Whether they are known, and the retriever fuses at all.

        Raises:
            UserError: one is not, or it does not.
        """
        checks.one_of(self.name, "fuse", self.fuse, Fuse)
        if isinstance(self.weight, str):
            checks.one_of(self.name, "weight", self.weight, Literal["learned"])
        else:
            checks.share(self.name, "weight", self.weight)
        plain = self.fuse == Fusion().fuse and self.weight == EVEN
        if not (plain or issubclass(searcher(retriever), Hybrid)):
            raise UserError(
                f"{self.name}: retriever={retriever} fuses nothing, so that fuse and weight say nothing",
                f"leave them out, or search by both: {self.name}:retriever=hybrid",
            )

    def of(self, index: PassageIndex, examples: Sequence[Example]) -> PassageIndex:
        """The index with this fusion in its searcher, and with a sentence on what was learned.

        Args:
            examples: training examples; the weight is learned from those whose evidence is in the index.
        """
        if not isinstance(index.searcher, Hybrid):
            return index
        if not isinstance(self.weight, str):
            index.searcher.fusion = Fusion(self.fuse, self.weight)
            return index
        began = clock.now()
        known = [example for example in examples if index.knows(example.evidence)]
        index.searcher.fusion, note = self._learned(index.searcher, known)
        seconds = (index.facts.index_seconds or 0.0) + clock.now() - began
        resolved = {self.name: {"weight": index.searcher.fusion.weight}}
        return replace(index, facts=_with(index.facts, seconds, note, resolved))

    def _learned(self, hybrid: Hybrid, known: Sequence[Example]) -> tuple[Fusion, str]:
        even = Fusion(self.fuse, EVEN)
        if len(known) < LEAST:
            return even, (
                f"Vectors and words count alike (weight {EVEN}): only {len(known)} training questions have evidence, "
                f"and a weight is learned from at least {LEAST}."
            )
        tried = known[:: -(-len(known) // MOST)]
        found = reciprocal_ranks(hybrid, self.fuse, tried)
        at = _chosen(found)
        return Fusion(self.fuse, round(float(TRIED[at]), 1)), (
            f"The weight of vectors beside words, {TRIED[at]:.1f}, was learned from {len(tried)} training questions "
            f"with evidence: the mean reciprocal rank of the first right passage is {found[at].mean():.3f}, and "
            f"{found[len(TRIED) // 2].mean():.3f} where both count alike."
        )


def reciprocal_ranks(hybrid: Hybrid, fuse: Fuse, examples: Sequence[Example]) -> Floats:
    """One through the place of the first passage of the evidence, 0 beyond `DEPTH`, for each weight in `TRIED`.

    Returns:
        Shape (weights, examples).
    """
    found = np.zeros((len(TRIED), len(examples)), dtype=np.float32)
    parts = hybrid.parts([example.input for example in examples], fuse)
    for at, (example, (dense, words)) in enumerate(zip(examples, parts, strict=True)):
        right = np.array(sorted(hybrid.places_of(example.evidence)))
        for row, weight in enumerate(TRIED):
            fused = weight * dense + (1 - weight) * words
            best = right[int(fused[right].argmax())]
            rank = 1 + int((fused > fused[best]).sum() + (fused[:best] == fused[best]).sum())
            found[row, at] = 1 / rank if rank <= DEPTH else 0.0
    return found


def _chosen(found: Floats) -> int:
    """The weight nearest to the middle that is not worse than the best by more than a standard error of the
    difference, so that chance alone moves nothing."""
    best = int(found.mean(axis=1).argmax())
    lost = found[best] - found
    error = lost.std(axis=1, ddof=1) / np.sqrt(found.shape[1])
    near = np.flatnonzero(lost.mean(axis=1) <= error)
    middle = len(TRIED) // 2
    return int(min((int(at) for at in near), key=lambda at: (abs(at - middle), at)))


def _with(facts: Facts, seconds: float, note: str, resolved: dict[str, dict[str, float]]) -> Facts:
    return replace(facts, index_seconds=seconds, notes=(*facts.notes, note), resolved=resolved)
