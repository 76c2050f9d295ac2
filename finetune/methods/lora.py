"""LoRA and what PEFT makes of it: an adapter merged into the model's weights, or attached where it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peft import LoraConfig

from advisor.approaches import Facts, Tuned
from advisor.models import Adaptation
from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.methods.contract import Inserted, LearnedTensors, Method, State
from finetune.serving import served
from finetune.targets import left_out
from finetune.training import Serve


@dataclass(frozen=True)
class LoraMethod(Method):
    """Low-rank adapters on all linear layers. Attributes as of `finetune.lora.Lora`."""

    rank: int
    alpha: int
    dropout: float = 0.0
    dora: bool = False
    serve: Serve = "auto"

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """An adapter in the model's dtype on each linear layer."""
        config = adapter.configuration(self.rank, self.alpha, self.dropout, self.dora)
        with adapter.inserted(model, config) as wrapped:

            def learned(masters: State) -> LearnedTensors:
                # the configuration as it is in this model: with the layers that the adapter lies on, and those left out
                return LearnedTensors(adapter.state_of(wrapped, tensors=masters), wrapped.peft_config[adapter.FIRST])

            yield Inserted.of(wrapped, learned)

    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """Merged or attached, as it is to be served."""
        return LoraAdapter(self.serve, model, learned.config, learned.state)

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Read an adapter in PEFT's format."""
        return LoraAdapter(self.serve, model, *adapter.load(folder))

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """Where no adapter lies."""
        left = str(left_out(model.module))
        return (f"No adapter lies on {left}.",) if left else ()


class LoraAdapter(Tuned):
    """A trained adapter, merged into the model's weights or attached to them where it is used."""

    def __init__(self, serve: Serve, model: LocalModel, config: LoraConfig, state: State) -> None:
        self.config = config
        self.state = state
        self._adaptation, note = served(serve, model, config, state)
        size = sum(t.numel() for t in state.values())
        self.facts = Facts(artifact_bytes=4 * size, trainable_parameters=size, notes=(note,) if note else ())

    @property
    def adaptation(self) -> Adaptation:
        """The adapter in the form in which it is served."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format."""
        adapter.save(folder, self.config, self.state)
