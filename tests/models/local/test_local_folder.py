"""What lies in a model's folder is named for what it is, and all that is read of it is its identity."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from advisor.errors import UserError
from advisor.models.load import load_embedder, load_model
from advisor.models.local import loading
from advisor.models.local.engine import LocalModel
from advisor.models.local.packages import MINILM, SMOLLM2
from advisor.models.local.source import find

Damage = Callable[[Path], None]


@pytest.fixture
def folder(llama_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(llama_folder, tmp_path / "copy"))


def load(folder: Path, dtype: str | None = "float32") -> LocalModel:
    return load_model(str(folder), embedder=str(folder), device="cpu", dtype=dtype)


def configured(**changes: Any) -> Damage:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def adapter_beside(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "owner/base"}))


def adapter_alone(folder: Path) -> None:
    adapter_beside(folder)
    (folder / "config.json").unlink()


def adapter_of_a_path(folder: Path) -> None:
    said = {"peft_type": "LORA", "base_model_name_or_path": "/data/base"}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    (folder / "adapter_model.safetensors").touch()
    (folder / "config.json").unlink()


def without_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def without_end(folder: Path) -> None:
    configured(eos_token_id=None)(folder)
    content = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(content | {"eos_token": None}))
    (folder / "generation_config.json").unlink()
    (folder / "chat_template.jinja").unlink()


def template(text: str) -> Damage:
    return lambda folder: (folder / "chat_template.jinja").write_text(text) and None


def tokens_beyond_the_embedding(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<turn {n}>" for n in range(20)]})
    tokenizer.chat_template = "{% for m in messages %}<turn 19>{{ m.content }}\n{% endfor %}<turn 0>"
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("damage", "seen", "hint"),
    [
        (adapter_alone, "the adapter in .* has no adapter_model.safetensors", "pickled weights are not read"),
        (adapter_of_a_path, "this is a LoRA adapter of /data/base, not a whole model", "name both: BASE+"),
        (adapter_beside, r"a LoRA adapter of owner/base .* lies beside whole weights", "merge_and_unload"),
        (configured(model_type="bert", architectures=["BertModel"]), r"is an encoder \(BertModel\)", "Llama"),
        (configured(architectures=["XForMaskedLM"]), r"is an encoder \(XForMaskedLM\)", "Llama"),
        (configured(is_encoder_decoder=True, architectures=["T5X"]), r"is an encoder-decoder \(T5X\)", "Llama"),
        (configured(architectures=["LlamaForSequenceClassification"]), "with another head", "Llama"),
        (without_tokenizer, "has no tokenizer files", r"copy tokenizer\.json"),
        (without_end, r"tokenizer_config\.json: names no token that ends an answer", "eos_token"),
        (template("{% for %}"), r"chat_template\.jinja:1: the chat template cannot be used", "plain text"),
        (template("{{ raise_exception('no') }}"), r"chat_template\.jinja: the chat template .*: no", "plain text"),
        (tokens_beyond_the_embedding, r"uses tokens up to number 4\d\d, .* ends at 399", "resize_token_embeddings"),
    ],
)
def test_a_folder_that_cannot_be_asked_is_named_for_what_it_is(
    folder: Path, damage: Damage, seen: str, hint: str
) -> None:
    damage(folder)
    with pytest.raises(UserError, match=seen) as caught:
        load(folder)
    assert hint.replace("\\", "") in caught.value.hint
    assert caught.value.what.startswith(str(folder))
    assert "\n" not in caught.value.what + caught.value.hint


def test_a_headless_decoder_with_tied_embeddings_is_no_encoder(folder: Path) -> None:
    configured(architectures=["LlamaModel"])(folder)
    assert load(folder).context_window == 512


def test_a_model_that_fails_at_a_prompt_is_refused_in_a_sentence(folder: Path) -> None:
    configured(num_key_value_heads=3)(folder)  # which four heads cannot share
    weights = load_file(folder / "model.safetensors")
    for name in weights:
        if "k_proj" in name or "v_proj" in name:
            weights[name] = torch.zeros(3 * 12, 48)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="LlamaForCausalLM reads no prompt: ") as caught:
        load(folder)
    assert "config.json" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json", "merges.txt", "mine.py"]
)
def test_every_file_that_is_read_is_part_of_the_identity(folder: Path, name: str) -> None:
    before = find(str(folder), SMOLLM2).revision
    file = folder / name
    file.write_text((file.read_text() if file.is_file() else "") + "\n")
    assert find(str(folder), SMOLLM2).revision != before


@pytest.mark.parametrize("name", ["README.md", ".git/index", "optimizer.pt", "picture.PNG"])
def test_what_is_never_read_is_not(folder: Path, name: str) -> None:
    before = find(str(folder), SMOLLM2).revision
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("new")
    assert find(str(folder), SMOLLM2).revision == before


def test_the_ending_of_a_gguf_file_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "Model.Q8_0.GGUF").write_bytes(b"weights")
    source = find(str(tmp_path / "Model.Q8_0.GGUF"), SMOLLM2)
    assert (source.origin, source.quantisation) == ("file", "Q8_0")


def larger(folder: Path, factor: float) -> None:
    """Weights of one layer's MLP by so much larger, so that the numbers behind them are."""
    weights = load_file(folder / "model.safetensors")
    for name in weights:
        if "layers.1.mlp" in name:
            weights[name] = weights[name] * factor
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def automatic(monkeypatch: pytest.MonkeyPatch, number_format: torch.dtype) -> None:
    def choose(asked: str | None, device: torch.device) -> torch.dtype:
        return getattr(torch, asked) if asked else number_format

    monkeypatch.setattr(loading, "choose_dtype", choose)


