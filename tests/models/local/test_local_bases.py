"""Weights that are quantised as they are read, spread over memory and disk, or made of a base model and an adapter."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from advisor.approaches import TrainingSet
from advisor.errors import NotApplicable, UserError
from advisor.models import Decoding, Prompt
from advisor.models.load import load_again, load_model
from advisor.models.local import shortage
from advisor.models.local.engine import LocalModel
from advisor.models.local.fitting import Weights, check_fits
from advisor.models.local.shortage import NotEnoughMemory
from finetune import Lora

CPU = torch.device("cpu")
CHOICES = ["red", "dark blue", "dark green"]


def load(name: str, embedder: Path, **options: object) -> LocalModel:
    found = load_model(name, embedder=str(embedder), **({"device": "cpu", "dtype": "float32"} | options))  # type: ignore[arg-type]
    assert isinstance(found, LocalModel)
    return found


def scores(model: LocalModel, prompts: Sequence[Prompt]) -> torch.Tensor:
    return torch.tensor([row.totals for row in model.score(prompts, CHOICES)])


@pytest.fixture
def adapter(llama_folder: Path, tmp_path: Path) -> Path:
    """An adapter of the model in `llama_folder` that changes what it says."""
    torch.manual_seed(3)
    wrapped = get_peft_model(AutoModelForCausalLM.from_pretrained(llama_folder), LoraConfig(r=4, lora_alpha=16))
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    folder = tmp_path / "adapter"
    wrapped.save_pretrained(folder)
    return folder


def beside(base: Path, adapter: Path, prompts: Sequence[Prompt], own: LocalModel) -> torch.Tensor:
    """Scores of the adapter as PEFT computes it beside the base."""
    from peft import PeftModel

    module = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    found = []
    with torch.inference_mode():
        for prompt in prompts:
            ids = own.renderer.encode(prompt, 8).ids
            row = []
            for choice in CHOICES:
                answer = own.renderer.encode_answer(choice)
                logits = module(torch.tensor([[*ids, *answer]])).logits[0].log_softmax(-1)[len(ids) - 1 : -1]
                row.append(float(logits[torch.arange(len(answer)), torch.tensor(answer)].sum()))
            found.append(row)
    return torch.tensor(found)


def test_an_adapter_behind_a_plus_is_laid_onto_its_base(
    llama_folder: Path, adapter: Path, prompts: list[Prompt]
) -> None:
    base = load(str(llama_folder), llama_folder)
    model = load(f"{llama_folder}+{adapter}", llama_folder)
    torch.testing.assert_close(
        scores(model, prompts), beside(llama_folder, adapter, prompts, base), atol=1e-3, rtol=1e-3
    )
    assert not torch.allclose(scores(model, prompts), scores(base, prompts), atol=0.1)
    assert model.revision != base.revision
    assert model.describe()["id"] == f"{llama_folder}+{adapter}"
    assert model.can.train


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_biases_beside_an_adapter_keep_the_models_number_format(
    dtype: str, folder_of: Callable[..., Path], prompts: list[Prompt], tmp_path: Path
) -> None:
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2}
    base = folder_of("biased", Qwen2Config(vocab_size=400, num_key_value_heads=2, **shape))
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=4)).save_pretrained(tmp_path / "adapter")
    model = load(f"{base}+{tmp_path / 'adapter'}", base, dtype=dtype)
    assert {parameter.dtype for parameter in model.module.parameters()} == {model.dtype}
    torch.testing.assert_close(scores(model, prompts), scores(load(str(base), base, dtype=dtype), prompts))


def test_a_public_adapter_stands_on_the_public_model_that_it_names(
    llama_folder: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both from the local cache of the hub; one that names itself has no base."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    file = adapter / "adapter_config.json"
    for base, seen in (("owner/base", ""), ("owner/tuned", "onto whole weights")):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": base}))
        for repository, folder in (("base", llama_folder), ("tuned", adapter)):
            home = tmp_path / f"models--owner--{repository}"
            shutil.copytree(folder, home / "snapshots" / "0a1b", dirs_exist_ok=True)
            (home / "refs").mkdir(exist_ok=True)
            (home / "refs" / "main").write_text("0a1b")
        if seen:
            with pytest.raises(UserError, match=seen):
                load("owner/tuned", llama_folder)
            continue
        own = load(f"{llama_folder}+{adapter}", llama_folder)
        found = load("owner/tuned", llama_folder)
        assert found.describe()["id"] == "owner/tuned"
        assert found.module.state_dict().keys() == own.module.state_dict().keys()
        assert all(torch.equal(t, own.module.state_dict()[n]) for n, t in found.module.state_dict().items())


def test_an_adapter_is_not_merged_into_codes(llama_folder: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the weights of its base are codes \(4bit\)"):
        load(f"{llama_folder}+{adapter}", llama_folder, quantize="4bit")
    folder = Path(shutil.copytree(llama_folder, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(UserError, match=r"codes \(fp8\)"):
        load(f"{folder}+{adapter}", llama_folder)


def test_an_adapter_brings_its_tokenizer_and_template(
    llama_folder: Path, adapter: Path, tokenizer_with: Callable[..., object]
) -> None:
    tokenizer_with("{% for m in messages %}<{{ m['content'] }}>{% endfor %}").save_pretrained(adapter)  # type: ignore[attr-defined]
    model = load(f"{llama_folder}+{adapter}", llama_folder)
    ids = model.renderer.encode(Prompt("Say.", "the sea"), 8).ids
    assert model.renderer.tokenizer.decode(ids).startswith("<")


@pytest.mark.parametrize(
    ("change", "seen", "hint"),
    [
        ({"base_model_name_or_path": "/data/llama"}, "a LoRA adapter of /data/llama, not a whole", "name both: BASE+"),
        ({"base_model_name_or_path": "..\\llama"}, r"a LoRA adapter of ..\\llama, not a whole", "name both: BASE+"),
        ({"base_model_name_or_path": None}, "a LoRA adapter, not a whole", "name both: BASE+"),
        (
            {"base_model_name_or_path": "nobody/such-a-model"},
            "is a LoRA adapter of nobody/such-a-model: model",
            "cache",
        ),
    ],
)
def test_an_adapter_alone_stands_on_the_public_model_that_it_names(
    adapter: Path, change: dict[str, object], seen: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UserError, match=seen) as caught:
        load(str(adapter), adapter)
    assert hint in caught.value.hint


def test_what_is_no_lora_of_this_model_is_refused(llama_folder: Path, adapter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    base = AutoModelForCausalLM.from_pretrained(llama_folder)
    get_peft_model(base, PrefixTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")).save_pretrained(other)
    with pytest.raises(UserError, match="the adapter is of the kind PREFIX_TUNING, not LoRA"):
        load(f"{llama_folder}+{other}", llama_folder)
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"r": 5}))
    with pytest.raises(UserError, match="does not fit the base model") as caught:
        load(f"{llama_folder}+{adapter}", llama_folder)
    assert "BASE+ADAPTER_FOLDER" in caught.value.hint
    for name in (f"{adapter}+{adapter}", f"{llama_folder}+{adapter}+{adapter}"):
        with pytest.raises(UserError, match=r"an adapter is laid onto whole weights|no such model folder"):
            load(name, llama_folder)
    with pytest.raises(UserError, match="embedders are taken whole"):
        load(str(llama_folder), Path(f"{llama_folder}+{adapter}")).embedder.embed(["a text"])
    with pytest.raises(UserError, match=r"has no adapter_config\.json"):
        load(f"{llama_folder}+{llama_folder}", llama_folder)
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no adapter_model\.safetensors"):
        load(f"{llama_folder}+{adapter}", llama_folder)


@pytest.mark.parametrize(("bits", "name", "off"), [("4bit", "NF4", 0.5), ("8bit", "INT8", 0.1)])
def test_weights_are_rounded_as_they_are_read(
    bits: str, name: str, off: float, folder_of: Callable[..., Path], prompts: list[Prompt]
) -> None:
    """Of layers that bitsandbytes' product for CPUs takes: in blocks of 32 rows and 64 columns."""
    pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2}
    folder = folder_of("wide", LlamaConfig(vocab_size=400, initializer_range=0.2, num_key_value_heads=2, **shape))
    whole, model = load(str(folder), folder), load(str(folder), folder, quantize=bits)
    found, expected = scores(model, prompts), scores(whole, prompts)
    assert 0 < float((found - expected).abs().mean()) < off * float(expected.abs().mean())
    assert model.source.quantisation == name
    assert model.revision == f"{whole.revision}-{bits}"
    assert model.generate(prompts[:2], Decoding(4))[0].completion_tokens


