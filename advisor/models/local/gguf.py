"""GGUF files: converted once into a folder that loads in a second instead of half a minute."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from advisor import progress
from advisor.disk import clear, intact, no_room, place_whole
from advisor.errors import UserError
from advisor.models.local.fitting import check_room
from advisor.models.local.packages import file_sha256
from advisor.models.local.shortage import NotEnoughMemory, telling
from advisor.models.local.told import unpacking
from advisor.models.store import cache_folder

FORMAT = 1  # of the converted folder; a higher number converts anew
ABANDONED = 3600  # seconds after which a conversion that has not ended was killed
WORK = "converting-"
BYTES_A_WEIGHT = 8  # while converting: its number, and the model's copy


def converted(file: Path) -> Path:
    """A folder with the dequantised weights of `file` in float32 and its tokenizer.

    It is kept under the user's cache by the file's sha256, with checksums: one that was damaged since counts as none
    (0.2 s for 540 MB). It is safe to delete, and two processes may convert at the same time.

    Raises:
        UserError: the file cannot be read as a language model, or the result cannot be kept.
    """
    kept = cache_folder() / "gguf"
    folder = kept / f"{file_sha256(file)[:32]}-{FORMAT}"
    if intact(folder):
        return folder
    with _keeping(kept):
        kept.mkdir(parents=True, exist_ok=True)
        clear(*(path for path in kept.glob(f"{WORK}*") if time.time() - _touched(path) > ABANDONED))
        work = Path(tempfile.mkdtemp(prefix=WORK, dir=kept))
    try:
        model, tokenizer = _read(file)
        with _keeping(kept):
            model.save_pretrained(work)
            tokenizer.save_pretrained(work)
            _place(work, folder)
        progress.step(f"load {file.name}", None)
        return folder
    finally:
        clear(work)


def _touched(folder: Path) -> float:
    """When something in a folder was last written, in seconds since the epoch; now where it has just gone."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return time.time()


def _place(work: Path, folder: Path) -> None:
    """Give the folder its name, unless another process was first."""
    if not intact(folder):
        clear(folder)
    try:
        place_whole(work, folder)
    except OSError:
        if not intact(folder):
            raise


@contextmanager
def _keeping(folder: Path) -> Iterator[None]:
    """Whatever keeps the result from being written names the folder, and how another is chosen."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and no_room(error, folder) is None:
            raise
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error).strip().splitlines()[-1]
        what = f"{folder}: the converted model cannot be kept there: {reason}"
        raise UserError(
            what, "free some space there, or name a folder that can be written to in ADVISOR_CACHE"
        ) from error


def _read(file: Path) -> tuple[Any, Any]:
    """The model and its tokenizer."""
    cpu = torch.device("cpu")
    try:
        weights = sum(int(tensor.n_elements) for tensor in GGUFReader(file).tensors)
        check_room(f"converting {file.name}, once,", BYTES_A_WEIGHT * weights, file.stat().st_size, cpu)
        whole = telling(f"converting {file.name}", cpu, BYTES_A_WEIGHT * weights)
        with unpacking(f"unpack {file.name}"), _bar_on_a_terminal_alone(), whole:
            model = AutoModelForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                quantization_config=GgufConfig(dequantize=True),
                dtype=torch.float32,
            )
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except NotEnoughMemory:
        raise
    except Exception as error:  # whatever the readers of a foreign file may raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{file}: cannot be read as a language model: {reason}", "pass another GGUF file") from error
    if getattr(model.config, "quantization_config", None) is not None:
        del model.config.quantization_config
    return model, tokenizer


@contextmanager
def _bar_on_a_terminal_alone() -> Iterator[None]:
    """Transformers draws a bar that it has no switch for: half a minute is worth one, a log is not."""
    with nullcontext() if sys.stderr is None or sys.stderr.isatty() else redirect_stderr(StringIO()):
        yield
