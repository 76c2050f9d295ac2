"""What a comparison is going to take, row by row, before anything is sent: calls, tokens, dollars, seconds.

Tokens follow from what approaches say of themselves, seconds from rates that were probed here or from rows that are
recorded, dollars from the price list. What a server can do is found out by asking it, which a plan does not: how labels
will be told is assumed, and the assumptions are part of the plan.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from advisor.approaches import Adapted, Approach, Lengths, Load, spec_of
from advisor.approaches.answering import TRIAL_EXAMPLES
from advisor.approaches.workload import TRIED_AGAIN
from advisor.forecast.foresight import WRITING_SHARE, foresee, load_of
from advisor.forecast.planned import ChangeScope, Planned, PlannedRow, WorkPlan, both
from advisor.measuring import latency, timing
from advisor.measuring.records import ModelFacts
from advisor.models.hosted.labels import MOST_NODES
from advisor.pilot.readings import Rates
from advisor.tasks import Outline, Task
from advisor.verdict.decision import Row
from advisor.verdict.prices import Tariff
from advisor.verdict.token_prices import PaidTokens

BLANKS = 3  # inputs that say nothing, by which the labels of a context that is the same for all are compared
UNCLEAR = 4  # times a median of latency, within which a limit of the 95th percentile may prove to be plainly broken
ENDS = 1  # tokens that end an answer; servers count them
AROUND_LABEL = 6  # tokens of the JSON that a label is answered in
THOUGHT = 400  # tokens of thought before an answer, of a model that thinks and was never measured here
_WORD = re.compile(r"_?[^\W\d_]+|\d|[^\w\s]")  # what tokenizers usually take for one token


@dataclass(frozen=True)
class ModelOutlook:
    """A model of a comparison, before it is asked.

    Attributes:
        alias: what it is called in the table.
        facts: what it says of itself without being asked.
        lengths: of the task's texts, by its own count of tokens.
        rates: of the model in this process and of its embedder, as probed; what is not known is None.
        trainable: whether its weights can be trained.
        tariff: what its work is paid by.
        earlier: rows of this model and task that are recorded, which tell how fast it answers.
        done: specs of the approaches that are recorded with all their seeds, so that nothing of them is measured again.
        done_after: of these, the ones that were measured after the change of the task too.
        rows_at_once: prompts of a batch.
        layers: how many it has whose hidden states it gives.
    """

    alias: str
    facts: ModelFacts
    lengths: Lengths
    rates: Rates
    trainable: bool
    tariff: Tariff
    earlier: tuple[Row, ...] = ()
    done: frozenset[str] = frozenset()
    rows_at_once: int = 32
    done_after: frozenset[str] = frozenset()
    layers: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is measured.

    Attributes:
        folder: where the comparison would be recorded; what it holds of the same task and model tells how fast a model
            elsewhere answers.
        seeds: of approaches that depend on one.
        latency_examples: requests that are sent alone without a limit, where there are so many test examples.
        p95_seconds: the limit of latency, which asks for more where it is not plainly broken; None without one.
        texts: whether inputs and shown passages would stand in the records.
        change: what is measured after a change.
    """

    folder: Path = Path()
    seeds: int = 1
    latency_examples: int = latency.REQUESTS
    p95_seconds: float | None = None
    texts: bool = True
    change: ChangeScope = field(default_factory=ChangeScope)


def plan(task: Task, asked: Sequence[tuple[ModelOutlook, Sequence[Approach]]], scope: Scope | None = None) -> WorkPlan:
    """What the approaches take on each of the models; what leaves the model aside is measured once, with the first."""
    scope, outline = replace(scope or Scope(), change=ChangeScope.of(task)), Outline.of(task)
    rows: list[PlannedRow] = []
    seen: set[str] = set()
    for model, approaches in asked:
        for approach in approaches:
            spec = spec_of(approach)
            if not approach.uses_model and spec in seen:
                continue
            seen.add(spec)
            reason = approach.unsuited(task)
            skipped = PlannedRow(spec, model.alias if approach.uses_model else "", instead=f"skipped: {reason}")
            rows.append(skipped if reason else planned(approach, outline, model, scope))
    models = [model for model, _ in asked]
    return WorkPlan(
        task=task.name,
        rows=tuple(rows),
        paid=frozenset(model.alias for model in models if model.tariff.tokens),
        assumptions=tuple(dict.fromkeys(said for model in models for said in _assumed(model, outline))),
        prices=tuple(dict.fromkeys(said for model in models if (said := model.tariff.in_words()))),
    )


