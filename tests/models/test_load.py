"""From a folder to a model that is ready, and from a wrong folder to a message that helps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import advisor
from advisor.errors import UserError
from advisor.models import LanguageModel
from advisor.models.load import load_model
from advisor.models.local import device
from advisor.models.local.engine import LocalModel


@pytest.fixture
def folder(llama_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(llama_folder, tmp_path / "copy"))


def load(folder: Path, **options: Any) -> LocalModel:
    return load_model(str(folder), embedder=str(folder), **({"device": "cpu", "dtype": "float32"} | options))


def test_the_top_level_door_is_the_loader(llama_folder: Path) -> None:
    assert advisor.load_model is load_model


def test_a_loaded_model_keeps_the_protocol(llama: LocalModel) -> None:
    assert isinstance(llama, LanguageModel)
    assert llama.context_window == 512
    assert llama.count_tokens("five working days") > 2


def test_a_loaded_model_is_ready_to_be_asked_and_not_to_be_trained(llama: LocalModel) -> None:
    assert not llama.module.training
    assert not any(p.requires_grad for p in llama.module.parameters())


def test_the_description_is_plain_json(any_model: LocalModel) -> None:
    facts = any_model.describe()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["dtype"] == "float32"
    assert facts["device"] == "cpu"
    assert facts["source"] == "folder"
    assert facts["quantisation"] is None
    assert facts["parameters"] == sum(p.numel() for p in any_model.module.parameters())
    assert facts["embedder"] == "hashed-words@1"


@pytest.mark.parametrize(("dtype", "told"), [("bfloat16", True), ("float32", False)])
def test_a_number_format_that_is_emulated_is_told_at_once_and_in_the_report(
    folder: Path, dtype: str, told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: {"avx2"})
    caveats = load(folder, dtype=dtype).describe()["caveats"]
    assert any("emulates it" in caveat for caveat in caveats) == told
    assert ("emulates it" in caplog.text) == told


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_are_held_in_the_number_format_asked_for(folder: Path, dtype: str) -> None:
    model = load(folder, dtype=dtype)
    assert {p.dtype for p in model.module.parameters()} == {getattr(torch, dtype)}
    assert model.describe()["dtype"] == dtype


@pytest.mark.parametrize("option", [{"device": "nowhere"}, {"dtype": "float8"}])
def test_wrong_device_or_number_format_is_refused_before_anything_is_loaded(option: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"nowhere|float8"):
        load(Path("no/such/folder"), **option)


def test_the_revision_follows_the_contents(folder: Path, llama: LocalModel) -> None:
    assert load(folder).revision == llama.revision
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    assert load(folder).revision != llama.revision


def test_the_window_is_the_smaller_of_the_models_and_the_tokenizers(folder: Path) -> None:
    stated = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(stated | {"model_max_length": 100}))
    assert load(folder).context_window == 100


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def torn_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def weights_of_another_layer_missing(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layers.2" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def config_not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def config_of_no_model(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def not_causal(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "t5"}))


def without_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def of_another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 80}))


@pytest.mark.parametrize(
    "damage",
    [
        without_weights,
        torn_weights,
        weights_of_another_layer_missing,
        config_not_json,
        config_of_no_model,
        not_causal,
        without_tokenizer,
        of_another_shape,
    ],
)
def test_a_folder_that_is_no_causal_model_is_the_users_error(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder)
    with pytest.raises(UserError) as caught:
        load(folder)
    assert str(folder) in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.hint
