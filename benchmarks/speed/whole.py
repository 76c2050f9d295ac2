"""The whole comparison (zero-shot, few-shot, rag and lora), against scripts glued from the stock libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import advisor
from advisor.approaches.answering import decoding_for
from advisor.measuring.metrics import scores
from advisor.models.local.engine import LocalModel
from advisor.tasks import Task, load_task
from benchmarks.speed.compared import APPROACHES, BATCH, EPOCHS, small_task
from benchmarks.speed.gates import no_worse
from benchmarks.speed.harness import Job, Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, peer_model, weights_facts
from benchmarks.speed.options import Options, Role
from benchmarks.speed.record import Gate, Record
from benchmarks.speed.script import B0, B1, Care, Found, Script, Training
from finetune import Lora, adapter

GOALS: dict[Role, tuple[float, float]] = {"short labels": (5.0, 2.5), "questions": (3.0, 1.8)}
NOTE = (
    "same prompts, shots, chunks, weights, number format, hyper-parameters and training examples; models loaded "
    "before; Advisor also chooses how labels are read, looks at {dev} held-out examples after each epoch and keeps "
    "records"
)


@dataclass(frozen=True)
class Answers:
    """The answers by approach, in the order of the test examples."""

    texts: dict[str, list[str]]


def labels(options: Options, record: Record) -> None:
    """Time a task with labels."""
    measure(options, record, (B0, B1), ("short labels",))


def questions(options: Options, record: Record) -> None:
    """Time a task with documents."""
    measure(options, record, (B0, B1), ("questions",))


def measure(options: Options, record: Record, cares: Sequence[Care], roles: Sequence[Role] = tuple(GOALS)) -> None:
    """Time Advisor and the scripts in turn."""
    model = advisor_model(options, native_dtype())
    record.note(model=weights_facts(model), epochs=EPOCHS, batch=BATCH)
    for role in roles:
        whole = load_task(options.task_folder(role))
        tasks = [small_task(whole, options, pair) for pair in range(options.pairs)]
        task = tasks[0]
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
                Side(care.name, _script(options, care, tasks, model)),
                goal,
                gate(tasks, options.smoke),
                NOTE.format(dev=len(task.dev)),
            )
            for care, goal in zip(cares, GOALS[role], strict=False)
        ]
        compare(f"whole comparison, {role}: {task.name}", Side("advisor", _own(options, tasks)), peers, options, record)


def gate(tasks: Sequence[Task], smoke: bool) -> Callable[[Sequence[Answers], Sequence[Found]], Gate]:
    """Whether Advisor's scores are no worse; of a random model's answers in a smoke run nothing can be told.

    Args:
        tasks: of the pairs, in their order.
    """

    def judge(mine: Sequence[Answers], found: Sequence[Found]) -> Gate:
        sides = [
            {a: [_scores(task, one.texts[a]) for task, one in zip(tasks, side, strict=False)] for a in found[0].texts}
            for side in (mine, found)
        ]
        judged = no_worse(*sides)
        tokens = [one.trained_tokens for one in found]
        return Gate(judged.what, None if smoke else judged.holds, {"trained_tokens": tokens, **judged.seen})

    return judge


def _scores(task: Task, texts: Sequence[str]) -> NDArray[np.float64]:
    return scores(task.metric, texts, [example.answers for example in task.test])


def _own(options: Options, tasks: Sequence[Task]) -> Callable[[], Any]:
    upcoming = iter(tasks)

    @contextmanager
    def session() -> Iterator[Job]:
        model = advisor_model(options, native_dtype())  # a new one: nothing that an earlier pair left behind helps
        with tempfile.TemporaryDirectory() as folder:
            yield lambda: _compared(next(upcoming), model, Path(folder))

    return session


def _compared(task: Task, model: LocalModel, folder: Path) -> Answers:
    comparison = advisor.compare(task, model, APPROACHES, out=folder)
    order = {example.id: place for place, example in enumerate(task.test)}
    texts = {}
    for run in comparison.runs:
        if run.status != "ok":
            raise RuntimeError(f"{run.spec}: {run.status}: {run.error}")
        rows = sorted(run.predictions, key=lambda p: order[p.id])
        texts[run.spec.split(":")[0]] = [row.text for row in rows]
    return Answers(texts)


def _script(options: Options, care: Care, tasks: Sequence[Task], model: LocalModel) -> Callable[[], Any]:
    lora = Lora()
    config = adapter.configuration(lora.rank, lora.strength, lora.dropout)
    training = Training(config, lora.lr, EPOCHS, BATCH)
    upcoming = iter(tasks)

    @contextmanager
    def session() -> Iterator[Job]:
        script = Script(care, next(upcoming), model, peer_model(options, native_dtype()))
        yield lambda: script.run(training)

    return session