def planned(approach: Approach, task: Outline, model: ModelOutlook, scope: Scope) -> PlannedRow:
    """What one approach takes with one model."""
    alias = model.alias if approach.uses_model else ""
    spec = spec_of(approach)
    if spec in model.done and (spec in model.done_after or not scope.change.questions):
        return PlannedRow(spec, alias, instead="measured already")
    if approach.trains_model and not model.trainable:
        return PlannedRow(spec, alias, instead="skipped: the model cannot be trained here")
    if reason := approach.beyond(model.layers):
        return PlannedRow(spec, alias, instead=f"skipped: {reason}")
    load = load_of(approach, task, model.lengths, model.facts)
    if load is None:
        return PlannedRow(spec, alias, instead="cannot be told: the approach does not say what it takes")
    row = _Row(approach, load, task, model, scope)
    seeds = _seeds(approach, scope)
    after = row.after().times(seeds)
    if spec in model.done:
        return PlannedRow(spec, alias, after=after)
    fit, test, alone = (step.times(seeds) for step in (row.fit(), row.test(), row.alone()))
    return PlannedRow(spec, alias, fit, test, alone, after=after)


def _seeds(approach: Approach, scope: Scope) -> int:
    return scope.seeds if approach.seeded else 1


class _Row:
    """The steps of one approach with one model and one seed."""

    def __init__(self, approach: Approach, load: Load, task: Outline, model: ModelOutlook, scope: Scope) -> None:
        self.approach, self.load, self.task, self.model, self.scope = approach, load, task, model, scope
        self.here = not approach.uses_model or model.facts.place == "process"
        self.foreseen = foresee(approach, task, model.lengths, model.rates, model.facts)
        self.tariff = model.tariff if approach.uses_model else model.tariff.without_model
        self.labelled = task.kind == "classification" and isinstance(approach, Adapted)
        self.likely = self.labelled and told_by(model.facts) == "likelihood"
        self.answering = calls_a_prompt(model, task) if self.labelled else float(bool(load.prompt))
        self.before = load.calls - 1 if load.prompt else 0  # calls that come before the answer
        self.reasons = self.before > load.asked  # else they only find what stands beside the query
        self.calls = self.before + self.answering

    def fit(self) -> Planned:
        """Indexing, training, and what the model is asked to find out how labels are best compared, or what to show."""
        tries = self._examples_to_try if self.likely else 0
        biased = not self.approach.trains_model and not self.reasons  # else no bias of labels is told by asking blank
        blanks = (tries if self.approach.follows_query else BLANKS) if tries and biased else 0
        searched = max(0.0, self.load.tried - self._label_tries())
        written = Planned(tokens=PaidTokens(completion=self.load.tried_written, requests=0.0))
        asked = self._asked(tries + searched) + self._blank(blanks) + written
        seconds, index = self.foreseen.fit_seconds, self.foreseen.index_seconds or 0.0
        if not self.here:
            seconds = both(self._seconds(asked.calls), self._embedding(self.load.embedded_to_fit))
        if self.load.indexed and self.foreseen.index_seconds is None:
            return self._priced(asked, None, 0.0)
        return self._priced(asked, seconds, index)

    def test(self) -> Planned:
        """The answers to the test set, and in this process those that are timed again."""
        n, qps = len(self.task.test), self.foreseen.throughput_qps
        again = min(n, timing.REPEATS * self.model.rows_at_once) / qps if self.here and qps else 0.0
        return self._answers(n, min(again, timing.REPEAT_SECONDS), 0.0)

    def after(self) -> Planned:
        """The answers to the questions of after a change: where other documents are shown then all of them, else those
        that are new, since the others are answered as before."""
        change, index = self.scope.change, self.foreseen.index_seconds
        if self.approach.shows != "documents" or not change.words:
            return self._answers(change.new, 0.0, 0.0)
        return self._answers(change.questions, 0.0, (index or 0.0) * change.words / max(1.0, self.task.documents.total))

    def _answers(self, n: int, again: float, index: float) -> Planned:
        """The answers to so many queries.

        Args:
            again, index: seconds of timing some of them again, and of indexing documents.
        """
        asked, qps = self._asked(n), self.foreseen.throughput_qps
        if not self.here:
            # Whether each is asked blank too is chosen while fitting.
            if self.likely and self.approach.follows_query and not self.reasons:
                asked = _between(asked, asked + self._blank(n))
            return self._priced(asked, self._seconds(asked.calls), index)
        seconds = 0.0 if not n else None if qps is None else n / qps + again
        return self._priced(asked, seconds, index)

    def alone(self) -> Planned:
        """The requests that are sent one at a time, warm-up included."""
        number = min(self.scope.latency_examples, len(self.task.test))
        if not number:
            return Planned()
        each, limit = self._alone_seconds(), self.scope.p95_seconds
        cap, wanted = latency.SECONDS, float(number)
        if limit is not None and not self.approach.control and (each is None or each <= limit):
            cap, wanted = latency.LIMIT_SECONDS, float(latency.UNDER_A_LIMIT)
            if each is None or UNCLEAR * each > limit:  # where it proves to be plainly broken, no more are sent
                wanted = math.sqrt(wanted * number)
        if each:
            wanted = max(min(wanted, math.ceil(cap / each)), min(latency.FEWEST, number))
        sent = wanted + min(latency.WARM_UPS, number)
        return self._priced(self._asked(sent), None if each is None else each * sent, 0.0)

    @property
    def _examples_to_try(self) -> int:
        """Labelled examples by which it is found out how labels are best compared."""
        return min(TRIAL_EXAMPLES, len(self.task.dev) or len(self.task.train))

    def _label_tries(self) -> float:
        """Of what the approach says that it tries, what finds out how labels are compared."""
        if not self.labelled:
            return 0.0
        once = not self.approach.follows_query or self.approach.trains_model or self.reasons
        again = 1.0 if once else TRIED_AGAIN
        return again * self._examples_to_try

    def _asked(self, prompts: float) -> Planned:
        """Calls and tokens of so many prompts."""
        calls = prompts * self.calls
        thought = _thought(self.model) * calls
        return Planned(calls, PaidTokens(prompts * self._read, 0.0, prompts * self._written, thought, calls))

    def _blank(self, prompts: float) -> Planned:
        """The same of prompts with an input that says nothing, for which nothing is looked up anew."""
        calls, tokens = prompts * (self.calls - self.load.asked), self._asked(prompts).tokens
        read = max(0.0, calls * (self._prompt - self.model.lengths.input))
        written = max(0.0, tokens.completion - prompts * self.load.asked_written)
        return Planned(calls, replace(tokens, prompt=read, completion=written, requests=calls))

    @property
    def _prompt(self) -> float:
        """Tokens that are read in a call for the answer."""
        return (self.load.prompt - self.load.asked_prompt) / (self.load.calls - self.load.asked)

    @property
    def _read(self) -> float:
        """Tokens that are read for a query."""
        return self.load.asked_prompt + (self.calls - self.load.asked) * self._prompt

    @property
    def _written(self) -> float:
        """Tokens that are written for a query."""
        ends = 0 if self.here else ENDS
        if not self.labelled:
            return self.load.written + (ends * self.load.calls if self.load.written else 0)
        label = self.model.lengths.answer
        if self.likely:
            told = self.answering * (label if self.here else 1.0)
        else:
            told = self.answering * (label + AROUND_LABEL)
        return self.load.written + ends * self.before + told

    def _embedding(self, amount: float) -> float | None:
        if not amount:
            return 0.0
        return amount / self.model.rates.embed if self.model.rates.embed else None

    def _seconds(self, calls: float) -> float | None:
        """Seconds of so many calls in batches, as fast as the recorded row was that is most like them."""
        if not calls:
            return 0.0
        like = self._like()
        if like is None or not like.throughput_qps:
            return None
        return calls / self.calls * self._heavier(like) / like.throughput_qps

    def _alone_seconds(self) -> float | None:
        """Seconds of a query that is sent alone."""
        if self.here:
            return self.foreseen.latency.p50 / 1000 if self.foreseen.latency else None
        like = self._like()
        return like.latency.p50 / 1000 * self._heavier(like) if like and like.latency else None

    def _like(self) -> Row | None:
        timed = [row for row in self.model.earlier if row.uses_model and row.throughput_qps and row.prompt_tokens]
        return min(timed, key=lambda row: abs(math.log(self._heavier(row))), default=None)

    def _heavier(self, row: Row) -> float:
        """How many times the work of a recorded row's query one of these is.

        What prompts have in common is taken to be read once. Of a model elsewhere it is what is written, since reading
        hardly takes time there.
        """
        shared = self.load.shared / (self.load.calls - self.load.asked)
        read = max(0.0, self._read - (self.calls - self.load.asked) * shared)
        own = self._work(read, self._written + self.calls * _thought(self.model))
        uncached = (row.prompt_tokens or 0.0) - row.cached_tokens
        other = self._work(uncached, (row.completion_tokens or 0.0) + row.reasoning_tokens)
        return own / other

    def _work(self, read: float, written: float) -> float:
        elsewhere = self.model.facts.place == "network"
        return 1.0 + WRITING_SHARE * written + (0.0 if elsewhere else read)

    def _priced(self, asked: Planned, seconds: float | None, index: float) -> Planned:
        """The same with seconds, and with what it costs.

        Args:
            index: seconds of indexing documents, which are this machine's.
        """
        whole = both(seconds, index)
        here, hour, tokens = self.tariff.here, self.tariff.hour, self.tariff.tokens
        indexed = here.usd * index / 3600 if here else 0.0
        if tokens is not None:
            return replace(asked, seconds=whole, usd=tokens.usd(asked.tokens) + indexed)
        if hour is None or seconds is None:
            return replace(asked, seconds=whole, usd=0.0 if whole == 0 else None)
        return replace(asked, seconds=whole, usd=hour.usd * seconds / 3600 + indexed)


