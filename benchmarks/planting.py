"""Faults, planted into a copy of a task: each function changes the copy and says which rows are to be found."""

from __future__ import annotations

import copy as copying
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import phonenumbers

from advisor.tasks import UNANSWERABLE, Task
from advisor.tasks.forms import normalised
from advisor.tasks.personal import luhn

Row = dict[str, Any]
Plant = Callable[["Copy", Random, int], set[str]]
MISLABELLED = "likely-label-error"
_LONG = 60  # characters of an input that stays nearly the same with one slip of the pen
_LONG_ANSWER = 8  # words
_FOREIGN = (
    "Könnten Sie mir bitte sagen, wann die nächste Lieferung in unserem Lager ankommen wird?",
    "Je voudrais savoir si les billets achetés hier peuvent encore être remboursés cette semaine.",
    "¿Podrían decirme cuánto tiempo tarda normalmente en llegar un paquete enviado desde aquí?",
    "Vorrei sapere quali documenti sono necessari per iscrivere mia figlia alla scuola del quartiere.",
    "Haluaisin tietää, milloin kirjasto avataan uudelleen pitkän remontin jälkeen.",
    "Chciałbym się dowiedzieć, dlaczego moje zamówienie nie zostało jeszcze wysłane.",
    "Kunt u mij vertellen waar ik de sleutels van het nieuwe kantoor kan ophalen?",
)
_PHONES = tuple((region, kind) for kind in (1, 0) for region in ("GB", "DE", "FR", "ES", "IT"))  # mobile, fixed line


@dataclass
class Copy:
    """A task folder in memory: settings, and rows by file; every row has an id that no other has."""

    settings: Row
    files: dict[str, list[Row]]

    @classmethod
    def of(cls, task: Task) -> Copy:
        """A copy of a task, with ids of its own."""
        settings = {key: getattr(task, key) for key in ("name", "kind", "instruction", "metric")}
        if task.labels:
            settings["labels"] = list(task.labels)
        files: dict[str, list[Row]] = {}
        for split in ("train", "dev", "test"):
            for number, example in enumerate(getattr(task, split), 1):
                row: Row = {"id": f"{split}-{number}", "input": example.input, "target": example.target}
                row |= {"targets": list(example.targets)} if example.targets else {}
                row |= {"evidence": list(example.evidence)} if example.evidence else {}
                files.setdefault(f"{split}.jsonl", []).append(row)
        if task.documents:
            files["documents.jsonl"] = [{"id": d.id, "title": d.title, "text": d.text} for d in task.documents]
        return cls(settings, files)

    def clone(self) -> Copy:
        """A copy to plant faults into."""
        return copying.deepcopy(self)

    def write(self, folder: Path) -> None:
        """Write the copy as a task folder."""
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in self.settings.items()]
        (folder / "task.toml").write_text("[task]\n" + "\n".join(lines).replace("\x7f", "") + "\n", encoding="utf-8")
        for name, rows in self.files.items():
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / name).write_text(text, encoding="utf-8")

    @property
    def train(self) -> list[Row]:
        return self.files["train.jsonl"]

    @property
    def test(self) -> list[Row]:
        return self.files["test.jsonl"]

    @property
    def documents(self) -> list[Row]:
        return self.files.get("documents.jsonl", [])

    @property
    def classifies(self) -> bool:
        return bool(self.settings["kind"] == "classification")

    @property
    def answers_freely(self) -> bool:
        return self.settings["kind"] in ("qa", "generation")


def repeat(split: str, near: bool) -> Plant:
    """Repeat rows further down in the same file; nearly the same where `near`."""

    def plant(copy: Copy, chance: Random, count: int) -> set[str]:
        rows = copy.files[f"{split}.jsonl"]
        return {
            _insert(rows, _slipped(row, chance) if near else dict(row), chance, rows.index(row) + 1)
            for row in _some(rows, chance, count, long=near)
        }

    return plant


def leak(near: bool) -> Plant:
    """Copy test rows into train."""

    def plant(copy: Copy, chance: Random, count: int) -> set[str]:
        rows = _some(copy.test, chance, count, long=near)
        for row in rows:
            _insert(copy.train, _slipped(row, chance) if near else dict(row), chance)
        return {row["id"] for row in rows}

    return plant


def contradict(copy: Copy, chance: Random, count: int) -> set[str]:
    """Repeat training rows with a wrong answer."""
    if copy.settings["kind"] == "generation":
        return set()
    found = set()
    for row in _some(copy.train, chance, count):
        accepted = {normalised(answer) for answer in row.get("targets", [row["target"]])}
        others = sorted({other["target"] for other in copy.train if normalised(other["target"]) not in accepted})
        if others:
            wrong = {"input": row["input"], "target": chance.choice(others)}
            found |= {row["id"], _insert(copy.train, wrong, chance)}
    return found


