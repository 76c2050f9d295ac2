"""Probes of the measured grid points, kept beside their run folders."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from advisor.models import LanguageModel
from advisor.pilot.probing import probe
from advisor.pilot.readings import Probes
from benchmarks.decisions.grid import GridPoint, finished
from benchmarks.decisions.table import probes_from

SECONDS = 60.0  # less than `advisor recommend` takes by default: there are many grid points


def probed(found: Sequence[GridPoint], model: LanguageModel) -> None:
    """Probe the grid points that are measured and not probed yet."""
    for point in found:
        path = _path(point)
        if path.exists() or not finished(point):
            continue
        probes = probe(point.task, model, SECONDS)
        work = path.with_suffix(".writing")
        work.write_text(json.dumps(asdict(probes), indent=1), encoding="utf-8")
        work.replace(path)
        print(f"{point.task.name} with {point.size}: {probes.seconds:.0f} s", file=sys.stderr, flush=True)


def read_probes(found: Sequence[GridPoint]) -> dict[tuple[str, int], Probes]:
    """The recorded probes by task and size."""
    there = [point for point in found if _path(point).exists()]
    return {(c.task.name, c.size): probes_from(json.loads(_path(c).read_text(encoding="utf-8"))) for c in there}


def _path(point: GridPoint) -> Path:
    return point.folder / "probes.json"
