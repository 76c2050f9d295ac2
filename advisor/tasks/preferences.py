"""Preferences: reading which of two answers is better, and which of the pairs are never trained on.

A third of the pairs, at most 200, are held out: by them it is told, before and after training, how often the better
answer is the likelier one. All pairs about one input stay on one side. Which inputs these are follows from the inputs
alone, so that pairs that are added later leave nearly all others where they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from advisor.tasks.examples import text_in
from advisor.tasks.faults import FaultLog, nearest
from advisor.tasks.forms import is_blank, normalised
from advisor.tasks.jsonfile import FileRow, read_json, type_name
from advisor.tasks.task import Example, Place, Preference, Task
from advisor.tasks.textfile import BOUNDS, FileBounds

FILE = "preferences.jsonl"
LINE = '{"input": "...", "chosen": "...", "rejected": "..."}'
HELD_OUT = 1 / 3
MOST_HELD_OUT = 200
_SIDES = ("chosen", "rejected")


def read_preferences(path: Path, log: FaultLog, bounds: FileBounds = BOUNDS) -> tuple[Preference, ...]:
    """Read preferences, one a line; faults are logged, and a row with a fault gives no pair."""
    before = len(log)
    rows = read_json(path, log, LINE, bounds.table)
    if rows == [] and len(log) == before:
        log.add(path, None, "the file holds no preferences", f"write one a line, {LINE}, or take the file away")
    found = (_preference(row, path, log) for row in rows or ())
    return tuple(pair for pair in found if pair is not None)


def with_preferences(task: Task, pairs: Sequence[Preference]) -> Task:
    """The task with preferences: those about a test or dev input are left out, with a caveat, and of the others some
    are held out."""
    kept = not_about([*task.test, *task.dev, *task.test_after], pairs)
    if leaked := len(pairs) - len(kept):
        many = "1 preference is" if leaked == 1 else f"{leaked:,} preferences are"
        caveat = f"{many} about an input of test or dev and left out"
        task = replace(task, caveats=(*task.caveats, caveat))
    learned, held_out = parted(kept)
    return replace(task, preferences=learned, preferences_held_out=held_out)


def not_about(examples: Iterable[Example], pairs: Sequence[Preference]) -> tuple[Preference, ...]:
    """The pairs whose input is that of no example."""
    asked = {normalised(example.input) for example in examples}
    return tuple(pair for pair in pairs if normalised(pair.input) not in asked)


def parted(pairs: Sequence[Preference]) -> tuple[tuple[Preference, ...], tuple[Preference, ...]]:
    """Pairs to learn from and those held out, each in their order."""
    most = min(MOST_HELD_OUT, int(len(pairs) * HELD_OUT))
    of: dict[str, int] = {}
    for pair in pairs:
        of[normalised(pair.input)] = of.get(normalised(pair.input), 0) + 1
    held_out, taken = set[str](), 0
    for text in sorted(of, key=_rank):
        if taken + of[text] <= most:
            held_out.add(text)
            taken += of[text]
    sides = [normalised(pair.input) in held_out for pair in pairs]
    first, second = (tuple(p for p, side in zip(pairs, sides, strict=True) if side is out) for out in (False, True))
    return first, second


def _rank(text: str) -> bytes:
    return hashlib.sha256(f"preference:{text}".encode("utf-8", "surrogatepass")).digest()


def _preference(row: FileRow, path: Path, log: FaultLog) -> Preference | None:
    before = len(log)
    text = text_in(row.values.get("input")) or ""
    _check(row, "input", text, path, log)
    sides = []
    for name in _SIDES:
        value = row.values.get(name)
        sides.append(value if isinstance(value, str) else "")
        _check(row, name, sides[-1], path, log)
    if len(log) == before and sides[0].strip() == sides[1].strip():
        what = '"chosen" and "rejected" are the same'
        log.add(path, row.line, what, "a pair without a better answer says nothing: take the line away")
    if len(log) > before:
        return None
    return Preference(text, sides[0], sides[1], Place(path.name, row.line))


def _check(row: FileRow, name: str, text: str, path: Path, log: FaultLog) -> None:
    """Log what is wrong with a text, if anything is."""
    if not is_blank(text):
        return
    value = row.values.get(name)
    if name not in row.values:
        near = nearest(name, [key for key in row.values if key not in ("input", *_SIDES)])
        what, hint = f'"{name}" is missing', f'rename "{near}" to "{name}"' if near else f"every line needs {LINE}"
    elif value is None or isinstance(value, str):
        what = f'"{name}" is {"null" if value is None else "empty"}'
        hint = "write the text, or take the line away"
    else:
        what, hint = f'"{name}" is {type_name(value)}, not a text', f'write one text: "{name}": "..."'
    log.add(path, row.line, what, hint)
