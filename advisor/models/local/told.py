"""Bars that libraries draw, told as steps instead: whoever listens shows one bar, in its own place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub.utils.tqdm import tqdm
from transformers import modeling_gguf_pytorch_utils

from advisor import progress

MEGABYTE = 1e6
BYTES = "B"
WRITTEN = "Reconstructing"  # begins what the hub's library calls its bar of bytes that are on the disk
WRITE = "write what was unpacked"
BAR = "tqdm"  # Transformers' name for it, in its module that reads GGUF files


@contextmanager
def unpacking(what: str) -> Iterator[None]:
    """While the block runs, Transformers' bar of the tensors of a GGUF file is told as the step `what`; where nobody
    listens it is drawn as ever. There is no switch for it."""
    library: Any = modeling_gguf_pytorch_utils
    drawn = getattr(library, BAR, None)
    if progress.listener() is None or drawn is None:
        yield
        return

    def told(tensors: Iterable[Any], **_: object) -> Iterator[Any]:
        tensors = list(tensors)
        progress.step(what, len(tensors))
        for tensor in tensors:
            yield tensor
            progress.advance()
        progress.step(WRITE, None)

    setattr(library, BAR, told)
    try:
        yield
    finally:
        setattr(library, BAR, drawn)


def download_bar(name: str, size: int | None) -> Any:
    """A class for the hub's library to tell a download by, as a step in megabytes; None where nobody listens.

    Args:
        size: bytes, if known.
    """
    hears = progress.listener()
    if hears is None:
        return None
    hears.step(f"download {name}, MB", max(1, round(size / MEGABYTE)) if size else None)
    tell, told = hears.advance, 0

    class DownloadBar(tqdm):
        """Draws nothing. Of the bars that are made of it, one is told: that of bytes that are on the disk."""

        def __init__(self, *args: Any, **given: Any) -> None:
            self.counts = given.get("unit") == BYTES and str(given.get("desc", "")).startswith(WRITTEN)
            self.bytes = 0.0
            super().__init__(*args, **{**given, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            """So many more; called by the threads that download."""
            nonlocal told
            if self.counts and n:
                self.bytes += n
                more = int(self.bytes / MEGABYTE) - told
                if more > 0:
                    told += more
                    tell(more)

    return DownloadBar
