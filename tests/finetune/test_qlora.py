"""LoRA on codes made of a model in full precision: trained, merged into what the codes stand for, attached to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from advisor import load_model
from advisor.approaches import TrainingSet
from advisor.approaches.registry import parse, spec_of
from advisor.errors import UserError
from advisor.models import Attached, Merged, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.originals import Originals
from finetune import Lora, Qlora

pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
QLORA = Qlora(rank=8, alpha=16, epochs=6, batch=4, lr=1e-2)


@pytest.fixture(scope="module")
def wide(llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """Layers wide enough for several blocks of codes, whose scales are quantised too."""
    folder = tmp_path_factory.mktemp("wide")
    for path in llama_folder.glob("token*"):
        (folder / path.name).write_bytes(path.read_bytes())
    own = LlamaConfig.from_pretrained(llama_folder)
    shape = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=own.vocab_size, initializer_range=0.2, num_key_value_heads=2, **shape)
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    model = load_model(str(folder), embedder=str(folder), device="cpu", dtype="float32")
    assert isinstance(model, LocalModel)
    return model


def scores(model: LocalModel, prompts: Sequence[Prompt], adaptation: Any) -> torch.Tensor:
    return torch.tensor([s.totals for s in model.score(prompts, ["red", "green", "dark blue"], adaptation)])


@pytest.mark.parametrize("base", ["nf4", "int8"])
def test_what_is_merged_says_what_is_attached_and_the_weights_stay(
    base: Any,
    wide: LocalModel,
    curriculum: TrainingSet,
    bits_of: Callable[[LocalModel], Any],
    assert_untouched: Callable[[LocalModel, Any], None],
    tmp_path: Path,
) -> None:
    prompts = [example.prompt for example in curriculum.examples]
    before, own = bits_of(wide), scores(wide, prompts, None)
    tuned = replace(QLORA, base=base).tune(curriculum, wide, seed=0)
    assert_untouched(wide, before)
    assert isinstance(tuned.adaptation, Merged)
    tuned.save(tmp_path)
    again = replace(QLORA, base=base).restore(tmp_path, wide)
    attached = replace(QLORA, base=base, serve="attached").restore(tmp_path, wide)
    assert isinstance(attached.adaptation, Attached)
    merged, back, beside = (scores(wide, prompts, one.adaptation) for one in (tuned, again, attached))
    assert torch.equal(merged, back)
    moved = float((merged - own).abs().mean())
    assert moved > 0.3
    assert float((merged - beside).abs().max()) < (1e-3 if base == "nf4" else 0.2 * moved)
    assert_untouched(wide, before)


def test_the_note_says_what_the_base_takes_as_codes_and_without(wide: LocalModel, curriculum: TrainingSet) -> None:
    tuned = replace(QLORA, epochs=1).tune(curriculum, wide, seed=0)
    (note,) = [note for note in tuned.facts.notes if "NF4" in note]
    own = [m.weight for n, m in wide.module.named_modules() if type(m) is torch.nn.Linear and "lm_head" not in n]
    assert f"in place of {sum(4 * w.numel() for w in own) / 1e6:,.0f} MB" in note
    lora = Lora(rank=8, alpha=16, epochs=1, batch=4).tune(curriculum, wide, seed=0)
    assert tuned.facts.trainable_parameters == lora.facts.trainable_parameters


def test_it_is_asked_for_like_any_tuner() -> None:
    assert spec_of(parse("rag+qlora:base=int8,rank=8")) == "rag+qlora:rank=8,base=int8"


def test_where_memory_has_no_room_it_answers_from_the_codes(
    wide: LocalModel,
    curriculum: TrainingSet,
    bits_of: Callable[[LocalModel], Any],
    assert_untouched: Callable[[LocalModel, Any], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What stands in the place of the weights needs a second copy of these, which is asked for before."""
    prompts, before = [example.prompt for example in curriculum.examples], bits_of(wide)
    replace(QLORA, epochs=1).tune(curriculum, wide, seed=0).save(tmp_path)
    ample = QLORA.restore(tmp_path, wide)
    beside = replace(QLORA, serve="attached").restore(tmp_path, wide)
    wide.activate(None)
    monkeypatch.setattr(wide._activation, "_originals", [Originals(wide.module)])
    monkeypatch.setenv("ADVISOR_MEMORY_GB", "0.001")
    short = QLORA.restore(tmp_path, wide)
    monkeypatch.delenv("ADVISOR_MEMORY_GB")
    assert isinstance(ample.adaptation, Merged) and isinstance(short.adaptation, Attached)
    assert "from the codes, since memory had no room" in short.facts.notes[0]
    assert torch.equal(scores(wide, prompts, short.adaptation), scores(wide, prompts, beside.adaptation))
    assert_untouched(wide, before)


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_16", "olora"])
def test_what_starts_from_the_weights_is_refused_before_anything_is_loaded(init: str) -> None:
    with pytest.raises(UserError, match="qlora trains on codes"):
        parse(f"qlora:init={init}")
    assert spec_of(parse("qlora:init=gaussian")) == "qlora:init=gaussian"
