"""An adapter is served in the form for which there is memory; whatever form that is, the base stays what it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

from advisor.approaches import TrainingSet, Tuned
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Attached, Decoding, Merged, Prompt
from advisor.models.adaptation import Rebuilt
from advisor.models.load import load_model
from advisor.models.local.engine import LocalModel
from advisor.models.local.originals import Originals
from finetune import Lora
from finetune.targets import left_out
from finetune.training import Serve
from tests.models.tiny import GROUPED

LORA = Lora(rank=4, alpha=8, lr=1e-2, epochs=4, batch=4)
CHOICES = ["red", "green", "dark blue"]
LEAVING_OUT: dict[str, dict[str, Any]] = {
    "phimoe": GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2},
}
Bits = dict[str, torch.Tensor]
BitsOf = Callable[[LocalModel], Bits]
Untouched = Callable[[LocalModel, Bits], None]


@pytest.fixture
def prompts_of(curriculum: TrainingSet) -> list[Prompt]:
    return [one.prompt for one in curriculum.examples]


def scores(model: LocalModel, prompts: Sequence[Prompt], adaptation: Adaptation | None) -> torch.Tensor:
    return torch.tensor([s.totals for s in model.score(prompts, CHOICES, adaptation)])


def without_memory(model: LocalModel, tuned: Tuned, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Tuned:
    """Saved, and restored where memory has room for nothing."""
    model.activate(None)
    model._activation._originals = [Originals(model.module)]
    monkeypatch.setenv("ADVISOR_MEMORY_GB", "0.001")
    return LORA.restore(_saved(tuned, folder), model)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_where_memory_has_no_room_the_originals_lie_on_disk(
    dtype: str,
    llama_folder: Path,
    loaded: Callable[..., LocalModel],
    curriculum: TrainingSet,
    prompts_of: list[Prompt],
    bits_of: BitsOf,
    assert_untouched: Untouched,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    model = loaded(llama_folder, dtype)
    before, own = bits_of(model), scores(model, prompts_of, None)
    lies = [p.data_ptr() for p in model.module.parameters()]
    ample = LORA.tune(curriculum, model, seed=0)
    expected = scores(model, prompts_of, ample.adaptation)
    tensors = dict(ample.adaptation.tensors)  # type: ignore[union-attr]
    short = without_memory(model, ample, monkeypatch, tmp_path)
    assert "lying on disk" in " ".join(short.facts.notes)
    assert not any("disk" in note for note in ample.facts.notes)
    assert short.adaptation.key == ample.adaptation.key
    for _ in range(2):
        assert torch.equal(scores(model, prompts_of, short.adaptation), expected)
        assert all(torch.equal(tensors[n], short.adaptation.tensors[n]) for n in tensors)  # type: ignore[union-attr]
        assert torch.equal(scores(model, prompts_of, None), own)
    assert lies == [p.data_ptr() for p in model.module.parameters()]
    assert_untouched(model, before)


def test_where_nothing_has_room_the_adapter_is_attached(
    llama_folder: Path,
    loaded: Callable[..., LocalModel],
    curriculum: TrainingSet,
    prompts_of: list[Prompt],
    bits_of: BitsOf,
    assert_untouched: Untouched,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    model = loaded(llama_folder)
    before = bits_of(model)
    ample = LORA.tune(curriculum, model, seed=0)
    expected = scores(model, prompts_of, ample.adaptation)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    tuned = without_memory(model, ample, monkeypatch, tmp_path)
    assert isinstance(tuned.adaptation, Attached)
    assert "neither memory nor the disk" in " ".join(tuned.facts.notes)
    torch.testing.assert_close(scores(model, prompts_of, tuned.adaptation), expected, atol=1e-3, rtol=1e-3)
    assert_untouched(model, before)


@pytest.mark.filterwarnings("ignore::RuntimeWarning:peft")  # where a layer has no experts
@pytest.mark.parametrize("kind", LEAVING_OUT)
@pytest.mark.parametrize("serve", ["attached", "merged"])
def test_what_is_saved_names_the_layers_that_it_lies_on(
    serve: Serve,
    kind: str,
    folder_of: Callable[..., Path],
    loaded: Callable[..., LocalModel],
    curriculum: TrainingSet,
    prompts_of: list[Prompt],
    tmp_path: Path,
) -> None:
    """And so is laid onto its base by whoever reads PEFT's format, though nothing was asked before it was saved."""
    base = folder_of("model", AutoConfig.for_model(kind, **LEAVING_OUT[kind]))
    model = loaded(base)
    assert left_out(model.module).layers
    tuned = replace(LORA, serve=serve).tune(curriculum, model, seed=0)
    folder = _saved(tuned, tmp_path)
    found = load_model(f"{base}+{folder}", embedder=str(base), device="cpu", dtype="float32")
    assert isinstance(found, LocalModel)
    expected = scores(model, prompts_of, tuned.adaptation)
    torch.testing.assert_close(scores(found, prompts_of, None), expected, atol=1e-3, rtol=1e-3)
    assert (expected - scores(model, prompts_of, None)).abs().max() > 0.1


