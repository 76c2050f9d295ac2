"""Adapted layers read without Transformers and autograd around them, against both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import get_peft_model

from advisor.models.local.attention import packed_attention
from advisor.models.local.fused import KINDS, FusedLayers
from finetune import adapter
from finetune.fused import llama
from finetune.fused.packing import Segments

OfKind = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # of PEFT

PREFIX, LENGTHS = 3, (7, 4)
IDS = torch.randint(64, (PREFIX + sum(LENGTHS),), generator=torch.Generator().manual_seed(1))
POSITIONS = torch.tensor([*range(PREFIX), *(PREFIX + i for length in LENGTHS for i in range(length))])
WANTED = torch.tensor([8, 9, 12, 13])


def adapted(module: Any, dropout: float = 0.0) -> Any:
    """A model as the trainer has it before it, with an adapter that says something."""
    whole = FusedLayers(module)
    wrapped = get_peft_model(
        module, adapter.configuration(rank=3, alpha=5, dropout=dropout), autocast_adapter_dtype=False
    )
    for parameter in trained(module):
        torch.nn.init.normal_(parameter, std=0.3)
    return SimpleNamespace(
        module=module, reader=SimpleNamespace(fused=whole), device=torch.device("cpu"), wrapped=wrapped
    )


def trained(module: Any) -> list[torch.Tensor]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def read(model: Any) -> torch.Tensor | None:
    return llama.read(model, IDS, POSITIONS, Segments.of(PREFIX, LENGTHS, model.device), WANTED)


def expected(model: Any) -> torch.Tensor:
    segments = Segments.of(PREFIX, LENGTHS, model.device)
    with packed_attention(model.module):
        output = model.module.base_model(
            input_ids=IDS[None], position_ids=POSITIONS[None], use_cache=False, attending=segments
        )
    hidden: torch.Tensor = output.last_hidden_state[0, WANTED]
    return hidden


def gradients(model: Any, hidden: torch.Tensor) -> list[torch.Tensor]:
    weights = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(2))
    return list(torch.autograd.grad((hidden * weights).sum(), trained(model.module)))


@pytest.mark.parametrize("kind", KINDS)
def test_states_and_gradients_are_transformers_and_pefts(kind: str, of_kind: OfKind) -> None:
    model = adapted(of_kind(kind))
    found, wanted = read(model), expected(model)
    assert found is not None
    assert torch.allclose(found, wanted, atol=1e-5, rtol=1e-4)
    for own, theirs in zip(gradients(model, found), gradients(model, wanted), strict=True):
        assert torch.linalg.norm(own - theirs) < 1e-4 * torch.linalg.norm(theirs)


@contextmanager
def listening(model: Any) -> Iterator[None]:
    hook = model.module.base_model.register_forward_pre_hook(lambda *given: None)
    yield
    hook.remove()


@contextmanager
def switched_off(model: Any) -> Iterator[None]:
    with model.wrapped.disable_adapter():
        yield


@contextmanager
def unknown(model: Any) -> Iterator[None]:
    model.reader.fused, before = None, model.reader.fused
    yield
    model.reader.fused = before


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """One layer without an adapter."""
    mlp = model.module.base_model.layers[1].mlp
    mlp.up_proj, before = mlp.up_proj.get_base_layer(), mlp.up_proj
    yield
    mlp.up_proj = before


@pytest.mark.parametrize("changed", [listening, switched_off, unknown, untouched])
def test_it_leaves_to_the_modules_what_is_more_than_plain_adapters(changed: Any, of_kind: OfKind) -> None:
    model = adapted(of_kind("llama"))
    with changed(model):
        assert read(model) is None
    assert read(model) is not None


def test_dropout_is_left_to_peft_where_it_is_at_work(of_kind: OfKind) -> None:
    model = adapted(of_kind("llama"), dropout=0.1)
    model.wrapped.train()
    assert read(model) is None
    model.wrapped.eval()
    found = read(model)
    assert found is not None
    assert torch.allclose(found, expected(model), atol=1e-5, rtol=1e-4)
