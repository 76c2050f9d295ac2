"""Foresight of an approach's tokens, seconds and memory before it is run, each extrapolated from stated facts.

Tokens follow from what the approach says of itself (`advisor.approaches.Load`), seconds from how fast the model proved
to be in a probe, memory from its size. How far off that is on comparisons that were measured:
benchmarks/results/foresight.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from advisor.approaches import Approach, Lengths, Load
from advisor.approaches.workload import TAIL, TOKENS_A_WORD
from advisor.measuring.records import ModelFacts
from advisor.pilot.readings import Rates
from advisor.tasks import Outline
from advisor.verdict import LatencySummary
from advisor.verdict.costs import Quantities
from advisor.verdict.token_prices import PaidTokens

FACTOR = 2.0
"""A figure is to be taken as right within this factor, up or down; on the measured comparisons, nine in ten are."""
PROMPT_FACTOR = 1.25  # the same for the tokens of prompts, which the texts tell
TRAINING_SHARE = 3.0  # how much longer training on a token lasts than reading it, where it was not timed
WRITING_SHARE = 4.0  # the same for writing one among many answers
EMBEDDING_SHARE = 0.2  # the same for embedding a word
PASS_TOKENS = 16  # reading so many tokens takes as long as fetching the weights does, where that was not timed
LOOK_UP_SECONDS = 0.008  # an embedder's own time for a text that comes alone
INSTANT = 1e-5  # seconds of an answer for which nothing is read and nothing embedded
PROCESS = 0.55e9  # bytes of the Python process and its libraries
WORKING = 0.5e9  # bytes that reading and generating in batches take
ACTIVATIONS = 3.5e6  # bytes a token of a training step of a model of `SIZE` weights in float32
SIZE, GROWTH = 1.35e8, 0.6
"""Layers times width, by which activations go, grows about with this power of the number of weights."""
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Range:
    """The likely range of an extrapolated figure, and what it rests on."""

    low: float
    high: float
    basis: str


@dataclass(frozen=True, slots=True)
class Work:
    """The work of an approach in equivalent prompt tokens."""

    to_fit: float
    to_index: float
    per_query: float

    @classmethod
    def of(cls, load: Load) -> Work:
        """Convert an approach's load into work."""
        answering = load.read + WRITING_SHARE * load.written
        trained, tried = TRAINING_SHARE * load.trained_on, load.tried * answering + WRITING_SHARE * load.tried_written
        return cls(
            to_fit=trained + tried + EMBEDDING_SHARE * load.embedded_to_fit,
            to_index=EMBEDDING_SHARE * load.indexed,
            per_query=answering + EMBEDDING_SHARE * load.embedded,
        )


@dataclass(frozen=True)
class Foreseen:
    """The foreseen figures of one approach. A figure is None where no rate was measured or the approach does not state
    its load.

    Attributes:
        prompt_tokens, completion_tokens: means per query.
        throughput_qps: queries a second in batches.
        memory_bytes: peak memory while it is fitted or answers.
        trained: whether parameters are trained.
        work: the work, a stand-in for costs where no rate and no price is known.
        ranges: the likely range of each known figure, by its name in the JSON report.
        fit_tokens: of what the model is asked while it is fitted.
    """

    prompt_tokens: float | None
    completion_tokens: float | None
    latency: LatencySummary | None
    throughput_qps: float | None
    fit_seconds: float | None
    index_seconds: float | None
    memory_bytes: int | None
    trained: bool
    work: Work | None
    ranges: dict[str, Range] = field(default_factory=dict)
    fit_tokens: PaidTokens | None = None

    @property
    def quantities(self) -> Quantities:
        """The quantities that costs follow from."""
        known, written = self.prompt_tokens is not None, self.completion_tokens or 0.0
        query = PaidTokens(self.prompt_tokens or 0.0, 0.0, written) if known else None
        return Quantities(
            self.fit_seconds, self.index_seconds, self.throughput_qps, self.trained, query=query, fit=self.fit_tokens
        )


_UNKNOWN = Foreseen(None, None, None, None, None, None, None, False, None)


def load_of(approach: Approach, task: Outline, lengths: Lengths, model: ModelFacts | None) -> Load | None:
    """What an approach says that it takes; unknown where it fails at that, as one that looks into texts does.

    Args:
        model: the one that is asked, to whose context window prompts are cut; one that reads every prompt in full has
            nothing of it in common with others.
    """
    try:
        load: Load | None = approach.load(task, lengths)
    except Exception:  # noqa: BLE001 - another package's, written for another version or for a task with texts
        return None
    if load is None or model is None:
        return load
    load = load.within(model.context_window or 0)
    return load if model.reads_once else replace(load, shared=0.0)


