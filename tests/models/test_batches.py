"""How many prompts are answered at once, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from advisor.models.batches import ROWS_AT_ONCE, ROWS_ON_CPU, SHARE_OF_CPU, Bounds, batches
from advisor.models.kv import token_bytes
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


def test_a_small_model_answers_many_prompts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = model()
    memory = 2**30
    monkeypatch.setattr("advisor.models.device.usable_memory", lambda: memory)
    found = Bounds.of(module)
    assert found.rows == ROWS_ON_CPU
    assert found.tokens == int(SHARE_OF_CPU * memory / token_bytes(module))


def test_a_large_model_fewer_and_no_fewer_than_always(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = sum(p.numel() for p in model().parameters())
    monkeypatch.setattr("advisor.models.batches.WEIGHTS_AT_ONCE", 50.0 * weights)
    assert Bounds.of(model()).rows == 50
    monkeypatch.setattr("advisor.models.batches.WEIGHTS_AT_ONCE", 5.0 * weights)
    assert Bounds.of(model()).rows == ROWS_AT_ONCE


def test_a_machine_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.device.usable_memory", lambda: None)
    assert Bounds.of(model()).tokens == Bounds().tokens
