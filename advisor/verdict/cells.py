"""What stands in the cells of a row, figures with their intervals, and what would settle or change the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advisor.tasks.metric_facts import Better


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether all of it lies on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row comes to by one metric, with its 95 % interval.

    Attributes:
        n: test examples behind it.
        better: which way is better.
        missing: values that it lacks, the most of all seeds; of a metric of which more is better they count as 0, of
            others they are left out.
        corpus: of a metric that is a mean over examples, a second figure of all answers taken together; None where
            there is none.
    """

    value: float
    low: float
    high: float
    n: int
    better: Better = "higher"
    missing: int = 0
    corpus: Interval | None = None


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How well a row finds the documents that hold the answers, over the test questions whose evidence is known.

    Attributes:
        recall_at_k: share of a question's evidence among the documents retrieved for it.
        recall_shown: the same among the passages that reached the prompt.
        mrr: one over the rank of the first document of the evidence, 0 where none was found.
        ndcg_at_k: `advisor.tasks.ranking.ndcg`, k being the passages retrieved for a query.
    """

    recall_at_k: Interval
    recall_shown: Interval
    mrr: Interval
    ndcg_at_k: Interval


@dataclass(frozen=True, slots=True)
class Citations:
    """How well answers name their sources.

    Attributes:
        precision: share of the documents that an answer names which are evidence, over the questions with known
            evidence whose answer names any.
        recall: share of a question's evidence that its answer names, over those with known evidence.
        without: share of the answers that name no passage, "unanswerable" ones aside.
        impossible: share of the answers that name a number which no passage had.
    """

    precision: Interval | None
    recall: Interval | None
    without: float
    impossible: float


@dataclass(frozen=True, slots=True)
class OtherScore:
    """What zero-shot scores on another task with the untuned and with the tuned weights.

    Attributes:
        name, metric: of that task.
        difference: tuned minus untuned, paired by example, with the 95 % interval of these very trainings.
        n: test examples.
    """

    name: str
    metric: str
    before: float
    after: float
    difference: Interval
    n: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a row's tuning made the language model forget.

    Attributes:
        perplexity_before, perplexity_after: per token of the general text, by the untuned and by the tuned weights.
        ratio: the latter over the former, above 1 where the text became harder to predict; with the 95 % interval over
            passages, of these very trainings. None, as both perplexities are, where it was not measured.
        passages: how many there are.
        others: other tasks that were measured.
    """

    perplexity_before: float | None
    perplexity_after: float | None
    ratio: Interval | None
    passages: int
    others: tuple[OtherScore, ...] = ()


@dataclass(frozen=True, slots=True)
class Preferring:
    """How often a row finds the chosen answer of a preference likelier than the rejected one.

    Attributes:
        accuracy: the share, over the pairs that are held out.
        n: how many these are.
        versus: the row with one tuner fewer, where it was measured too; else empty.
        difference: to that row, paired by pair.
    """

    accuracy: Interval
    n: int
    versus: str = ""
    difference: Interval | None = None


@dataclass(frozen=True, slots=True)
class Abstention:
    """How well a row tells which questions cannot be answered, by the answer "unanswerable".

    Attributes:
        unanswerable: test questions that cannot be answered.
        share: of all questions that it does not answer.
        precision: share of those that cannot be answered; None where it answers everything.
        recall: share of the unanswerable ones that it does not answer: right abstentions.
        f1: of these two.
        quality_answerable: the task's metric over the questions that can be answered; None where there are none.
        false: share of these that it does not answer: false abstentions.
    """

    unanswerable: int
    share: Interval | None
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    quality_answerable: Interval | None
    false: Interval | None = None


@dataclass(frozen=True, slots=True)
class Settling:
    """What would settle an open choice.

    Attributes:
        even: test examples in all that would do so with a chance of one half; None where no size up to `most` would.
        likely: the same with a chance of 80 %.
        most: the largest size that was considered.
        seeds: the number of training seeds that would do so with 80 % at the present test examples; None where none of
            those considered would, or no tuned approach is in question.
        seeds_first: whether seeds are what is missing: with those at hand no size is likely to settle it, and most of
            the uncertainty is theirs.
        more_seeds: the next number of seeds above those at hand; None beyond the most that was considered.
    """

    even: int | None
    likely: int | None
    most: int
    seeds: int | None = None
    seeds_first: bool = False
    more_seeds: int | None = None


Setting = Literal["queries a day", "horizon", "days between document changes", "margin", "utilisation", "p95 limit"]


@dataclass(frozen=True, slots=True)
class Flip:
    """A setting beyond which another approach is chosen, all else being as it is.

    Attributes:
        setting: what changes; days, milliseconds, a share, or units of the metric.
        at: from where on; of the margin the first that is tried.
        rises: whether it flips above, else below.
        approach: chosen there; None where nothing may be chosen.
        decided: whether it is shown to be the right choice there, else it is named provisionally.
    """

    setting: Setting
    at: float
    rises: bool
    approach: str | None
    decided: bool
