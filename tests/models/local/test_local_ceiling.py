"""The ceiling: which weights every token passes, and a rate that this machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from advisor.models.local.ceiling import ceiling

if TYPE_CHECKING:
    from advisor.models.local.engine import LocalModel


class Layers(nn.Module):
    """Two layers behind an embedding, a head before them; with so many experts beside."""

    def __init__(self, experts: int) -> None:
        super().__init__()
        self.base_model = nn.Sequential(nn.Embedding(100, 32), nn.Linear(32, 64), nn.Linear(64, 32))
        self.base_model.register_parameter("experts", nn.Parameter(torch.zeros(experts, 32, 32)))
        self.head = nn.Linear(32, 100)
        self.device, self.dtype = torch.device("cpu"), torch.float32


def test_embedding_and_head_do_not_count() -> None:
    found = ceiling(Layers(experts=0))
    assert found.matrix_parameters == 2 * 32 * 64
    assert found.matrix_flops is not None
    assert 1e7 < found.matrix_flops < 1e13


def test_where_a_token_passes_only_some_weights_they_are_not_told() -> None:
    assert ceiling(Layers(experts=8)).matrix_parameters is None


def test_of_a_model_it_is_told(any_model: LocalModel) -> None:
    facts = any_model.describe()
    assert 0 < facts["matrix_parameters"] < facts["parameters"]
    assert facts["matrix_flops"] == any_model.describe()["matrix_flops"]


def test_measuring_changes_no_draw_of_an_approach() -> None:
    module = Layers(experts=0)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    ceiling(module)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("base", [nn.Embedding(10, 4), nn.Sequential()])
def test_a_model_without_linear_layers_has_none(base: nn.Module) -> None:
    module = Layers(experts=0)
    module.base_model = base  # type: ignore[assignment]
    found = ceiling(module)
    assert (found.matrix_parameters, found.matrix_flops) == (None, None)