def leak_answer(copy: Copy, chance: Random, count: int) -> set[str]:
    """Use long test answers as the answers of other questions in train."""
    long = [row for row in copy.test if copy.answers_freely and len(row["target"].split()) >= _LONG_ANSWER]
    rows = chance.sample(long, min(count, len(long)))
    for number, row in enumerate(rows):
        _insert(copy.train, {"input": f"What was said in letter {number + 300}?", "target": row["target"]}, chance)
    return {row["id"] for row in rows}


def leak_inside(copy: Copy, chance: Random, count: int) -> set[str]:
    """Put test inputs inside longer inputs in train."""
    rows = [row for row in _some(copy.test, chance, count, long=True) if len(row["input"].split()) >= 10]
    for row in rows:
        longer = f"As was asked last week: {row['input']} {' '.join(_FOREIGN[:1])} And what came of it? " + row["input"]
        _insert(copy.train, {"input": longer, "target": chance.choice(copy.train)["target"]}, chance)
    return {row["id"] for row in rows}


def leak_into_instruction(copy: Copy, chance: Random, count: int) -> set[str]:
    """Put a test row into the instruction as its example."""
    (row,) = _some(copy.test, chance, 1, long=True)
    copy.settings["instruction"] += f" Example: {row['input']} -> {row['target']}"
    return {row["id"]}


def starve(file: str, left: int) -> Plant:
    """Remove all but a few rows of one class; the first that is left is to be found."""

    def plant(copy: Copy, chance: Random, count: int) -> set[str]:
        if not copy.classifies:
            return set()
        label = _large_class(copy, file)
        if label is None:
            return set()
        own = [row for row in copy.files[file] if row["target"] == label]
        _remove(copy.files[file], own[left:])
        return {own[0]["id"]}

    return plant


def forget_class(copy: Copy, chance: Random, count: int) -> set[str]:
    """Remove a class from train."""
    label = _large_class(copy, "train.jsonl") if copy.classifies else None
    if label is None:
        return set()
    _remove(copy.train, [row for row in copy.train if row["target"] == label])
    return {row["id"] for row in copy.test if row["target"] == label}


def spell_labels(copy: Copy, chance: Random, count: int) -> set[str]:
    """Change the case of labels."""
    if not copy.classifies:
        return set()
    copy.settings.pop("labels", None)  # else reading would already refuse them
    usual = Counter(row["target"] for row in copy.train).most_common(1)[0][0]
    rows = [row for row in copy.train if row["target"] == usual]
    if len(rows) <= 2 * count:
        return set()
    rows = chance.sample(rows, count)
    for row in rows:
        row["target"] = usual.upper() if usual.upper() != usual else f"{usual}."
    return {row["id"] for row in rows}


def reveal(sort: str) -> Plant:
    """Append made-up personal data to inputs."""

    def plant(copy: Copy, chance: Random, count: int) -> set[str]:
        rows = _some(copy.train, chance, count)
        for number, row in enumerate(rows):
            row["input"] += f" {_datum(sort, number, chance)}"
        return {row["id"] for row in rows}

    return plant


def stretch(field: str) -> Plant:
    """Join inputs or answers with many others; only a few, since many would be a kind of their own."""

    def plant(copy: Copy, chance: Random, count: int) -> set[str]:
        if (field == "target" and not copy.answers_freely) or len(copy.train) < 40:
            return set()
        rows = _some(copy.train, chance, min(count, 3))
        texts = [row[field] for row in copy.train]
        longest = max(len(text.split()) for text in texts)
        for row in rows:
            row.pop("targets", None)
            while len(row[field].split()) <= 20 * longest:
                row[field] += f" {chance.choice(texts)}"
        return {row["id"] for row in rows}

    return plant


def translate(copy: Copy, chance: Random, count: int) -> set[str]:
    """Replace inputs by ones in other languages."""
    rows = _some(copy.train, chance, min(count, len(_FOREIGN)))
    for row, text in zip(rows, _FOREIGN, strict=False):
        row["input"] = text
    return {row["id"] for row in rows}


def repeat_document(near: bool) -> Plant:
    """Repeat documents under another id."""

    def plant(copy: Copy, chance: Random, count: int) -> set[str]:
        long = [row for row in copy.documents if len(row["text"]) >= 4 * _LONG]
        rows = chance.sample(long, min(count, len(long)))
        documents = copy.documents
        return {
            _insert(documents, {**row, "text": _slip(row["text"], chance) if near else row["text"]}, chance, at + 1)
            for row in rows
            if (at := documents.index(row)) >= 0
        }

    return plant


