"""What a tuner made of a language model, as a model takes it: tensors in place of its own, modules put into it, or keys
and values in front of every prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Form = Literal["merged", "attached"]


@dataclass(frozen=True, slots=True)
class Merged:
    """Tuned weights that take the place of the model's own; the model computes as before, at the same speed.

    Attributes:
        key: identifies them; two objects with the same key are the same adaptation.
        tensors: full replacement by parameter name, a tensor of the parameter's own shape and dtype. They are asked for
            one by one, and may be made when they are.
    """

    form: ClassVar[Form] = "merged"
    key: str
    tensors: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Attached:
    """What runs beside the model's own weights, as a server with several adapters has it: low-rank products, prefixes.

    Attributes:
        key: identifies it; another one than that of the same adapter merged, since the numbers differ by rounding.
        attach: puts it into the model's module and returns what takes it out again; afterwards the module is bit for
            bit what it was.
    """

    form: ClassVar[Form] = "attached"
    key: str
    attach: Callable[[Any], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Rebuilt(Attached):
    """Layers in place of the model's own, whose weights are codes: what these stand for, with an adapter in it."""

    form: ClassVar[Form] = "merged"


@dataclass(frozen=True, slots=True)
class Prefixed:
    """Keys and values that stand before the first token of every prompt, as a learnt prompt or prefix makes them.

    Attributes:
        key: identifies them, together with what they stand before.
        layers: of each layer its keys and values, tensors of shape (1, key heads, tokens, size), as attention gets
            them: rotated, where the model rotates. Positions of prompts begin behind them.
        over: what the weights are meanwhile; None for the model's own.
    """

    form: ClassVar[Form] = "attached"
    key: str
    layers: Sequence[tuple[object, object]]
    over: Merged | Attached | None = None


@dataclass(frozen=True, slots=True)
class Stacked:
    """What tuners that follow one another made: an adaptation of weights that another one had made before.

    Attributes:
        ground: in place of the model's own weights, in form merged.
        over: what goes onto these as it would onto the model's own.
    """

    ground: Adaptation
    over: Adaptation

    @property
    def key(self) -> str:
        """Of both."""
        return ">".join(level.key for level in levels(self))

    @property
    def form(self) -> Form:
        """As which the upper one is served: the ground is merged."""
        return self.over.form


Adaptation = Merged | Attached | Prefixed | Stacked


def levels(adaptation: Adaptation | None) -> tuple[Merged | Attached | Prefixed, ...]:
    """What is put into a model one upon the other, from the ground up; nothing for its own weights."""
    if isinstance(adaptation, Stacked):
        return (*levels(adaptation.ground), *levels(adaptation.over))
    return () if adaptation is None else (adaptation,)
