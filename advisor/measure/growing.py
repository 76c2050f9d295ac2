"""The same comparison with ever more training examples: what learning curves are made of.

Each size is a comparison of its own, in a folder of its own, over the same test examples; the training examples of a
smaller size are among those of a larger one. All approaches are measured at every size, those that need no training
examples too: how labels are read and where a generated answer ends is chosen by the examples at hand.

With several draws, every size below all examples is measured on that many samples of them, since which eight
examples one happens to have matters more than any other chance; with all examples there is but one sample, and there
the approaches run with as many seeds instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from advisor.approaches import Approach, ContextBuilder, Tuner
from advisor.errors import UserError
from advisor.measure.comparing import Plan, alone, carry_out, chosen_of, read_comparison, task_facts
from advisor.measure.progress import Progress, Silence
from advisor.measure.records import Comparison, ModelFacts, TaskFacts, append, lines
from advisor.models import LanguageModel
from advisor.tasks import Task, subset

JOURNAL = "curves.jsonl"
_SAME_MODEL = ("id", "revision", "quantisation", "dtype", "device", "embedder")


@dataclass(frozen=True)
class Sizes:
    """What is measured, and where it is recorded.

    Attributes:
        folder: holds a run folder for each size and draw.
        asked: numbers of training examples, in any order; what exceeds those that there are means all of them.
        draws: samples of the training examples for each size.
    """

    folder: Path
    asked: tuple[int, ...]
    draws: int = 1

    def measured(self, train: int) -> tuple[int, ...]:
        """The sizes that can be had of so many training examples, rising."""
        return tuple(sorted({min(size, train) for size in self.asked}))


@dataclass(frozen=True)
class Growth:
    """What was recorded at each size: facts only.

    Attributes:
        folder: where the records lie.
        task: all of it, with every training example.
        asked, draws: as in `Sizes`.
        sizes: what was to be measured, rising.
        specs: of the approaches.
        comparisons: by size, one for each draw, as many as were begun; where all examples are used there is one,
            with a run for each draw.
    """

    folder: str
    task: TaskFacts
    asked: tuple[int, ...]
    sizes: tuple[int, ...]
    draws: int
    specs: tuple[str, ...]
    comparisons: Mapping[int, tuple[Comparison, ...]]

    @property
    def model(self) -> ModelFacts:
        """The model that all ran with, as the largest comparison describes it."""
        return self.comparisons[max(self.comparisons)][0].model


def grow(
    sizes: Sizes,
    task: Task,
    model: LanguageModel,
    approaches: Sequence[str | Approach | ContextBuilder | Tuner] | None = None,
    progress: Progress | None = None,
) -> Growth:
    """Compare the approaches at each size, without latency, or go on where the same call stopped.

    Raises:
        UserError: a size or the number of draws makes no sense, or as for `compare`.
    """
    if not sizes.asked or min(sizes.asked) < 1:
        raise UserError(f"--sizes is {_listed(sizes.asked) or 'empty'}", "numbers from 1 on: --sizes 8,32,128,512")
    if sizes.draws < 1:
        raise UserError(f"--seeds is {sizes.draws}", "1 or more")
    if not task.train:
        raise UserError(f"{task.name}: has no training examples", "add train.jsonl")
    measured = sizes.measured(len(task.train))
    specs = tuple(chosen_of(task, approaches))
    parts = {
        (size, draw): subset(task, train_limit=size, seed=draw)
        for size in measured
        for draw in range(_samples(size, len(task.train), sizes.draws))
    }
    head = {
        "type": "curve",
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "asked": sizes.asked,
        "sizes": measured,
        "draws": sizes.draws,
        "specs": specs,
        "task": asdict(task_facts(task)),
        "model": {name: model.describe()[name] for name in _SAME_MODEL},
        "fingerprints": {_name(size, draw): part.fingerprint for (size, draw), part in parts.items()},
    }
    shown = _Steps(progress or Silence(), len(specs), len(parts))
    with alone(sizes.folder):
        append(sizes.folder / JOURNAL, head)
        for (size, draw), part in parts.items():
            seeds = sizes.draws if size == len(task.train) else 1
            shown.enter(f" with {size:,} examples" + (f", draw {draw + 1}" if draw else ""))
            carry_out(Plan(sizes.folder / _name(size, draw), seeds, 0), part, model, approaches, shown)
    return read_growth(sizes.folder)


def holds_growth(folder: str | Path) -> bool:
    """Whether a folder is one that `grow` wrote."""
    return (Path(folder) / JOURNAL).exists()


def read_growth(folder: str | Path) -> Growth:
    """What the newest call of `grow` recorded in a folder, as far as it came.

    Raises:
        UserError: the folder holds no such thing, or nothing was measured yet.
    """
    folder = Path(folder)
    heads = list(lines(folder / JOURNAL))
    if not heads:
        raise UserError(f"{folder}: holds no learning curve", f"advisor curve TASK --out {folder}")
    head = heads[-1]
    found: dict[int, list[Comparison]] = {}
    for name, fingerprint in head["fingerprints"].items():
        for comparison in _recorded(folder / name, fingerprint, head):
            found.setdefault(_size(name), []).append(comparison)
    if not found:
        raise UserError(f"{folder}: nothing was measured yet", "the same command goes on where it stopped")
    task = head["task"]
    return Growth(
        folder=str(folder),
        task=TaskFacts(**{**task, "labels": tuple(task["labels"]), "caveats": tuple(task["caveats"])}),
        asked=tuple(head["asked"]),
        sizes=tuple(head["sizes"]),
        draws=head["draws"],
        specs=tuple(head["specs"]),
        comparisons={size: tuple(draws) for size, draws in found.items()},
    )


def _recorded(folder: Path, fingerprint: str, head: Mapping[str, Any]) -> Iterator[Comparison]:
    """The comparison of one size and draw, unless what lies there is another task's, or another model's."""
    if not any(folder.glob("*.jsonl")):
        return
    comparison = read_comparison(folder)
    model = {name: getattr(comparison.model, name) for name in _SAME_MODEL}
    if comparison.task.fingerprint == fingerprint and model == head["model"]:
        yield comparison


def _samples(size: int, train: int, draws: int) -> int:
    return 1 if size == train else draws


def _name(size: int, draw: int) -> str:
    return f"{size}.draw{draw}" if draw else f"{size}"


def _size(name: str) -> int:
    return int(name.partition(".")[0])


def _listed(sizes: Sequence[int]) -> str:
    return ",".join(map(str, sizes))


class _Steps:
    """Tells of several comparisons as of one: counts on, and says with how many examples.

    Args:
        specs, parts: approaches and comparisons to come.
    """

    def __init__(self, inner: Progress, specs: int, parts: int) -> None:
        self._inner = inner
        self._specs = specs
        self._parts = parts
        self._part = -1
        self._where = ""

    def enter(self, where: str) -> None:
        """The next comparison begins."""
        self._part += 1
        self._where = where

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts."""
        self._inner.begin(spec + self._where, self._part * self._specs + index, self._parts * self._specs)

    def step(self, name: str, total: int | None) -> None:
        """A step of it starts."""
        self._inner.step(name, total)

    def advance(self, n: int = 1) -> None:
        """So many more are done."""
        self._inner.advance(n)

    def end(self, spec: str, outcome: str) -> None:
        """It ended."""
        self._inner.end(spec + self._where, outcome)
