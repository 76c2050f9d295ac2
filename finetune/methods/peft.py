"""What PEFT's mergeable kinds of adapters have in common: merged into the model's weights, or attached to them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peft import PeftConfig

from advisor.approaches import Facts, Tuned
from advisor.models import Adaptation
from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.methods.contract import Inserted, LearnedTensors, Method, State
from finetune.serving import served
from finetune.targets import left_out
from finetune.training import Serve


@dataclass(frozen=True)
class AdapterConfig:
    """What has to be known of an adapter beside its tensors.

    Attributes:
        peft: as PEFT keeps it, with the layers that the adapter lies on.
        trained: how many of its numbers were trained.
    """

    peft: PeftConfig
    trained: int


class PeftMethod(Method):
    """An adapter of one of PEFT's kinds, each layer of which merges exactly."""

    serve: Serve

    @abstractmethod
    def configuration(self, model: LocalModel) -> PeftConfig:
        """PEFT's, for this model.

        Raises:
            NotApplicable: it has no layers of the kind.
        """

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """Adapters on the layers that the configuration names."""
        with adapter.inserted(model, self.configuration(model)) as wrapped:

            def learned(masters: State) -> LearnedTensors:
                return self.learned(wrapped.peft_config[adapter.FIRST], adapter.state_of(wrapped, masters), inserted)

            inserted = Inserted.of(wrapped, learned)
            yield inserted

    @staticmethod
    def learned(config: PeftConfig, state: State, inserted: Inserted) -> LearnedTensors:
        """What is kept of what was inserted."""
        return LearnedTensors(state, AdapterConfig(config, sum(p.numel() for p in inserted.named.values())))

    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """Merged or attached, as it is to be served."""
        return TunedAdapter(self.serve, model, learned)

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Read an adapter in PEFT's format."""
        return self.tuned(model, self.read(folder))

    @staticmethod
    def read(folder: Path) -> LearnedTensors:
        """What `Tuned.save` wrote."""
        config, state = adapter.load(folder)
        trained = adapter.trained(folder) or sum(t.numel() for t in state.values())
        return LearnedTensors(state, AdapterConfig(config, trained))

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """What an adapter on all linear layers leaves out."""
        left = str(left_out(model.module))
        return (f"No adapter lies on {left}.",) if left else ()


class TunedAdapter(Tuned):
    """A trained adapter, merged into the model's weights or attached to them where it is used."""

    def __init__(self, serve: Serve, model: LocalModel, learned: LearnedTensors) -> None:
        self.state = learned.state
        self.config: AdapterConfig = learned.config
        self._adaptation, note = served(serve, model, self.config.peft, self.state)
        self.facts = Facts(
            artifact_bytes=sum(t.nbytes for t in self.state.values()),
            trainable_parameters=self.config.trained,
            notes=(note,) if note else (),
        )

    @property
    def adaptation(self) -> Adaptation:
        """The adapter in the form in which it is served."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format."""
        adapter.save(folder, self.config.peft, self.state, self.config.trained)
