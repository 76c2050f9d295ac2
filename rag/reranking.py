"""Passages in the order of a model that reads each together with the query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from advisor.approaches import ContextLoad
from advisor.approaches.labels import label_in
from advisor.errors import UserError
from advisor.models import Context, Decoding, LanguageModel, Passage, Prompt, Scores
from advisor.models.load import reranker_beside
from rag.refining import Refinement
from rag.searcher import Searcher, Sources
from rag.spending import book

NONE, LLM = "none", "llm"
YES, NO = "yes", "no"
JUDGE = "Does the document hold what is needed to answer the query? Answer with yes or no."
JUDGE_WORDS = 16
TOKENS = 8  # of an answer that is written
UNCLEAR = 0.5  # the score of a passage of which the model says neither

Pairs = Sequence[tuple[str, Passage]]


class PairScorer(Protocol):
    """Tells how well passages answer texts."""

    @property
    def called(self) -> str:
        """What it is, for the report."""
        ...

    def scores(self, pairs: Pairs) -> Sequence[float]:
        """One number a pair; higher is better."""
        ...


class Rerank(Refinement):
    """Orders the best candidates of a searcher anew; the passages carry the new scores.

    A searcher compares what texts have in common. A model that reads query and passage together knows better which of
    them answers, and is too slow to be asked about all (Nogueira and Cho 2019, "Passage Re-ranking with BERT").
    Candidates that score alike stay in the searcher's order.

    Args:
        fetch: candidates, or as many as are asked for where that is more.
    """

    def __init__(self, inner: Searcher, scorer: PairScorer, fetch: int) -> None:
        super().__init__(inner)
        self.scorer = scorer
        self.fetch = fetch

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """The `k` candidates that score highest, for each text."""
        found = self.inner.search(texts, max(k, self.fetch), within, without)
        pairs = [(text, passage) for text, row in zip(texts, found, strict=True) for passage in row]
        scores = iter(self.scorer.scores(pairs))
        ranked = [[replace(passage, score=float(next(scores)), fit=None) for passage in row] for row in found]
        return [sorted(row, key=_worst_last)[:k] for row in ranked]

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """By whom it was done."""
        return (*super().notes, f"{self.fetch} candidates for each query were put in order by {self.scorer.called}.")


def _worst_last(passage: Passage) -> float:
    return -(passage.score or 0.0)


class EncoderScorer:
    """Scores by a reranker's weights, which are loaded when they are first needed, once for each model.

    Args:
        name: a public name or a folder, as `advisor.models.load.load_reranker` takes it.
    """

    def __init__(self, name: str, model: LanguageModel) -> None:
        self.reranker = reranker_beside(model, name)
        self.called = f"the reranker {self.reranker.name} ({self.reranker.revision})"

    def scores(self, pairs: Pairs) -> Sequence[float]:
        """As the reranker gives them."""
        read = [(text, f"{p.title}\n{p.text}" if p.title else p.text) for text, p in pairs]
        found: list[float] = self.reranker.scores(read).tolist()
        return found


class ModelScorer:
    """The comparison's own language model says whether a passage answers, with its own weights: the probability of
    "yes" against "no" (Sachan et al. 2022 and Qin et al. 2024 discuss such pointwise ranking), or, of a model that
    gives no likelihoods, 1 for yes and 0 for no, between which the searcher's order decides.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.called = f"{model.name} itself, with its own weights"

    def scores(self, pairs: Pairs) -> Sequence[float]:
        """From 0 to 1. What the model read and wrote is booked for each text."""
        if not pairs:
            return []
        prompts = [Prompt(JUDGE, text, (), Context(passages=(passage,), fixed=False)) for text, passage in pairs]
        way = self.model.tells_labels_by((YES, NO))
        if way == "likelihood":
            scored = self.model.score(prompts, (YES, NO))
            for (text, _), one in zip(pairs, scored, strict=True):
                book(text, one.spent)
            return [_probability(one) for one in scored]
        if way == "constraint":
            said = self.model.choose(prompts, (YES, NO))
        else:
            said = self.model.generate(prompts, Decoding(TOKENS, ("\n",)))
        for (text, _), answer in zip(pairs, said, strict=True):
            book(text, answer.spent)
        return [{YES: 1.0, NO: 0.0}.get(label_in(answer.text, (YES, NO)), UNCLEAR) for answer in said]


def _probability(scored: Scores) -> float:
    """Of yes among both."""
    yes, no = scored.totals
    return 1.0 / (1.0 + math.exp(min(no - yes, 700.0)))


def reranked(inner: Searcher, rerank: str, fetch: int, model: LanguageModel) -> Searcher:
    """The searcher with the reranker that a spec names around it: `none`, `llm`, or a name or folder.

    Raises:
        UserError: the reranker cannot be had.
    """
    if rerank == NONE:
        return inner
    return Rerank(inner, ModelScorer(model) if rerank == LLM else EncoderScorer(rerank, model), fetch)


def check_reranking(rerank: str, fetch: int) -> None:
    """See that the parameters can be used.

    Raises:
        UserError: they cannot.
    """
    if fetch < 1:
        raise UserError(f"rag: fetch={fetch} finds no candidate", "choose fetch of at least 1, e.g. rag:fetch=20")
    if not rerank.strip():
        raise UserError("rag: rerank names nothing", "rerank=none, rerank=llm, or the name or folder of a reranker")


def with_reranking(load: ContextLoad, rerank: str, fetch: int, words: float) -> ContextLoad:
    """What reranking adds: a call of the model for each candidate.

    Args:
        words: of a passage.
    """
    if rerank != LLM:
        return load
    return load.asking(calls=fetch, read=fetch * (words + JUDGE_WORDS), written=0.0)
