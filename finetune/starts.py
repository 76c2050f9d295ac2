"""The tuners of what stands before every prompt, as they are named and configured: soft prompts, P-tuning, prefixes and
cartridges; and one of them trained together with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from typing import Any, ClassVar

from advisor.approaches import Tuner
from advisor.tasks import TaskShape
from finetune.gradient import GradientTuner
from finetune.training import MOST_EPOCHS, SearchRange, TrainingSettings

TOKENS = SearchRange((8, 16, 32, 64))
SHARED = [name.name for name in fields(TrainingSettings) if name.name != "lr"]


@dataclass(frozen=True)
class StartTuner(GradientTuner):
    """Learns what stands before every prompt and leaves the weights as they are.

    Attributes:
        tokens: how many it is as long as; so many fewer are left of the context window.
    """

    tokens: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens < 1:
            raise ValueError("tokens must be positive")

    @property
    def virtual_tokens(self) -> int:
        """The learnt tokens."""
        return self.tokens

    def method_for(self, rows: Any) -> Any:
        """It begins as what the training prompts begin with."""
        return replace(self.method(), ids=tuple(rows.train[0].prompt))

    def followed_by(self, other: Tuner) -> Tuner | None:
        """It is trained together with weights that are named behind it."""
        if not isinstance(other, GradientTuner) or isinstance(other, StartTuner | StartAndWeights) or other.stage:
            return None
        return StartAndWeights.of(self, other)


@dataclass(frozen=True)
class SoftPrompt(StartTuner):
    """A soft prompt: embeddings in front of every prompt, begun as its first tokens (Lester et al. 2021).

    As `prefix` was measured, 0.85 at a rate of 3e-3, 0.60 at 1e-2, 0.56 at 3e-2 and 0.57 at 1e-1.
    """

    lr: float = field(default=3e-2, kw_only=True)

    name: ClassVar[str] = "prompt"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((3e-3, 3e-1), between=True),
        "tokens": TOKENS,
    }

    def method(self) -> Any:
        """Embeddings."""
        return import_module("finetune.methods.starts").SoftPromptMethod(self.tokens)


@dataclass(frozen=True)
class PTuning(StartTuner):
    """A soft prompt whose embeddings a small network makes while it is trained (P-tuning, Liu et al. 2021).

    As `prefix` was measured, 0.76 at a rate of 1e-3, 0.58 at 3e-3 and 0.48 at 1e-2.

    Attributes:
        width: of the network's hidden layers.
    """

    width: int = 256
    lr: float = field(default=1e-2, kw_only=True)

    name: ClassVar[str] = "ptuning"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((3e-4, 3e-2), between=True),
        "tokens": TOKENS,
        "width": SearchRange((64, 256, 1024)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise ValueError("width must be positive")

    def method(self) -> Any:
        """Embeddings that PEFT's prompt encoder makes."""
        return import_module("finetune.methods.starts").SoftPromptMethod(self.tokens, width=self.width)

    def followed_by(self, other: Tuner) -> Tuner | None:
        """Its network learns by a rate of its own."""
        return None


@dataclass(frozen=True)
class PrefixTuning(StartTuner):
    """Keys and values of each layer in front of every prompt, begun as its first tokens' (Li and Liang 2021).

    Of SmolLM2-135M-Instruct on trec6, 200 examples and two epochs, the held-out loss was 0.57 at a rate of 3e-3, 0.37
    at 1e-2, 0.19 at 3e-2, which was LoRA's (0.19), 0.12 at 1e-1 and 0.80 at 3e-1.
    """

    lr: float = field(default=5e-2, kw_only=True)

    name: ClassVar[str] = "prefix"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((5e-3, 3e-1), between=True),
        "tokens": TOKENS,
    }

    def method(self) -> Any:
        """Keys and values."""
        return import_module("finetune.methods.starts").PrefixMethod(self.tokens)


