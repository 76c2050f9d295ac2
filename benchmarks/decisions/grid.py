"""The grid of the table: task x size of the training set, all approaches measured on the same test examples."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.approaches import installed, parse
from advisor.errors import UserError
from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.reading import read_comparison
from advisor.models import LanguageModel
from advisor.tasks import Task, load_task, subset

SIZES = (8, 32, 128, 512)
TEST = 100
LONG_TEST = 50
LONG_ANSWER = 60  # words, from which on LONG_TEST examples have to do
SHORT_INPUT = 40  # words, up to which, and without documents, the largest size is measured too
APPROACHES = (
    "majority",
    "nearest",
    "head",
    "zero-shot",
    "few-shot",
    "few-shot:select=nearest",
    "rag",
    "oracle",
    "lora",
    "rag+lora",
)
LEARNS_NOTHING = ("zero-shot", "rag", "oracle")
"""Without labels to weigh these are the same whatever the training set (but for the cap on answers, which follows from
its targets), so they are measured once, at `FLAT_SIZE` or below."""
FLAT_SIZE = 32
SHOTS = 8  # of few-shot by default: up to so many training examples the nearest are all of them


@dataclass(frozen=True)
class GridPoint:
    """One task at one size; `effort` orders the points, cheap ones first, in no particular unit."""

    task: Task
    folder: Path
    specs: tuple[str, ...]
    effort: float

    @property
    def size(self) -> int:
        """The number of training examples."""
        return len(self.task.train)


def grid(data: Sequence[Path], out: Path) -> list[GridPoint]:
    """All grid points of the task folders, cheap ones first.

    A training set that is smaller than the next size is measured whole where it is three times the size below.
    """
    found = [point for path in data for point in _of(load_task(path), out)]
    return sorted(found, key=lambda point: point.effort)


def _of(task: Task, out: Path) -> Iterator[GridPoint]:
    words = sum(len(e.input.split()) for e in task.train) / len(task.train)
    answer = sum(len(e.target.split()) for e in task.train) / len(task.train)
    limit = LONG_TEST if answer > LONG_ANSWER else TEST
    wanted = SIZES if words <= SHORT_INPUT and not task.documents else SIZES[:-1]
    sizes = [size for size in wanted if size <= len(task.train)]
    if len(sizes) < len(wanted) and len(task.train) >= 3 * (sizes or [0])[-1]:
        sizes.append(len(task.train))
    flat_at = max((size for size in sizes if size <= FLAT_SIZE), default=sizes[0])
    passages = 400 if task.documents else 0
    for size in sizes:
        part = subset(task, limit=limit, train_limit=size)
        flat = task.kind != "classification" and size != flat_at
        specs = tuple(spec for spec in _applying(part) if not (flat and spec in LEARNS_NOTHING))
        row = words + 4 * answer + passages + 3 * len(task.labels)
        yield GridPoint(part, out / task.name / str(size), specs, row * (min(10 * size, 800) + 3 * len(part.test)))


def _applying(task: Task) -> list[str]:
    here = [s for s in APPROACHES if all(name.partition(":")[0] in installed() for name in s.split("+"))]
    found = [spec for spec in here if parse(spec).suggested(task)]
    if len(task.train) <= SHOTS:
        found = [spec for spec in found if "select=nearest" not in spec]
    return [spec for spec in found if spec != "oracle" or any(e.evidence for e in task.test)]


def finished(point: GridPoint) -> bool:
    """Whether everything at a grid point is measured, by whichever version of the code."""
    try:
        comparison = read_comparison(point.folder)
    except UserError:
        return False
    done = {run.spec for run in comparison.runs if run.status in ("ok", "skipped")}
    return done >= set(point.specs)


def measure(found: Sequence[GridPoint], model: LanguageModel) -> None:
    """Measure what is not finished; points that another process works on are passed over."""
    for number, point in enumerate(found, start=1):
        if finished(point):
            continue
        started = time.monotonic()
        try:
            comparison = carry_out(Plan(point.folder, latency_examples=0), point.task, model, point.specs)
        except UserError as error:
            print(f"[{number}/{len(found)}] {point.folder}: {error}", file=sys.stderr, flush=True)
            continue
        failed = [f"{run.spec}: {run.error}" for run in comparison.runs if run.status == "failed"]
        minutes = (time.monotonic() - started) / 60
        said = f"[{number}/{len(found)}] {point.task.name} with {point.size}: {minutes:.1f} min"
        print("; ".join([said, *failed]), file=sys.stderr, flush=True)
