"""LoRA and what PEFT makes of it: an adapter merged into the model's weights, or attached where it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

from peft import LoraConfig, get_peft_model_state_dict

from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.low_rank import LowRank
from finetune.methods.contract import Inserted, LearnedTensors, State
from finetune.methods.modulation import modulated
from finetune.methods.peft import PeftMethod
from finetune.residues import beside, started
from finetune.targets import ALL, linear_layers


@dataclass(frozen=True)
class LoraMethod(LowRank, PeftMethod):
    """Low-rank adapters on linear layers.

    Attributes:
        tasks: that are trained, each with a part of its own if there are several.
    """

    tasks: int = 1

    def of_tasks(self, tasks: int) -> LoraMethod:
        """The same for so many tasks, each of which has a part of its own."""
        return replace(self, tasks=tasks)

    def configuration(self, model: LocalModel) -> LoraConfig:
        """PEFT's, for this model."""
        attention = [] if self.targets == "linear" else linear_layers(model.module, "attention")
        return adapter.configuration(
            self.rank,
            self.strength,
            self.dropout,
            use_dora=self.dora,
            use_rslora=self.rslora,
            init_lora_weights=True if self.takes_from_weights or self.init == "default" else self.init,
            target_modules=attention if self.targets == "attention" else ALL,
            exclude_modules=attention if self.targets == "mlp" else None,
        )

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """An adapter in the model's dtype on each linear layer."""
        with adapter.inserted(model, self.configuration(model)) as wrapped:
            takes = self.takes_from_weights
            begun: AbstractContextManager[State] = started(model, wrapped, self.init) if takes else nullcontext({})
            with begun as starts:

                def learned(masters: State) -> LearnedTensors:
                    # as it is in this model: with the layers that the adapter lies on, and those left out
                    config, state = wrapped.peft_config[adapter.FIRST], adapter.state_of(wrapped, masters)
                    if starts:
                        config, state = beside(config, state, get_peft_model_state_dict(wrapped, state_dict=starts))
                    return self.learned(config, state, inserted)

                inserted = Inserted.of(wrapped, learned)
                if self.tasks > 1:
                    inserted = modulated(inserted, self.rank, self.own, self.tasks)
                yield inserted

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """Where no adapter lies, and what is kept of one that started from the weights."""
        found = super().notes(model)
        if self.takes_from_weights:
            kept = (
                f"What the adapter started from ({self.init}) was taken out of the weights while it was trained; it is"
            )
            found = (*found, f"{kept} kept relative to the weights as they are, with a rank of {2 * self.rank}.")
        if self.modulation == "task":
            rest = self.rank - self.own
            found = (*found, f"Of its rank of {self.rank}, {self.own} belonged to this task and {rest} to all of them.")
        return found
