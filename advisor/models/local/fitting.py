"""Whether a model's weights fit into memory, told before they are read."""

from __future__ import annotations

import json
import logging
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from advisor.models.load import Quantize
from advisor.models.local.quantising import BYTES
from advisor.models.local.shortage import HINT, address_space, lacking, left, size_in_words
from advisor.models.local.weights import weights_read

log = logging.getLogger(__name__)

_LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
LARGE = 1_000_000_000  # bytes of weights from which on what they take is said before the wait
TIMES_MAPPED = 2  # each file of weights while it is read: once by safetensors, once by torch
_FLOATING = ("F64", "F32", "F16", "BF16")  # what is narrower is quantised, and stays as it is
_INTEGERS = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2}  # bytes; all others have one


@dataclass(frozen=True)
class Weights:
    """The weights in a folder as they will run.

    Attributes:
        name: of the model.
        number_format: of what is not quantised.
        quantize: to how many bits the matrices of layers are rounded as they are read.
        codes: whether they are quantised as they lie there.
    """

    name: str
    folder: Path
    number_format: torch.dtype
    quantize: Quantize | None = None
    codes: bool = False

    @cached_property
    def files(self) -> list[Path]:
        """The safetensors files that are read of the folder, those that are there."""
        there = {file.relative_to(self.folder).as_posix() for file in self.folder.rglob("*.safetensors")}
        return [self.folder / name for name in weights_read(self.folder, there) if name in there]

    @cached_property
    def size(self) -> int:
        """Bytes in memory; 0 where that cannot be told."""
        narrow = BYTES[self.quantize] if self.quantize else None
        return sum(_size(file, self.number_format.itemsize, narrow) for file in self.files)

    @property
    def mapped(self) -> int:
        """Bytes of addresses that are taken while they are read."""
        return TIMES_MAPPED * sum(file.stat().st_size for file in self.files)

    @property
    def called(self) -> str:
        """The model and its number format."""
        bits = f"{self.quantize} and " if self.quantize else ""
        return f"{self.name} in {bits}{str(self.number_format).removeprefix('torch.')}"


def check_fits(weights: Weights, where: torch.device, spread: bool = False) -> None:
    """See that weights fit into what is free, in the number format in which they will run; large ones are told of.

    Whatever cannot be read here is left to the library, which says what is wrong with it.

    Args:
        where: the device that they run on; to a GPU they go straight from the disk.
        spread: whether they may lie on several devices, so that none has to hold them all.

    Raises:
        NotEnoughMemory: they do not.
    """
    if weights.size >= LARGE:
        free, whose = left(where)
        there = "" if free is None else f"; {size_in_words(free)} is free {whose}"
        log.warning("note: %s takes about %s of memory%s", weights.called, size_in_words(weights.size), there)
    if not spread:
        check_room(weights.called, weights.size, weights.mapped, where, lambda: _lighter(weights, where))


def in_half(weights: Weights) -> str:
    """What helps where weights do not fit, whatever reads them."""
    half = weights.number_format.itemsize == 4 and not weights.quantize
    return f"{HINT}; --dtype bfloat16 takes half" if half else HINT


def _lighter(weights: Weights, where: torch.device) -> str:
    ways = [in_half(weights)]
    if weights.quantize != "4bit" and not weights.codes and where.type != "mps":
        smaller = replace(weights, quantize="4bit").size
        ways.append(f"--quantize 4bit takes {size_in_words(smaller)}")
    if where.type == "cuda":
        ways.append("--device auto spreads it over all GPUs, memory and disk")
    return "; ".join(ways)


def check_room(what: str, size: int, mapped: int, where: torch.device, hint: Callable[[], str] = lambda: HINT) -> None:
    """See that so many bytes are free.

    Args:
        hint: what helps where they are not.
        mapped: bytes of files that take addresses meanwhile, but no memory that cannot be had back.

    Raises:
        NotEnoughMemory: they are not.
    """
    space = address_space()
    needed = mapped + (size if where.type == "cpu" else 0)
    if space is not None and needed > space:
        raise lacking(what, needed, torch.device("cpu"), hint())
    free, _ = left(where)
    if free is not None and size > free:
        raise lacking(what, size, where, hint())


def _size(file: Path, itemsize: int, narrow: float | None) -> int:
    """Bytes of a file's tensors in memory, floating-point numbers in so many bytes each; 0 where it cannot be read.

    Args:
        narrow: bytes of a number of the layers' matrices, where these are quantised: all but embedding and head.
    """
    try:
        with file.open("rb") as opened:
            length = struct.unpack("<Q", opened.read(8))[0]
            header = json.loads(opened.read(min(length, _LONGEST_HEADER)))
        tensors = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
        return sum(
            _tensor(e["dtype"], e["shape"], narrow if narrow and _in_layer(name, e["shape"]) else itemsize)
            for name, e in tensors
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return 0


def _in_layer(name: str, shape: list[int]) -> bool:
    """Whether a tensor is a matrix of a numbered layer, which is what gets quantised."""
    return len(shape) == 2 and any(part.isdigit() for part in name.split("."))


def _tensor(kind: str, shape: list[int], itemsize: float) -> int:
    return math.ceil(math.prod(shape) * (itemsize if kind in _FLOATING else _INTEGERS.get(kind, 1)))
