"""Probes of the cells that are measured, kept beside their run folders."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from advisor.models import LanguageModel
from advisor.pilot.probing import probe
from advisor.pilot.readings import Probes
from benchmarks.decisions.cells import Cell, finished
from benchmarks.decisions.table import probes_from

SECONDS = 60.0  # less than `advisor recommend` takes by default: there are many cells


def probed(found: Sequence[Cell], model: LanguageModel) -> None:
    """Probe what is measured and not probed yet."""
    for cell in found:
        path = _path(cell)
        if path.exists() or not finished(cell):
            continue
        probes = probe(cell.task, model, SECONDS)
        work = path.with_suffix(".writing")
        work.write_text(json.dumps(asdict(probes), indent=1), encoding="utf-8")
        work.replace(path)
        print(f"{cell.task.name} with {cell.size}: {probes.seconds:.0f} s", file=sys.stderr, flush=True)


def read_probes(found: Sequence[Cell]) -> dict[tuple[str, int], Probes]:
    """What was probed, by task and size."""
    there = [cell for cell in found if _path(cell).exists()]
    return {(c.task.name, c.size): probes_from(json.loads(_path(c).read_text(encoding="utf-8"))) for c in there}


def _path(cell: Cell) -> Path:
    return cell.folder / "probes.json"
