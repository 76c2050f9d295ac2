"""The table of measured comparisons: one line for each grid point, numbers only, to be committed and learned from."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from advisor.errors import UserError
from advisor.forecast.learned import learnable
from advisor.measuring.reading import read_comparison
from advisor.measuring.records import Comparison
from advisor.pilot.readings import ProbeReading, Probes, Rates
from advisor.tasks.description import Description, Spread, describe
from advisor.tasks.material import Material
from advisor.verdict import Interval, decide
from advisor.verdict.sample import samples
from benchmarks.decisions.grid import FLAT_SIZE, LEARNS_NOTHING, GridPoint, finished
from benchmarks.decisions.noise_floor import halved

TABLE = Path(__file__).parents[1] / "results" / "decisions.jsonl"


@dataclass(frozen=True)
class Outcome:
    """One approach's quality and costs: one thread, without latency.

    Attributes:
        train: training examples; those of another point where the approach learns nothing from them.
        predict_seconds: for all test examples, in batches.
        tokens: of prompt and answer, mean over the test examples.
    """

    quality: Interval
    n: int
    train: int
    fit_seconds: float
    predict_seconds: float
    tokens: tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """One line of the table: all approaches at one grid point.

    Attributes:
        halved: the quality, on one half of the test examples, of the choice by the other half (`noise_floor`); None
            where unknown.
    """

    task: str
    kind: str
    metric: str
    train: int
    description: Description
    probes: Probes | None
    outcomes: dict[str, Outcome]
    halved: float | None = None


def collected(points: Sequence[GridPoint], probes: dict[tuple[str, int], Probes]) -> list[Measured]:
    """The finished grid points; outcomes of approaches that learn nothing are carried over to all sizes."""
    there = {(point.task.name, point.size): _comparison(point) for point in points}
    outcomes = {place: _outcomes(comparison) if comparison else {} for place, comparison in there.items()}
    found = []
    for point in filter(finished, points):
        name = point.task.name
        own = there[name, point.size]
        flat = max((p.size for p in points if p.task.name == name and p.size <= FLAT_SIZE), default=point.size)
        carried = {k: o for k, o in outcomes[name, flat].items() if k in LEARNS_NOTHING}
        if not carried and point.task.kind != "classification":
            continue  # until what learns nothing is measured, at another size
        found.append(
            Measured(
                name,
                point.task.kind,
                point.task.metric,
                point.size,
                replace(describe(Material(point.task)), label_counts={}),
                probes.get((name, point.size)),
                carried | outcomes[name, point.size],
                _halved(own, there[name, flat], carried) if own else None,
            )
        )
    return found


def _comparison(point: GridPoint) -> Comparison | None:
    """The recorded comparison, complete or not; None without one."""
    try:
        return read_comparison(point.folder)
    except UserError:
        return None


def _outcomes(comparison: Comparison) -> dict[str, Outcome]:
    found = {}
    for row in decide(comparison).rows:
        if row.status != "ok" or row.quality is None or not row.throughput_qps:
            continue
        fitting = (row.fit_seconds or 0.0) + (row.index_seconds or 0.0)
        tokens = (row.prompt_tokens or 0.0, row.completion_tokens or 0.0)
        seconds = row.n / row.throughput_qps
        found[row.spec] = Outcome(row.quality, row.n, comparison.task.train, fitting, seconds, tokens)
    return found


def _halved(own: Comparison, other: Comparison | None, carried: Container[str]) -> float:
    runs = [run for run in other.runs if run.spec in carried] if other else []
    runs = [*{run.spec: run for run in (*runs, *own.runs) if run.status == "ok" and learnable(run.spec)}.values()]
    return halved(samples(own.task.metric, own.answers, runs))


def write(found: Iterable[Measured], path: Path = TABLE) -> None:
    """Add lines to the table; lines that were not measured again stay."""
    kept = {(point.task, point.train): point for point in (read(path) if path.exists() else [])}
    for point in found:
        before = kept.get((point.task, point.train))
        kept[point.task, point.train] = replace(point, probes=point.probes or (before.probes if before else None))
    rows = (asdict(kept[key]) for key in sorted(kept))
    path.write_text("".join(json.dumps(short(row), ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read(path: Path = TABLE) -> list[Measured]:
    """The committed table."""
    return [_measured(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _measured(row: dict[str, Any]) -> Measured:
    described = {
        k: Spread(**v) if isinstance(v, dict) and k.endswith("_words") else v for k, v in row["description"].items()
    }
    outcomes = {
        spec: Outcome(**{**o, "quality": Interval(**o["quality"]), "tokens": tuple(o["tokens"])})
        for spec, o in row["outcomes"].items()
    }
    probes = probes_from(row["probes"]) if row["probes"] else None
    return Measured(**{**row, "description": Description(**described), "probes": probes, "outcomes": outcomes})


def probes_from(row: dict[str, Any]) -> Probes:
    """Probes from their plain JSON values."""
    readings = {name: tuple(ProbeReading(**one) for one in row[name]) for name in ("readings", "curve")}
    return Probes(**{**row, **readings, "rates": Rates(**row["rates"]), "left_out": tuple(row["left_out"])})


def short(value: Any) -> Any:
    """Numbers rounded to five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: short(inner) for key, inner in value.items()}
    return [short(inner) for inner in value] if isinstance(value, list | tuple) else value
