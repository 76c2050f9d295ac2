"""As many threads for all that a run folder holds of one model on one machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from advisor.measuring.lines import lines
from advisor.measuring.reading import JOURNAL, SAME_MODEL, is_head
from advisor.models import LanguageModel


def keep_threads(model: LanguageModel, folders: Iterable[Path]) -> None:
    """Go on with as many threads as what was recorded there with this model on this machine, the newest first.

    Rows that another number of threads measured could not be compared with those that are there.
    """
    described = model.describe()
    same = (*SAME_MODEL, "device_name", "threads_alone")
    heads = [line for folder in folders for line in lines(folder / JOURNAL) if is_head(line)]
    alike = [h for h in heads if all(h["model"].get(name) == described.get(name) for name in same)]
    kept = sorted(alike, key=lambda head: head["time"])[-1]["model"].get("threads") if alike else None
    if kept:
        model.use_threads(kept)
