"""A start and the weights behind it, trained together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from advisor.approaches import Tuned
from advisor.models import Adaptation
from advisor.models.local.engine import LocalModel
from finetune.methods.contract import Inserted, LearnedTensors, Method, State
from finetune.methods.starts import StartMethod, TunedStart, read

START, WEIGHTS = "start", "weights"


@dataclass(frozen=True)
class JointMethod(Method):
    """Something in front of every prompt, and something in the weights."""

    start: StartMethod
    weights: Method

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """Both, the start read by the weights as they are trained."""
        with self.weights.inserted(model) as weights:
            start = self.start.begun(model)

            def learned(masters: State) -> LearnedTensors:
                found = {
                    name: part.learned({n: masters[f"{name}/{n}"] for n in part.named})
                    for name, part in ((START, start), (WEIGHTS, weights))
                }
                state = {f"{name}/{n}": t for name, one in found.items() for n, t in one.state.items()}
                return LearnedTensors(state, found)

            named = {f"{START}/{n}": p for n, p in start.named.items()}
            named |= {f"{WEIGHTS}/{n}": p for n, p in weights.named.items()}
            module = nn.ModuleList([start.module, weights.module])
            yield Inserted(module, named, learned, start.start, of_task=weights.of_task)

    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """The start before the weights in the form in which they are served."""
        start, weights = learned.config[START], learned.config[WEIGHTS]
        over = self.weights.tuned(model, weights)
        return JointlyTuned(TunedStart(self.start, model, start.state, start.config, over), over)

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Both, as each saves itself."""
        over = self.weights.restore(folder / WEIGHTS, model)
        return JointlyTuned(TunedStart(self.start, model, *read(folder / START), over), over)

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """Of both."""
        return (*self.start.notes(model), *self.weights.notes(model))


class JointlyTuned(Tuned):
    """A start, and the weights that it was trained with."""

    def __init__(self, start: TunedStart, weights: Tuned) -> None:
        self.start = start
        self.weights = weights
        one, other = start.facts, weights.facts
        self.facts = replace(
            one,
            artifact_bytes=one.artifact_bytes + other.artifact_bytes,
            trainable_parameters=one.trainable_parameters + other.trainable_parameters,
            notes=(*one.notes, *other.notes),
        )

    @property
    def adaptation(self) -> Adaptation:
        """The start, before these weights."""
        return self.start.adaptation

    def save(self, folder: Path) -> None:
        """Write each as it saves itself."""
        for name, one in ((START, self.start), (WEIGHTS, self.weights)):
            (folder / name).mkdir()
            one.save(folder / name)
