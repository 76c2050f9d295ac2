"""The result of judging a comparison: one row per approach, the diagnosis and the choice. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from advisor.measuring.attempt import FIT, PREDICT
from advisor.measuring.disturbance import Disturbance
from advisor.measuring.records import Comparison, Status
from advisor.measuring.second_models import SecondModel
from advisor.tasks import Limits
from advisor.verdict.calibration import Calibration
from advisor.verdict.cells import (
    Abstention,
    Citations,
    Flip,
    Forgotten,
    Interval,
    Measured,
    Preferring,
    Retrieval,
    Settling,
)
from advisor.verdict.coverage import Coverage
from advisor.verdict.errors import ErrorKind
from advisor.verdict.judge_cells import JudgeReport
from advisor.verdict.prices import Tariff
from advisor.verdict.race import Race
from advisor.verdict.slices import GroupGap, Slice
from advisor.verdict.statistics import Contrasts

FIT_MATTERS = 1.0
"""Seconds of fitting below which nobody asks whether they were more than they had to be."""


@dataclass(frozen=True, slots=True)
class Versus:
    """The paired difference to the best approach: this one's quality minus the best's.

    Attributes:
        low, high: simultaneous 95 % interval: those of all pairs hold together.
        p: two-sided, corrected for all pairs compared.
        shown: whether the two are shown to differ: p below 5 %, which is where the interval excludes zero.
    """

    difference: float
    low: float
    high: float
    p: float
    shown: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars; None where a price is unknown, never 0.

    Attributes:
        per_1k_queries: the cost of 1,000 queries in batches at the measured throughput, divided by `Limits.utilisation`
            where given.
        over_horizon: fitting, upkeep and the queries.
        fixed: fitting and upkeep, of that.
        always_on_over_horizon: the same with machines that are kept on all the time in place of the queries.
        machines: the number of such machines, by throughput and evenly spread traffic; both None where tokens are paid.
        per_1k_low, per_1k_high, over_horizon_low, over_horizon_high: 95 % intervals, of what timing the same work
            again would give; None where nothing was timed again, or tokens are paid.
        by_tokens: whether tokens are paid, and not the hours of a machine; None where nothing is known.
        per_1k_in_batches: the cost of 1,000 queries that may be answered within a day; None where there is no price for
            that.
    """

    fit: float | None = None
    per_1k_queries: float | None = None
    over_horizon: float | None = None
    fixed: float | None = None
    always_on_over_horizon: float | None = None
    machines: int | None = None
    per_1k_low: float | None = None
    per_1k_high: float | None = None
    over_horizon_low: float | None = None
    over_horizon_high: float | None = None
    by_tokens: bool | None = None
    per_1k_in_batches: float | None = None


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Milliseconds of requests sent one at a time, after warm-up.

    Attributes:
        n: requests; 0 where the figures are foreseen.
        p50_low, p50_high, p95_low, p95_high: bounds by order statistics that hold with 95 % each
            (`advisor.measuring.latency`); None where there are too few requests for one.
    """

    p50: float
    p95: float
    ttft_p50: float
    n: int
    p50_low: float | None = None
    p50_high: float | None = None
    p95_low: float | None = None
    p95_high: float | None = None


Outcome = Literal["kept", "lost", "open"]


@dataclass(frozen=True, slots=True)
class Staleness:
    """What a change did to an approach that was not fitted anew; what keeps documents has indexed the changed ones.

    Attributes:
        quality: over all questions of after the change.
        n: how many these are.
        documents: whether documents changed; else the rules behind the answers did.
        index_seconds: indexing the changed documents; None where it keeps none, or they did not change.
        difference: quality after minus before, over the questions that are asked both times, with the 95 % interval of
            these very trainings; None where there is none.
        paired: how many these are.
        loses: whether the measured loss is larger than the margin of non-inferiority.
        outcome: whether it is shown to lose less than the margin, else whether it is shown to lose; open where neither.
        embedded: tokens that an embedder elsewhere was given to index the changed documents; None like `index_seconds`.
        left_out: questions of before that are not asked after it; what is kept over the others says little then.
    """

    quality: Interval
    n: int
    documents: bool
    index_seconds: float | None = None
    difference: Interval | None = None
    paired: int = 0
    loses: bool = False
    outcome: Outcome = "open"
    embedded: float | None = None
    left_out: int = 0

    @property
    def settles(self) -> bool:
        """Whether costs may go by it: by a loss always, by none only where every question was asked again."""
        return self.difference is not None and (self.loses or not self.left_out)


@dataclass(frozen=True, slots=True)
class Row:
    """One approach, all seeds together.

    Attributes:
        eligible: whether it may be chosen: it ran, is no control, respects the limits and its answers differ.
        violations: the limits that it breaks, in words, behind what all its answers are where they are alike; empty
            where nothing speaks against choosing it.
        shows: what stands in its prompts beside the query (`advisor.approaches.Shows`); empty where that is not known.
        group: letters of the groups of approaches that cannot be told apart ("a", "ab"); "" if not compared.
        prompt_tokens, completion_tokens: means per query.
        retrieval: how well it finds the evidence; None without retrieval and for controls.
        citations: how well its answers name the evidence; None where they are not asked to.
        abstention: how well it tells what cannot be answered; None where the test set has no such question.
        dropped: pieces of context (passages or shots) left out for lack of room, over the whole test set.
        cut: test examples whose own input was cut for lack of room.
        bare: test examples with context of which nothing reached the prompt.
        unread: test examples of whose input an embedder read only the beginning.
        seeds: the number of complete runs behind the figures.
        straddles: limits that it is neither shown to keep nor to break, in sentences.
        alike: what every answer is, where all are alike ("every answer is empty"); "" where they differ.
        reused: seconds that were not spent, by what was found ready made; the figures of time count them all the same.
        measured: the date of runs taken over from an earlier comparison (the oldest of them); else None.
        timing_error: relative error of its times (`advisor.measuring.timing.error`); None where no batch was timed
            again.
        others: the share of the machine that other processes took while its times were measured, by step: `fit`,
            `predict`, `latency`; unknown ones are left out.
        timed_again: the date when its times were measured anew; None where they were not.
        differing: answers that came out otherwise then.
        cached_tokens, reasoning_tokens: means per query, of the prompt's and beside the answer's.
        estimated: answers whose tokens were counted here, over the whole test set.
        calls: what models elsewhere were asked by one seed, by step; as in `advisor.models.clock.Ledger`.
        model: alias of the model that ran; empty where none does.
        reasons: whether it was made to reason before it answers (`cot=true`).
        tuned: whether the language model's weights were trained.
        labels_by: how labels were told (`advisor.models.LabelsBy`); None where there are none.
        failures: how many queries of one seed got no answer, the most of all seeds, by why.
        answered_by: versions that answered, where whoever served the model said which.
        after: what a change did to it; None where none was measured.
        forgotten: what its tuning made the model forget; None where that was not measured.
        perplexity: of a sample of the raw text that it learned, before and after, the mean of all seeds; None where it
            learned none.
        pretrained: what it read as raw text before it learned the task (`cpt`): documents, inputs or both; empty for
            none.
        asked: other models that were asked before it was fitted.
        preferring: how often it prefers the better answer; likewise.
        errors: what is wrong with its answers that are not fully right, the most frequent kind first.
        calibration: how far its confidences can be believed; None where its answers have none.
        coverage: the quality of the answers that it is surest of; None where it neither has confidences nor abstains.
        metrics: by spec, the metric of the task and those beside it, as far as they were measured.
    """

    spec: str
    status: Status
    error: str | None
    control: bool
    uses_model: bool
    eligible: bool
    violations: tuple[str, ...]
    quality: Interval | None
    n: int
    shows: str = ""
    group: str = ""
    versus_best: Versus | None = None
    latency: LatencySummary | None = None
    throughput_qps: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    fit_seconds: float | None = None
    index_seconds: float | None = None
    peak_memory_bytes: int | None = None
    artifact_bytes: int | None = None
    trainable_parameters: int | None = None
    tokens_seen: int | None = None
    served: str = ""
    retrieval: Retrieval | None = None
    citations: Citations | None = None
    abstention: Abstention | None = None
    cost: Cost = Cost()
    dropped: int = 0
    cut: int = 0
    notes: tuple[str, ...] = ()
    bare: int = 0
    unread: int = 0
    seeds: int = 1
    reused: Mapping[str, float] = field(default_factory=dict)
    measured: str | None = None
    timing_error: float | None = None
    straddles: tuple[str, ...] = ()
    alike: str = ""
    others: Mapping[str, Disturbance] = field(default_factory=dict)
    timed_again: str | None = None
    differing: int = 0
    cached_tokens: float = 0.0
    reasoning_tokens: float = 0.0
    estimated: int = 0
    calls: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    model: str = ""
    reasons: bool = False
    tuned: bool = False
    labels_by: str | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    answered_by: tuple[str, ...] = ()
    after: Staleness | None = None
    forgotten: Forgotten | None = None
    perplexity: tuple[float, float] | None = None
    pretrained: str = ""
    asked: tuple[SecondModel, ...] = ()
    preferring: Preferring | None = None
    errors: tuple[ErrorKind, ...] = ()
    calibration: Calibration | None = None
    coverage: Coverage | None = None
    metrics: Mapping[str, Measured] = field(default_factory=dict)

    def is_busy(self, *steps: str) -> bool:
        """Whether the times of any of these steps were measured on a busy machine."""
        return any(self.others[step].busy for step in steps if step in self.others)

    def stretch(self, *steps: str) -> float:
        """The factor by which the times of these steps may be too long; 1 where the machine was not busy."""
        return max((self.others[step].factor for step in steps if self.is_busy(step)), default=1.0)

    @property
    def baseline(self) -> bool:
        """Whether it is a control without a model, which must be beaten to have learned anything."""
        return self.control and not self.uses_model

    @property
    def cost_is_busy(self) -> bool:
        """Whether what a query costs follows from the times of a busy machine."""
        return self.is_busy(PREDICT) and not self.cost.by_tokens

    @property
    def fit_is_busy(self) -> bool:
        """Whether fitting took long enough to matter and ran on a busy machine."""
        return (self.fit_seconds or 0.0) + (self.index_seconds or 0.0) >= FIT_MATTERS and self.is_busy(FIT)


@dataclass(frozen=True, slots=True)
class DiagnosisItem:
    """One line of the diagnosis: a name, an interval and its meaning in words.

    Attributes:
        estimate: a quality with its 95 % interval, or a paired difference with its simultaneous one.
        shown: whether a difference is shown, all pairs together; None for qualities.
    """

    name: str
    estimate: Interval
    meaning: str
    shown: bool | None = None


@dataclass(frozen=True, slots=True)
class BreakEven:
    """A break-even point of two approaches.

    Attributes:
        variable: "queries" (in all, over the horizon), "days between document changes" or "utilisation" (the share of
            the time that one's own hardware is busy).
        at: the value of the variable at which they cost the same.
        below, above: the cheaper approach on either side.
        low, high: the interval of `at` from the timing error; None where nothing was timed again.
    """

    variable: str
    at: float
    below: str
    above: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The recommendation.

    Attributes:
        approach: the chosen (or, where undecided, provisional) approach; None if nothing is eligible.
        decided: whether it is shown to be the right choice.
        alternatives: specs that cannot be told apart from it.
        unmeasured: specs that a race had no time to measure on the test set and that may well be better.
        quality: the quality of the approach, corrected for selection by the same test examples; None without an
            approach.
        settling: what would settle an undecided choice; None where decided.
        reasons, against, caveats, flips_when: full sentences.
        rests_on: by what the choice is decided, as part of a sentence; empty where it is not.
        flips: those settings beyond which it is another; the first sentences of `flips_when`.
    """

    approach: str | None
    decided: bool
    alternatives: tuple[str, ...]
    settling: Settling | None
    reasons: tuple[str, ...]
    against: tuple[str, ...]
    caveats: tuple[str, ...]
    flips_when: tuple[str, ...]
    quality: Interval | None = None
    unmeasured: tuple[str, ...] = ()
    rests_on: str = ""
    flips: tuple[Flip, ...] = ()


@dataclass(frozen=True)
class Grounds:
    """What a decision rests on beside its rows, for whoever asks what other limits would come to.

    Attributes:
        contrasts: of all complete approaches.
        tariffs: what each row is paid by.
        doubts: by row, why it is named no more than provisionally whatever the limits, in sentences.
    """

    contrasts: Contrasts
    tariffs: Mapping[str, Tariff]
    doubts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Decision:
    """A comparison judged under limits and prices.

    Attributes:
        rows: best quality first; approaches without a quality last.
        margin: the margin of non-inferiority, in units of the metric.
        prices: date and sources of the prices that were applied, for display.
        race: the race that chose the approaches; None where there was none.
        judges: how far each judge can be trusted, and what it makes of each row.
        slices: parts of the test set, with the quality of every row there.
        slice_notes: what was pooled or left out there, and by what it is judged.
        gaps: the largest difference between groups, of every row; empty where there are no two groups.
        scores: by row the score of every test example with the first seed, in the order of `Comparison.answers`.
        grounds: what it rests on; None where it was not judged here.
    """

    comparison: Comparison
    limits: Limits
    margin: float
    rows: tuple[Row, ...]
    diagnosis: tuple[DiagnosisItem, ...]
    break_even: tuple[BreakEven, ...]
    recommendation: Recommendation
    prices: str
    race: Race | None = None
    judges: tuple[JudgeReport, ...] = ()
    slices: tuple[Slice, ...] = ()
    slice_notes: tuple[str, ...] = ()
    gaps: tuple[GroupGap, ...] = ()
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    grounds: Grounds | None = field(default=None, compare=False, repr=False)
