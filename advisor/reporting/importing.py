"""The report of an import: what was understood, five examples, and what was left out."""

from __future__ import annotations

import shlex
from typing import Any

from advisor.cleaning import plain
from advisor.reporting.blocks import (
    Block,
    Bullets,
    Code,
    Detail,
    Details,
    Item,
    Numbered,
    Report,
    listed,
    section,
)
from advisor.reporting.characters import shorten
from advisor.reporting.document import SCHEMA, clean
from advisor.tasks.importing.result import Imported, Shown
from advisor.tasks.importing.tallies import RowReason, in_words, many
from advisor.tasks.loading import OPEN

_INPUT, _ANSWER = 170, 85  # columns of a text that is shown: two lines and one
_NOTES = 12


def import_report(found: Imported) -> Report:
    """The report of an import."""
    folder = shlex.quote(str(found.folder))
    steps: tuple[str, ...] = (f"advisor profile {folder}", f"advisor recommend {folder}", f"advisor compare {folder}")
    if found.open_questions:
        many, file = found.open_questions, shlex.quote(str(found.folder / OPEN))
        what = "the answer of 1 question" if many == 1 else f"the answers of {many:,} questions"
        steps = (f"first fill in {what} in {file}, and import again with --test-after {file}", *steps)
    blocks: tuple[Block, ...] = (
        Details(tuple(_details(found))),
        *section("Examples, as they will be used", Numbered(tuple(map(_item, found.examples)))),
        *listed(f"Left out: {in_words(found.dropped)}", map(str, found.dropped)),
        *listed("Put right", map(str, found.changed)),
        *listed("How it was read", found.notes[:_NOTES]),
        *listed("What to know of the task", () if found.caveats is None else found.caveats[_own(found) :]),
        *section("Next", Bullets(steps, dashed=False)),
    )
    return Report(f"Imported {found.source} to {found.folder}", blocks)


def _own(found: Imported) -> int:
    """How many of the task's caveats tell of the import, which the report does in its own words."""
    return 1 + bool(found.dropped)


def _details(found: Imported) -> list[Detail]:
    counts = found.counts
    splits = [f"{counts[part]:,} {part}" for part in ("train", "dev", "test") if part in counts]
    answers = [many(found.labels, "label")] if found.labels else []
    others = [many(counts[part], part[:-1]) for part in ("documents", "preferences") if part in counts]
    columns = ", ".join(f'{role}: "{name}"' for role, name in found.columns.items())
    told = [
        ("format", found.format),
        ("columns", columns),
        ("kind", found.kind),
        ("instruction", found.instruction),
        ("rows", ", ".join([*splits, *answers, *others])),
        ("splits", found.split),
    ]
    return [Detail(Code(label), text) for label, text in told if text]


def _item(example: Shown) -> Item:
    evidence = ", with evidence" if example.evidence else ""
    text = shorten(plain(example.input), _INPUT)
    return Item(f"{text} ({example.split}{evidence})", f"-> {shorten(plain(example.answer), _ANSWER)}")


def import_document(found: Imported) -> dict[str, Any]:
    """The import as plain JSON values."""
    cleaned = clean(
        {
            "schema": SCHEMA,
            "source": found.source,
            "task": str(found.folder),
            "name": found.name,
            "format": found.format,
            "kind": found.kind,
            "instruction": found.instruction,
            "columns": dict(found.columns),
            "split": found.split,
            "seed": found.seed,
            "rows": dict(found.counts),
            "labels": found.labels or None,
            "notes": list(found.notes),
            "dropped": [_reason(reason) for reason in found.dropped],
            "changed": [_reason(reason) for reason in found.changed],
            "examples": [
                {"split": one.split, "input": one.input, "target": one.answer, "evidence": one.evidence}
                for one in found.examples
            ],
            "open_questions": found.open_questions,
            "sha256": found.sha256 or None,
            "caveats": None if found.caveats is None else list(found.caveats),
        }
    )
    assert isinstance(cleaned, dict)
    return cleaned


def _reason(reason: RowReason) -> dict[str, object]:
    return {"why": reason.why, f"{reason.what}s": reason.count, "first": list(reason.places)}
