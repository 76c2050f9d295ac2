"""The report of a cleaned task: how many training examples were changed, and the first of them with their reasons."""

from __future__ import annotations

import shlex
from typing import Any

from advisor.cleaning import plain
from advisor.profiling.cleaned import CHANGES, CleanedTask
from advisor.reporting.blocks import Block, Bullets, Code, Detail, Details, Item, Numbered, Report, listed, section
from advisor.reporting.characters import shorten
from advisor.reporting.document import SCHEMA
from advisor.reporting.document import clean as as_values
from advisor.tasks.importing.tallies import many
from advisor.tasks.personal import masked
from advisor.tasks.repeats import ExampleChange

_SHOWN = 8
_INPUT = 85  # columns


def cleaned_report(found: CleanedTask) -> Report:
    """The report of a cleaned task."""
    folder = shlex.quote(str(found.folder))
    details = (
        Detail(Code("training"), f"{found.before:,} examples before, {found.after:,} now"),
        Detail(Code("dropped"), f"{len(found.dropped):,}"),
        Detail(Code("relabelled"), f"{len(found.relabelled):,}"),
        Detail(Code("list"), str(found.folder / CHANGES)),
    )
    more = len(found.changes) - _SHOWN
    title = f"What was changed ({many(more, 'more line')} in {CHANGES})" if more > 0 else "What was changed"
    items = tuple(map(_item, found.changes[:_SHOWN]))
    steps = (f"advisor profile {folder}", f"advisor compare {folder}")
    blocks: tuple[Block, ...] = (
        Details(details),
        *section(title, Numbered(items) if items else None),
        *listed("How", found.notes),
        *section("Next", Bullets(steps, dashed=False)),
    )
    return Report(f"Cleaned the training set of {found.source} into {found.folder}", blocks)


def _item(change: ExampleChange) -> Item:
    did = "dropped" if change.target is None else f"{change.example.target!r} is now {change.target!r}"
    text = shorten(plain(masked(change.example.input)), _INPUT)
    return Item(f"{change.place}, {did}: {change.why}", text)


def cleaned_document(found: CleanedTask) -> dict[str, Any]:
    """The same as plain JSON values, without texts."""
    values = as_values(
        {
            "schema": SCHEMA,
            "source": str(found.source),
            "task": str(found.folder),
            "changes_file": str(found.folder / CHANGES),
            "train": {"before": found.before, "after": found.after},
            "dropped": len(found.dropped),
            "relabelled": len(found.relabelled),
            "changes": [
                {"file": one.place.file, "line": one.place.line, "why": one.why, "target": one.target}
                for one in found.changes
            ],
            "notes": list(found.notes),
        }
    )
    assert isinstance(values, dict)
    return values
