"""What was fitted for one run, handed on to another whose approach would learn from the very same examples."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advisor.disk import clear, intact
from advisor.measuring.assignment import Assignment
from advisor.measuring.lines import append, lines
from advisor.measuring.reading import JOURNAL, identity, is_head, record_path

FITS = "fits"  # as the report names what was reused


def take_fit(folder: Path, head: Mapping[str, Any], assignment: Assignment) -> None:
    """Begin a run with what was fitted in another folder, where that has learned from the very same examples."""
    for line in lines(folder / JOURNAL):
        if is_head(line) and _fitted_by(line) == _fitted_by(head):
            hand_on(record_path(folder / line["key"], assignment.spec, assignment.seed), assignment)


def _fitted_by(head: Mapping[str, Any]) -> dict[str, Any]:
    """What a fit depends on, beside the approach, its seed and the program."""
    return {"examples": head.get("fitting"), "model": identity(head["model"])}


def hand_on(source: Path, assignment: Assignment) -> None:
    """Let a run that has not begun go on from the fit recorded at `source`, as if it had been killed after it.

    Its figures of fitting are those of the other run, and the record says that this time was not spent again. Nothing
    happens where there is no such fit, where another program made it, or where the run has begun.

    Args:
        source: the record of the other run; its predictor lies beside it.
    """
    begun = _beginning(source)
    if not begun or begun[0].get("program") != assignment.program or assignment.path.exists():
        return
    head, fitted = begun
    seconds = fitted["fit_seconds"] + (fitted.get("index_seconds") or 0.0)
    work = assignment.folder.with_name(assignment.folder.name + ".saving")
    clear(work, assignment.folder)
    work.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source.with_suffix(""), work, copy_function=_link)
    work.rename(assignment.folder)
    fitted = {name: value for name, value in fitted.items() if name not in ("spans", "reused")}
    append(assignment.path, head, fitted | {"reused": {FITS: seconds}})


def _beginning(source: Path) -> list[dict[str, Any]]:
    """The lines that begin the last attempt of a run and end its fit; empty where it was not fitted."""
    found: list[dict[str, Any]] = []
    for line in lines(source):
        if line["type"] == "run":
            found = [line]
        elif line["type"] == "fitted":
            found = [*found[:1], line]
    return found if len(found) == 2 and intact(source.with_suffix("")) else []


def _link(source: str, target: str) -> None:
    """The file under a second name, or a copy where the disk has no such thing: nobody writes into it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
