"""What records hold of single queries: answers, and requests that were sent alone."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.approaches import Citation
from advisor.models import Passage


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One answer as recorded.

    Attributes:
        id: of the test example.
        text: the answer.
        evidence: ids of the documents that were retrieved, best first; empty without retrieval.
        confidence: probability of the answer among the labels, None where there is none.
        prompt_tokens, completion_tokens: of this query.
        dropped: pieces of context (passages or shots) left out to fit the context window.
        cut: tokens of the input itself that did not fit even without context.
        shown: pieces of context that reached the prompt; None where the record does not say.
        unread: whether an embedder read only the beginning of the input.
        passages: the pieces of documents that were retrieved, best first; empty where texts were left out.
        cached_tokens, reasoning_tokens, estimated: as in `advisor.models.Generation`.
        failure: why there is no answer; empty where there is one.
        citations, miscited: as in `advisor.approaches.Prediction`; None where the answer was not to name its sources.
    """

    id: str
    text: str
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dropped: int = 0
    cut: int = 0
    shown: int | None = None
    unread: bool = False
    passages: tuple[Passage, ...] = ()
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    failure: str = ""
    citations: tuple[Citation, ...] | None = None
    miscited: int = 0

    @property
    def answer(self) -> str:
        """The text that is judged: nothing where there is no answer, whatever came of one."""
        return "" if self.failure else self.text

    @property
    def evidence_shown(self) -> tuple[str, ...]:
        """Ids of the retrieved documents that reached the prompt; passages are dropped first, the last one first."""
        return () if self.shown == 0 else self.evidence[: max(len(self.evidence) - self.dropped, 0)]

    @property
    def bare(self) -> bool:
        """Whether there was context for it, of which nothing reached the prompt."""
        left = len(self.evidence_shown) if self.shown is None and self.evidence else self.shown
        return self.dropped > 0 and left == 0


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """One request sent alone, after warm-up.

    Attributes:
        ttft_seconds: until the first token of the answer, retrieval and tokenising included.
        seconds: end to end.
        completion_tokens: length of the answer.
    """

    id: str
    ttft_seconds: float
    seconds: float
    completion_tokens: int