def told_by(facts: ModelFacts) -> str:
    """How labels are taken to be told, which for a model elsewhere is found out by asking it."""
    return facts.labels_by or ("constraint" if facts.reasoning and facts.place != "process" else "likelihood")


def calls_a_prompt(model: ModelOutlook, task: Outline) -> float:
    """Calls by which a label is told: on a server of one's own one for each token where labels part."""
    if model.facts.place != "machine" or told_by(model.facts) != "likelihood":
        return 1.0
    nodes = _nodes(task.labels if isinstance(task.labels, tuple) else ())
    return float(nodes if nodes <= MOST_NODES else 1)  # beyond, they are told in one


def _nodes(labels: tuple[str, ...]) -> int:
    """The beginnings behind which labels part or go on, taking words for tokens.

    Where one label begins another, all are closed as well.
    """
    rows = [tuple(_WORD.findall(label)) for label in labels]
    starts = {row[:end] for row in rows for end in range(len(row))}
    nested = any(row in starts for row in rows)
    return max(1, len(starts) + (len(rows) if nested else 0))


def _thought(model: ModelOutlook) -> float:
    """Tokens of thought before an answer."""
    if not model.facts.reasoning:
        return 0.0
    known = [row.reasoning_tokens for row in model.earlier if row.reasoning_tokens]
    return sum(known) / len(known) if known else THOUGHT


