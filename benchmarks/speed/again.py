"""A second comparison that differs from the first in one approach, timed against the first."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import advisor
from advisor.measuring.records import Comparison
from advisor.models.local.engine import LocalModel
from advisor.models.store import PLACE
from advisor.tasks import Task, load_task
from benchmarks.speed.compared import APPROACHES, BATCH, EPOCHS, LORA, small_task
from benchmarks.speed.harness import repeat
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Claim, Record

CHANGED = {"few-shot": "few-shot:k=4", "rag": "rag:k=2", LORA: f"{LORA},rank=8"}
GOAL = 0.2


def run(options: Options, record: Record) -> None:
    """Time one task with labels; after each first comparison a second one for every approach that is changed."""
    model = advisor_model(options, native_dtype())
    whole = load_task(options.task_folder("short labels"))
    record.note(model=weights_facts(model), epochs=EPOCHS, batch=BATCH, task=whole.name)
    claims = [
        Claim(f"{whole.name}, {new} in place of {old}", "the first comparison", "share", GOAL, None, [], True)
        for old, new in CHANGED.items()
    ]
    _compared(advisor.subset(whole, limit=2, train_limit=8), model, ["rag"])  # what is read at first use is not timed
    tasks = (small_task(whole, options, pair) for pair in range(options.pairs))
    repeat(claims, lambda: _again(next(tasks), model), options, record)


def _again(task: Task, model: LocalModel) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield for each change the second comparison's seconds as a share of the first's, with the figures behind it."""
    with _empty_store():
        first, _ = _compared(task, model, APPROACHES)
        for old, new in CHANGED.items():
            second, found = _compared(task, model, [new if approach == old else approach for approach in APPROACHES])
            kept = {run.spec for run in found.runs if run.measured}
            if kept != set(APPROACHES) - {old}:
                raise RuntimeError(f"{new} in place of {old}: taken from the first comparison: {sorted(kept)}")
            changed = next(run for run in found.runs if not run.measured)
            if changed.status != "ok":
                raise RuntimeError(f"{new}: {changed.status}: {changed.error}")
            alone = sum(span.seconds for span in changed.spans.values())
            yield second / first, {"first": first, "second": second, "changed_approach": alone}


@contextmanager
def _empty_store() -> Iterator[None]:
    """Give Advisor an empty store inside the context."""
    before = os.environ.get(PLACE, "off")
    with tempfile.TemporaryDirectory() as folder:
        os.environ[PLACE] = folder
        try:
            yield
        finally:
            os.environ[PLACE] = before


def _compared(task: Task, model: LocalModel, approaches: Sequence[str]) -> tuple[float, Comparison]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        comparison = advisor.compare(task, model, approaches, out=Path(folder))
        return time.perf_counter() - began, comparison
