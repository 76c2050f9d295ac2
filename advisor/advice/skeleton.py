"""The skeleton of a task folder: known settings filled in, missing ones explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from advisor.advice.interview import Answers, Output
from advisor.errors import UserError
from advisor.intake import there
from advisor.tasks.importing.kinds import FROM_DOCUMENTS, INSTRUCTIONS

NAME = "my-task"
_TARGETS: dict[Output, str] = {
    "label": "billing",
    "short": "two years",
    "text": "Dear customer, ...",
    "fields": json.dumps({"name": "Ada", "date": "2025-01-31"}),
}


def skeleton(answers: Answers, name: str = NAME) -> dict[str, str]:
    """The files of a task folder, by name.

    The files of examples are empty, so that every command says what is missing there and how a line has to look.
    """
    return {
        "task.toml": "\n".join(_settings(answers, name)) + "\n",
        "train.jsonl": "",
        "test.jsonl": "",
        "README.txt": _readme(answers, name),
    }


def write_skeleton(answers: Answers, folder: Path) -> None:
    """Write a task folder.

    Raises:
        UserError: something is there already, or the place cannot be written to.
    """
    check_place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if answers.documents:
            (folder / "documents").mkdir()
        for name, text in skeleton(answers, re.sub(r'[/\\:*?"<>|]', "-", folder.resolve().name) or NAME).items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}", "name another folder with --write") from error


def check_place(folder: Path) -> None:
    """Raise UserError where something exists already."""
    hint = "name a new folder with --write"
    if there(folder) and not folder.is_dir():
        raise UserError(f"{folder}: is a file", hint)
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder}: is there already, and not empty", hint)


def _settings(answers: Answers, name: str) -> Iterator[str]:
    instruction = INSTRUCTIONS[answers.kind]
    if answers.documents and answers.output == "short":
        instruction = FROM_DOCUMENTS
    yield "[task]"
    yield f"name = {json.dumps(name, ensure_ascii=False)}"
    yield f'kind = "{answers.kind}"'
    yield "# What the model is told: say it as you would to a new colleague."
    yield f'instruction = "{instruction}"'
    yield f'metric = "{answers.metric}"'
    if answers.output == "label":
        yield '# labels = ["one", "another"]  # all labels that there are; without this line, those in train.jsonl'
    limits = {key: value for key, value in asdict(answers.limits).items() if value is not None}
    yield ""
    yield "[limits]  # what the answer has to respect; leave out what does not matter"
    for key, about in _LIMITS.items():
        known = limits.get(key)
        yield f"{key} = {known:.10g}  # {about}" if known is not None else f"# {key} =  # {about}"


_LIMITS = {
    "p95_ms": "milliseconds that 95 of 100 answers may take at most",
    "queries_per_day": "expected traffic",
    "horizon_days": "how long this will be in use",
    "documents_change_every_days": "how often the documents, or the rules behind the answers, change",
    "budget_usd": "US dollars for all of that time",
    "min_quality": "the least quality that is of use, from 0 to 1",
    "utilisation": "share of the time that your own hardware is busy, above 0 to 1",
}


def _readme(answers: Answers, name: str) -> str:
    line = {"input": "what comes in", "target": _TARGETS[answers.output]}
    if answers.documents:
        line_with = {**line, "evidence": ["opening-hours"]}
        documents = (
            "documents/    the documents, one .md or .txt file each\n"
            "              an example may name the files that hold its answer, which shows what retrieval loses:\n"
            f"              {json.dumps(line_with)}\n"
        )
    else:
        documents = ""
    return (
        f"The task {name}, to be filled in. Then: advisor profile, which says what is missing or looks wrong.\n\n"
        "task.toml     what the model is told, and what the answer has to respect\n"
        "train.jsonl   examples to learn from, one JSON object a line:\n"
        f"              {json.dumps(line)}\n"
        "test.jsonl    100 examples or more to judge by, in the same form, as they really come in; none of them may\n"
        "              be in train.jsonl. If you have one file only, put all into train.jsonl, delete this one, and\n"
        "              add --split 0.3 to every command\n"
        f"{documents}"
    )