def _between(less: Planned, more: Planned) -> Planned:
    """The geometric mean of two amounts, which is as many times off either."""
    calls, prompt, written = (
        math.sqrt(a * b)
        for a, b in (
            (less.calls, more.calls),
            (less.tokens.prompt, more.tokens.prompt),
            (less.tokens.completion, more.tokens.completion),
        )
    )
    return replace(less, calls=calls, tokens=PaidTokens(prompt, 0.0, written, less.tokens.reasoning, calls))


def _assumed(model: ModelOutlook, task: Outline) -> Iterator[str]:
    """What a plan for this model rests on."""
    facts, name = model.facts, model.alias
    if facts.place == "process":
        if model.rates == Rates():
            yield f"{name}: its seconds cannot be told by a probe here."
        else:
            yield f"{name}: seconds are foreseen from a short probe on this machine."
        return
    yield f"{name}: tokens are estimated from bytes, and no prompt is taken to be cached."
    if task.kind == "classification" and told_by(facts) == "likelihood":
        calls = calls_a_prompt(model, task)
        yield (
            f"{name}: how labels are told there is found out by asking; taken are likelihoods, by "
            f"{calls:,.0f} call{'' if calls == 1 else 's'} a prompt, tried on up to {TRIAL_EXAMPLES} labelled examples "
            "first."
        )
    if facts.reasoning and _thought(model) == THOUGHT:
        yield f"{name}: its thought is taken to be {THOUGHT} tokens an answer, since none was measured."
    if any(row.throughput_qps and row.uses_model for row in model.earlier):
        yield f"{name}: seconds are those of the recorded row that is most like each."
    else:
        yield f"{name}: how long it takes cannot be told before it was asked."
