"""Measuring the same comparison with ever more training examples, for learning curves.

Each size is a comparison of its own, in a folder of its own, over the same test examples; the training examples of a
smaller size are among those of a larger one. All approaches are measured at every size, those that need no training
examples too: how labels are read and where a generated answer ends is chosen by the examples at hand.

With several draws, every size below all examples is measured on that many samples of them, since which eight
examples one happens to have matters more than any other chance; with all examples there is but one sample, and there
the approaches run with as many seeds instead.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from advisor.approaches import Approach, spec_of
from advisor.errors import UserError
from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.judging import no_judges
from advisor.measuring.kept_threads import keep_threads
from advisor.measuring.lines import append, lines
from advisor.measuring.lock import CURVES, alone
from advisor.measuring.progress import Passing, Progress, Silence
from advisor.measuring.reading import as_written, identity, is_same_model, read_comparison
from advisor.measuring.records import Comparison, described_by
from advisor.models import LanguageModel
from advisor.models.languages import language_caveats
from advisor.tasks import Task, data_caveats, subset
from advisor.verdict.growth import Growth

_PART = re.compile(r"\d{1,12}(\.draw\d{1,6})?")  # a folder's name, which leads to no other place


@dataclass(frozen=True)
class Sizes:
    """The training set sizes to measure, and where to record them.

    Attributes:
        folder: holds a run folder for each size and draw.
        asked: numbers of training examples, in any order; what exceeds those that there are means all of them.
        draws: samples of the training examples for each size.
        texts: whether inputs and shown passages stand in the records.

    Raises:
        UserError: a size or the number of draws makes no sense.
    """

    folder: Path
    asked: tuple[int, ...]
    draws: int = 1
    texts: bool = True

    def __post_init__(self) -> None:
        if not self.asked or min(self.asked) < 1:
            given = ",".join(map(str, self.asked)) or "empty"
            raise UserError(f"--sizes is {given}", "numbers from 1 on: --sizes 8,32,128,512")
        if self.draws < 1:
            raise UserError(f"--seeds is {self.draws}", "1 or more")

    def measured(self, train: int) -> tuple[int, ...]:
        """The sizes possible with `train` training examples, rising."""
        return tuple(sorted({min(size, train) for size in self.asked}))


def grow(
    sizes: Sizes,
    task: Task,
    model: LanguageModel,
    approaches: Sequence[Approach],
    progress: Progress | None = None,
) -> Growth:
    """Compare the approaches at each size, without latency, or resume an earlier call.

    Raises:
        UserError: there are no training examples, or as for `compare`.
    """
    no_judges(task, "a learning curve")
    if not task.train:
        raise UserError(f"{task.name}: has no training examples", "add train.jsonl")
    keep_threads(model, sizes.folder.glob("*/"))
    measured = sizes.measured(len(task.train))
    specs = tuple(dict.fromkeys(spec_of(approach) for approach in approaches))
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
        "train": len(task.train),
        "fingerprint": task.fingerprint,
        "caveats": (*language_caveats(task, model), *task.caveats, *data_caveats(task)),
        "model": identity(described_by(model)),
        "fingerprints": {_name(size, draw): part.fingerprint for (size, draw), part in parts.items()},
    }
    shown = _Steps(progress or Silence(), len(specs), len(parts))
    with alone(sizes.folder, CURVES):
        for place in (sizes.folder / _name(size, draw) for size, draw in parts):
            if place.exists():
                with alone(place):  # refused before anything is written, where another process works on a part
                    pass
        append(sizes.folder / CURVES, head)
        for (size, draw), part in parts.items():
            seeds = sizes.draws if size == len(task.train) else 1
            shown.enter(f" with {size:,} examples" + (f", draw {draw + 1}" if draw else ""))
            plan = Plan(sizes.folder / _name(size, draw), seeds, 0, texts=sizes.texts)
            carry_out(plan, part.before_change(), model, approaches, shown)
        return read_growth(sizes.folder)


def holds_growth(folder: str | Path) -> bool:
    """Whether a folder was written by `grow`."""
    return (Path(folder) / CURVES).exists()


def read_growth(folder: str | Path) -> Growth:
    """Read what the newest call of `grow` recorded in a folder.

    Raises:
        UserError: the folder holds no such thing, or nothing was measured yet.
    """
    folder = Path(folder)
    heads = list(lines(folder / CURVES))
    if not heads:
        raise UserError(f"{folder}: holds no learning curve", f"advisor curve TASK --out {folder}")
    with as_written(folder / CURVES, "curve"):
        return _read(folder, heads[-1])


def _read(folder: Path, head: Mapping[str, Any]) -> Growth:
    found: dict[int, list[Comparison]] = {}
    for name, fingerprint in head["fingerprints"].items():
        if not _PART.fullmatch(name):
            raise ValueError(f"part {name!r}")
        for comparison in _recorded(folder / name, fingerprint, head):
            found.setdefault(_size(name), []).append(comparison)
    if not found:
        raise UserError(f"{folder}: nothing was measured yet", "the same command goes on where it stopped")
    whole = {key: head[key] for key in ("train", "fingerprint")}
    return Growth(
        folder=str(folder),
        task=replace(found[max(found)][0].task, caveats=tuple(head["caveats"]), **whole),
        asked=tuple(head["asked"]),
        sizes=tuple(head["sizes"]),
        draws=head["draws"],
        specs=tuple(head["specs"]),
        comparisons={size: tuple(draws) for size, draws in found.items()},
    )


def _recorded(folder: Path, fingerprint: str, head: Mapping[str, Any]) -> Iterator[Comparison]:
    """The comparison of one size and draw, unless the folder holds one of another task or model."""
    if not any(folder.glob("*.jsonl")):
        return
    comparison = read_comparison(folder)
    if comparison.task.fingerprint == fingerprint and is_same_model(asdict(comparison.model), head["model"]):
        yield comparison


def _samples(size: int, train: int, draws: int) -> int:
    return 1 if size == train else draws


def _name(size: int, draw: int) -> str:
    return f"{size}.draw{draw}" if draw else f"{size}"


def _size(name: str) -> int:
    return int(name.partition(".")[0])


class _Steps(Passing):
    """Reports several comparisons as one: it counts on, and says with how many training examples.

    Args:
        specs, parts: approaches and comparisons to come.
    """

    def __init__(self, inner: Progress, specs: int, parts: int) -> None:
        super().__init__(inner)
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

    def row(self, spec: str, records: Sequence[Path], task: Task) -> None:
        """The approach is about to end."""
        self._inner.row(spec + self._where, records, task)

    def end(self, spec: str, outcome: str) -> None:
        """The approach ended."""
        self._inner.end(spec + self._where, outcome)
