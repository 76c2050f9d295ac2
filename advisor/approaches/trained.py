"""A training that several rows share is done once: the first row keeps it, the others take it from its saved weights.

`cpt`, `cpt+lora` and `rag+cpt+lora` begin with the same training on the same documents, `lora` and `lora+dpo` with the
same on the same examples. What it took counts in every row all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from advisor.approaches.contract import Facts
from advisor.approaches.tuner import Made, TrainingSet, Tuned, Tuner
from advisor.disk import intact
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.scratch import scratch

REUSED = "trainings that were done before"  # as the report names what was not done again
ABOUT = "made.json"
OWN = "tuned"
PLACES = ("weights", "weights/first", "weights/then/first")
"""Where a row's folder holds what one training made; `OWN` where an interrupted row keeps it."""


def trained(tuner: Tuner, training: TrainingSet, model: LanguageModel, seed: int, kept: Path | None = None) -> Tuned:
    """Train, or take what the same training made before: for another row of the run folder, or for this one until it
    was interrupted.

    Args:
        kept: the folder in which the row keeps it.

    Raises:
        NotApplicable: as in `Tuner.tune`.
    """
    lent = scratch()
    if lent is None:
        return tuner.tune(training, model, seed)
    digest = _digest(tuner, training, model, seed, lent.program)
    places = [(row, row / name) for row in lent.beside() for name in PLACES]
    if found := _found([(kept, kept / OWN), *places] if kept else places, digest):
        place, made, facts = found
        tuned = tuner.restore(place, model)
        tuned.facts, tuned.made = facts, made
        clock.credit(REUSED, made.seconds)
        return tuned
    began = clock.now()
    tuned = tuner.tune(training, model, seed)
    tuned.made = Made(digest, clock.now() - began)
    return tuned


def save(tuned: Tuned, folder: Path) -> None:
    """Write it into a new folder, with what another row has to know to take it from there."""
    folder.mkdir()
    tuned.save(folder)
    if tuned.made is not None:
        about = {**asdict(tuned.made), "facts": asdict(tuned.facts)}
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def holds(kept: Path | None, made: Made) -> bool:
    """Whether a folder in which an interrupted row keeps a training holds this one."""
    return kept is not None and _found([(kept, kept / OWN)], made.digest) is not None


def _found(places: Sequence[tuple[Path, Path]], digest: str) -> tuple[Path, Made, Facts] | None:
    """The first place that holds what that training made, in a folder that is whole."""
    for whole, place in places:
        try:
            about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if about["digest"] == digest and intact(whole):
            return place, Made(digest, about["seconds"]), _facts(about["facts"])
    return None


def _facts(written: dict[str, Any]) -> Facts:
    known = written["perplexity"]
    return Facts(**written | {"notes": tuple(written["notes"]), "perplexity": known and (known[0], known[1])})


def _digest(tuner: Tuner, training: TrainingSet, model: LanguageModel, seed: int, program: str) -> str:
    """Of all that decides what a training makes."""
    says = model.describe()
    ran = [says.get(name) for name in ("dtype", "device", "device_name", "threads")]
    about = (program, tuner, seed, model.name, model.revision, *ran, version("torch"), tuner.rests_on(training))
    return hashlib.sha256(repr(about).encode("utf-8", "surrogatepass")).hexdigest()