def mislabel(copy: Copy, chance: Random, count: int) -> set[str]:
    """Exchange one label in twenty."""
    labels = sorted({row["target"] for row in copy.train})
    if not copy.classifies or len(copy.train) < 100:
        return set()
    rows = chance.sample(copy.train, len(copy.train) // 20)
    for row in rows:
        row["target"] = chance.choice([label for label in labels if label != row["target"]])
    return {row["id"] for row in rows}


KINDS: dict[str, Plant] = {
    "repeated-train-input": repeat("train", near=False),
    "repeated-test-input": repeat("test", near=False),
    "near-repeated-train-input": repeat("train", near=True),
    "near-repeated-test-input": repeat("test", near=True),
    "test-input-in-train": leak(near=False),
    "near-test-input-in-train": leak(near=True),
    "test-input-inside-train-input": leak_inside,
    "test-answer-in-train": leak_answer,
    "test-example-in-instruction": leak_into_instruction,
    "contradictory-answers": contradict,
    "class-too-small-to-learn": starve("train.jsonl", 2),
    "class-too-small-to-test": starve("test.jsonl", 2),
    "label-not-in-train": forget_class,
    "labels-alike": spell_labels,
    MISLABELLED: mislabel,
    "personal-email": reveal("email"),
    "personal-phone": reveal("phone"),
    "personal-card": reveal("card"),
    "personal-iban": reveal("iban"),
    "input-of-unusual-length": stretch("input"),
    "answer-of-unusual-length": stretch("target"),
    "input-in-another-language": translate,
    "repeated-document": repeat_document(near=False),
    "near-repeated-document": repeat_document(near=True),
}
"""What is planted, by the code under which it is to be found."""


def _some(rows: list[Row], chance: Random, count: int, long: bool = False) -> list[Row]:
    """Some rows that can be answered; with `long`, those whose input stays nearly the same with one typo."""
    fit = [row for row in rows if row["target"] != UNANSWERABLE and (not long or len(row["input"]) >= _LONG)]
    return chance.sample(fit, min(count, len(fit)))


def _insert(rows: list[Row], row: Row, chance: Random, first: int = 0) -> str:
    """Insert a row at a random place, not before `first`, under a new id."""
    row["id"] = f"planted-{len(rows)}"
    rows.insert(chance.randint(first, len(rows)), row)
    return str(row["id"])


def _remove(rows: list[Row], unwanted: list[Row]) -> None:
    ids = {row["id"] for row in unwanted}
    rows[:] = [row for row in rows if row["id"] not in ids]


def _large_class(copy: Copy, file: str) -> str | None:
    """The smallest class with enough examples in a file, and some in test; None without a third class."""
    counts = Counter(row["target"] for row in copy.files[file])
    tested = {row["target"] for row in copy.test}
    enough = [label for label, number in counts.items() if number >= 8 and label in tested]
    return min(enough, key=lambda label: (counts[label], label)) if len(counts) > 2 and enough else None


def _slipped(row: Row, chance: Random) -> Row:
    return {**row, "input": _slip(row["input"], chance)}


def _slip(text: str, chance: Random) -> str:
    """The text with a typo: two letters of one word exchanged."""
    words = text.split(" ")
    fit = [at for at, word in enumerate(words) if len(word) >= 5 and word.isalpha() and word[1] != word[2]]
    if not fit:
        return f"{text} please"
    at = chance.choice(fit)
    word = words[at]
    words[at] = f"{word[0]}{word[2]}{word[1]}{word[3:]}"
    return " ".join(words)


def _datum(sort: str, number: int, chance: Random) -> str:
    match sort:
        case "email":
            return f"My address is jo.hanson{chance.randint(10, 99)}@{chance.choice(('mailhouse', 'posthut'))}.org."
        case "phone":
            region, kind = _PHONES[number % len(_PHONES)]
            example = phonenumbers.example_number_for_type(region, kind)
            shape = phonenumbers.PhoneNumberFormat.INTERNATIONAL
            return f"Call me on {phonenumbers.format_number(example, shape)}."
        case "card":
            digits = "4" + "".join(str(chance.randint(0, 9)) for _ in range(14))
            check = next(str(last) for last in range(10) if luhn(f"{digits}{last}"))
            whole = digits + check
            return f"My card is {' '.join(whole[at : at + 4] for at in range(0, 16, 4))}."
    account = "".join(str(chance.randint(0, 9)) for _ in range(18))
    check = 98 - int(f"{account}131400") % 97  # DE is 13 14
    return f"Pay to DE{check:02d}{account}."
