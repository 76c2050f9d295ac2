"""The index of a folder of run folders: what each of them holds, as blocks and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advisor.curves.growing import holds_growth, read_growth
from advisor.errors import UserError
from advisor.intake import BY_HAND, json_of, read_bytes, shown
from advisor.measuring.lock import at_work
from advisor.measuring.reading import read_comparison
from advisor.measuring.records import Comparison
from advisor.measuring.run_folders import is_current, run_folders
from advisor.models.load import last_part
from advisor.reporting import figures
from advisor.reporting.blocks import (
    Column,
    Detail,
    Details,
    Link,
    Names,
    Paragraph,
    Report,
    Sign,
    Table,
    TableRow,
    section,
)
from advisor.reporting.characters import shorten
from advisor.reporting.document import SCHEMA, clean, document
from advisor.verdict import words
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Decision

PAGE = "report.html"
RESULTS = "results.json"
"""What `compare` writes when it ends."""
_MODELS, _SPEC = 24, 30
"""Columns of a screen for the models of a run, and for what it recommends."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One run folder.

    Attributes:
        folder: relative to that of the index, with slashes.
        task, kind, metric: of its newest comparison, or of its learning curves.
        called: when that was called for last, in UTC; empty where that is not known.
        models: their names.
        rows: how many approaches were asked for.
        approach: the row that is recommended, provisionally or not; None where none is, and of learning curves.
        decided: whether it is shown to be the right choice.
        quality: of that row.
        curves: whether it holds learning curves.
        page: whether `report.html` lies in it.
        at_work: whether a run is at work in it.
    """

    folder: str
    task: str
    kind: str
    metric: str
    called: str
    models: tuple[str, ...]
    rows: int
    approach: str | None = None
    decided: bool = False
    quality: Interval | None = None
    curves: bool = False
    page: bool = False
    at_work: bool = False


@dataclass(frozen=True)
class RunIndex:
    """What lies in a folder of run folders.

    Attributes:
        entries: those that can be read, by folder.
        damaged: the others, each with the reason.
    """

    folder: str
    entries: tuple[IndexEntry, ...]
    damaged: tuple[tuple[str, str], ...] = ()


def read_index(folder: str | Path, judge: Callable[[Comparison], Decision], anew: bool = False) -> RunIndex | None:
    """Look through the run folders below a folder; None where there are none.

    Judging takes seconds a folder, so that the `results.json` which lies there tells instead, where it is newer than
    all records.

    Args:
        judge: what a comparison comes to.
        anew: whether each is judged whatever its `results.json` says.

    Raises:
        UserError: the folder cannot be read.
    """
    root, entries, damaged = Path(folder), [], []
    for place in run_folders(root):
        name = shown(place.relative_to(root).as_posix())
        try:
            entries.append(_entry(place, name, judge, anew))
        except UserError as error:
            damaged.append((name, error.what))
        except OSError as error:
            damaged.append((name, f"cannot be read: {error.strerror}"))
    return RunIndex(shown(root), tuple(entries), tuple(damaged)) if entries or damaged else None


def _entry(place: Path, name: str, judge: Callable[[Comparison], Decision], anew: bool) -> IndexEntry:
    page, busy = (place / PAGE).is_file(), at_work(place)
    if holds_growth(place):
        growth = read_growth(place)
        task, called = growth.task, max(one.called for each in growth.comparisons.values() for one in each)
        models, number = (growth.model.id,), len(growth.specs)
        found = IndexEntry(name, task.name, task.kind, task.metric, called, models, number, curves=True)
        return replace(found, page=page, at_work=busy)
    comparison = replace(read_comparison(place), at_work=busy)
    kept = None if anew or busy else _kept(place, comparison)
    return replace(_judged(name, comparison, kept or document(judge(comparison))), page=page, at_work=busy)


def _kept(place: Path, comparison: Comparison) -> Mapping[str, Any] | None:
    """What `results.json` holds, where it is of these very records."""
    path = place / RESULTS
    if not is_current(path, place):
        return None
    try:
        found = json_of(read_bytes(path, BY_HAND))
        rows = {row["row"] for row in found["approaches"]}
        same = found["task"]["fingerprint"] == comparison.task.fingerprint and found["schema"] == SCHEMA
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return None
    return found if same and rows == {run.spec for run in comparison.runs} else None


def _judged(name: str, comparison: Comparison, found: Mapping[str, Any]) -> IndexEntry:
    """A comparison by what `results.json` holds of it."""
    chosen, task = found["recommendation"]["row"], comparison.task
    quality = next((row["quality"] for row in found["approaches"] if row["row"] == chosen), None)
    return IndexEntry(
        folder=name,
        task=task.name,
        kind=task.kind,
        metric=task.metric,
        called=comparison.called,
        models=tuple(member.facts.id for member in comparison.models),
        rows=len(found["approaches"]),
        approach=chosen,
        decided=bool(found["recommendation"]["decided"]),
        quality=Interval(quality["value"], quality["low"], quality["high"]) if quality else None,
    )


def index_report(index: RunIndex) -> Report:
    """The report: a row for each run folder, newest first."""
    entries = _newest_first(index)
    return Report(
        f"Advisor: runs in {index.folder}",
        (
            *((_table(entries),) if entries else (Paragraph(("No run folder can be read.",)),)),
            *section("Not read", Details(tuple(Detail(*one) for one in index.damaged)) if index.damaged else None),
        ),
    )


def _newest_first(index: RunIndex) -> list[IndexEntry]:
    return sorted(index.entries, key=lambda entry: entry.called, reverse=True)


def _table(entries: list[IndexEntry]) -> Table:
    rows = tuple(
        TableRow(
            Link(entry.folder, f"{entry.folder}/{PAGE}") if entry.page else entry.folder,
            remark="a run is at work in it, and not all of its rows are done" if entry.at_work else "",
        )
        for entry in entries
    )
    chosen = [_recommended(entry) for entry in entries]
    open_ = any(entry.approach and not entry.decided for entry in entries)
    legend = (Sign("? provisional choice, not decided"),) if open_ else ()
    columns = (*_for_screens(entries, chosen), *_for_pages(entries, chosen))
    return Table(rows, columns, Names("folder", wanted=24, most=60), legend)


def _for_screens(entries: list[IndexEntry], chosen: list[str]) -> Iterator[Column]:
    """Columns in which what matters less stands below, and goes where room is short."""
    models = [shorten(words.listed(list(dict.fromkeys(map(last_part, one.models)))), _MODELS) for one in entries]
    cells: dict[tuple[str, ...], list[str | tuple[str, ...]]] = {
        ("task", "date"): [(entry.task, entry.called[:10]) for entry in entries],
        ("models",): list(models),
        ("recommended",): [shorten(one, _SPEC) for one in chosen],
        ("quality [95 %]", "metric"): [(_quality(entry), entry.metric) for entry in entries],
    }
    for title, found in cells.items():
        yield Column(title, found, rank=2 if title[0] == "task" else 0, left=True, on="screen")
    yield Column(("rows",), [f"{one.rows}" for one in entries], rank=3, on="screen")


def _for_pages(entries: list[IndexEntry], chosen: list[str]) -> Iterator[Column]:
    """A column for each thing."""
    rows, qualities = [one.rows for one in entries], [one.quality for one in entries]
    cells: dict[str, tuple[list[str], Sequence[Interval | float | None]]] = {
        "task": ([entry.task for entry in entries], ()),
        "date": ([entry.called[:10] for entry in entries], ()),
        "models": ([words.listed(entry.models) for entry in entries], ()),
        "rows": ([f"{number}" for number in rows], rows),
        "recommended": (chosen, ()),
        "quality [95 % interval]": ([_quality(entry) for entry in entries], qualities),
        "metric": ([entry.metric for entry in entries], ()),
    }
    for title, (found, values) in cells.items():
        yield Column((title,), found, left=title != "rows", values=values, on="page")


def _quality(entry: IndexEntry) -> str:
    return figures.quality(entry.quality) if entry.quality else ""


def _recommended(entry: IndexEntry) -> str:
    if entry.curves:
        return "(learning curves)"
    if entry.approach is None:
        return "none"
    return entry.approach if entry.decided else f"{entry.approach} ?"


def index_document(index: RunIndex) -> dict[str, Any]:
    """The same as plain JSON values."""
    entries = _newest_first(index)
    damaged = [{"folder": folder, "error": error} for folder, error in index.damaged]
    found = {"schema": SCHEMA, "folder": index.folder, "runs": list(map(dataclasses.asdict, entries))}
    cleaned = clean({**found, "damaged": damaged})
    assert isinstance(cleaned, dict)
    return cleaned
