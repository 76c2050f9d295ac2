"""The hyper-parameters of the `lora` tuner, and what is chosen where the user leaves one open; no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

MOST_EPOCHS = 10
EXAMPLES_SEEN = 800
TOKENS_SEEN = 70_000
Serve = Literal["auto", "merged", "attached"]
LARGEST_BATCH = 8
FEWEST_STEPS = 48


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters.

    Attributes:
        rank: of the update to each weight matrix.
        alpha: scale of the update, relative to `rank`.
        lr: peak learning rate.
        epochs: passes over the training examples at most; 0 chooses by their number and length.
        batch: examples a step; 0 chooses by the number of examples.
        dropout: on the adapter's input.
        search: configurations to search among, at least 2; 0 takes this one. The others vary `lr`, `rank` (and
            `alpha` with it), `batch` and `dropout`; what differs from its default here is kept in all of them.
            What wins has the lowest loss on held-out examples after ever longer training (`finetune.search`).
        dora: whether the update is decomposed into magnitude and direction (DoRA, Liu et al. 2024).
        serve: whether queries are answered with the adapter merged into the weights, at the speed of the base model,
            or attached, as a server that shares one base among several adapters has it. `auto` merges,
            but for weights that are codes (`--quantize`), beside which the adapter is attached.
    """

    rank: int = 16
    alpha: int = 32
    lr: float = 1e-3
    epochs: int = 0
    batch: int = 0
    dropout: float = 0.0
    search: int = 0
    dora: bool = False
    serve: Serve = "auto"

    def __post_init__(self) -> None:
        if min(self.rank, self.alpha) < 1 or self.lr <= 0 or min(self.epochs, self.batch) < 0:
            raise ValueError("rank, alpha and lr must be positive, epochs and batch not negative")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must lie between 0 and 1")
        if self.search < 0 or self.search == 1:
            raise ValueError("search must be at least 2 configurations, or 0 for none")


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


def default_batch(seen: int) -> int:
    """Examples a step where the user names none: 8, fewer where that would leave too few steps to learn in."""
    return max(2, min(LARGEST_BATCH, seen // FEWEST_STEPS))
