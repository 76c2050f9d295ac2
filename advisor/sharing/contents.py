"""What is logged of a comparison: figures, parameters, tables and reports, made of its records."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from advisor.errors import UserError
from advisor.measuring.reading import run_place
from advisor.models.store import digest
from advisor.reporting import report
from advisor.reporting.document import as_json, document
from advisor.reporting.places import named
from advisor.sharing.contract import Cell, Shared, SharedRow, SharedTable
from advisor.verdict.decision import Decision, Row

ROWS = "all"
"""Names every row where those are named whose fitted predictors are logged too."""
_KEY = 16  # hexadecimal digits
_LONGEST = 2_000  # characters of a value
_PAGES, _FACTS = {"markdown": "report.md", "html": "report.html"}, "results.json"
_TABLES = ("slices", "errors")  # lists of objects that rows have in `results.json`
_OF_ROWS = (
    "row",
    "model",
    "status",
    "quality/value",
    "quality/low",
    "quality/high",
    "versus_best/difference",
    "versus_best/low",
    "versus_best/high",
    "versus_best/p",
    "latency_ms/p50",
    "latency_ms/p95",
    "cost_usd/per_1k_queries",
    "cost_usd/over_horizon",
    "fit_seconds",
)


def shared_of(decision: Decision, fitted: Sequence[str] = ()) -> Shared:
    """A comparison as it is logged.

    Args:
        fitted: names of the rows whose fitted predictors are logged too, or `all`.

    Raises:
        UserError: there is no such row, or nothing that it has fitted.
    """
    comparison, found = decision.comparison, named(document(decision), decision, folders=True)
    keys = sorted(member.key for member in comparison.models)
    chosen = decision.recommendation.quality
    folders = _folders(decision, fitted)
    rows = tuple(_row(decision, row, facts, folders) for row, facts in _pairs(decision, found))
    stable = {name: value for name, value in found.items() if name not in ("time", "folder")}
    return Shared(
        key=digest([keys, comparison.begun])[:_KEY],
        digest=digest([stable, sorted(folders)]),
        task=comparison.task.name,
        label=" ".join(filter(None, [Path(comparison.folder).name, comparison.called[:10]])),
        params=_texts({"task": _plain(found["task"]), "model": _models(found)}),
        tags=_texts(_tags(found)),
        metrics={f"quality/{name}": getattr(chosen, name) for name in ("value", "low", "high")} if chosen else {},
        rows=rows,
        tables=dict(_tables(found)),
        files={**{file: report(decision, name) for name, file in _PAGES.items()}, _FACTS: as_json(found, "utf-8")},
    )


def _pairs(decision: Decision, found: Mapping[str, Any]) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    return zip(decision.rows, found["approaches"], strict=True)


def _models(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The models, by their aliases where there are several."""
    models = {model["alias"]: _plain(model) for model in found["models"]}
    return models if len(models) > 1 else next(iter(models.values()))


def _plain(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a part is no list."""
    return {name: value for name, value in found.items() if not isinstance(value, list | dict)}


def _tags(found: Mapping[str, Any]) -> dict[str, Any]:
    recommended = found["recommendation"]
    return {
        "recommended": recommended["row"],
        "decided": recommended["decided"],
        "margin": found["margin"],
        "prices": found["prices"],
        "seeds": found["seeds"],
        **{name: found[name] for name in ("limits", "settings", "versions", "hardware")},
    }


def _row(
    decision: Decision, row: Row, facts: Mapping[str, Any], folders: Mapping[str, Mapping[int, Path]]
) -> SharedRow:
    run = next(run for run in decision.comparison.runs if run.spec == row.spec)
    recommended = row.spec == decision.recommendation.approach
    choice = ("yes" if decision.recommendation.decided else "provisionally") if recommended else "no"
    names = ("status", "error", "control", "eligible", "group", "seeds", "served")
    return SharedRow(
        name=row.spec,
        params=_texts({"approach": facts["spec"], "model": row.model, **run.config}),
        tags={**_texts({name: facts[name] for name in names}), "recommended": choice},
        metrics=dict(_numbers(facts)),
        failed=row.status == "failed",
        folders=folders.get(row.spec, {}),
    )


def _texts(found: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Values as texts, by their paths with points; what is not known is left out."""
    texts: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            texts |= _texts(value, f"{before}{name}.")
        elif value not in (None, "", [], ()):
            said = str(value).lower() if isinstance(value, bool) else str(value)
            texts[f"{before}{name}"] = said[:_LONGEST]
    return texts


def _numbers(found: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """Figures by their paths with slashes; an interval that stands beside its value is put below it."""
    for name, value in found.items():
        if name == "intervals":
            for measure, (low, high) in value.items():
                yield from ((f"{before}{measure}/{end}", float(at)) for end, at in (("low", low), ("high", high)))
        elif isinstance(value, Mapping):
            yield from _numbers(value, f"{before}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{before}{name}", float(value)


def _tables(found: Mapping[str, Any]) -> Iterator[tuple[str, SharedTable]]:
    """The table of results, and what rows have lists of."""
    flat = [{**facts, **dict(_numbers(facts))} for facts in found["approaches"]]
    yield "results", SharedTable(_OF_ROWS, tuple(tuple(_cell(row.get(name)) for name in _OF_ROWS) for row in flat))
    for kind in (*_TABLES, "diagnosis"):
        if kind == "diagnosis":
            listed = [(None, one) for one in found[kind]]
        else:
            listed = [(facts["row"], one) for facts in found["approaches"] for one in facts.get(kind) or ()]
        rows = [({} if row is None else {"row": row}) | {**_plain(one), **dict(_numbers(one))} for row, one in listed]
        if rows:
            columns = tuple(dict.fromkeys(name for row in rows for name in row))
            yield kind, SharedTable(columns, tuple(tuple(_cell(row.get(name)) for name in columns) for row in rows))


def _cell(value: object) -> Cell:
    return value if value is None or isinstance(value, str | float | int | bool) else str(value)


def _folders(decision: Decision, fitted: Sequence[str]) -> dict[str, dict[int, Path]]:
    """The fitted predictors of the rows that were named.

    Raises:
        UserError: there is no such row, or nothing that it has fitted.
    """
    comparison, known = decision.comparison, [row.spec for row in decision.rows]
    found: dict[str, dict[int, Path]] = {}
    for name in known if ROWS in fitted else dict.fromkeys(fitted):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                f"{comparison.folder}: has no row {name!r}",
                f"{f'did you mean {near[0]!r}? ' if near else ''}rows are {', '.join(known)}",
            )
        places = {run.seed: run_place(comparison, run) for run in comparison.runs if run.spec == name}
        there = {seed: place for seed, place in places.items() if place.is_dir()}
        if not there and ROWS not in fitted:
            raise UserError(f"{comparison.folder}: {name} has left no files", "log it without --to-files")
        if there:
            found[name] = there
    return found