def test_a_merge_that_fails_half_way_leaves_the_base(
    llama_folder: Path, loaded: Callable[..., LocalModel], bits_of: BitsOf, assert_untouched: Untouched
) -> None:
    model = loaded(llama_folder)
    before = bits_of(model)
    first, second = [name for name, _ in model.module.named_parameters() if "proj" in name][:2]
    odd = Merged("odd", {first: before[first] * 2, second: torch.zeros(3, 3, 3)})
    with pytest.raises(RuntimeError):
        model.activate(odd)
    assert_untouched(model, before)


def test_a_limit_that_is_no_number_is_refused(
    llama: LocalModel, curriculum: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_MEMORY_GB", "plenty")
    with pytest.raises(UserError, match="ADVISOR_MEMORY_GB"):
        LORA.tune(curriculum, llama, seed=0)


@pytest.fixture(scope="session")
def wide_folder(llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of layers in bitsandbytes' blocks of 64 numbers."""
    folder = Path(shutil.copytree(llama_folder, tmp_path_factory.mktemp("wide") / "model"))
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2}
    config = LlamaConfig.from_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(vocab_size=config.vocab_size, initializer_range=0.2, num_key_value_heads=2, **shape)
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("bits", "dora"), [("4bit", False), ("4bit", True), ("8bit", False)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_quantised_base_is_trained_and_served(
    bits: str,
    dtype: str,
    dora: bool,
    wide_folder: Path,
    curriculum: TrainingSet,
    prompts_of: list[Prompt],
    bits_of: BitsOf,
    assert_untouched: Untouched,
    tmp_path: Path,
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    model = load_model(str(wide_folder), embedder=str(wide_folder), device="cpu", dtype=dtype, quantize=bits)
    assert isinstance(model, LocalModel)
    before, own = bits_of(model), scores(model, prompts_of, None)
    plain = sum(p.numel() for p in LlamaForCausalLM.from_pretrained(wide_folder).parameters())
    assert model.describe()["parameters"] == plain
    assert model.describe()["dtype"] == dtype
    lora = replace(LORA, dora=dora)
    tuned = lora.tune(curriculum, model, seed=0)
    assert_untouched(model, before)
    assert isinstance(tuned.adaptation, Attached)
    assert "which are quantised" in " ".join(tuned.facts.notes)
    folder = _saved(tuned, tmp_path)
    merged = replace(lora, serve="merged").restore(folder, model)
    assert isinstance(merged.adaptation, Rebuilt)
    assert merged.adaptation.form == "merged"
    back = lora.restore(folder, model).adaptation
    attached, found, again = (scores(model, prompts_of, a) for a in (tuned.adaptation, merged.adaptation, back))
    assert torch.equal(attached, again)
    moved = float((attached - own).abs().mean())
    assert moved > 0.3
    assert float((found - attached).abs().mean()) < (0.02 if (bits, dtype) == ("4bit", "float32") else 0.2) * moved
    model.generate(prompts_of, Decoding(3), merged.adaptation)
    assert torch.equal(scores(model, prompts_of, None), own)
    assert_untouched(model, before)


def test_where_codes_cannot_be_rebuilt_the_adapter_is_attached(
    wide_folder: Path, curriculum: TrainingSet, prompts_of: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEFT's layers beside the codes of GPTQ and AWQ do not tell what an adapter adds."""
    pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    model = load_model(str(wide_folder), embedder=str(wide_folder), device="cpu", dtype="float32", quantize="4bit")
    assert isinstance(model, LocalModel)
    monkeypatch.delattr("peft.tuners.lora.bnb.Linear4bit.get_delta_weight")
    tuned = replace(LORA, serve="merged").tune(curriculum, model, seed=0)
    assert isinstance(tuned.adaptation, Attached)
    assert "codes of this kind" in " ".join(tuned.facts.notes)
    assert not torch.equal(scores(model, prompts_of, tuned.adaptation), scores(model, prompts_of, None))


@pytest.mark.parametrize("where", ["beyond every name" * 20, None], ids=["not to be reached", "no home"])
def test_a_disk_that_cannot_be_asked_has_no_room(
    where: str | None, llama: LocalModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("ADVISOR_MEMORY_GB", "0.001")
    monkeypatch.setenv("ADVISOR_CACHE", str(tmp_path / where) if where else "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert Originals(llama.module).place(dict(llama.module.named_parameters())) is None


def test_dora_beside_eight_bits_is_refused_and_leaves_the_base(
    wide_folder: Path, curriculum: TrainingSet, bits_of: BitsOf, assert_untouched: Untouched
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    model = load_model(str(wide_folder), embedder=str(wide_folder), device="cpu", dtype="float32", quantize="8bit")
    assert isinstance(model, LocalModel)
    before = bits_of(model)
    with pytest.raises(NotApplicable, match="DoRA cannot be laid beside weights of eight bits"):
        replace(LORA, dora=True).tune(curriculum, model, seed=0)
    assert_untouched(model, before)


def _saved(tuned: Tuned, folder: Path) -> Path:
    folder = folder / "adapter"
    folder.mkdir()
    tuned.save(folder)
    return folder
