"""How many prompts are answered at once, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from advisor.models.local.batches import Bounds, batches
from advisor.models.local.kv import token_bytes
from advisor.models.render import Encoded


def model(**changed: Any) -> LlamaForCausalLM:
    small = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**small, **heads, **changed)).eval()  # type: ignore[arg-type]


def rows(*lengths: int) -> list[Encoded]:
    return [Encoded(tuple(range(length)), 0) for length in lengths]


def test_the_longest_prompts_come_first_and_alike_ones_together() -> None:
    found = list(batches(rows(3, 9, 5, 9, 4), 0, Bounds(rows=2)))
    assert found == [[1, 3], [2, 4], [0]]


def test_what_may_follow_counts_as_read() -> None:
    assert list(batches(rows(9, 9, 9), 0, Bounds(tokens=27))) == [[0, 1, 2]]
    assert list(batches(rows(9, 9, 9), 1, Bounds(tokens=27))) == [[0, 1], [2]]
    assert list(batches(rows(90), 1, Bounds(tokens=27))) == [[0]]


def test_keys_and_values_take_what_a_cache_takes() -> None:
    module = model()
    cache = module(input_ids=module.dummy_inputs["input_ids"], use_cache=True).past_key_values
    kept = [(layer.keys, layer.values) for layer in cache.layers]
    size = sum(t.numel() * t.element_size() for pair in kept for t in pair)
    assert token_bytes(module) == size / module.dummy_inputs["input_ids"].numel()


def test_keys_and_values_take_a_sixteenth_of_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.local.device.usable_memory", lambda: 2**30)
    assert Bounds.of(model()).tokens == 2**26 // (2 * 3 * 2 * 8 * 4)  # keys and values, layers, heads, size, bytes


def sized(weights: float, device: str) -> Any:
    """What is asked of a model of so many weights, in bfloat16, with a kilobyte of keys and values a token."""
    sizes = {"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 1, "hidden_size": 512}
    config = SimpleNamespace(**sizes)
    config.get_text_config = lambda decoder: config
    parameters = [SimpleNamespace(numel=lambda: int(weights))]
    known = {"dtype": torch.bfloat16, "device": torch.device(device), "parameters": lambda: parameters}
    return SimpleNamespace(config=config, **known)


@pytest.mark.parametrize(("weights", "rows"), [(135e6, 128), (494e6, 40), (7.6e9, 32)])
def test_the_larger_the_model_the_fewer_prompts_at_once_on_a_cpu(weights: float, rows: int) -> None:
    assert Bounds.of(sized(weights, "cpu")).rows == rows


def test_on_a_gpu_half_of_what_the_weights_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.local.batches.device_memory", lambda module: 80 * 2**30)
    assert Bounds.of(sized(8 * 2**30, "cuda")) == Bounds(rows=512, tokens=32 * 2**20)


def test_weights_that_fill_the_gpu_leave_the_usual_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.local.batches.device_memory", lambda module: 16 * 2**30)
    assert Bounds.of(sized(8 * 2**30, "cuda")).tokens == Bounds().tokens


def test_a_machine_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.local.device.usable_memory", lambda: None)
    assert Bounds.of(model()).tokens == Bounds().tokens
