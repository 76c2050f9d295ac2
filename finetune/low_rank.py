"""The hyper-parameters of low-rank adapters, as a tuner and its method share them; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from finetune.training import Serve, Targets

Init = Literal["default", "gaussian", "orthogonal", "pissa", "pissa_niter_16", "olora"]
Modulation = Literal["none", "task"]

PLAIN_ALPHA = 32
ROOT_ALPHA = 8  # the same strength at rank 16
OWN = 4  # the part of the rank that belongs to a task alone is one over this


@dataclass(frozen=True)
class LowRank:
    """Low-rank adapters on linear layers (Hu et al. 2021).

    Attributes:
        rank: of the update to each weight matrix.
        alpha: scale of the update, relative to `rank`, with `rslora` to its root; `none` is 32, with `rslora` 8, which
            are the same at rank 16, and for `init=olora` what makes the scale 1.
        dropout: on the adapter's input.
        dora: whether the update is decomposed into magnitude and direction (DoRA, Liu et al. 2024).
        rslora: whether it is scaled by the root of the rank, so that a high rank learns as fast as a low one (rsLoRA,
            Kalajdzievski 2023).
        init: what it starts from, by PEFT: `default` and `gaussian` draw one half and leave the other at zero,
            `orthogonal` draws halves whose product is zero, `pissa` takes the largest singular values of the weights
            (Meng et al. 2024), `pissa_niter_16` an approximation of these in a fraction of the time, `olora` the first
            columns of their QR decomposition (Buyukakyuz 2024). The last three take what they start from out of the
            weights while training; what is kept is relative to the weights as they are, of twice the rank.
        targets: which linear layers it lies on: all but the output layer, those of attention, or all others.
        serve: whether queries are answered with the adapter merged into the weights, at the speed of the base model,
            or attached, as a server that shares one base among several adapters has it. `auto` merges,
            but for weights that are codes (`--quantize`), beside which the adapter is attached.
        modulation: what of the adapter belongs to each of several tasks (`also`): nothing, or a quarter of its rank
            (after MTLoRA, Agiza et al. 2024). Of the other tasks that part is thrown away: what is kept in the
            end is an adapter as any other.
    """

    rank: int = 16
    alpha: int | None = None
    dropout: float = 0.0
    dora: bool = False
    rslora: bool = False
    init: Init = "default"
    targets: Targets = "linear"
    serve: Serve = field(default="auto")
    modulation: Modulation = "none"

    def __post_init__(self) -> None:
        if min(self.rank, self.strength) < 1:
            raise ValueError("rank and alpha must be positive")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must lie between 0 and 1")
        if self.init == "orthogonal" and self.rank % 2:
            raise ValueError("the rank of init=orthogonal must be even")
        if self.modulation == "task" and self.rank < 2:
            raise ValueError("modulation=task needs a rank of at least 2: a part for each task, and one for all")

    @property
    def strength(self) -> int:
        """`alpha`, or what it is where none is named."""
        if self.alpha is not None:
            return self.alpha
        if self.init == "olora":  # whose first product is a projection of the weights: twice that mirrors them
            return max(1, round(self.rank**0.5)) if self.rslora else self.rank
        return ROOT_ALPHA if self.rslora else PLAIN_ALPHA

    @property
    def own(self) -> int:
        """What of the rank belongs to each task, where `modulation` says so."""
        return max(1, self.rank // OWN)

    @property
    def takes_from_weights(self) -> bool:
        """Whether the model's weights are without what the adapter starts from while it is trained."""
        return self.init.startswith(("pissa", "olora"))
