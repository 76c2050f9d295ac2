"""What an approach will take before it is run: tokens, seconds, memory. All of it is extrapolated, and says from what.

Tokens follow from the task's texts, seconds from how fast the model proved to be in a probe, memory from its size.
How far off that is on comparisons that were measured: benchmarks/results/foresight.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from advisor.approaches import Adapted, Approach, Load
from advisor.approaches.answering import TRIAL_EXAMPLES
from advisor.measuring.records import ModelFacts
from advisor.pilot.readings import Rates
from advisor.tasks import Task
from advisor.tasks.words import count_words
from advisor.verdict import LatencySummary

FACTOR = 2.0
"""A figure is to be taken as right within this factor, up or down; on the measured comparisons, nine in ten are."""
PROMPT_FACTOR = 1.25  # the same for the tokens of prompts, which the texts tell
TOKENS_A_WORD = 1.35  # of English text, where no model counts them
STEM, TAIL, TURN = 8, 9, 12
"""Tokens of a chat template before the query, behind it, and around a worked example."""
RAMBLING = 1.5  # how much longer than a usual answer one of weights that were never trained on the task is
TRIED_AGAIN = 1.5
"""Times that prompts whose context follows the query are read, since each context is tried with an input that says
nothing as well: a CPU reads the context once for both, a GPU twice."""
TRAINING_SHARE = 3.0  # how much longer training on a token lasts than reading it, where it was not timed
WRITING_SHARE = 4.0  # the same for writing one among many answers
EMBEDDING_SHARE = 0.2  # the same for embedding a word
PASS_TOKENS = 16  # reading so many tokens takes as long as fetching the weights does, where that was not timed
LOOK_UP_SECONDS = 0.008  # an embedder's own time for a text that comes alone
PROGRAM = 0.55e9  # bytes of the program and its libraries
WORKING = 0.5e9  # bytes that reading and generating in batches take
ACTIVATIONS = 3.5e6  # bytes a token of a training step of a model of `SIZE` weights in float32
SIZE, GROWTH = 1.35e8, 0.6
"""Layers times width, by which activations go, grows about with this power of the number of weights."""
STEP, MOST_AT_ONCE = 8, 4_096  # rows and tokens of a training step at most
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_SAMPLE = 200  # texts whose tokens are counted


@dataclass(frozen=True)
class Lengths:
    """How long the parts of a prompt are, in tokens.

    Attributes:
        stem: what stands before the query: the instruction, with the labels where there are some.
        inputs, answers: one entry for each of up to 200 examples.
        labels: tokens that are read beside a prompt to compare all labels; 0 where answers are generated.
        a_word: tokens of a word.
        counted: whether a model counted them; else they were told from words.
    """

    stem: int
    inputs: tuple[int, ...]
    answers: tuple[int, ...]
    labels: int
    a_word: float
    counted: bool

    @classmethod
    def of(cls, task: Task, count: Callable[[str], int] | None) -> Lengths:
        """Of a task, counted by a model, or from words."""
        tell = count or (lambda text: math.ceil(TOKENS_A_WORD * count_words(text)))
        examples = (task.train or task.test)[:_SAMPLE]
        labels = [tell(label) for label in task.labels] if task.kind == "classification" else []
        inputs = tuple(tell(example.input) for example in examples)
        words = sum(count_words(example.input) for example in examples)
        return cls(
            stem=tell(task.instruction) + sum(labels) + len(labels) + STEM,
            inputs=inputs,
            answers=tuple(tell(example.target) for example in examples),
            labels=sum(length - 1 for length in labels),  # the last token of a label is only predicted
            a_word=sum(inputs) / words if words and sum(inputs) else TOKENS_A_WORD,
            counted=count is not None,
        )


@dataclass(frozen=True, slots=True)
class Range:
    """Between what an extrapolated figure is likely to lie, and what it rests on."""

    low: float
    high: float
    basis: str


@dataclass(frozen=True)
class Foreseen:
    """What one approach is expected to take; None where no rate is known to tell it from.

    Attributes:
        prompt_tokens, completion_tokens: means per query.
        throughput_qps: queries a second in batches.
        memory_bytes: at most, while it is fitted or answers.
        trained: whether the model's weights are.
        work_to_fit, work_to_index, work_per_query: what stands for costs where no rate and no price is known, in tokens
            that would take as long to read.
        ranges: of each figure that is known, by the names that the JSON report has for them.
    """

    prompt_tokens: float
    completion_tokens: float
    latency: LatencySummary | None
    throughput_qps: float | None
    fit_seconds: float | None
    index_seconds: float | None
    memory_bytes: int | None
    trained: bool
    work_to_fit: float
    work_to_index: float
    work_per_query: float
    ranges: dict[str, Range] = field(default_factory=dict)


def foresee(approach: Approach, task: Task, lengths: Lengths, rates: Rates, model: ModelFacts | None) -> Foreseen:
    """Work out tokens from the task's texts, and seconds from how fast this model proved to be on this machine."""
    if not isinstance(approach, Adapted):
        return _ranged(_without_model(approach, task, rates, model), lengths)
    query = _Query.of(approach, task, lengths)
    shots = approach.builder.load(task)
    return _ranged(
        Foreseen(
            prompt_tokens=lengths.stem + query.context + query.own,
            completion_tokens=query.written,
            latency=_latency(query, lengths, rates),
            throughput_qps=_inverse(query.seconds(rates)),
            fit_seconds=_sum(
                0.0 if shots.words else _over(shots.indexed, rates.embed),
                _training(approach, task, query, lengths, rates),
                _choosing(approach, task, query, rates),
            ),
            index_seconds=_over(shots.indexed, rates.embed) if shots.indexed and shots.words else None,
            memory_bytes=_memory(
                model,
                trained_on=_step_tokens(query, lengths) if approach.tuner else 0.0,
                kept=query.read + query.written if query.written else 0.0,
                queries=len(task.test),
            ),
            trained=approach.tuner is not None,
            work_to_fit=_work_to_fit(approach, task, query, lengths),
            work_to_index=EMBEDDING_SHARE * shots.indexed,
            work_per_query=query.read + WRITING_SHARE * query.written + EMBEDDING_SHARE * query.looked_up,
        ),
        lengths,
    )


