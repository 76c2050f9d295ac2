"""One training from its beginning to its end, whoever asks for it: what is judged by, and what is kept meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

from advisor.errors import NotApplicable
from advisor.models import Adaptation, LanguageModel
from advisor.models.clock import clock
from advisor.models.local.device import devices_of
from advisor.models.local.engine import LocalModel
from advisor.scratch import scratch
from advisor.tasks import Document
from finetune.fused.packing import TokenRow
from finetune.insertion import Insertion
from finetune.resuming import TrainingKeeper, identity
from finetune.trainer import Trainer
from finetune.training import Schedule, TrainingSettings


@dataclass(frozen=True)
class SplitRows:
    """What is trained and judged on.

    Attributes:
        examined: what the answers to the held-out examples are worth with an adaptation, from 0 to 1; None where they
            cannot be asked for.
        documents: the task's.
    """

    train: Sequence[TokenRow]
    held_out: Sequence[TokenRow]
    examined: Callable[[Adaptation], float] | None = None
    documents: Sequence[Document] = ()


def local_of(model: LanguageModel) -> LocalModel:
    """The model, where its weights can be trained in this process.

    Raises:
        NotApplicable: they cannot.
    """
    if not model.can.train:
        if isinstance(model, LocalModel):
            lying = ", ".join(devices_of(model.module))
            raise NotApplicable(f"the weights of {model.name} are spread over {lying}, and are trained on one device")
        raise NotApplicable(f"the weights of {model.name} are not here to be trained")
    return cast("LocalModel", model)  # what can be trained is a module of this engine


@contextmanager
def beginning(recipe: TrainingSettings, rows: SplitRows, model: LocalModel, seed: int) -> Iterator[Trainer]:
    """A training that has begun and took no step, with what it trains in the model while the block runs."""
    insertion = Insertion(recipe.method_for(rows), model, seed)
    with insertion as inserted:
        trainer: Trainer = (recipe.trainer() or Trainer)(model, inserted, recipe)
        if recipe.stop == "metric" and rows.examined is not None:
            trainer.examined = partial(_examined, insertion, trainer, rows.examined)
        trainer.begin(rows.train, rows.held_out, seed)
        yield trainer


def keep_on(trainer: Trainer, recipe: Schedule, rows: SplitRows, seed: int) -> None:
    """Let a training that has begun go on from where a killed one of the same run came, and keep how far it comes."""
    if (lent := scratch()) is None:
        return
    known = identity(recipe, (rows.train, rows.held_out), trainer.model, seed)
    keeper = TrainingKeeper(lent, known, clock.now())
    keeper.resume(trainer)
    trainer.told = partial(keeper.told, trainer)


def _examined(insertion: Insertion, trainer: Trainer, examined: Callable[[Adaptation], float]) -> float:
    """What answers are worth now, in the form in which they would be served."""
    learned, model = trainer.learned(), trainer.model
    with insertion.taken_out():
        try:
            found = examined(insertion.method.tuned(model, learned).adaptation)
        finally:
            model.activate(None)
    trainer.lie_in(insertion.inserted)
    return found
