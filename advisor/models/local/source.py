"""Finds the weights that a name stands for: a folder, a GGUF file, the local cache, the hub, a package."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

import huggingface_hub
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from advisor.errors import UserError
from advisor.extras import hub_unheard
from advisor.models.load import apart_from_adapter
from advisor.models.local.folder import TOKENIZERS, adapter_alone, adapter_of, digest_of, is_adapter
from advisor.models.local.onto import check_adapter, revision_of
from advisor.models.local.packages import PackagedModel, file_sha256
from advisor.models.local.told import download_bar
from advisor.models.local.weights import weights_read
from advisor.models.store import expanded

Origin = Literal["folder", "file", "cache", "hub", "package"]
GGUF = ".gguf"
CODE = "*.py"
WEIGHTS = "*.safetensors"
HUB_FILES = ["*.json", "*.txt", "*.jinja", *(name for name in TOKENIZERS if not name.endswith(".py"))]


@dataclass(frozen=True, slots=True)
class Source:
    """The weights that run and where they came from.

    Attributes:
        id: public name, or the path that the user gave.
        path: local folder, or a GGUF file.
        revision: the hub's commit, or the first 16 hex digits of a content hash.
        quantisation: how the stored weights were quantised, None for full precision.
        caveats: what the reader of a report must know, in full sentences.
        adapter: folder of a LoRA adapter that is laid onto the weights.
    """

    id: str
    path: Path
    origin: Origin
    revision: str
    quantisation: str | None = None
    caveats: tuple[str, ...] = ()
    adapter: Path | None = None

    @property
    def codes(self) -> str | None:
        """How the weights are quantised where they stay so; those of a GGUF file are dequantised when it is read."""
        return None if is_gguf(self.path) else self.quantisation

    @property
    def tokenizer(self) -> Path | None:
        """Folder of the tokenizer, where it is an adapter's own: its template is the one that it was trained with."""
        own = self.adapter is not None and any(next(self.adapter.glob(pattern), None) for pattern in TOKENIZERS)
        return self.adapter if own else None


def find(name: str, packaged: PackagedModel, trust_remote_code: bool = False) -> Source:
    """Resolve `name`: a local path, else the local cache, else the hub, else the package if it carries it.

    Args:
        name: a folder, a `.gguf` file, `embedded` or a public name such as `Qwen/Qwen2.5-0.5B-Instruct`; one of these
            and the folder of a LoRA adapter behind a plus; or such a folder alone, if it says whose adapter it is.
        packaged: the model of this role that comes as a package.
        trust_remote_code: whether the code of a model on the hub is fetched with it.

    Raises:
        UserError: nothing can be had; it says what to install or pass.
    """
    base, adapter = apart_from_adapter(name)
    if adapter:
        check_adapter(name, expanded(adapter))
        return _with_adapter(name, _found(base, packaged, trust_remote_code), expanded(adapter))
    found = _found(name, packaged, trust_remote_code)
    if not is_adapter(found.path):
        return found
    check_adapter(name, found.path)
    base = _of_adapter(name, found.path)
    try:
        # Code of a repository that the user did not name runs on nobody's word.
        return _with_adapter(name, _found(base, packaged, False), found.path)
    except UserError as error:
        raise UserError(f"{name}: is a LoRA adapter of {base}: {error.what}", error.hint) from error


def _found(name: str, packaged: PackagedModel, trusted: bool) -> Source:
    """What lies where a name says, be it an adapter."""
    path = expanded(name)
    try:
        if is_gguf(path) or path.is_file():
            return _from_file(path)
        if path.is_dir():
            return _from_folder(name, path)
    except OSError as error:
        what = f"{error.filename or name}: cannot be read: {error.strerror}"
        raise UserError(what, "pass a folder or file that you may read, or a public name") from error
    if name.startswith((".", "/", "~")):
        raise UserError(f"{name}: no such model folder or file", "pass a folder with config.json, or a .gguf file")
    return _from_package(packaged, ()) if name == "embedded" else _from_name(name, packaged, trusted)


def is_gguf(path: Path) -> bool:
    """Whether a file's name ends as those of GGUF files do, in letters of either case."""
    return path.suffix.lower() == GGUF


def _from_file(path: Path) -> Source:
    if not path.is_file():
        raise UserError(f"{path}: no such model file", "check the path of the .gguf file")
    if not is_gguf(path):
        raise UserError(f"{path}: is a file, but not a .gguf file", "pass a folder with config.json, or a .gguf file")
    return Source(str(path), path, "file", file_sha256(path)[:16], _gguf_quantisation(path.name))


def _from_folder(name: str, path: Path) -> Source:
    if not ((path / "config.json").is_file() or is_adapter(path)):
        raise UserError(f"{path}: has no config.json, so it is not a model folder", "pass the folder that holds it")
    return Source(name, path, "folder", digest_of(path)[:16], _stored_quantisation(path))


def _with_adapter(name: str, base: Source, folder: Path) -> Source:
    if is_adapter(base.path):
        raise UserError(f"{name}: an adapter is laid onto whole weights, not onto another", "name the base model first")
    return replace(base, id=name, revision=revision_of(base.revision, digest_of(folder)), adapter=folder)


