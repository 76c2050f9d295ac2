"""How to train: the hyper-parameters that every tuner by gradient has, and what is chosen where the user leaves one
open; no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from advisor.approaches.curation import NAMES as CURATED
from advisor.approaches.curation import Curation

MOST_EPOCHS = 10
EXAMPLES_SEEN = 800
TOKENS_SEEN = 70_000
LARGEST_BATCH = 8
FEWEST_STEPS = 48

Serve = Literal["auto", "merged", "attached"]
Shape = Literal["linear", "cosine", "constant"]
Targets = Literal["linear", "attention", "mlp"]
Objective = Literal["loss", "metric", "never"]
Recompute = Literal["auto", "always", "never"]
Mix = Literal["equal", "root", "size"]
Conflicts = Literal["none", "pcgrad", "upgrad"]
Order = Literal["none", "length", "loss"]

BETWEEN = ";"  # the folders of several tasks
_OF_OTHERS = ("mix", "conflicts")  # what says nothing without other tasks


@dataclass(frozen=True)
class Descent:
    """How long, how fast and how carefully to train, whatever is trained by gradient.

    Attributes:
        lr: peak learning rate.
        epochs: passes over the training examples at most; 0 chooses by their number and length.
        batch: examples a step; 0 chooses by the number of examples.
        schedule: how the learning rate goes on from its peak: to zero in a line or along half a cosine, or stays.
        warmup: share of the steps over which it rises to its peak.
        decay: weight decay, decoupled from the gradient (AdamW, Loshchilov and Hutter 2019).
        clip: largest norm of a step's gradient; a larger one is scaled down to it.
        smoothing: share of an answer token's target that is spread over the vocabulary (label smoothing, Szegedy et
            al. 2016); losses that are reported and judged by are without it.
        patience: evaluations on the held-out examples without a gain before training stops.

    Class attributes:
        chooses_lr: whether the rate may be left open, as 0.
    """

    chooses_lr: ClassVar[bool] = False

    lr: float = field(default=1e-3, kw_only=True)
    epochs: int = field(default=0, kw_only=True)
    batch: int = field(default=0, kw_only=True)
    schedule: Shape = field(default="linear", kw_only=True)
    warmup: float = field(default=0.1, kw_only=True)
    decay: float = field(default=0.0, kw_only=True)
    clip: float = field(default=1.0, kw_only=True)
    smoothing: float = field(default=0.0, kw_only=True)
    patience: int = field(default=2, kw_only=True)

    def __post_init__(self) -> None:
        if self.lr < 0 or not (self.lr or self.chooses_lr) or min(self.epochs, self.batch) < 0:
            raise ValueError("lr must be positive, epochs and batch not negative")
        if not 0 <= self.warmup < 1 or not 0 <= self.smoothing < 1:
            raise ValueError("warmup and smoothing must lie between 0 and 1")
        if self.decay < 0 or self.clip <= 0 or self.patience < 1:
            raise ValueError("decay must not be negative, clip must be positive, and patience at least 1")

    def ramp(self, step: int, total: int) -> float:
        """Share of the peak learning rate at a step, counted from 1, of so many."""
        warm = max(1, round(self.warmup * total))
        if step <= warm:
            return step / warm
        left = max(0.0, (total - step + 1) / (total - warm + 1))
        if self.schedule == "constant":
            return 1.0
        return left if self.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2


@dataclass(frozen=True)
class Mixture(Descent):
    """What the examples of other tasks have to do with it. What is held out, and judged by, is of this task alone.

    Attributes:
        also: folders of tasks whose training examples are learned from too, with their own instructions and labels and
            without context; as seen from this task's folder, with `;` between them.
        mix: how many of another task are drawn for a pass over this task's examples, without one twice before all were
            seen: as many as this task has; this number times their ratio; or times its root, which lies between.
        conflicts: what becomes of the tasks' gradients: their sum, or without what works against another task, by
            projection onto its normal plane (PCGrad, Yu et al. 2020) or onto what worsens none (UPGrad, Quinton and
            Rey 2024).
    """

    also: str = field(default="", kw_only=True)
    mix: Mix = field(default="equal", kw_only=True)
    conflicts: Conflicts = field(default="none", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _OF_OTHERS:
            if not self.others and getattr(self, name) != getattr(Mixture, name):
                raise ValueError(f"{name} says nothing without other tasks (also=../other-task)")
        if len(set(self.others)) < len(self.others):
            raise ValueError(f"also={self.also} names a task twice")

    @property
    def others(self) -> tuple[str, ...]:
        """The folders in `also`."""
        return tuple(name for name in (part.strip() for part in self.also.split(BETWEEN)) if name)


@dataclass(frozen=True)
class Schedule(Mixture):
    """The same of what the language model itself computes (`finetune.trainer`).

    Attributes:
        curriculum: the order of the first pass, the easiest examples first (curriculum learning, Bengio et al. 2009):
            the shortest, or those on which the untrained model has the least loss for each token of the answer. Later
            passes are in an order of their own, as all are without (as in Amodei et al. 2016, section 3.2), and each
            example is seen as often.
        budget: tokens of training examples that are seen at most, prompts and answers; training ends at the step that
            reaches them, be it within a pass, and `epochs` is chosen by it where it is left open. 0 sets no such bound.
        stop: what training is stopped early by, its best step chosen by and a search judged by, on the held-out
            examples: their loss, or what their answers are worth with the weights as they are then, whatever the loss
            says; never holds none out and keeps the last step.
        checkpointing: whether layers are computed again on the way back (gradient checkpointing), a third slower and in
            a fraction of the memory: where memory is short, always or never.
    """

    curriculum: Order = field(default="none", kw_only=True)
    budget: int = field(default=0, kw_only=True)
    stop: Objective = field(default="loss", kw_only=True)
    checkpointing: Recompute = field(default="auto", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.budget < 0:
            raise ValueError("budget must not be negative")

    def steps(self, examples: int, tokens: float) -> int:
        """Of the whole training, in which a pass sees so many examples of so many tokens; at least 1."""
        an_epoch = math.ceil(examples / self.batch)
        passes = min(self.epochs, self.budget / tokens) if self.budget else self.epochs
        return max(1, min(self.epochs * an_epoch, math.ceil(passes * an_epoch)))


@dataclass(frozen=True)
class SearchRange:
    """What a search tries for a hyper-parameter.

    Attributes:
        values: from which one is taken; for `between`, the lowest and the highest.
        between: whether all numbers between the two are tried, evenly in their logarithm.
    """

    values: tuple[Any, ...]
    between: bool = False

    def __str__(self) -> str:
        numbers = [f"{value:g}" for value in self.values]
        return " to ".join(numbers) if self.between else ", ".join(numbers)


@dataclass(frozen=True)
class TrainingSettings(Schedule, Curation):
    """What every tuner that trains by gradient has beside its own hyper-parameters; what is done to the training
    examples is part of it.

    Attributes:
        search: configurations to search among, at least 2; 0 takes this one. What differs from its default here is kept
            in all of them.

    Class attributes:
        ranges: what a search varies. A batch is searched around what this one has.
        learns_text: whether it learns the documents as raw text, so that their perplexity is told.
        lacks: as in `Part`.
    """

    ranges: ClassVar[Mapping[str, SearchRange]] = {}
    learns_text: ClassVar[bool] = False
    lacks: ClassVar[tuple[str, ...]] = ()
    search: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        Curation.__post_init__(self)
        if self.search < 0 or self.search == 1:
            raise ValueError("search must be at least 2 configurations, or 0 for none")
        if self.search and self.stop == "never":
            raise ValueError("search judges configurations by held-out examples: stop=loss or stop=metric")
        defaults = {one.name: one.default for one in fields(self)}
        if said := [name for name in self.lacks if name in defaults and getattr(self, name) != defaults[name]]:
            raise ValueError(f"{said[0]} says nothing of what is learned here")

    def method(self) -> Any:
        """What it trains in a model, a `finetune.methods.contract.Method`; torch comes with it."""
        raise NotImplementedError(type(self).__name__)

    def method_for(self, rows: Any) -> Any:
        """The same where it is trained on `rows`, a `finetune.session.SplitRows`, of which some begin as something."""
        return self.method()

    def trainer(self) -> Any:
        """The class of trainer whose loss it minimises; None for the loss on the answers."""
        return None

    @property
    def virtual_tokens(self) -> int:
        """Tokens that it puts before every prompt."""
        return 0

    def tried(self, **values: Any) -> dict[str, Any]:
        """What a search sets where it drew these values: what depends on them with them."""
        return values


OF_EXAMPLES = ("also", "mix", "conflicts", "modulation", "curriculum", *CURATED)
"""What is said of training examples, for tuners that learn from something else."""


def default_epochs(examples: int, own: float, shared: int) -> int:
    """Passes over the training examples where the user names none: as many as their number needs, fewer where
    they are so long that more would cost more time than they bring.

    Args:
        own: tokens of all examples that are their own.
        shared: tokens that all have in common, which are read once a step.
    """
    needed = min(MOST_EPOCHS, max(2, round(EXAMPLES_SEEN / examples)))
    read = own + shared * math.ceil(examples / LARGEST_BATCH)
    return max(1, min(needed, int(TOKENS_SEEN // read)))


def epochs_within(tokens: int, a_pass: float) -> int:
    """Passes over examples of `a_pass` tokens that a budget of so many begins; at least 1."""
    return max(1, math.ceil(tokens / a_pass))


def default_batch(seen: float) -> int:
    """Examples a step where the user names none: 8, fewer where that would leave too few steps to learn in."""
    return max(2, min(LARGEST_BATCH, int(seen // FEWEST_STEPS)))


def trainings(count: int) -> float:
    """What a search among so many configurations costs, roughly, in trainings of one: the first goes to its end, of
    the others each stage of `finetune.search` leaves about half."""
    return 1 + 0.36 * (count - 1)
