"""The whole comparison (zero-shot, few-shot, rag and lora), against scripts glued from the stock libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

import advisor
from advisor.approaches.answering import decoding_for
from advisor.measure.metrics import aggregate, scores
from advisor.models.engine import LocalModel
from advisor.tasks import Task, load_task
from benchmarks.speed.harness import Job, Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, peer_model, weights_facts
from benchmarks.speed.options import Options, Role
from benchmarks.speed.record import Gate, Record
from benchmarks.speed.script import B0, B1, Care, Found, Script, Training, with_dev
from finetune import Lora, adapter

EPOCHS, BATCH = 2, 8
DEV = 20
FEW = 16  # of train; a quarter of test and dev
ERRORS = 2.0  # standard errors of a paired difference that may be chance
CASES: tuple[tuple[Role, float, float], ...] = (("short labels", 5.0, 2.5), ("questions", 3.0, 1.8))
NOTE = (
    "same prompts, shots, chunks, weights, number format, hyper-parameters and training examples; models loaded "
    "before; Advisor also chooses how labels are read, looks at {dev} held-out examples after each epoch and keeps "
    "records"
)


@dataclass(frozen=True)
class Answers:
    """By approach, the answers in the order of the test examples."""

    texts: dict[str, list[str]]


def run(options: Options, record: Record) -> None:
    """One task with labels, one with documents."""
    measure(options, record, (B0, B1))


def measure(options: Options, record: Record, cares: Sequence[Care]) -> None:
    """Advisor and the scripts in turn."""
    model = advisor_model(options, native_dtype())
    record.note(model=weights_facts(model), epochs=EPOCHS, batch=BATCH)
    for role, *goals in CASES:
        task = small_task(load_task(options.task_folder(role)), options)
        sizes = {
            "train": len(task.train),
            "dev": len(task.dev),
            "test": len(task.test),
            "documents": len(task.documents),
        }
        cap = decoding_for(task, model).max_tokens
        record.note(**{role: {"task": task.name, "metric": task.metric, **sizes, "longest_answer": cap}})
        peers = [
            Peer(
                Side(care.name, _script(options, care, task, model)),
                goal,
                gate(task, options.smoke),
                NOTE.format(dev=len(task.dev)),
            )
            for care, goal in zip(cares, goals, strict=False)
        ]
        compare(f"whole comparison, {role}: {task.name}", Side("advisor", _own(options, task)), peers, options, record)


def small_task(task: Task, options: Options) -> Task:
    """The sizes asked for, with a dev split."""
    train, test = (FEW, FEW // 4) if options.smoke else (options.train, options.test)
    small = advisor.subset(task, limit=test, train_limit=train)
    return with_dev(task, small, FEW // 4 if options.smoke else DEV)


def gate(task: Task, smoke: bool) -> Callable[[Answers, Found], Gate]:
    """Whether Advisor's scores are no worse by more than chance, on the mean over the approaches and for each.

    The sides train in another order, so that their adapters differ by chance. Of a random model's answers to a few
    questions in a smoke run nothing can be told.
    """
    accepted = [example.answers for example in task.test]

    def judge(mine: Answers, found: Found) -> Gate:
        seen: dict[str, Any] = {}
        apart = []
        for approach, theirs in found.texts.items():
            own = mine.texts[approach]
            apart.append(scores(task.metric, own, accepted) - scores(task.metric, theirs, accepted))
            values = [aggregate(task.metric, texts, accepted) for texts in (own, theirs)]
            seen[approach] = {"advisor": values[0], "script": values[1], "standard_error": _error(apart[-1])}
        over_all = np.mean(apart, axis=0)
        holds = bool(over_all.mean() >= -_error(over_all))
        holds &= all(bool(row.mean() >= -ERRORS * _error(row)) for row in apart)
        means = [mean(row[side] for row in seen.values()) for side in ("advisor", "script")]
        what = f"mean score no lower than by its standard error, no approach's by more than {ERRORS:g} of its own"
        facts = {"mean": means, "standard_error": _error(over_all), "trained_tokens": found.trained_tokens, **seen}
        return Gate(what, None if smoke else holds, facts)

    return judge


def _error(apart: NDArray[np.float64]) -> float:
    """Standard error of the mean of paired differences."""
    return float(apart.std(ddof=1) / sqrt(len(apart)))


def _own(options: Options, task: Task) -> Callable[[], Any]:
    approaches = ["zero-shot", "few-shot", "rag", f"lora:epochs={EPOCHS},batch={BATCH}"]

    @contextmanager
    def session() -> Iterator[Job]:
        model = advisor_model(options, native_dtype())  # a new one: nothing that an earlier pair left behind helps
        with tempfile.TemporaryDirectory() as folder:
            yield lambda: _compared(task, model, approaches, Path(folder))

    return session


def _compared(task: Task, model: LocalModel, approaches: Sequence[str], folder: Path) -> Answers:
    comparison = advisor.compare(task, model, approaches, out=folder)
    order = {example.id: place for place, example in enumerate(task.test)}
    texts = {}
    for run in comparison.runs:
        if run.status != "ok":
            raise RuntimeError(f"{run.spec}: {run.status}: {run.error}")
        rows = sorted(run.predictions, key=lambda p: order[p.id])
        texts[run.spec.split(":")[0]] = [row.text for row in rows]
    return Answers(texts)


def _script(options: Options, care: Care, task: Task, model: LocalModel) -> Callable[[], Any]:
    lora = Lora()
    config = adapter.configuration(lora.rank, lora.alpha, lora.dropout)
    training = Training(config, lora.lr, EPOCHS, BATCH)

    @contextmanager
    def session() -> Iterator[Job]:
        script = Script(care, task, model, peer_model(options, native_dtype()))
        yield lambda: script.run(training)

    return session