def _of_adapter(name: str, folder: Path) -> str:
    """The public name of the model that an adapter was trained on.

    Raises:
        UserError: it names none, or a path, which the user did not name.
    """
    base = adapter_of(folder) or ""
    path = PureWindowsPath(base)  # which takes either slash
    if not base or path.anchor or ".." in path.parts or base.startswith(("~", ".")) or len(path.parts) > 2:
        raise adapter_alone(name, base)
    return base


def _from_package(packaged: PackagedModel, caveats: tuple[str, ...]) -> Source:
    path = packaged.locate()
    return Source(packaged.id, path, "package", packaged.sha256[:16], packaged.quantisation, caveats)


def _from_name(name: str, packaged: PackagedModel, trusted: bool) -> Source:
    repository = packaged.id if name.lower() in packaged.aliases else name
    files = [*HUB_FILES, CODE] if trusted else HUB_FILES
    cached = _cached(repository, files)
    if cached and _complete(cached, trusted):
        return _from_cache(repository, cached)
    try:
        path = Path(_download(repository, files))
        return Source(repository, path, "hub", path.name[:16], _stored_quantisation(path))
    except (RepositoryNotFoundError, GatedRepoError) as error:
        reason = "the hub does not know it" if not isinstance(error, GatedRepoError) else "the hub wants a log-in"
    except Exception as error:  # noqa: BLE001 - whatever stands between this machine and the hub
        reason = f"the hub cannot be reached ({type(error).__name__})"
    if cached:
        return _from_cache(repository, cached)  # what it lacks is said when it is loaded
    if repository == packaged.id and packaged.installed():
        return _from_package(packaged, _package_caveat(packaged))
    hint = f"install its package: {packaged.install}" if repository == packaged.id else _hint(name)
    raise UserError(f"model {name!r} is not in the local cache and {reason}", hint)


def _from_cache(repository: str, path: Path) -> Source:
    return Source(repository, path, "cache", path.name[:16], _stored_quantisation(path))


def _cached(repository: str, files: list[str]) -> Path | None:
    """Where the local cache holds a model, be it in part."""
    files = [*files, WEIGHTS]
    try:
        path = Path(huggingface_hub.snapshot_download(repository, local_files_only=True, allow_patterns=files))
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None
    return path if (path / "config.json").is_file() or is_adapter(path) else None


def _complete(path: Path, trusted: bool) -> bool:
    """Whether a cached model has its weights, a tokenizer if it is whole, and its code where that may run."""
    if not is_adapter(path) and not any(next(path.glob(pattern), None) for pattern in TOKENIZERS):
        return False
    present = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    if not set(weights_read(path, present)) <= present or not any(map(_holds_weights, present)):
        return False
    needed = trusted and any(b'"auto_map"' in file.read_bytes() for file in path.glob("*config.json"))
    return not needed or any(path.glob(CODE))


def _holds_weights(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".pt", ".pth"))


def _package_caveat(packaged: PackagedModel) -> tuple[str, ...]:
    if packaged.quantisation is None:
        return ()
    return (
        f"{packaged.id} ran with the {packaged.quantisation} weights of its package, because its full-precision "
        "weights could not be had; results with the original weights may differ.",
    )


def _hint(name: str) -> str:
    if name.startswith("hf://") or name.count("/") > 1:
        return "a public name has the form OWNER/NAME; a local model is given by its folder or its .gguf file"
    return "pass a local folder, a .gguf file or --model embedded, or go online once to fill the cache"


def _download(repository: str, files: list[str]) -> str:
    """One attempt: the library's own retries would keep a person without network waiting for minutes.

    Of the weights, what is read: repositories hold them in other forms beside (`original/`, variants, one file and
    its parts).
    """
    with hub_unheard():
        info = huggingface_hub.HfApi().model_info(repository, timeout=10, files_metadata=True)
        path = huggingface_hub.snapshot_download(
            repository, allow_patterns=files, etag_timeout=10, tqdm_class=download_bar(repository, None)
        )
        weights = weights_read(Path(path), {file.rfilename for file in info.siblings or ()})
        wanted = [*files, *(map(escape, weights) if weights else [WEIGHTS])]
        sizes = {file.rfilename: getattr(file, "size", None) or 0 for file in info.siblings or ()}
        size = sum(sizes[one] for one in sizes if one in weights or (not weights and one.endswith(WEIGHTS[1:])))
        bar = download_bar(repository, size)
        return str(
            huggingface_hub.snapshot_download(repository, allow_patterns=wanted, etag_timeout=10, tqdm_class=bar)
        )


def _stored_quantisation(path: Path) -> str | None:
    if is_adapter(path):
        return None
    try:
        config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        method = (config.get("quantization_config") or {}).get("quant_method")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path / 'config.json'}: is not a model's configuration: {error}", "copy it anew") from None
    return str(method) if method else None


def _gguf_quantisation(name: str) -> str:
    """The quantisation as file names give it (`model.Q4_K_M.gguf`); "GGUF" where they do not."""
    parts = Path(name).stem.replace("-", ".").split(".")
    return next((p.upper() for p in reversed(parts) if p[:1] in "QqFfBbIi" and any(map(str.isdigit, p))), "GGUF")
