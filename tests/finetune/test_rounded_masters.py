"""Masters of weights of the model's own, which answer in bfloat16."""

from __future__ import annotations

import pytest
import torch

from finetune.masters import MasterWeights


@pytest.fixture
def weights() -> torch.Tensor:
    drawn = torch.randn(256, 256, generator=torch.Generator().manual_seed(0)).mul_(0.1).bfloat16()
    drawn[0] = torch.tensor([0.0, 1.0, -2.0, 0.5]).repeat(64)  # where the next numbers lie at unequal distances
    return torch.nn.Parameter(drawn)


def moved(weights: torch.Tensor, rounded: bool, rate: float, steps: int = 1) -> torch.Tensor:
    torch.manual_seed(1)
    before, masters = weights.detach().float(), MasterWeights([weights], 0.0, rounded)
    for _ in range(steps):
        weights.grad = torch.ones_like(weights)
        masters.take_gradients(1e9)
        masters.step(rate)
    return weights.detach().float() - before


def test_they_begin_as_what_rounds_to_the_weights(weights: torch.Tensor) -> None:
    own = weights.detach().clone()
    masters = MasterWeights([weights], 0.0, rounded=True)
    assert torch.equal(weights, own)
    assert torch.equal(masters.values()[0], own)
    masters.lie_in([weights])
    assert torch.equal(weights, own)


def test_steps_smaller_than_what_bfloat16_tells_apart_arrive_on_the_average(weights: torch.Tensor) -> None:
    assert moved(weights, rounded=True, rate=2e-5).mean() == pytest.approx(-2e-5, rel=0.1)


def test_without_that_most_would_be_lost(weights: torch.Tensor) -> None:
    assert moved(weights, rounded=False, rate=2e-5).mean() > -1e-5


def test_a_state_to_go_back_to_takes_no_more_room_than_the_weights(weights: torch.Tensor) -> None:
    masters = MasterWeights([weights], 0.0, rounded=True)
    masters.keep()
    kept = weights.detach().clone()
    weights.grad = torch.ones_like(weights)
    masters.take_gradients(1e9)
    masters.step(0.1)
    assert masters.kept is not None and masters.kept.dtype == torch.bfloat16
    assert not torch.equal(weights, kept)
    masters.put_back()
    assert torch.equal(weights, kept)