def test_numbers_beyond_float16_run_in_float32_where_nobody_asked_for_float16(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    automatic(monkeypatch, torch.float16)
    assert load(folder, dtype=None).dtype == torch.float16
    larger(folder, 100.0)
    model = load(folder, dtype=None)
    assert model.dtype == torch.float32
    assert any("so it ran in float32" in caveat for caveat in model.describe()["caveats"])


def test_numbers_beyond_float16_are_refused_where_it_was_asked_for(folder: Path) -> None:
    larger(folder, 100.0)
    with pytest.raises(UserError, match="not numbers in float16") as caught:
        load(folder, dtype="float16")
    assert caught.value.hint == "--dtype float32"


@pytest.mark.parametrize("dtype", ["float32", None])
def test_weights_that_are_no_numbers_are_refused(folder: Path, dtype: str | None) -> None:
    larger(folder, float("nan"))
    with pytest.raises(UserError, match="its weights are damaged"):
        load(folder, dtype=dtype)


def test_what_a_template_cannot_carry_is_among_the_caveats(folder: Path, no_system_template: str) -> None:
    assert not load(folder).describe()["caveats"]
    template(no_system_template)(folder)
    assert any("no system message" in caveat for caveat in load(folder).describe()["caveats"])


@pytest.mark.parametrize("place", ["/etc/model.safetensors", "../other/model.safetensors", "a/../../b.safetensors"])
def test_an_index_that_leads_out_of_the_folder_is_refused(folder: Path, place: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"lm_head.weight": place}}))
    with pytest.raises(UserError, match="lies outside the folder") as caught:
        load(folder)
    assert place in caught.value.what
    (folder / "model.safetensors.index.json").write_text("[" * 5000)
    with pytest.raises(UserError, match="is not JSON"):
        load(folder)


def test_an_embedders_modules_are_those_of_its_folder(tmp_path: Path) -> None:
    embedder = Path(shutil.copytree(find("embedded", MINILM).path, tmp_path / "embedder"))
    modules = json.loads((embedder / "modules.json").read_text())
    modules[1]["path"] = "../../elsewhere"
    (embedder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=r"modules\.json names"):
        load_embedder(str(embedder), device="cpu").embed(["a"])


class Touching:
    """Unpickled it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_an_embedder_of_pickles_runs_nothing_and_says_what_to_pass(tmp_path: Path) -> None:
    embedder = Path(shutil.copytree(find("embedded", MINILM).path, tmp_path / "embedder"))
    for file in embedder.glob("*.safetensors"):
        file.unlink()
    (embedder / "pytorch_model.bin").write_bytes(pickle.dumps(Touching(tmp_path / "ran")))
    with pytest.raises(UserError, match="its weights are pickles") as caught:
        load_embedder(str(embedder), device="cpu").embed(["a"])
    assert "model.safetensors" in caught.value.hint
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
