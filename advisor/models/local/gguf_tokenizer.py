"""A tokenizer's part of a GGUF file: byte-level BPE, split beforehand in a way that llama.cpp knows by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType
from transformers import AutoTokenizer

from advisor.errors import UserError

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS: Mapping[tuple[str, ...], str] = {
    ("bytes, by words",): "gpt-2",
    ("single digits", "bytes, by words"): "smollm",
    (_QWEN2, "bytes"): "qwen2",
    (_QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|"), "bytes"): "llama-bpe",
}
"""llama.cpp's names (`tokenizer.ggml.pre`) by how a text is split before pieces are joined."""
HINT = "take a model whose tokenizer is byte-level BPE as that of GPT-2, SmolLM, Qwen 2 and 3, or Llama 3"


def cannot_tokenize(folder: Path) -> str:
    """Why llama.cpp would split texts into other tokens than a folder's tokenizer does; empty where it would not."""
    try:
        made = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "its tokenizer is not one of the tokenizers library (tokenizer.json)"
    kind = made["model"]["type"]
    if kind != "BPE" or made["model"].get("byte_fallback"):
        return f"its tokenizer ({kind}{' with byte fallback' * (kind == 'BPE')}) is not byte-level BPE"
    normalizer = made.get("normalizer")
    if normalizer is not None and normalizer["type"] != "NFC":
        return f"its tokenizer changes texts first ({normalizer['type']}), and llama.cpp would not"
    if _split(made) not in SPLITS:
        return "its tokenizer splits texts beforehand in a way that has no name in llama.cpp"
    return ""


def write_tokenizer(writer: GGUFWriter, folder: Path, size: int) -> None:
    """Write tokens, merges, special tokens and the chat template.

    Args:
        size: rows of the embedding; tokens beyond those of the tokenizer are filled up, and never come.

    Raises:
        UserError: as `cannot_tokenize` says.
    """
    if why := cannot_tokenize(folder):
        raise UserError(f"{folder}: {why}", HINT)
    made = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokens = {number: token for token, number in made["model"]["vocab"].items()}
    types = dict.fromkeys(tokens, TokenType.NORMAL)
    for added in made["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    numbers = range(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(SPLITS[_split(made)])
    writer.add_token_list([tokens.get(number, f"[unused {number}]") for number in numbers])
    writer.add_token_types([types.get(number, TokenType.UNUSED) for number in numbers])
    merges = made["model"]["merges"]
    writer.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in merges])
    writer.add_add_space_prefix(False)
    _add_specials(writer, folder)


def _add_specials(writer: GGUFWriter, folder: Path) -> None:
    """Which tokens begin, end and fill, and the chat template."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    generated = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    ends = generated.get("eos_token_id", tokenizer.eos_token_id)
    ends = ends if isinstance(ends, list) else [ends]
    eos = tokenizer.eos_token_id if tokenizer.eos_token_id in ends else ends[0]
    writer.add_eos_token_id(int(eos))
    for end in ends:
        if end != eos:
            writer.add_eot_token_id(int(end))
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(int(tokenizer.bos_token_id))
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(int(tokenizer.pad_token_id))
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(int(tokenizer.unk_token_id))
    writer.add_add_bos_token(tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id])
    if tokenizer.chat_template:
        writer.add_chat_template(str(tokenizer.chat_template))


def _split(made: Mapping[str, Any]) -> tuple[str, ...]:
    """How a tokenizer splits a text beforehand, step by step."""
    given = made.get("pre_tokenizer") or {}
    steps = given.get("pretokenizers", [given]) if given.get("type") == "Sequence" else [given]
    return tuple(map(_step, steps))


def _step(step: Mapping[str, Any]) -> str:
    kind = step.get("type")
    if kind == "ByteLevel" and not step.get("add_prefix_space"):
        return "bytes, by words" if step.get("use_regex", True) else "bytes"
    if kind == "Digits" and step.get("individual_digits"):
        return "single digits"
    if kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        return str(step["pattern"].get("Regex"))
    return f"unknown: {kind}"
