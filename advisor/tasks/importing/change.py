"""What is known of a change, from two versions of the documents: which test questions keep their answers, and which
need new ones.

A question whose documents are the same keeps its answer. Where one of its documents has another text, it keeps it if an
acceptable answer still stands in one of them word for word; else only a person knows the new answer, and the question
is left out until somebody wrote it. Where all of its documents are gone, a question of a qa task is unanswerable,
unless its answer stands in another document, which is for a person too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Literal

from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.intake import there
from advisor.tasks.documents import document_line
from advisor.tasks.faults import listed
from advisor.tasks.importing.contract import Dropped, ImportChoices, ImportSource
from advisor.tasks.importing.documents import DocumentFiles
from advisor.tasks.importing.opening import opened
from advisor.tasks.importing.settling import Unfit, settled
from advisor.tasks.loading import OPEN, load_task
from advisor.tasks.minhash import squeezed
from advisor.tasks.occurrences import holds
from advisor.tasks.task import UNANSWERABLE, Document, Example, Task
from advisor.tasks.textfile import near_path
from advisor.tasks.values import plain
from advisor.tasks.versions import DocumentChanges, changes_between

DOCUMENTS_AFTER, TEST_AFTER = "documents_after.jsonl", "test_after.jsonl"
_NAMED = 5
_UNSAID = ImportChoices()


Fate = Literal["kept", "standing", "given", "gone", "open"]
_SAID: Mapping[Fate, str] = {
    "kept": "that keep their answers",
    "standing": "whose answers still stand in their changed documents; look at these",
    "given": "with a given answer",
    "gone": f'that lost their documents, and are "{UNANSWERABLE}" now',
    "open": f"left out, since nobody knows their answers; write them in {OPEN}, and give it with --test-after",
}


@dataclass(frozen=True, slots=True)
class ChangedQuestion:
    """A test question after the change: with the answer that is right then, but where that is open.

    Attributes:
        why: what was seen, where it is open.
    """

    example: Example
    fate: Fate
    why: str = ""


@dataclass(frozen=True)
class ChangedTask:
    """A task with what is known of a change.

    Attributes:
        documents: what changed among them.
        questions: what became of each test question.
        new: questions that were given and not asked before.
        said: what the reading of the documents has to say.
    """

    task: Task
    documents: DocumentChanges
    questions: tuple[ChangedQuestion, ...]
    new: tuple[Example, ...] = ()
    said: tuple[str, ...] = ()

    def of(self, fate: Fate) -> list[str]:
        """The ids of the questions that it happened to."""
        return [question.example.id for question in self.questions if question.fate == fate]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood, in sentences."""
        counts = [*self.documents.counts, f"{self.documents.same:,} as before"]
        said = [f"documents after the change: {', '.join(counts)}", *self.said]
        for fate, what in _SAID.items():
            if ids := self.of(fate):
                named = "" if fate == "kept" else f" ({', '.join(ids[:_NAMED])}{', ...' if len(ids) > _NAMED else ''})"
                said.append(f"test questions {what}: {len(ids):,}{named}")
        unfounded = sum(q.fate == "kept" and not q.example.evidence for q in self.questions)
        if unfounded:
            said.append(f"test questions that name no documents, and are taken to keep their answers: {unfounded:,}")
        return (*said, f"questions that are new: {len(self.new):,}") if self.new else tuple(said)


def changed_task(task: Task, documents: Sequence[Document], given: Sequence[Example] = ()) -> ChangedTask:
    """A task with what is known of a change of its documents.

    Args:
        documents: all of them, as they are after the change.
        given: test questions, known ones or new ones, with the answers that are right after the change.

    Raises:
        UserError: the task has no documents, or no question is left whose answer is known.
    """
    if not task.documents:
        raise UserError(f"{task.name}: has no documents that could change", "give those from before the change too")
    sorting = _Sorting(task, documents)
    answers = {example.input: example for example in given}
    found = {example.id: sorting.after(example, answers.get(example.input)) for example in task.test}
    known = {example.input for example in task.test}
    taken = {*found}
    new = [replace(e, id=_free(e.id, taken)) for e in given if e.input not in known]
    after = (*(one.example for one in found.values() if one.fate != "open"), *new)
    if not after:
        what = f"{task.name}: no test question keeps its answer by this change"
        raise UserError(what, "give new ones: --test-after FILE")
    return ChangedTask(
        replace(task, documents_after=tuple(documents), test_after=after),
        sorting.changes,
        tuple(found.values()),
        tuple(new),
    )


def _free(name: str, taken: set[str], before: str = "after/") -> str:
    """The name, which is taken then; where it is already, with something before it, and a number if need be."""
    tries = chain([name, f"{before}{name}"], (f"{before}{name}#{number}" for number in count(2)))
    found = next(one for one in tries if one not in taken)
    taken.add(found)
    return found


