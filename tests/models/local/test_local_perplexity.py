"""Likelihoods of plain text against the model's own logits, one text at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from advisor.errors import UserError
from advisor.models.adaptation import Attached, Merged, Prefixed
from advisor.models.local.batches import Bounds
from advisor.models.local.engine import LocalModel
from advisor.models.local.start import keys_of
from tests.models.tiny import GROUPED, GROWING

TEXTS = ["the handbook says", "the sea", "  working days\nand more of them, every one of them  ", "größe 日本", "a"]


def reference(model: LocalModel, text: str) -> float:
    """What stands behind the line break, predicted from it."""
    lead = len(model.renderer.tokenizer("\n")["input_ids"])
    ids = model.renderer.tokenizer("\n" + text.strip())["input_ids"]
    with torch.inference_mode():
        rows = model.module(torch.tensor([ids], device=model.device)).logits[0].double().log_softmax(-1)
    return sum(rows[at - 1, ids[at]].item() for at in range(lead, len(ids)))


def test_a_text_is_as_likely_as_the_model_says(any_model: LocalModel) -> None:
    assert any_model.can.text_likelihood
    any_model.activate(None)
    expected = [reference(any_model, text) for text in TEXTS]
    assert any_model.log_likelihoods(TEXTS) == pytest.approx(expected, abs=1e-3)


def test_rows_that_are_read_together_do_not_notice_each_other(
    any_model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = any_model.log_likelihoods(TEXTS)
    monkeypatch.setattr("advisor.models.local.engine.TEXTS", Bounds(rows=2))
    monkeypatch.setattr("advisor.models.local.perplexity.LOGITS_AT_ONCE", 3)
    assert any_model.log_likelihoods(TEXTS) == pytest.approx(together, abs=1e-3)
    assert any_model.log_likelihoods([]) == []


def test_a_text_does_not_notice_a_longer_one_before_it(
    folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]
) -> None:
    """Not even where frequencies grow with every token."""
    changed = {"max_position_embeddings": 16, "rope_parameters": GROWING}
    model = loaded(folder_of("model", AutoConfig.for_model("llama", **(GROUPED | changed))))
    model.renderer.window = 512
    long, longer = "the sea and the sky " * 8, "the sea and the sky " * 20
    (alone,) = model.log_likelihoods([long])
    assert model.log_likelihoods([longer, long])[1] == pytest.approx(alone, abs=1e-3)


def test_a_text_beyond_the_window_is_refused(llama: LocalModel) -> None:
    with pytest.raises(UserError, match="context window"):
        llama.log_likelihoods(["word " * 5000])


def test_tuned_weights_find_other_texts_likely_and_the_own_ones_come_back(llama: LocalModel) -> None:
    """Whether they stand in place of the model's own, or something runs beside these."""
    before = llama.log_likelihoods(TEXTS)
    name, weight = next((name, p) for name, p in llama.module.named_parameters() if name.endswith("down_proj.weight"))
    layer = llama.module.get_submodule(name.removesuffix(".weight"))

    def attach(module: torch.nn.Module) -> Callable[[], None]:
        return layer.register_forward_hook(lambda _, given, found: 3 * found).remove

    merged = llama.log_likelihoods(TEXTS, Merged("tripled", {name: weight.detach() * 3}))
    assert merged != pytest.approx(before, abs=1e-2)
    assert llama.log_likelihoods(TEXTS, Attached("attached", attach)) == pytest.approx(merged, abs=1e-3)
    assert llama.log_likelihoods(TEXTS) == before


def test_behind_given_keys_a_text_is_as_likely_as_behind_the_tokens_that_they_are_of(any_model: LocalModel) -> None:
    if not any_model.reader.takes_start:
        pytest.skip("this model takes no keys and values before its rows")
    lead = tuple(range(40, 52))
    with torch.inference_mode():
        layers = keys_of(any_model.module, input_ids=torch.tensor([lead]))
        expected = []
        for text in TEXTS:
            encoded = any_model.renderer.encode_text(text)
            ids = (*lead, *encoded.ids)
            rows = any_model.module(torch.tensor([ids])).logits[0].double().log_softmax(-1)
            expected.append(sum(rows[at - 1, ids[at]].item() for at in range(len(lead) + encoded.stem, len(ids))))
    found = any_model.log_likelihoods(TEXTS, Prefixed("given", layers))
    assert found == pytest.approx(expected, abs=1e-3)
    assert found != pytest.approx(any_model.log_likelihoods(TEXTS), abs=1e-2)
