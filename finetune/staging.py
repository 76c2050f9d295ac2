"""Stages trained one behind the other: the model stands on what one made while the next is trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from advisor.approaches import Facts, TrainingSet, Tuned, Tuner
from advisor.errors import NotApplicable
from advisor.models import LanguageModel, Stacked
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import scratch
from finetune.session import local_of

FIRST, THEN = "first", "then"  # folders of what is saved
REUSED = "stages of a training that was interrupted"  # as the report names what was not done again
_TUNED, _FACTS = "tuned", "stage.json"


def tune(stages: tuple[Tuner, Tuner], training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Train the first of two, or take it from a killed run of the same, then the other upon it.

    Raises:
        NotApplicable: the first could only be attached, and nothing is trained upon that.
    """
    local = local_of(model)
    first = _first(stages[0], training, local, seed)
    _check_merged(stages, first)
    with local.standing_on(first.adaptation):
        then = stages[1].tune(training, local, seed)
    return TunedStages(stages, first, then)


def restore(stages: tuple[Tuner, Tuner], folder: Path, model: LanguageModel) -> Tuned:
    """Read what was saved, the other upon the first."""
    local = local_of(model)
    first = stages[0].restore(folder / FIRST, local)
    with local.standing_on(first.adaptation):
        then = stages[1].restore(folder / THEN, local)
    return TunedStages(stages, first, then)


class TunedStages(Tuned):
    """What stages made, one upon the other."""

    def __init__(self, stages: tuple[Tuner, Tuner], first: Tuned, then: Tuned) -> None:
        self.first = first
        self.then = then
        self._adaptation = Stacked(first.adaptation, then.adaptation)
        below, upper = first.facts, then.facts
        self.facts = replace(
            upper,
            artifact_bytes=below.artifact_bytes + upper.artifact_bytes,
            trainable_parameters=below.trainable_parameters + upper.trainable_parameters,
            notes=(*_said(stages[0], first), *_said(stages[1], then)),
            resolved={**below.resolved, **upper.resolved},
            tokens_seen=below.tokens_seen + upper.tokens_seen,
        )

    @property
    def adaptation(self) -> Stacked:
        """The last upon the others."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write each as it saves itself."""
        for name, one in ((FIRST, self.first), (THEN, self.then)):
            (folder / name).mkdir()
            one.save(folder / name)


def _said(tuner: Tuner, tuned: Tuned) -> tuple[str, ...]:
    """A stage's notes, with its name before them; stages' own have theirs already."""
    notes = tuned.facts.notes
    return notes if isinstance(tuned, TunedStages) else tuple(f"{tuner.name}: {note}" for note in notes)


def _check_merged(stages: tuple[Tuner, Tuner], first: Tuned) -> None:
    if first.adaptation.form != "merged":
        name, then = (stage.name for stage in stages)
        raise NotApplicable(
            f"{then} is trained upon weights into which {name} is merged, and {name} is attached here; "
            f"{name}:serve=merged merges it, where there is room for that"
        )


def _first(tuner: Tuner, training: TrainingSet, model: LocalModel, seed: int) -> Tuned:
    """A stage by itself; where it took long it is kept until all are done."""
    lent = scratch()
    if lent is None:
        return tuner.tune(training, model, seed)
    name, known = f"stage-{tuner.name}", _identity(tuner, training, model, seed)
    kept = lent.kept(name)
    if kept is not None:
        about = json.loads((kept / _FACTS).read_text(encoding="utf-8"))
        if about["identity"] == known:
            tuned = tuner.restore(kept / _TUNED, model)
            tuned.facts = _read(about["facts"])
            clock.credit(REUSED, about["seconds"])
            return tuned
    began = clock.now()
    tuned = tuner.tune(training, model, seed)

    def write(folder: Path) -> None:
        (folder / _TUNED).mkdir()
        tuned.save(folder / _TUNED)
        about = {"identity": known, "seconds": clock.now() - began, "facts": _written(tuned.facts)}
        (folder / _FACTS).write_text(json.dumps(about), encoding="utf-8")

    if lent.worth(clock.now() - began):
        lent.keep(name, write)
    return tuned


def _written(facts: Facts) -> dict[str, Any]:
    return {field.name: getattr(facts, field.name) for field in fields(facts)}


def _read(facts: dict[str, Any]) -> Facts:
    return Facts(**facts | {"notes": tuple(facts["notes"])})


def _identity(tuner: Tuner, training: TrainingSet, model: LocalModel, seed: int) -> str:
    """Digest of all that decides what a stage makes."""
    about = (tuner, seed, model.name, model.revision, model.dtype, model.device.type, version("torch"))
    return hashlib.sha256(repr((*about, training)).encode()).hexdigest()
