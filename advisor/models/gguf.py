"""GGUF files: converted once into a folder that loads in a second instead of half a minute."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from advisor.errors import UserError
from advisor.models.packages import file_sha256
from advisor.models.store import cache_folder

FORMAT = 1  # of the converted folder; a higher number converts anew


def converted(file: Path) -> Path:
    """A folder with the dequantised weights of `file` in float32 and its tokenizer.

    It is kept under the user's cache by the file's sha256; it is safe to delete, and two processes may convert
    at the same time.

    Raises:
        UserError: the file cannot be read as a language model, or the result cannot be kept.
    """
    folder = cache_folder() / "gguf" / f"{file_sha256(file)[:32]}-{FORMAT}"
    if (folder / "config.json").is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="converting-", dir=folder.parent))
    except OSError as error:
        what = f"{folder.parent}: the converted model cannot be kept there: {error.strerror}"
        raise UserError(what, "name a folder that you may write to in ADVISOR_CACHE") from error
    try:
        _convert(file, work)
        try:
            work.rename(folder)
        except OSError:  # another process was first
            if not (folder / "config.json").is_file():
                raise
        return folder
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _convert(file: Path, folder: Path) -> None:
    try:
        with _bar_on_a_terminal_alone():
            model = AutoModelForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                quantization_config=GgufConfig(dequantize=True),
                dtype=torch.float32,
            )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except Exception as error:  # whatever the readers of a foreign file may raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{file}: cannot be read as a language model: {reason}", "pass another GGUF file") from error
    if getattr(model.config, "quantization_config", None) is not None:
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@contextmanager
def _bar_on_a_terminal_alone() -> Iterator[None]:
    """Transformers draws a bar that it has no switch for: half a minute is worth one, a log is not."""
    with nullcontext() if sys.stderr is None or sys.stderr.isatty() else redirect_stderr(StringIO()):
        yield