@dataclass(frozen=True)
class _Query:
    """A usual query, in tokens.

    Attributes:
        own: of the query itself, the marks behind it included.
        context: of what stands beside it.
        fixed: whether that is the same for all queries, and read once.
        labels: read beside it to compare labels; where this is not 0, nothing is written.
        written: of the answer.
        looked_up: words that are embedded to find its context.
    """

    own: float
    context: float
    fixed: bool
    labels: int
    written: float
    looked_up: float

    @classmethod
    def of(cls, approach: Adapted, task: Task, lengths: Lengths) -> _Query:
        load: Load = approach.builder.load(task)
        own, answer = _mean(lengths.inputs), _mean(lengths.answers)
        context = load.examples * (own + answer + TURN) + load.words * lengths.a_word
        scored = task.kind == "classification"
        rambling = 1.0 if approach.tuner or load.examples else RAMBLING
        return cls(
            own=own + TAIL,
            context=context,
            fixed=load.fixed,
            labels=lengths.labels if scored else 0,
            written=0.0 if scored else rambling * answer,
            looked_up=own / lengths.a_word if load.indexed else 0.0,
        )

    @property
    def read(self) -> float:
        """Tokens that are read for this query alone."""
        return self.own + self.labels + (0.0 if self.fixed else self.context)

    def seconds(self, rates: Rates) -> float | None:
        """Of one query among many."""
        reading = _over(self.read, rates.prefill or rates.prefill_alone)
        return _sum(reading, _over(self.written, rates.decode), _over(self.looked_up, rates.embed))


def _without_model(approach: Approach, task: Task, rates: Rates, model: ModelFacts | None) -> Foreseen:
    """What embeds train and queries, or does not even that."""
    embeds = approach.name in ("nearest", "head")
    words = sum(count_words(example.input) for example in task.train)
    query = words / max(len(task.train), 1)
    seconds = _over(query, rates.embed) if embeds else 1e-5
    alone = seconds and 1000 * (seconds + LOOK_UP_SECONDS * embeds)
    return Foreseen(
        prompt_tokens=0.0,
        completion_tokens=0.0,
        latency=LatencySummary(alone, alone, alone, 0) if alone else None,
        throughput_qps=_inverse(seconds),
        fit_seconds=_over(words, rates.embed) if embeds else 0.0,
        index_seconds=None,
        memory_bytes=_memory(model),
        trained=approach.name == "head",
        work_to_fit=EMBEDDING_SHARE * words * embeds,
        work_to_index=0.0,
        work_per_query=EMBEDDING_SHARE * query * embeds,
    )


def _training(approach: Adapted, task: Task, query: _Query, lengths: Lengths, rates: Rates) -> float | None:
    """Seconds in which the weights are trained."""
    rate = rates.train or (rates.prefill / TRAINING_SHARE if rates.prefill else None)
    return _over(_trained_on(approach, task, query, lengths), rate)


def _trained_on(approach: Adapted, task: Task, query: _Query, lengths: Lengths) -> float:
    """Tokens of training, repetitions counted."""
    if approach.tuner is None:
        return 0.0
    own, shared = _row(query, lengths)
    return approach.tuner.reads(len(task.train), own, shared)


def _work_to_fit(approach: Adapted, task: Task, query: _Query, lengths: Lengths) -> float:
    return TRAINING_SHARE * _trained_on(approach, task, query, lengths) + query.read * _tried(approach, task, query)


def _choosing(approach: Adapted, task: Task, query: _Query, rates: Rates) -> float | None:
    """Seconds in which it is tried out how the labels are best compared."""
    tried, seconds = _tried(approach, task, query), query.seconds(rates)
    if not tried:
        return 0.0
    return None if seconds is None else tried * seconds


