"""One approach under the clock: fit, predict each test example once, then send some alone for latency."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from advisor.approaches import Approach, Prediction, Predictor, configuration
from advisor.approaches.progress import listening
from advisor.errors import NotApplicable, UserError
from advisor.measure import shelf
from advisor.measure.progress import Progress
from advisor.measure.records import LatencyRecord, Run, append, counted, read_run
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.models.store import wants_fresh
from advisor.tasks import Query, Task

WARM_UPS = 2
WARM_UP_SECONDS = 5.0  # after which the device is warm
LATENCY_SECONDS = 30.0  # after which fewer examples have to do, but not fewer than the next
FEWEST_LATENCIES = 5
OTHER = "other"  # what an approach does outside the spans of the rooms that it calls


@dataclass(frozen=True)
class Assignment:
    """One run to do: an approach by its spec, with a seed, recorded in `path`.

    Attributes:
        batch: test examples that are answered together.
        program, machine: what does it; recorded.
        key: digest of all that decides the run, by which it is shared with other comparisons; empty where it is not.
    """

    approach: Approach
    spec: str
    seed: int
    path: Path
    batch: int
    latency_examples: int
    program: str
    machine: str
    key: str

    @property
    def folder(self) -> Path:
        """Where the fitted predictor is kept, beside the record."""
        return self.path.with_suffix("")


def run(assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> str:
    """Do what of the run is not yet recorded; returns the outcome in words.

    An exception of the approach is recorded as its failure and does not end the comparison. A killed run goes
    on at the first batch that was not recorded, with the predictor that was fitted before. What another program
    recorded, or what was copied where all has to be measured, is as good as not there.
    """
    before = read_run(assignment.path)
    if before is not None and (before.program != assignment.program or (before.measured and wants_fresh())):
        before = None
    if before is not None and before.status == "ok":
        return "already done"
    reason = assignment.approach.unsuited(task)
    if reason:
        if before is None or before.status != "skipped":
            _open(assignment)
            append(assignment.path, {"type": "skipped", "error": reason})
        return f"skipped: {reason}"
    if not _goes_on(before) and (measured := shelf.take(assignment.key, assignment.path)):
        return f"reused, measured on {measured[:10]}"
    try:
        _Measurement(assignment, task, model, progress).go(before)
    except NotApplicable as error:
        append(assignment.path, {"type": "skipped", "error": str(error), **counted(clock.drain())})
        return f"skipped: {error}"
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - a failed approach is a row that says why; the others go on
        text = f"{type(error).__name__}: {error}".strip()
        line = {"type": "failed", "error": text, "traceback": traceback.format_exc()}
        append(assignment.path, line | counted(clock.drain()))
        return f"failed: {text}"
    shelf.put(assignment.key, assignment.path, assignment.machine)
    return "ok"


def _goes_on(before: Run | None) -> bool:
    """Whether a killed attempt left something fitted, which is worth more than a copy of another measurement."""
    if before is None or before.measured:
        return False
    return before.status == "interrupted" and before.fit_seconds is not None


class _Measurement:
    def __init__(self, assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> None:
        self.assignment = assignment
        self.approach = assignment.approach
        self.task = task
        self.model = model
        self.progress = progress

    def go(self, before: Run | None) -> None:
        """Fit or restore, predict what is missing, measure latency."""
        self.model.forget()
        clock.drain()  # what was counted until now is not of this run
        predictor = self._restored(before)
        done = before if predictor is not None else None
        if predictor is None or done is None:
            done, predictor = Run(self.assignment.spec, self.assignment.seed, "interrupted"), self._fit()
        try:
            self._predict(predictor, {p.id for p in done.predictions})
            self._time_alone(predictor, done.latencies)
        finally:
            predictor.close()
        memory = self.model.peak_memory_bytes()
        append(self.assignment.path, {"type": "finished", "peak_memory_bytes": memory, **counted(clock.drain())})

    def _fit(self) -> Predictor:
        _open(self.assignment)
        self.progress.step("fit", None)
        started = clock.now()
        with listening(self.progress), clock.span(OTHER):
            predictor = self.approach.fit(self.task.for_fitting(), self.model, self.assignment.seed)
        seconds = clock.now() - started
        _keep(predictor, self.assignment.folder)
        facts = asdict(predictor.facts)
        fit_seconds = seconds - (predictor.facts.index_seconds or 0.0)
        append(self.assignment.path, {"type": "fitted", "fit_seconds": fit_seconds, **facts, **counted(clock.drain())})
        return predictor

    def _restored(self, before: Run | None) -> Predictor | None:
        """What a killed attempt had fitted; None where there is nothing, or it cannot be read any more."""
        if not _goes_on(before):
            return None
        self.progress.step("restore", None)
        try:
            with clock.span(OTHER):
                return self.approach.restore(self.assignment.folder, self.task.for_fitting(), self.model)
        except Exception:  # noqa: BLE001 - deleted or damaged, whatever reading it raises: it is fitted anew
            return None

    def _queries(self) -> list[Query]:
        return [e.grounded if self.approach.control else e.query for e in self.task.test]

    def _predict(self, predictor: Predictor, done: set[str]) -> None:
        """Batches are the same whatever was done before, so that an answer cannot depend on an interruption."""
        self.progress.step("predict", len(self.task.test))
        for batch in _batches(self._queries(), self.assignment.batch):
            with self._telling(len(batch)):
                if batch[0].id not in done:
                    started = clock.now()
                    with clock.span(OTHER):
                        predictions = predictor.predict(batch)
                    seconds = clock.now() - started
                    _check(predictions, batch)
                    rows = [_record(p) for p in predictions]
                    line = {"type": "predictions", "seconds": seconds, "predictions": rows}
                    append(self.assignment.path, line | counted(clock.drain()))

    @contextmanager
    def _telling(self, examples: int) -> Iterator[None]:
        """So many examples are done meanwhile: told as the model answers them, the rest at the end."""
        left = examples

        def answered(more: int) -> None:
            nonlocal left
            more = min(more, left)
            left -= more
            self.progress.advance(more)

        before, clock.answered = clock.answered, answered
        try:
            yield
        finally:
            clock.answered = before
        self.progress.advance(left)

    def _time_alone(self, predictor: Predictor, before: Sequence[LatencyRecord]) -> None:
        queries = self._queries()
        count = min(self.assignment.latency_examples, len(queries))
        if not count:
            return
        done, spent = {r.id for r in before}, sum(r.seconds for r in before)
        chosen = [queries[i * len(queries) // count] for i in range(count)]
        self.progress.step("latency", count)
        started = clock.now()
        with clock.span(OTHER):
            for query in chosen[:WARM_UPS]:
                predictor.predict([query])
                if clock.now() - started > WARM_UP_SECONDS:
                    break
        for number, query in enumerate(chosen):
            if number >= FEWEST_LATENCIES and spent > LATENCY_SECONDS:
                break
            if query.id not in done:
                started = clock.now()
                with clock.span(OTHER):
                    prediction = predictor.predict([query])[0]
                seconds = clock.now() - started
                spent += seconds
                first = prediction.usage.ttft_seconds
                line = {
                    "id": query.id,
                    "ttft_seconds": seconds if first is None else first,
                    "seconds": seconds,
                    "completion_tokens": prediction.usage.completion_tokens,
                }
                append(self.assignment.path, {"type": "latency", **line, **counted(clock.drain())})
            self.progress.advance()


def _open(assignment: Assignment) -> None:
    """Begin an attempt."""
    approach = assignment.approach
    head = {
        "type": "run",
        "spec": assignment.spec,
        "seed": assignment.seed,
        "control": approach.control,
        "uses_model": approach.uses_model,
        "config": configuration(approach),
        "program": assignment.program,
        "machine": assignment.machine,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    append(assignment.path, head)


def _keep(predictor: Predictor, folder: Path) -> None:
    """Save whole or not at all: a folder that is there is complete."""
    work = folder.with_name(folder.name + ".saving")
    for leftover in (work, folder):
        if leftover.exists():
            shutil.rmtree(leftover)
    work.mkdir(parents=True)
    predictor.save(work)
    work.rename(folder)


def _batches(queries: Sequence[Query], size: int) -> list[list[Query]]:
    """Queries of similar length together, longest first."""
    order = sorted(queries, key=lambda q: (-len(q.input), q.id))
    return [order[i : i + size] for i in range(0, len(order), size)]


def _check(predictions: Sequence[Prediction], batch: Sequence[Query]) -> None:
    """Whether a predictor kept to its contract: an approach of another package may not."""
    if [p.id for p in predictions] != [q.id for q in batch]:
        raise ValueError(
            f"predict was given {len(batch)} queries and returned {len(predictions)} predictions, "
            "which are not one for each query in their order, by its id"
        )
    for prediction in predictions:
        kind = type(prediction.text)
        if kind is not str:
            raise TypeError(f"the prediction for {prediction.id!r} has a text of type {kind.__name__}, not str")


def _record(prediction: Prediction) -> dict[str, object]:
    usage = prediction.usage
    return {
        "id": prediction.id,
        "text": prediction.text,
        "evidence": list(prediction.evidence),
        "confidence": prediction.confidence,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "dropped": usage.dropped,
        "cut": usage.cut,
        "shown": usage.shown,
    }
