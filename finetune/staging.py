"""Stages trained one behind the other: the model stands on what one made while the next is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from advisor.approaches import TrainingSet, Tuned, Tuner
from advisor.approaches.trained import OWN, holds, save, trained
from advisor.errors import NotApplicable
from advisor.models import LanguageModel, Stacked
from advisor.models.local.engine import LocalModel
from advisor.scratch import scratch
from finetune.session import local_of

FIRST, THEN = "first", "then"  # folders of what is saved
Perplexities = tuple[float, float] | None


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
            perplexity=_from_to(below.perplexity, upper.perplexity),
        )

    @property
    def adaptation(self) -> Stacked:
        """The last upon the others."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write each as it saves itself."""
        save(self.first, folder / FIRST)
        save(self.then, folder / THEN)


def _from_to(below: Perplexities, upper: Perplexities) -> Perplexities:
    """Before the first and after the last of the stages that learned raw text."""
    return (below[0], upper[1]) if below and upper else below or upper


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
    lent, name = scratch(), f"stage-{tuner.name}"
    kept = lent.kept(name) if lent else None
    tuned = trained(tuner, training, model, seed, kept)
    if lent and tuned.made and not holds(kept, tuned.made) and lent.worth(tuned.made.seconds):
        lent.keep(name, lambda folder: save(tuned, folder / OWN))
    return tuned
