"""What lies in a model's folder, told before its weights are read: what cannot be asked is named for what it is."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from advisor.errors import UserError
from advisor.intake import Bound, json_of, read_bytes
from advisor.models.load import ADAPTER
from advisor.models.local.output_layer import HINT
from advisor.models.local.packages import file_sha256

ADAPTER_WEIGHTS = "adapter_model.safetensors"  # PEFT's name
TOKENIZERS = ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken", "*.bpe", "*.spm", "tekken.json", "tokenization*.py")
HEADS = ("ForMaskedLM", "Classification", "ForQuestionAnswering", "ForPreTraining", "ForRewardModel")
# Never read here: pickled weights, other programs' formats, what people and training programs leave beside a model.
UNREAD = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".md", ".png", ".jpg", ".pdf", ".lock")


LARGEST = Bound(64)  # of what describes a model: an index of a thousand files has a tenth of it


def check_folder(name: str, folder: Path) -> None:
    """See that a folder holds a whole language model and its tokenizer.

    Raises:
        UserError: it holds an adapter beside whole weights, an encoder, a model of both parts, a classifier, or no
            tokenizer.
    """
    if (base := adapter_of(folder)) is not None:
        raise UserError(
            f"{name}: a LoRA adapter{_of(base)} ({ADAPTER}) lies beside whole weights, and whether they hold it "
            "already cannot be told",
            "move the adapter's files elsewhere; if it is not yet merged, merge it first (PEFT: merge_and_unload)",
        )
    if kind := _other_kind(folder):
        raise UserError(f"{name}: is {kind}, and only causal language models with attention are asked here", HINT)
    if not any(next(folder.glob(pattern), None) for pattern in TOKENIZERS):
        raise UserError(
            f"{name}: has no tokenizer files",
            "copy tokenizer.json and tokenizer_config.json from the base model into the folder",
        )
    check_names(name, folder)


def check_names(name: str, folder: Path) -> None:
    """See that whatever a model's or embedder's files name lies in its folder.

    What lies elsewhere would be read, but is no part of the model's revision, and was not given by the user.

    Raises:
        UserError: a name leads out of the folder: an absolute one, one with "..", or that of a link. The hub's cache,
            whose folders hold nothing but links to its blobs, is one's own.
    """
    home = folder.resolve()
    homes = [home, home.parent.parent / "blobs"] if home.parent.name == "snapshots" else [home]
    for file, named in _names(folder):
        path = PureWindowsPath(named)  # which takes either slash
        target = file.parent / named
        leads_out = target.exists() and not any(target.resolve().is_relative_to(one) for one in homes)
        if path.anchor or ".." in path.parts or leads_out:
            raise UserError(
                f'{name}: {file.relative_to(folder)} names "{named}", which lies outside the folder',
                "copy what it names into the folder, and name it as it is called there",
            )


def _names(folder: Path) -> Iterator[tuple[Path, str]]:
    """What files of a model name that is read with it, and which file does."""
    for file in sorted(folder.rglob("*.json")):
        if file.name.endswith(".index.json"):
            weights = _json(file).get("weight_map")
            found = list(weights.values()) if isinstance(weights, dict) else []
        elif file.name == "modules.json":  # of sentence-transformers
            found = [module.get("path") for module in _any_list(file) if isinstance(module, dict)]
        elif file.name == ADAPTER:
            found = [_json(file).get("base_model_name_or_path")]
        elif file.name.startswith("sentence_"):
            found = [_json(file).get("tokenizer_name_or_path")]
        else:
            continue
        yield from ((file, named) for named in dict.fromkeys(found) if isinstance(named, str) and named)


def adapter_of(folder: Path) -> str | None:
    """The base model of the LoRA adapter that lies in a folder, "" where it names none; None where none lies there."""
    if not (folder / ADAPTER).is_file():
        return None
    return str(_json(folder / ADAPTER).get("base_model_name_or_path") or "")


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model."""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def adapter_alone(name: str, base: str) -> UserError:
    """What is said of a folder that holds an adapter and no model, and does not say by a public name whose it is."""
    return UserError(f"{name}: this is a LoRA adapter{_of(base)}, not a whole model", f"name both: BASE+{name}")


def _of(base: str) -> str:
    return f" of {base}" if base else ""


def digest_of(folder: Path) -> str:
    """Content hash of every file of a model that may be read, by name."""
    digest = hashlib.sha256()
    for file in sorted(_read(folder)):
        digest.update(file.relative_to(folder).as_posix().encode())
        digest.update(bytes.fromhex(file_sha256(file)))
    return digest.hexdigest()


def _read(folder: Path) -> Iterator[Path]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    pickled = not any(file.suffix == ".safetensors" for file in files)  # then embedders read them
    for file in files:
        hidden = any(part.startswith((".", "__pycache__")) for part in file.relative_to(folder).parts)
        if not hidden and (file.suffix.lower() not in UNREAD or (pickled and file.suffix == ".bin")):
            yield file


def _other_kind(folder: Path) -> str:
    """What a model is that cannot be asked here, by its config.json; empty where it may be asked."""
    if not (folder / "config.json").is_file():
        return ""
    config = _json(folder / "config.json")
    kind = str(config.get("model_type"))
    named = next(iter(config.get("architectures") or ()), "")
    if config.get("is_encoder_decoder"):
        return f"an encoder-decoder ({named or kind})"
    if kind in CONFIG_MAPPING and getattr(CONFIG_MAPPING[kind], "is_encoder_decoder", False):
        return f"one half of an encoder-decoder ({named or kind})"
    headless = named.endswith(("Model", "ForPreTraining")) and not named.endswith("LMHeadModel")
    encodes = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if named.endswith("ForMaskedLM") or (encodes and headless):
        return f"an encoder ({named})"
    if named.endswith(HEADS):
        return f"a model with another head ({named})"
    if kind in CONFIG_MAPPING and _keeps_a_state(CONFIG_MAPPING[kind]):
        return f"a state-space model ({named or kind})"
    return ""


def _keeps_a_state(config: Any) -> bool:
    """Whether models of this kind carry a state from token to token and no layer of theirs attends (Mamba, RWKV)."""
    model: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(config, None)
    taken = inspect.signature(model.forward).parameters if model is not None else {}
    return "past_key_values" not in taken and ("cache_params" in taken or "state" in taken)


def _json(file: Path) -> dict[str, Any]:
    found = _any_json(file)
    return found if isinstance(found, dict) else {}


def _any_list(file: Path) -> list[Any]:
    found = _any_json(file)
    return found if isinstance(found, list) else []


def _any_json(file: Path) -> Any:
    try:
        return json_of(read_bytes(file, LARGEST))
    except ValueError as error:
        raise UserError(f"{file}: is not JSON: {error}", "copy it anew") from None