def _tried(approach: Adapted, task: Task, query: _Query) -> float:
    """Prompts by which that is tried out."""
    if task.kind != "classification":
        return 0
    again = 1.0 if query.fixed or approach.tuner else TRIED_AGAIN
    return again * min(TRIAL_EXAMPLES, len(task.dev or task.train))


def _row(query: _Query, lengths: Lengths) -> tuple[float, int]:
    """Tokens of a training row that are its own, and those that all rows have in common."""
    own = query.own + _mean(lengths.answers) + 1
    if query.fixed:
        return own, round(lengths.stem + query.context)
    return own + query.context, lengths.stem


def _step_tokens(query: _Query, lengths: Lengths) -> float:
    own, shared = _row(query, lengths)
    return min(MOST_AT_ONCE, STEP * own + shared)


def _latency(query: _Query, lengths: Lengths, rates: Rates) -> LatencySummary | None:
    """One request alone: the weights are fetched, what is its own is read, then the answer is written."""
    reading = rates.prefill or rates.prefill_alone
    if reading is None:
        return None
    once = _pass(query, lengths, rates, reading)
    each = 1 / rates.decode_alone if rates.decode_alone else once
    looking_up = (_over(query.looked_up, rates.embed) or 0.0) + LOOK_UP_SECONDS * bool(query.looked_up)

    def seconds(longer: float, written: float) -> tuple[float, float]:
        first = looking_up + once + (query.read + longer) / reading
        return first, first + written * each

    usual = _mean(lengths.answers)
    stretch = query.written / usual if usual else 0.0
    first, whole = seconds(0.0, query.written)
    _, slow = seconds(_long(lengths.inputs) - _mean(lengths.inputs), stretch * _long(lengths.answers))
    return LatencySummary(1000 * whole, 1000 * max(slow, whole), 1000 * first, 0)


def _pass(query: _Query, lengths: Lengths, rates: Rates, reading: float) -> float:
    """Seconds of a pass over the weights, however little is read in it: what a prompt alone took longer than the same
    tokens among many, or a step of writing."""
    if rates.decode_alone:
        return 1 / rates.decode_alone
    least = PASS_TOKENS / reading
    if rates.prefill_alone is None:
        return least
    whole = lengths.stem + query.own
    return max(least, whole / rates.prefill_alone - whole / reading)


def _memory(model: ModelFacts | None, trained_on: float = 0.0, kept: float = 0.0, queries: int = 0) -> int | None:
    """Bytes at most; `trained_on` tokens in a step of training, `kept` of each query while its answer is written, 0
    where nothing is trained or written."""
    if model is None or not model.parameters:
        return None
    size = _BYTES.get(model.dtype, 4)
    program = PROGRAM if model.device.startswith("cpu") else 0.0
    weights = model.parameters * size
    arranged = weights if program and model.dtype == "bfloat16" else 0  # kept in the order of multiplying as well
    working = WORKING
    if model.token_bytes and model.rows_at_once and model.tokens_at_once:
        working += model.token_bytes * min(kept * min(queries, model.rows_at_once), model.tokens_at_once)
    if trained_on:
        activations = ACTIVATIONS * (model.parameters / SIZE) ** GROWTH * size / 4
        working = max(working, trained_on * activations)
        weights *= 2  # the originals are kept beside those that the adapter was added to
    return int(program + weights + arranged + working)


def _ranged(found: Foreseen, lengths: Lengths) -> Foreseen:
    """With the ranges of what is known."""
    counted = "counted in up to 200 examples" if lengths.counted else f"{TOKENS_A_WORD:g} tokens a word"
    rates = "from tokens and the rates of the probe"
    latency = found.latency
    known: dict[str, tuple[float | None, float, str]] = {
        "prompt_tokens": (found.prompt_tokens, PROMPT_FACTOR, counted),
        "completion_tokens": (found.completion_tokens, FACTOR, f"training answers, {counted}"),
        "p50_ms": (latency.p50 if latency else None, FACTOR, rates),
        "p95_ms": (latency.p95 if latency else None, FACTOR, rates),
        "throughput_qps": (found.throughput_qps, FACTOR, rates),
        "fit_seconds": (found.fit_seconds, FACTOR, rates),
        "index_seconds": (found.index_seconds, FACTOR, "words of the documents and the embedder's rate"),
        "memory_bytes": (found.memory_bytes, FACTOR, "the model's weights and the tokens of a training step"),
    }
    ranges = {
        name: Range(value / factor, value * factor, basis)
        for name, (value, factor, basis) in known.items()
        if value is not None
    }
    return replace(found, ranges=ranges)


def _mean(some: Sequence[int]) -> float:
    return float(np.mean(some)) if some else 0.0


def _long(some: Sequence[int]) -> float:
    """The 95th percentile."""
    return float(np.percentile(some, 95)) if some else 0.0


def _over(amount: float, rate: float | None) -> float | None:
    """Seconds; nothing takes none even where the rate is not known."""
    if not amount:
        return 0.0
    return amount / rate if rate else None


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _inverse(seconds: float | None) -> float | None:
    return 1 / seconds if seconds else None
