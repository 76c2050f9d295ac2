"""Losses on preferences: what training on a better and a worse answer minimises, by their log-ratios to the start.

Each is the loss of one pair as the paper has it and TRL 1.16 computes it; a test holds them against TRL's figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import logsigmoid


@dataclass(frozen=True)
class Ratios:
    """Of each pair of a minibatch, all of shape (pairs,).

    Attributes:
        chosen, rejected: log-probability of the answer, minus that by the model that training began with.
        chosen_tokens, rejected_tokens: lengths of the answers.
        divergence: mean log-ratio of answers to other prompts, at least 0: an estimate of the KL divergence from the
            start (KTO alone); no gradient goes through it.
    """

    chosen: torch.Tensor
    rejected: torch.Tensor
    chosen_tokens: torch.Tensor
    rejected_tokens: torch.Tensor
    divergence: float = 0.0

    @property
    def gap(self) -> torch.Tensor:
        """By how much more the chosen answer gained."""
        return self.chosen - self.rejected

    @property
    def mean_gap(self) -> torch.Tensor:
        """The same per token of each answer."""
        return self.chosen / self.chosen_tokens - self.rejected / self.rejected_tokens


def of_each_pair(loss: str, ratios: Ratios, beta: float, smoothing: float) -> torch.Tensor:
    """The loss of each pair, shape (pairs,).

    Args:
        loss: as of `finetune.dpo.Dpo`.
        beta: how closely the model is held to its start.
        smoothing: share of the pairs that are taken to be the wrong way round.
    """
    return _LOSSES[loss](ratios, beta, smoothing)


def _sigmoid(r: Ratios, beta: float, smoothing: float) -> torch.Tensor:
    return -(1 - smoothing) * logsigmoid(beta * r.gap) - smoothing * logsigmoid(-beta * r.gap)


def _sigmoid_norm(r: Ratios, beta: float, _: float) -> torch.Tensor:
    return -logsigmoid(beta * r.mean_gap)


def _hinge(r: Ratios, beta: float, _: float) -> torch.Tensor:
    return torch.relu(1 - beta * r.gap)


def _ipo(r: Ratios, beta: float, _: float) -> torch.Tensor:
    return (r.mean_gap - 1 / (2 * beta)) ** 2


def _robust(r: Ratios, beta: float, smoothing: float) -> torch.Tensor:
    clean, flipped = -(1 - smoothing) * logsigmoid(beta * r.gap), -smoothing * logsigmoid(-beta * r.gap)
    return (clean - flipped) / (1 - 2 * smoothing)


def _exo(r: Ratios, beta: float, smoothing: float) -> torch.Tensor:
    won, lost = beta * r.gap, -beta * r.gap
    wanted = torch.tensor([1 - smoothing, smoothing], device=won.device).log()
    return won.sigmoid() * (logsigmoid(won) - wanted[0]) + lost.sigmoid() * (logsigmoid(lost) - wanted[1])


def _nca(r: Ratios, beta: float, _: float) -> torch.Tensor:
    chosen, rejected = beta * r.chosen, beta * r.rejected
    return -logsigmoid(chosen) - 0.5 * logsigmoid(-chosen) - 0.5 * logsigmoid(-rejected)


def _sppo(r: Ratios, beta: float, _: float) -> torch.Tensor:
    return (r.chosen - 0.5 / beta) ** 2 + (r.rejected + 0.5 / beta) ** 2


def _apo_zero(r: Ratios, beta: float, _: float) -> torch.Tensor:
    return 1 - torch.sigmoid(beta * r.chosen) + torch.sigmoid(beta * r.rejected)


def _apo_down(r: Ratios, beta: float, _: float) -> torch.Tensor:
    return torch.sigmoid(beta * r.chosen) + 1 - torch.sigmoid(beta * r.gap)


def _kto(r: Ratios, beta: float, _: float) -> torch.Tensor:
    """Both answers of a pair are judged alone; the mean of the two, as TRL has it over single answers."""
    desired = 1 - torch.sigmoid(beta * (r.chosen - r.divergence))
    undesired = 1 - torch.sigmoid(beta * (r.divergence - r.rejected))
    return (desired + undesired) / 2


_LOSSES: dict[str, Callable[[Ratios, float, float], torch.Tensor]] = {
    "sigmoid": _sigmoid,
    "sigmoid_norm": _sigmoid_norm,
    "hinge": _hinge,
    "ipo": _ipo,
    "robust": _robust,
    "exo_pair": _exo,
    "nca_pair": _nca,
    "sppo_hard": _sppo,
    "apo_zero": _apo_zero,
    "apo_down": _apo_down,
    "kto": _kto,
}
