"""Tuned weights take the place of the model's own, and these come back bit for bit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from advisor.models import Adaptation, Decoding, Merged, Prompt
from advisor.models.local.engine import LocalModel

CHOICES = ["red", "green", "dark blue"]


def bits(model: LocalModel) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.module.named_parameters()}


def same(model: LocalModel, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(p, before[name]) for name, p in model.module.named_parameters())


def other_weights(model: LocalModel, key: str, factor: float) -> Merged:
    names = [name for name, _ in model.module.named_parameters() if "q_proj" in name or "down_proj" in name]
    parameters = dict(model.module.named_parameters())
    return Merged(key, {name: parameters[name].detach() * factor for name in names})


@pytest.fixture
def weights(llama: LocalModel) -> Iterator[tuple[Merged, Merged]]:
    yield other_weights(llama, "left", 1.5), other_weights(llama, "right", 0.5)
    llama.activate(None)


def totals(model: LocalModel, prompts: list[Prompt], adaptation: Adaptation | None) -> list[tuple[float, ...]]:
    return [s.totals for s in model.score(prompts, CHOICES, adaptation)]


def test_other_weights_answer_otherwise(
    llama: LocalModel, prompts: list[Prompt], weights: tuple[Merged, Merged]
) -> None:
    answers = [totals(llama, prompts, w) for w in (None, *weights)]
    assert answers[0] != answers[1] != answers[2] != answers[0]


def test_the_models_own_weights_come_back_bit_for_bit(
    llama: LocalModel, prompts: list[Prompt], weights: tuple[Merged, Merged]
) -> None:
    before = bits(llama)
    first = totals(llama, prompts, None)
    for w in (*weights, None):
        totals(llama, prompts, w)
    assert same(llama, before)
    assert totals(llama, prompts, None) == first


def test_alternating_weights_never_mix(
    llama: LocalModel, prompts: list[Prompt], weights: tuple[Merged, Merged]
) -> None:
    """The kept prefixes belong to the weights that computed them."""
    prompts = prompts[:5]  # these begin alike
    cold = []
    for w in weights:
        llama.forget()
        cold.append(totals(llama, prompts, w))
    left, right = cold
    for _ in range(2):
        assert totals(llama, prompts, weights[0]) == left
        assert totals(llama, prompts, weights[1]) == right


def test_active_weights_are_those_given(llama: LocalModel, weights: tuple[Merged, Merged]) -> None:
    before = bits(llama)
    llama.activate(weights[0])
    parameters = dict(llama.module.named_parameters())
    for name, original in before.items():
        merged = weights[0].tensors.get(name, original)
        assert isinstance(merged, torch.Tensor)
        assert torch.equal(parameters[name], merged)


def test_generation_uses_the_weights_given(
    llama: LocalModel, prompts: list[Prompt], weights: tuple[Merged, Merged]
) -> None:
    own, left = (llama.generate(prompts, Decoding(6), w) for w in (None, weights[0]))
    assert [a.text for a in own] != [a.text for a in left]
    assert [a.text for a in llama.generate(prompts, Decoding(6))] == [a.text for a in own]


def test_own_weights_are_active_inside_the_block(llama: LocalModel, weights: tuple[Merged, Merged]) -> None:
    before = bits(llama)
    llama.activate(weights[0])
    with llama.own_weights():
        assert same(llama, before)


def test_bfloat16_weights_come_back_bit_for_bit(llama_folder, loaded, prompts: list[Prompt]) -> None:  # type: ignore[no-untyped-def]
    model = loaded(llama_folder, "bfloat16")
    before = bits(model)
    totals(model, prompts, other_weights(model, "left", 1.1))
    totals(model, prompts, None)
    assert same(model, before)
    assert {p.dtype for p in model.module.parameters()} == {torch.bfloat16}
