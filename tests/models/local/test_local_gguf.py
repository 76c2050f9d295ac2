"""GGUF files: converted once, to the same numbers, and kept."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFWriter

from advisor.disk import SEAL, clear
from advisor.errors import UserError
from advisor.models import Decoding, Prompt
from advisor.models.load import load_model
from advisor.models.local import gguf
from advisor.models.local.engine import LocalModel
from advisor.models.local.gguf import converted
from advisor.progress import listening
from tests.hearing import Ear

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADVISOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(llama: LocalModel, tmp_path: Path) -> Path:
    """The tiny Llama as a GGUF file of float32, as llama.cpp's converter lays it out."""
    path = tmp_path / "tiny-f32.gguf"
    llama.activate(None)
    writer = GGUFWriter(path, "llama")
    _describe(writer, llama.module.config)
    _add_tokenizer(writer, llama.renderer.tokenizer)
    for name, tensor in llama.module.state_dict().items():
        writer.add_tensor(_name(name), _layout(name, tensor, llama.module.config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: GGUFWriter, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: GGUFWriter, tokenizer: Any) -> None:
    core = tokenizer.backend_tokenizer
    vocabulary = core.get_vocab(with_added_tokens=True)
    special = {token.content for token in core.get_added_tokens_decoder().values()}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    merges = json.loads(core.to_str())["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _name(name: str) -> str:
    top = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    stem = name.removesuffix(".weight")
    if stem in top:
        return f"{top[stem]}.weight"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{NAMES[part]}.weight"


def _layout(name: str, tensor: torch.Tensor, config: Any) -> np.ndarray[Any, Any]:
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    count = next((n for part, n in heads.items() if part in name), 0)
    if count:  # llama.cpp turns neighbouring numbers of a head, Transformers the halves
        rows, columns = tensor.shape
        tensor = tensor.view(count, 2, rows // count // 2, columns).swapaxes(1, 2).reshape(rows, columns)
    return np.ascontiguousarray(tensor.numpy())


@pytest.mark.usefixtures("cache")
def test_a_gguf_file_answers_as_the_folder_it_was_made_of(
    file: Path, llama: LocalModel, llama_folder: Path, prompts: list[Prompt]
) -> None:
    model = load_model(str(file), embedder=str(llama_folder), device="cpu", dtype="float32")
    assert model.describe() | {"embedder": ""} == llama.describe() | {
        "id": str(file),
        "revision": model.revision,
        "source": "file",
        "quantisation": "F32",
        "matrix_flops": model.describe()["matrix_flops"],
        "matrix_others": model.describe()["matrix_others"],
        "embedder": "",
    }
    ours = model.score(prompts, ["red", "dark blue"])
    theirs = llama.score(prompts, ["red", "dark blue"])
    for left, right in zip(ours, theirs, strict=True):
        assert left.totals == pytest.approx(right.totals, abs=1e-4)
    texts = [[a.text for a in m.generate(prompts, Decoding(6))] for m in (model, llama)]
    assert texts[0] == texts[1]


@pytest.mark.usefixtures("cache")
def test_whoever_listens_is_told_how_far_it_is(file: Path) -> None:
    ear = Ear()
    with listening(ear):
        converted(file)
    told = ear.told
    assert told[0] == (f"unpack {file.name}", len(told) - 3)
    assert told[1:-2] == [1] * (len(told) - 3)
    assert told[-2:] == [("write what was unpacked", None), (f"load {file.name}", None)]


@pytest.mark.usefixtures("cache")
def test_a_log_is_spared_the_bar(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    converted(file)
    assert capsys.readouterr().err == ""


def test_a_file_is_converted_once(file: Path, cache: Path) -> None:
    folder = converted(file)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert converted(file) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [path.name for path in (cache / "gguf").iterdir()] == [folder.name]


def test_a_copy_of_the_file_is_the_same_file(file: Path, cache: Path) -> None:
    folder = converted(file)
    copy = file.with_name("another-name.gguf")
    copy.write_bytes(file.read_bytes())
    assert converted(copy) == folder


def test_a_conversion_that_was_beaten_takes_the_winners(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finishes the same file between this one's look and its end."""
    read = gguf._read
    winners: list[Path] = []

    def read_behind_another(path: Path) -> Any:
        monkeypatch.setattr(gguf, "_read", read)
        winners.append(converted(path))
        return read(path)

    monkeypatch.setattr(gguf, "_read", read_behind_another)
    found = converted(file)
    assert [found] == winners
    assert [path.name for path in (cache / "gguf").iterdir()] == [found.name]


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "unsealed"])
def test_a_conversion_that_was_damaged_is_made_anew(damage: str, file: Path, cache: Path) -> None:
    """A byte that is another gives other answers under the same revision."""
    folder = converted(file)
    weights = folder / "model.safetensors"
    before = weights.read_bytes()
    if damage == "flipped":
        weights.write_bytes(before[:-1000] + bytes([before[-1000] ^ 4]) + before[-999:])
    elif damage == "cut":
        weights.write_bytes(before[:1000])
    else:
        (weights if damage == "gone" else folder / SEAL).unlink()
    assert converted(file) == folder
    assert weights.read_bytes() == before
    assert [path.name for path in (cache / "gguf").iterdir()] == [folder.name]


def test_what_killed_conversions_left_is_taken_away(file: Path, cache: Path) -> None:
    folder = converted(file)
    clear(folder)
    left = {name: folder.with_name(name) for name in ("converting-old", "converting-now")}
    for place in left.values():
        place.mkdir()
        (place / "model.safetensors").write_bytes(b"half of it")
    for path in (left["converting-old"], left["converting-old"] / "model.safetensors"):
        os.utime(path, (time.time() - 7200,) * 2)
    assert converted(file) == folder
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, "converting-now"}


def test_a_full_disk_is_named_with_what_chooses_another(file: Path, cache: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(UserError, match=r"cache/gguf: the converted model cannot be kept there") as caught:
            converted(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "ADVISOR_CACHE" in caught.value.hint
    assert list((cache / "gguf").iterdir()) == []


def test_a_file_that_does_not_fit_into_memory_is_told_before_it_is_read(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.models.local.fitting.left", lambda device: (1000, "on this machine"))
    with pytest.raises(UserError, match=r"not enough memory: converting tiny-f32.gguf, once, needs about 1 MB"):
        converted(file)


def test_a_file_that_is_not_gguf_is_the_users_error_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"not a model" * 100)
    with pytest.raises(UserError, match="cannot be read as a language model"):
        converted(wrong)
    assert list((cache / "gguf").iterdir()) == []


def test_a_torn_file_is_the_users_error(file: Path, cache: Path) -> None:
    torn = file.with_name("torn.gguf")
    torn.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(UserError, match="cannot be read as a language model"):
        converted(torn)


def test_a_place_where_nothing_can_be_kept_is_named(cache: Path, file: Path) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(UserError, match=r"cache/gguf: the converted model cannot be kept there") as caught:
        converted(file)
    assert "ADVISOR_CACHE" in caught.value.hint