@dataclass(frozen=True)
class Cartridge(StartTuner):
    """The documents, trained into keys and values in front of every prompt, then the examples (Eyuboglu et al. 2025).

    Attributes:
        read: tokens of the documents that are read at most, to learn to say them; several times where they are few.
    """

    tokens: int = 256
    read: int = 70_000
    lr: float = field(default=1e-2, kw_only=True)

    name: ClassVar[str] = "cartridge"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((1e-3, 1e-1), between=True),
        "tokens": SearchRange((64, 128, 256, 512)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens < 2 or self.read < 1:
            raise ValueError("tokens must be at least 2, read at least 1")

    def unsuited(self, task: TaskShape) -> str:
        """There have to be documents."""
        return "" if task.documents else "there are no documents"

    def reads_documents(self, tokens: float) -> float:
        """Several times, up to its bound."""
        return min(MOST_EPOCHS * tokens, float(self.read))

    def method(self) -> Any:
        """Keys and values, of which the first token's stay."""
        methods = import_module("finetune.methods.cartridges")
        schedule = replace(methods.READING, lr=self.lr)
        return methods.CartridgeMethod(self.tokens, frozen=methods.SINK, read=self.read, reading=schedule)

    def method_for(self, rows: Any) -> Any:
        """It begins as the documents do."""
        return replace(self.method(), documents=tuple(rows.documents))

    def followed_by(self, other: Tuner) -> Tuner | None:
        """The documents are learned by the cartridge alone."""
        return None


@dataclass(frozen=True)
class StartAndWeights(GradientTuner):
    """What stands before every prompt, trained together with the weights, each at its own learning rate.

    How long and how carefully to train is said of the weights.

    Attributes:
        start, weights: as each was configured.
    """

    start: StartTuner
    weights: GradientTuner

    @classmethod
    def of(cls, start: StartTuner, weights: GradientTuner) -> StartAndWeights:
        """Both, trained as the weights would be alone.

        Raises:
            ValueError: the start names something of that itself.
        """
        defaults = {one.name: one.default for one in fields(start)}
        if named := [name for name in SHARED if getattr(start, name) != defaults[name]]:
            joined = f"{start.name}+{weights.name}"
            raise ValueError(f"{joined} is trained as {weights.name} is: give {named[0]} to {weights.name}")
        return cls(start, weights, lr=weights.lr, **{name: getattr(weights, name) for name in SHARED})

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.start.name}+{self.weights.name}"

    @property
    def parts(self) -> tuple[Tuner, ...]:
        """The start, and the weights as they are trained."""
        training = {name: getattr(self, name) for name in ("lr", *SHARED)}
        return (self.start, replace(self.weights, **training))

    @property
    def ranges(self) -> Mapping[str, SearchRange]:  # type: ignore[override]
        """The rate of the weights, with which that of the start goes."""
        return {name: found for name, found in self.weights.ranges.items() if name == "lr"}

    @property
    def virtual_tokens(self) -> int:
        """The learnt tokens."""
        return self.start.virtual_tokens

    def followed_by(self, other: Tuner) -> Tuner | None:
        """Nothing is trained upon what stands before prompts."""
        return None

    def method(self) -> Any:
        """Both methods."""
        return self._joined(self.start.method(), self.weights.method())

    def method_for(self, rows: Any) -> Any:
        """Both, each beginning as it would alone."""
        return self._joined(self.start.method_for(rows), self.weights.method_for(rows))

    def unsuited(self, task: TaskShape) -> str:
        """What does not suit one of them."""
        return self.start.unsuited(task) or self.weights.unsuited(task)

    def reads_documents(self, tokens: float) -> float:
        """What both read."""
        return self.start.reads_documents(tokens) + self.weights.reads_documents(tokens)

    def _joined(self, start: Any, weights: Any) -> Any:
        # under one rate, what is multiplied moves by so much more
        scaled = replace(start, scale=self.start.lr / self.weights.lr)
        return import_module("finetune.methods.joint").JointMethod(scaled, weights)