class _Sorting:
    """Tells questions apart by what became of their documents."""

    def __init__(self, task: Task, documents: Sequence[Document]) -> None:
        self._qa = task.kind == "qa"
        self._after = {document.id: document for document in documents}
        self._words: dict[str, str] = {}
        self.changes = changes_between(task.documents, documents)
        added, gone = set(self.changes.added), set(self.changes.removed)
        new = {(d.title, d.text): d.id for d in documents if d.id in added}
        self._renamed = {
            d.id: new[d.title, d.text] for d in task.documents if d.id in gone and (d.title, d.text) in new
        }
        same = {d.id for d in task.documents}.difference(self.changes.changed, gone)
        self._as_before = same.union(self._renamed.values())

    def after(self, example: Example, given: Example | None) -> ChangedQuestion:
        """The question as it is after the change.

        Args:
            given: the same with the answer that a person gave.
        """
        evidence = tuple(self._renamed.get(name, name) for name in example.evidence)
        there = tuple(name for name in evidence if name in self._after)
        here = replace(example, evidence=there)
        if given is not None:
            own = given.evidence or there
            return ChangedQuestion(replace(given, id=example.id, group=example.group, evidence=own), "given")
        if self._as_before.issuperset(evidence):
            return ChangedQuestion(here, "kept")
        if there:
            if self._stands_in(example, there):
                return ChangedQuestion(here, "standing")
            return ChangedQuestion(here, "open", f"its answer does not stand in {listed(there)} any more")
        elsewhere = [name for name in self._after if self._stands_in(example, [name])] if self._qa else []
        if elsewhere or not self._qa:
            where = f", and its answer stands in {listed(elsewhere[:_NAMED])}" if elsewhere else ""
            return ChangedQuestion(here, "open", f"its documents are gone{where}")
        return ChangedQuestion(replace(here, target=UNANSWERABLE, targets=()), "gone")

    def _stands_in(self, example: Example, names: Sequence[str]) -> bool:
        answers = [words for answer in example.answers if (words := squeezed(answer))]
        return any(holds(self._text(name), answers) for name in names)

    def _text(self, name: str) -> str:
        if name not in self._words:
            document = self._after[name]
            self._words[name] = squeezed(f"{document.title}\n{document.text}")
        return self._words[name]


def import_change(
    folder: Path, documents_after: Path, test_after: Path | None = None, asked: ImportChoices = _UNSAID
) -> ChangedTask:
    """Write what is known of a change into a task folder: its documents and questions, and those that are open.

    Args:
        documents_after: a file or folder with all documents as they are after the change.
        test_after: questions with the answers that are right then, in any format that is imported.
        asked: how that is read.

    Raises:
        UserError: what is named cannot be read, or nothing could be measured.
    """
    check_change(documents_after, test_after)
    task = load_task(folder).before_change()
    files = DocumentFiles(documents_after)
    documents, left = _documents(files)
    given = _given(test_after, asked, task, documents) if test_after else ()
    changed = replace(changed_task(task, documents, given), said=(*left, *files.notes))
    write_whole(folder / DOCUMENTS_AFTER, _lines(map(document_line, changed.task.documents_after)))
    write_whole(folder / TEST_AFTER, _lines(map(_example_line, changed.task.test_after)))
    (folder / OPEN).unlink(missing_ok=True)
    if still := [question for question in changed.questions if question.fate == "open"]:
        write_whole(folder / OPEN, _lines(map(_open_line, still)))
    load_task(folder)  # a folder that cannot be read is not put in its place
    return changed


def check_change(documents_after: Path | None, test_after: Path | None) -> None:
    """Raise UserError where what is named is not there, before anything else is done."""
    for path in filter(None, (documents_after, test_after)):
        if not there(path):
            raise UserError(f"{path}: no such file or folder", near_path(path) or "check the path")


def _documents(files: DocumentFiles) -> tuple[tuple[Document, ...], list[str]]:
    """The documents, and what was left out, in sentences."""
    found: dict[str, Document] = {}
    left = []
    for record in files.read():
        if isinstance(record, Dropped):
            left.append(f"of after the change is left out: {record.place}: {record.why}")
            continue
        values = record.values
        identity = str(values.get("id") or record.place.line)
        pages = values.get("pages")
        places = tuple(page for page in pages if type(page) is int) if isinstance(pages, list | tuple) else ()
        title, text = str(values.get("title") or ""), str(values["text"])
        if identity in found and found[identity].text != text:
            left.append(f"of after the change is left out: {record.place}: another document has that id already")
        found.setdefault(identity, Document(identity, title, text, record.place, places))
    return tuple(found.values()), left


def _given(path: Path, asked: ImportChoices, task: Task, documents: Sequence[Document]) -> tuple[Example, ...]:
    """The questions of a file that have answers; of those that were open some may be left."""
    known = {document.id for document in documents}
    asked = ImportChoices(kind=task.kind, encoding=asked.encoding, sheet=asked.sheet)
    found = []
    taken: set[str] = set()
    for _, format in opened(ImportSource(str(path), path, "test", asked)):
        for number, record in enumerate(format.read(), 1):
            if isinstance(record, Dropped) or record.part != "examples":
                continue
            values = record.values
            try:
                target, answers = settled({**values, "target": plain(values["target"])}, task.kind, task.labels)
            except Unfit as error:
                raise UserError(f"{record.place}: {error}", "give the answer that is right after the change") from error
            evidence = values.get("evidence")
            named = tuple(str(name) for name in (evidence if isinstance(evidence, list) else ()) if str(name) in known)
            identity = _free(str(values.get("id") or number), taken)
            several = answers if len(answers) > 1 else ()
            found.append(Example(identity, str(values["input"]), target, several, named))
    return tuple(found)


def _lines(rows: Iterator[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _example_line(example: Example) -> dict[str, object]:
    several = {"targets": list(example.targets)} if example.targets else {}
    group = {"group": example.group} if example.group else {}
    row = {"id": example.id, "input": example.input, "target": example.target}
    return {**row, **several, "evidence": list(example.evidence), **group}


def _open_line(question: ChangedQuestion) -> dict[str, object]:
    example = question.example
    return {**_example_line(replace(example, target="", targets=())), "was": example.target, "why": question.why}
