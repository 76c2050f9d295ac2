"""What an approach will take before it is run: tokens, seconds, memory. All of it is extrapolated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.advise.readings import Rates
from advisor.approaches import Adapted, Approach, Load
from advisor.decide import LatencySummary
from advisor.measure.records import ModelFacts
from advisor.tasks import Task

FACTOR = 2.0
"""Times and costs are to be taken as right within this factor, up or down: benchmarks/results/foresight.md."""
TOKENS_A_WORD = 1.35  # of English text, where no model counts them
RAMBLING = 2.0  # how much longer than a usual answer one of weights that never saw the task's answers is
LONGEST_TRIAL = 64  # training examples by which a way of reading labels is chosen
WORKING_MEMORY = 1.0e9  # bytes of the program and its libraries
TRAINING = 1.6  # times the weights' memory, for originals that are kept and what a step works on
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_SAMPLE = 200  # texts whose tokens are counted


@dataclass(frozen=True)
class Lengths:
    """How long the parts of a prompt are, in tokens.

    Attributes:
        instruction: with the labels, where there are some.
        inputs, answers: one entry for each of up to 200 examples.
        labels: of all labels together.
    """

    instruction: int
    inputs: tuple[int, ...]
    answers: tuple[int, ...]
    labels: int
    a_word: float

    @classmethod
    def of(cls, task: Task, count: Callable[[str], int] | None) -> Lengths:
        """Of a task, counted by a model, or from words."""
        tell = count or (lambda text: math.ceil(TOKENS_A_WORD * len(text.split())))
        examples = (task.train or task.test)[:_SAMPLE]
        labels = sum(tell(label) for label in task.labels) if task.kind == "classification" else 0
        inputs = tuple(tell(example.input) for example in examples)
        words = sum(len(example.input.split()) for example in examples)
        a_word = sum(inputs) / words if words and sum(inputs) else TOKENS_A_WORD
        answers = tuple(tell(example.target) for example in examples)
        return cls(tell(task.instruction) + labels, inputs, answers, labels, a_word)

    def usual(self, some: Sequence[int]) -> float:
        """Their mean."""
        return float(np.mean(some)) if some else 0.0

    def long(self, some: Sequence[int]) -> float:
        """Their 95th percentile."""
        return float(np.percentile(some, 95)) if some else 0.0


@dataclass(frozen=True)
class Foreseen:
    """What one approach is expected to take; None where no rate is known to tell it from.

    Attributes:
        prompt_tokens, completion_tokens: means per query.
        throughput_qps: queries a second in batches.
    """

    prompt_tokens: float
    completion_tokens: float
    latency: LatencySummary | None
    throughput_qps: float | None
    fit_seconds: float | None
    index_seconds: float | None
    memory_bytes: int | None
    trained: bool


def foresee(approach: Approach, task: Task, lengths: Lengths, rates: Rates, model: ModelFacts | None) -> Foreseen:
    """Work out tokens from the task's texts, and seconds from how fast this model proved to be on this machine."""
    if not isinstance(approach, Adapted):
        return _without_model(approach, task, rates)
    load = approach.builder.load(task)
    own, answer = lengths.usual(lengths.inputs), lengths.usual(lengths.answers)
    shots = load.examples * (own + answer)
    context = shots + load.words * lengths.a_word
    fresh = own + (0.0 if load.fixed else context)
    scored = task.kind == "classification"
    completion = 0.0 if scored else answer * (1.0 if approach.tuner else RAMBLING)
    read = fresh + (lengths.labels if scored else 0)
    query = _sum(_over(read, rates.prefill), _over(completion, rates.decode), _looking_up(load, lengths, rates))
    fit = _training(approach, task, lengths, context, rates)
    if scored and query is not None and fit is not None:
        fit += query * min(LONGEST_TRIAL, len(task.train))
    return Foreseen(
        prompt_tokens=lengths.instruction + context + own,
        completion_tokens=completion,
        latency=_latency(lengths, fresh - own, completion, scored, rates),
        throughput_qps=1 / query if query else None,
        fit_seconds=fit,
        index_seconds=_over(load.indexed, rates.embed) if load.indexed and load.words else None,
        memory_bytes=_memory(model, approach.tuner is not None),
        trained=approach.tuner is not None,
    )


def _without_model(approach: Approach, task: Task, rates: Rates) -> Foreseen:
    """What embeds train and queries, or does not even that."""
    embeds = approach.name in ("nearest", "head")
    words = sum(len(example.input.split()) for example in task.train)
    query = words / max(len(task.train), 1)
    seconds = _over(query, rates.embed) if embeds else 1e-5
    alone = LatencySummary(1000 * seconds, 1000 * seconds, 1000 * seconds, 0) if seconds else None
    return Foreseen(
        prompt_tokens=0.0,
        completion_tokens=0.0,
        latency=alone,
        throughput_qps=1 / seconds if seconds else None,
        fit_seconds=_over(words, rates.embed) if embeds else 0.0,
        index_seconds=None,
        memory_bytes=int(WORKING_MEMORY),
        trained=approach.name == "head",
    )


def _training(approach: Adapted, task: Task, lengths: Lengths, context: float, rates: Rates) -> float | None:
    """Seconds of fitting, indexing apart."""
    if approach.tuner is None:
        return 0.0
    rate = rates.train or (rates.prefill / 3 if rates.prefill else None)
    own = lengths.usual(lengths.inputs) + lengths.usual(lengths.answers) + context
    passes = approach.tuner.passes(len(task.train), own, lengths.instruction)
    return _over(passes * len(task.train) * (own + lengths.instruction / 8), rate)


def _latency(lengths: Lengths, context: float, completion: float, scored: bool, rates: Rates) -> LatencySummary | None:
    """One request alone: what is its own is read, then the answer is written."""

    def seconds(own: float, answer: float) -> tuple[float, float] | None:
        read = _over(own + context + (lengths.labels if scored else 0), rates.prefill_alone)
        written = _over(answer, rates.decode_alone) if answer else 0.0
        return None if read is None or written is None else (read, read + written)

    usual = seconds(lengths.usual(lengths.inputs), completion)
    stretch = completion / max(lengths.usual(lengths.answers), 1e-9)
    slow = seconds(lengths.long(lengths.inputs), stretch * lengths.long(lengths.answers))
    if usual is None or slow is None:
        return None
    return LatencySummary(1000 * usual[1], 1000 * max(slow[1], usual[1]), 1000 * usual[0], 0)


def _looking_up(load: Load, lengths: Lengths, rates: Rates) -> float | None:
    """Embedding the query, where something is looked up by it."""
    return 0.0 if load.fixed else _over(lengths.usual(lengths.inputs) / lengths.a_word, rates.embed)


def _memory(model: ModelFacts | None, trains: bool) -> int | None:
    if model is None:
        return None
    weights = model.parameters * _BYTES.get(model.dtype, 4)
    return int(WORKING_MEMORY + weights * (1 + TRAINING * trains))


def _over(amount: float, rate: float | None) -> float | None:
    """Seconds; nothing takes none even where the rate is not known."""
    if not amount:
        return 0.0
    return amount / rate if rate else None


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