def test_what_is_quantised_already_is_not_quantised_again(llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(UserError, match=r"quantised already \(gptq\)"):
        load(str(folder), llama_folder, quantize="4bit")


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Leaves so many bytes of the container's memory."""
    monkeypatch.setattr(shortage, "_CGROUPS", tmp_path)

    def leave(free: int) -> None:
        (tmp_path / "memory.max").write_text(str(2 * free))
        (tmp_path / "memory.current").write_text(str(free))

    return leave


def test_weights_that_do_not_fit_into_memory_stay_on_the_disk(
    llama_folder: Path,
    adapter: Path,
    prompts: list[Prompt],
    little: Callable[[int], None],
    kept: Path,
    tmp_path: Path,
) -> None:
    whole = load(str(llama_folder), llama_folder)
    size = Weights("m", llama_folder, torch.float32).size
    little(size // 2)
    with pytest.raises(NotEnoughMemory, match="in float32 needs about") as caught:
        load(str(llama_folder), llama_folder)
    assert "--quantize 4bit takes" in caught.value.hint
    little(size // 8)
    away = load(str(llama_folder), llama_folder, device="auto")  # not even the embedding stays
    assert away.describe()["device"] == "cpu, disk"
    assert not away.can.train
    with pytest.raises(NotApplicable, match="spread over cpu, disk, and are trained on one device"):
        Lora().tune(TrainingSet(()), away, seed=0)
    torch.testing.assert_close(scores(away, prompts), scores(whole, prompts), atol=1e-4, rtol=1e-4)
    little(int(1.1 * size))
    spread = load(str(llama_folder), llama_folder, device="auto")
    assert spread.describe()["device"] == "cpu, disk"
    assert not spread.can.train
    assert not spread.can.adapt
    torch.testing.assert_close(scores(spread, prompts), scores(whole, prompts), atol=1e-4, rtol=1e-4)
    answers = [[one.text for one in model.generate(prompts, Decoding(5))] for model in (spread, whole)]
    assert answers[0] == answers[1]
    assert spread.revision == whole.revision
    with pytest.raises(UserError, match="not merged into weights that are spread over cpu, disk"):
        load(f"{llama_folder}+{adapter}", llama_folder, device="auto")


def test_what_large_weights_take_is_said_before_they_are_read(
    llama_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    header = json.dumps({"model.layers.0.a": {"dtype": "BF16", "shape": [10**6, 2000]}}).encode()
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with caplog.at_level(logging.WARNING):
        check_fits(Weights("large", folder, torch.bfloat16), CPU)
        check_fits(Weights("large", folder, torch.bfloat16, "4bit"), CPU)
    assert "large in bfloat16 takes about 4.0 GB of memory; " in caplog.messages[0]
    assert "large in 4bit and bfloat16 takes about 1.0 GB of memory; " in caplog.messages[1]


def test_an_adapters_folder_may_have_a_plus_in_its_name(
    llama_folder: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those that a comparison leaves: `few-shot+lora.seed0/weights`."""
    folder = adapter.rename(tmp_path / "few-shot+lora,rank=4.seed0")
    both = f"{llama_folder}+{folder}"
    model = load(both, llama_folder)
    assert model.describe()["id"] == both
    monkeypatch.chdir(tmp_path)
    near = load(f"{llama_folder}+{folder.name}", llama_folder)
    assert near.loaded_from and near.loaded_from["name"] == both
    monkeypatch.chdir("/")
    assert load_again(near.loaded_from).revision == model.revision


def test_bits_that_there_are_not_are_named(llama_folder: Path) -> None:
    with pytest.raises(UserError, match="'3bit' is no number of bits"):
        load(str(llama_folder), llama_folder, quantize="3bit")


def test_the_folder_one_is_in_is_recorded_by_its_path(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(llama_folder)
    found = load(".", llama_folder)
    assert found.loaded_from and found.loaded_from["name"] == str(llama_folder)


def test_what_helps_an_embedder_that_does_not_fit_is_not_what_helps_a_model(
    llama_folder: Path, little: Callable[[int], None]
) -> None:
    embedder = load(str(llama_folder), llama_folder).embedder
    little(Weights("m", llama_folder, torch.float32).size // 2)
    with pytest.raises(NotEnoughMemory) as caught:
        embedder.embed(["a text"])
    assert "--dtype bfloat16" in caught.value.hint
    assert "--quantize" not in caught.value.hint


def test_quantised_weights_stay_on_one_device_and_are_foreseen_there(
    llama_folder: Path, little: Callable[[int], None]
) -> None:
    little(Weights("m", llama_folder, torch.float32, "8bit").size // 2)
    with pytest.raises(NotEnoughMemory, match="in 8bit and float32 needs about"):
        load(str(llama_folder), llama_folder, device="auto", quantize="8bit")
