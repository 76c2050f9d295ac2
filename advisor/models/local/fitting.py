"""Whether a model's weights fit into memory, told before they are read."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import torch

from advisor.models.local.shortage import HINT, address_space, lacking, left

INDEX = "model.safetensors.index.json"
_LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
TIMES_MAPPED = 2  # each file of weights while it is read: once by safetensors, once by torch
_FLOATING = ("F64", "F32", "F16", "BF16")  # what is narrower is quantised, and stays as it is
_INTEGERS = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2}  # bytes; all others have one


def check_fits(name: str, folder: Path, number_format: torch.dtype, where: torch.device) -> None:
    """See that the weights in a folder fit into what is free, in the number format in which they will run.

    Whatever cannot be read here is left to the library, which says what is wrong with it.

    Raises:
        NotEnoughMemory: they do not.
    """
    files = weight_files(folder)
    size = sum(_size(file, number_format.itemsize) for file in files)
    called = str(number_format).removeprefix("torch.")
    hint = HINT if number_format.itemsize < 4 else f"{HINT}; --dtype bfloat16 takes half"
    mapped = TIMES_MAPPED * sum(file.stat().st_size for file in files)
    check_room(f"{name} in {called}", size, mapped, where, hint)


def check_room(what: str, size: int, mapped: int, where: torch.device, hint: str = HINT) -> None:
    """See that so many bytes are free.

    Args:
        mapped: bytes of files that take addresses meanwhile, but no memory that cannot be had back.

    Raises:
        NotEnoughMemory: they are not.
    """
    cpu = torch.device("cpu")  # through which weights come to a GPU too
    space = address_space()
    if space is not None and size + mapped > space:
        raise lacking(what, size + mapped, cpu, hint)
    for device in {cpu, where}:
        free, _ = left(device)
        if free is not None and size > free:
            raise lacking(what, size, device, hint)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that are read of a model's folder, those that are there."""
    try:
        named = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        named = ["model.safetensors"]
    return [file for name in sorted({str(name) for name in named}) if (file := folder / name).is_file()]


def _size(file: Path, itemsize: int) -> int:
    """Bytes of a file's tensors in memory, floating-point numbers in so many bytes each; 0 where it cannot be read."""
    try:
        with file.open("rb") as opened:
            length = struct.unpack("<Q", opened.read(8))[0]
            header = json.loads(opened.read(min(length, _LONGEST_HEADER)))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        return sum(_tensor(entry["dtype"], entry["shape"], itemsize) for entry in tensors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return 0


def _tensor(kind: str, shape: list[int], itemsize: int) -> int:
    return math.prod(shape) * (itemsize if kind in _FLOATING else _INTEGERS.get(kind, 1))