def foresee(approach: Approach, task: Outline, lengths: Lengths, rates: Rates, model: ModelFacts | None) -> Foreseen:
    """Foresee tokens from the approach's stated load, and seconds from the rates probed on this machine."""
    load = load_of(approach, task, lengths, model)
    if load is None:
        return replace(_UNKNOWN, trained=approach.trains_model)
    each = _seconds(load, rates)
    return _ranged(
        Foreseen(
            prompt_tokens=load.prompt,
            completion_tokens=load.written,
            latency=_latency(load, lengths, rates) if load.prompt else _embedding_alone(load, rates),
            throughput_qps=_inverse(each),
            fit_seconds=_sum(
                _over(load.embedded_to_fit, rates.embed),
                _over(load.trained_on, _training_rate(rates)),
                _over(load.tried, _inverse(each)),
                _over(load.tried_written, rates.decode),
            ),
            index_seconds=_over(load.indexed, rates.embed) if load.indexed else None,
            memory_bytes=_memory(model, load, len(task.test)),
            trained=load.trains,
            work=Work.of(load),
            fit_tokens=PaidTokens(load.prompt, 0.0, load.written).times(load.tried),
        ),
        lengths,
    )


def _seconds(load: Load, rates: Rates) -> float | None:
    """Seconds per query in a batch of many."""
    parts = (
        _over(load.read, rates.prefill or rates.prefill_alone),
        _over(load.written, rates.decode),
        _over(load.embedded, rates.embed),
    )
    found = _sum(*parts)
    return found if found is None else max(found, INSTANT)


def _training_rate(rates: Rates) -> float | None:
    """Tokens of training examples per second."""
    return rates.train or (rates.prefill / TRAINING_SHARE if rates.prefill else None)


def _looking_up(load: Load, rates: Rates) -> float | None:
    """Seconds for embedding a query sent alone."""
    embedding = _over(load.embedded, rates.embed)
    return embedding if embedding is None else embedding + LOOK_UP_SECONDS * bool(load.embedded)


def _embedding_alone(load: Load, rates: Rates) -> LatencySummary | None:
    """The latency of one request where no language model runs."""
    seconds = _looking_up(load, rates)
    if seconds is None:
        return None
    alone = 1000 * max(seconds, INSTANT)
    return LatencySummary(alone, alone, alone, 0)


def _latency(load: Load, lengths: Lengths, rates: Rates) -> LatencySummary | None:
    """The latency of one request: read the weights, read its own prompt tokens, then decode the answer."""
    reading = rates.prefill or rates.prefill_alone
    if reading is None:
        return None
    once = _pass(lengths, rates, reading)
    each = 1 / rates.decode_alone if rates.decode_alone else once
    looking_up = _looking_up(load, rates) or LOOK_UP_SECONDS * bool(load.embedded)

    def seconds(longer: float, written: float) -> tuple[float, float]:
        first = looking_up + once + (load.read + longer) / reading
        return first, first + written * each

    stretch = load.written / lengths.answer if lengths.answer else 0.0
    first, whole = seconds(0.0, load.written)
    _, slow = seconds(_long(lengths.inputs) - lengths.input, stretch * _long(lengths.answers))
    return LatencySummary(1000 * whole, 1000 * max(slow, whole), 1000 * first, 0)


def _pass(lengths: Lengths, rates: Rates, reading: float) -> float:
    """Seconds of one forward pass over the weights, however few tokens it reads: the extra time of a prompt alone over
    the same tokens in a batch, or one decoding step.
    """
    if rates.decode_alone:
        return 1 / rates.decode_alone
    least = PASS_TOKENS / reading
    if rates.prefill_alone is None:
        return least
    whole = lengths.stem + lengths.input + TAIL
    return max(least, whole / rates.prefill_alone - whole / reading)


def _memory(model: ModelFacts | None, load: Load, queries: int) -> int | None:
    """Peak bytes, in a training step or while `queries` are answered together with their key-value caches."""
    if model is None or not model.parameters:
        return None
    size = _BYTES.get(model.dtype, 4)
    process = PROCESS if model.device.startswith("cpu") else 0.0
    weights = model.parameters * size
    arranged = weights if process and model.dtype == "bfloat16" else 0  # kept in the order of multiplying as well
    working = WORKING
    kept = load.read + load.written if load.written else 0.0
    if model.token_bytes and model.rows_at_once and model.tokens_at_once:
        working += model.token_bytes * min(kept * min(queries, model.rows_at_once), model.tokens_at_once)
    if load.step:
        activations = ACTIVATIONS * (model.parameters / SIZE) ** GROWTH * size / 4
        working = max(working, load.step * activations)
        weights *= 2  # the originals are kept beside those that the adapter was added to
    return int(process + weights + arranged + working)


def _ranged(found: Foreseen, lengths: Lengths) -> Foreseen:
    """Add the likely ranges of the known figures."""
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


def _long(some: Sequence[int]) -> float:
    """The 95th percentile."""
    return float(np.percentile(some, 95)) if some else 0.0


def _over(amount: float, rate: float | None) -> float | None:
    """Seconds for an amount at a rate; no amount takes zero seconds even at an unknown rate."""
    if not amount:
        return 0.0
    return amount / rate if rate else None


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _inverse(seconds: float | None) -> float | None:
    return 1 / seconds if seconds else None
