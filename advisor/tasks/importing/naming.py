"""Names that tell which split rows are of."""

from __future__ import annotations

import re

SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation", "val", "eval", "evaluation"), "dev"),
    **dict.fromkeys(("test", "testing", "tst", "heldout"), "test"),
    "testa": "dev",  # as CoNLL-2003 has them
    "testb": "test",
}
"""The split by a word for it."""
_WORD = re.compile(r"[^\W\d_]+")


def split_of(name: str) -> str:
    """The split that a name tells (`train-00000-of-00002`, `dev-v2.0`); empty where it tells none, or several."""
    found = {SPLITS[word] for word in _WORD.findall(name.casefold()) if word in SPLITS}
    return found.pop() if len(found) == 1 else ""
