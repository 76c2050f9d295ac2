"""An observer that counts for Prometheus. One home of prometheus_client.

Names are those of vLLM's server, behind `advisor_` in place of `vllm:`, wherever it counts the same thing: Prometheus
keeps colons for recording rules, and its `promtool check metrics` refuses them elsewhere. Every label has a bounded
number of values, and none holds a text besides the task's labels.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from advisor.deploy.serving.app import ANSWER, CHAT, EMBEDDINGS, EXTRA, WHAT
from advisor.deploy.serving.observer import Answered, Refusal
from advisor.deploy.watching.drift import WINDOW, DriftWindow
from advisor.deploy.watching.reference import OTHER, QUANTITIES, MeasuredRow
from advisor.extras import needed
from advisor.verdict.prices import Tariff
from advisor.version import VERSION

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

PREFIX = "advisor_"
ROUTES = (CHAT, EMBEDDINGS, ANSWER, OTHER)
REASONS = (*get_args(Refusal), OTHER)
FAILURES = ("timeout", "cancelled", "error", "no_answer", OTHER)
_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0),
)
_TOKENS = tuple(float(m * 10**e) for e in range(6) for m in (1, 2, 5))
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_COUNTERS: Mapping[str, tuple[str, Mapping[str, Sequence[str]]]] = {  # labels with the values that they may have
    "requests_received": ("Requests accepted into the queue.", {"route": ROUTES}),
    "requests_refused": ("Requests turned away before they were in the queue.", {"reason": REASONS}),
    "request_success": ("Requests answered.", {"route": ROUTES}),
    "request_failures": ("Accepted requests that ended without an answer.", {"kind": FAILURES}),
    "prompt_tokens": ("Tokens of prompts, those found in a cache among them.", {}),
    "generation_tokens": ("Tokens written.", {}),
    "prefix_cache_hits": ("Tokens of prompts that were found in a cache.", {}),
    "abstentions": ("Answers saying that the documents do not tell.", {}),
}
_GAUGES = {
    "num_requests_waiting": "Requests waiting.",
    "num_requests_running": "Requests being answered.",
    "documents": "Documents since they were last changed.",
    "document_pieces": "Pieces that these were cut into.",
}
_TIMES = {
    "e2e_request_latency_seconds": "Seconds from acceptance to the end of the answer.",
    "time_to_first_token_seconds": "Seconds from acceptance to the first token that could be sent.",
    "request_queue_time_seconds": "Seconds that a request waited for its batch.",
    "request_inference_time_seconds": "Seconds from the start of its batch to the end of the answer.",
}
_SIZES = {
    "request_prompt_tokens": "Tokens of a prompt.",
    "request_generation_tokens": "Tokens of an answer.",
}


class PrometheusObserver:
    """Counts what a server tells, in a registry of its own.

    Args:
        row: as it was measured.
        tariff: what its work is paid by. Tokens cost what each answer says, and a machine as long as it serves, busy or
            not. What has no known price is not exported.
        window: answers that are held against the measured ones.

    Raises:
        UserError: prometheus-client is not installed.
    """

    def __init__(self, row: MeasuredRow, tariff: Tariff, window: int = WINDOW) -> None:
        with needed(WHAT, EXTRA):
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, Summary
        self.row = row
        self.registry: CollectorRegistry = CollectorRegistry()
        own = self.registry
        labels = {"answers": ("Answers by label.", {"label": (*row.labels, OTHER)})} if row.labels else {}
        table = {**_COUNTERS, **labels}
        self._counters = {name: Counter(PREFIX + name, said, [*of], registry=own) for name, (said, of) in table.items()}
        for name, (_, of) in table.items():  # a series that begins with its first event would hide it from rate()
            for label, values in of.items():
                for value in values:
                    self._counters[name].labels(**{label: value})
        self._gauges = {name: Gauge(PREFIX + name, said, registry=own) for name, said in _GAUGES.items()}
        buckets: dict[str, tuple[str, Sequence[float]]] = {
            **{name: (said, _edges(row)) for name, said in _TIMES.items()},
            **{name: (said, _TOKENS) for name, said in _SIZES.items()},
            "answer_confidence": ("Probability of the answer among the labels.", _SHARES),
            "retrieval_score": ("Score of the best passage that was found.", row.score_bounds or _SHARES),
        }
        self._histograms = {
            name: Histogram(PREFIX + name, said, buckets=edges, registry=own) for name, (said, edges) in buckets.items()
        }
        self._indexing = Summary(PREFIX + "document_indexing_seconds", "Changes of the documents.", registry=own)
        ProcessCollector(registry=self.registry)
        self._computed = _Computed(row, tariff, window)
        self.registry.register(self._computed)

    def ready_when(self, ready: Callable[[], bool]) -> None:
        """Export whether the server takes requests, as this tells it."""
        self._computed.ready = ready

    def received(self, route: str) -> None:
        """A request was accepted into the queue."""
        self._counters["requests_received"].labels(route=_one_of(ROUTES, route)).inc()

    def refused(self, reason: Refusal) -> None:
        """A request was turned away."""
        self._counters["requests_refused"].labels(reason=_one_of(REASONS, reason)).inc()

    def waiting(self, requests: int, running: int) -> None:
        """So many wait, and so many are being answered."""
        self._gauges["num_requests_waiting"].set(requests)
        self._gauges["num_requests_running"].set(running)

    def first_token(self, seconds: float) -> None:
        """The first token of an answer is there."""
        self._histograms["time_to_first_token_seconds"].observe(seconds)

    def answered(self, answer: Answered) -> None:
        """One answer is there, or it is known that there is none."""
        self._measure(answer)
        if answer.failure:
            self.failed("no_answer")
            return
        self._counters["request_success"].labels(route=_one_of(ROUTES, answer.route)).inc()
        if not answer.input_words:
            return  # no query of the task was answered: an embedding, a conversation that is gone on with
        if self.row.labels:
            label = _one_of(self.row.labels, answer.label)
            self._counters["answers"].labels(label=label).inc()
        if answer.confidence is not None:
            self._histograms["answer_confidence"].observe(answer.confidence)
        if answer.retrieval_scores:
            self._histograms["retrieval_score"].observe(answer.retrieval_scores[0])
        if answer.abstained:
            self._counters["abstentions"].inc()
        self._computed.window.add(answer)

    def _measure(self, answer: Answered) -> None:
        """What it took, whatever became of it."""
        times = self._histograms
        times["e2e_request_latency_seconds"].observe(answer.seconds)
        times["request_queue_time_seconds"].observe(answer.queue_seconds)
        times["request_inference_time_seconds"].observe(max(0.0, answer.seconds - answer.queue_seconds))
        times["request_prompt_tokens"].observe(answer.prompt_tokens)
        times["request_generation_tokens"].observe(answer.completion_tokens)
        self._counters["prompt_tokens"].inc(answer.prompt_tokens)
        self._counters["generation_tokens"].inc(answer.completion_tokens)
        self._counters["prefix_cache_hits"].inc(answer.cached_tokens)
        if answer.dollars is not None:
            self._computed.spend(answer.dollars)

    def failed(self, kind: str) -> None:
        """An accepted request ends without an answer."""
        self._counters["request_failures"].labels(kind=_one_of(FAILURES, kind)).inc()

    def documents_changed(self, documents: int, chunks: int, seconds: float) -> None:
        """The documents are others now."""
        self._gauges["documents"].set(documents)
        self._gauges["document_pieces"].set(chunks)
        self._indexing.observe(seconds)

    def exposed(self) -> tuple[str, bytes]:
        """Content type and body of `GET /metrics`."""
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self.registry)


class _Computed:
    """Gauges that are computed when they are asked for: what drifts, what was measured, what is paid."""

    def __init__(self, row: MeasuredRow, tariff: Tariff, window: int) -> None:
        self.row = row
        self.window = DriftWindow(row, window)
        self.ready: Callable[[], bool] | None = None
        self._hour = tariff.hour.usd if tariff.hour else None
        self._tokens = 0.0 if tariff.tokens else None
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def spend(self, dollars: float) -> None:
        """Tokens were paid."""
        with self._lock:
            self._tokens = (self._tokens or 0.0) + dollars

    def collect(self) -> Iterator[Metric]:
        """As the registry asks for it."""
        yield self._build()
        if self.ready is not None:
            yield _gauge("ready", "Whether requests are taken.", (), {(): float(self.ready())})
        yield from self._paid()
        yield from self._measured()
        yield from self._drift()

    def _build(self) -> Metric:
        named = {"version": VERSION, "spec": self.row.spec, "model": self.row.model, "run_key": self.row.key}
        return _gauge("build_info", "What is served.", tuple(named), {tuple(named.values()): 1.0})

    def _paid(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        hours = (time.monotonic() - self._began) / 3600
        with self._lock:
            spent = {"tokens": self._tokens, "machine": None if self._hour is None else self._hour * hours}
        if any(usd is not None for usd in spent.values()):
            family = CounterMetricFamily(PREFIX + "cost_usd", "US dollars by the price list.", labels=["paid_by"])
            for paid_by, usd in spent.items():
                if usd is not None:
                    family.add_metric([paid_by], usd)
            yield family

    def _measured(self) -> Iterator[Metric]:
        row = self.row
        yield _gauge("reference_answers", "Answers of the test set that are held against.", (), {(): row.answers})
        alone = {("50",): row.p50, ("95",): row.p95}
        yield _gauge("reference_latency_seconds", "Latency of requests sent alone.", ("percentile",), _known(alone))
        first = {("50",): row.ttft_p50}
        yield _gauge("reference_time_to_first_token_seconds", "The same, first token.", ("percentile",), _known(first))
        means = {(name,): moments.mean for name, moments in row.moments.items()}
        yield _gauge("reference_mean", "Mean on the test set.", ("quantity",), means)
        if row.mix:
            mix = {(label,): share for label, share in row.mix.items()}
            yield _gauge("reference_answer_share", "Share of the test set's answers.", ("label",), mix)

    def _drift(self) -> Iterator[Metric]:
        now = self.window.drift()
        yield _gauge("drift_window_size", "Answers that the window holds when full.", (), {(): self.window.size})
        yield _gauge("drift_window_answers", "Answers in the window.", (), {(): now.answers})
        means = {(name,): mean for name, mean in now.means.items() if name in QUANTITIES}
        yield _gauge("drift_mean", "Mean in the window.", ("quantity",), means)
        differences = {(name,): value for name, value in now.differences.items()}
        said = "Mean in the window less that of the test set, in standard deviations of the test set."
        yield _gauge("drift_standardised_difference", said, ("quantity",), differences)
        if self.row.mix:
            mix = {(label,): share for label, share in now.shares.items()}
            yield _gauge("drift_answer_share", "Share of the window's answers.", ("label",), mix)
            said = "Total variation distance of the window's mix of answers to the test set's."
            yield _gauge("drift_answer_mix_distance", said, (), _known({(): now.distance}))


def _gauge(name: str, said: str, labels: Sequence[str], values: Mapping[Any, float]) -> Metric:
    """A gauge with these values by those of its labels."""
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, said, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def _known(values: Mapping[Any, float | None]) -> dict[Any, float]:
    """Those that are known."""
    return {of: value for of, value in values.items() if value is not None}


def _one_of(known: Sequence[str], value: str) -> str:
    return value if value in known else OTHER


def _edges(row: MeasuredRow) -> tuple[float, ...]:
    """Bounds of latencies, with what is too slow among them, so that whether a percentile is beyond that is exact."""
    return tuple(sorted({*_SECONDS, *(edge for edge in (row.slow,) if edge)}))
