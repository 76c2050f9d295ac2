"""An import from end to end: read once onto disk, understood, split, and written as a task folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from advisor.errors import UserError
from advisor.progress import counted
from advisor.tasks.faults import FaultLog, listed
from advisor.tasks.forms import is_blank, normalised
from advisor.tasks.importing.change import check_change, import_change
from advisor.tasks.importing.contract import Dropped, Record, Unclear
from advisor.tasks.importing.documents import DocumentFiles, documents_beside
from advisor.tasks.importing.kinds import AnswerForms
from advisor.tasks.importing.opening import Opened, opened
from advisor.tasks.importing.result import SHOWN, Imported, ImportRequest, Shown
from advisor.tasks.importing.settling import Unfit, settled
from advisor.tasks.importing.splitting import DEV, PARTS, TEST, Assigned, Marks, SplitRule, assign, digest
from advisor.tasks.importing.spool import Spool, spool_file
from advisor.tasks.importing.tallies import RowTally, in_words
from advisor.tasks.importing.times import Times
from advisor.tasks.importing.writing import FolderWriter, check_out, folder_writer, toml_table
from advisor.tasks.loading import load_task
from advisor.tasks.settings import check_settings
from advisor.tasks.task import Kind
from advisor.tasks.values import plain

LOADED = 20_000
"""Rows up to which the folder is read back at once, so that what only a whole task shows is seen."""


def import_source(request: ImportRequest, out: Path, *, overwrite: bool = False) -> Imported:
    """Turn a source into a task folder.

    Args:
        out: the folder to be; new, empty, or a task folder that `overwrite` lets it replace.

    Raises:
        UserError: the source cannot be read, or the folder is in the way.
        Unclear: only the user can say how the source is to be read.
        NoRoom: the disk is full.
    """
    check_out(out, overwrite)
    if request.rule:
        request.rule.check()
    after, test_after = _change_of(request)
    main, *others = request.sources
    sources = opened(main)
    for source in others:
        sources += opened(source, like=sources[0][1])
    _check_settings(request)
    with spool_file() as file, spool_file() as pairs, folder_writer(out) as folder:
        found = _Import(request, sources, folder, (Spool(file), Spool(pairs))).run(out)
        if after:
            changed = import_change(folder.close(), after, test_after, request.asked)
            notes = (*found.notes, *changed.notes)
            found = replace(found, notes=notes, open_questions=len(changed.of("open")))
    if sum(found.counts.values()) <= LOADED:
        found = replace(found, caveats=load_task(out).caveats)
    return found


def _check_settings(request: ImportRequest) -> None:
    """Raise Faults for a name, metric or labels that a task cannot have, as far as its kind is known."""
    log = FaultLog()
    values: dict[str, object] = {"name": task_name(request), "instruction": "-", "kind": request.asked.kind or "qa"}
    values |= {"metric": request.metric} if request.metric and request.asked.kind else {}
    if request.labels and request.asked.kind in (None, "classification"):
        values |= {"labels": request.labels, "kind": "classification"}
    check_settings(values, "advisor import", log)
    log.raise_if_any()


def task_name(request: ImportRequest) -> str:
    """The given name, or that of the source, as a folder may be called."""
    if request.name:
        return request.name
    path = Path(request.source)
    name = path.stem if path.suffix and not path.is_dir() else path.resolve().name if path.exists() else path.name
    if name in ("train", "data"):
        name = path.resolve().parent.name or name
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "-", name).strip()[:80] or "imported"


class _Import:
    """One import: what the first pass learned, and what the second one writes."""

    def __init__(
        self, request: ImportRequest, sources: list[Opened], folder: FolderWriter, spools: tuple[Spool, Spool]
    ) -> None:
        self._request = request
        self._sources = sources
        self._folder = folder
        self._examples, self._preferences = spools
        self._answers = AnswerForms()
        self._marks = Marks(Times(request.asked.dates) if request.asked.time else None)
        self._dropped, self._unread, self._changed = RowTally(), RowTally("document"), RowTally()
        self._documents: dict[int, int] = {}  # digests of texts, by those of ids
        self._ids: dict[str, set[int]] = {part: set() for part in PARTS}
        self._again: dict[int, int] = {}  # rows of one id, by it
        self._labels: set[int] = set()
        self._notes: dict[str, None] = {}

    def run(self, out: Path) -> Imported:
        """Both passes."""
        for record in self._records():
            self._take(record)
        self._take_documents()
        if not self._marks:
            self._take_preferred()
        if not self._marks:
            self._refuse("no example is left")
        kind, instruction = self._understood()
        rule = self._request.rule or SplitRule(by_time=bool(self._request.asked.time))
        self._check_dates()
        split = assign(self._marks, rule, stratified=kind == "classification", asked=self._request.rule is not None)
        examples = tuple(self._written(split, kind))
        for part in ("train", "test"):
            if not self._folder.counts.get(part):
                self._refuse(f"no {part} example is left")
        sha256, key = self._request.digests()
        found = Imported(
            source=self._request.source,
            folder=out,
            name=task_name(self._request),
            format=listed(dict.fromkeys(opened.called for _, opened in self._sources)),
            kind=kind,
            instruction=instruction,
            columns=self._sources[0][1].columns,
            split=split.how,
            seed=rule.seed,
            counts=dict(self._folder.counts),
            labels=len(self._labels),
            notes=tuple(self._notes),
            dropped=self._dropped.found() + self._unread.found(),
            changed=self._changed.found(),
            examples=examples,
            sha256=sha256,
            key=key,
        )
        self._folder.settings("\n".join(_settings(found, self._request)) + "\n")
        return found

    def _check_dates(self) -> None:
        """Raise Unclear where days and months cannot be told apart."""
        if self._marks.times and self._marks.times.undecided:
            what = (
                f'{self._request.source}: which is first in dates such as 03/04/2024 of "{self._request.asked.time}"?'
            )
            raise Unclear(what, "dates", "--dates", ("day-first", "month-first"))

    def _refuse(self, what: str) -> None:
        reasons = listed(map(str, self._dropped.found()), 3)
        hint = f"rows were left out: {reasons}" if reasons else "see that the source holds rows"
        raise UserError(f"{self._request.source}: {what}", hint)

    def _records(self) -> Iterator[Record]:
        """The records of all sources, with the split that their source is of."""
        for source, found in self._sources:
            for record in counted(found.read(), f"read {source.name}"):
                if isinstance(record, Dropped):
                    self._dropped.add(record.why, record.place)
                else:
                    yield replace(record, split=source.split) if source.split else record
            self._notes |= dict.fromkeys(found.notes)

    def _take(self, record: Record) -> None:
        """Keep one record of the first pass."""
        if record.part == "documents":
            self._take_document(record)
        elif record.part == "preferences":
            self._preferences.put(record)
        else:
            text, target = plain(record.values.get("input")), plain(record.values.get("target"))
            if not isinstance(text, str) or is_blank(text):
                self._dropped.add("the input is empty", record.place)
            elif target is None or (isinstance(target, str) and is_blank(target)):
                self._dropped.add("the answer is empty", record.place)
            elif not self._marks.add({**record.values, "input": text, "target": target}, record.split):
                self._dropped.add(f'the time in "{self._request.asked.time}" cannot be read', record.place)
            else:
                self._answers.see(text, target)
                self._examples.put(record)

    def _take_document(self, record: Record) -> None:
        values = record.values
        name = str(values.get("id") or record.place.line)
        if is_blank(str(values.get("text") or "")):
            self._unread.add("the document is empty", record.place)
        elif (known := digest(name)) in self._documents:
            if self._documents[known] != digest(f"{values['text']}"):  # else it is the same one again
                self._unread.add("another document has that id already", record.place)
        else:
            self._documents[known] = digest(f"{values['text']}")
            self._folder.add("documents", {**values, "id": name, "title": values.get("title") or ""})

    def _take_documents(self) -> None:
        """Read the documents that were named beside the source, or lie in its folder."""
        path = _documents_of(self._request)
        if path is None:
            for name, kinds in documents_beside(Path(self._request.source)):
                self._notes[f"{name}/ holds {kinds}, not read (--documents reads them)"] = None
            return
        found = DocumentFiles(path)
        for record in counted(found.read(), f"read documents of {path.name}"):
            if isinstance(record, Dropped):
                self._unread.add(record.why, record.place)
            else:
                self._take_document(record)
        self._notes |= dict.fromkeys(found.notes)

    def _take_preferred(self) -> None:
        """Where a source holds preferences alone, the answers preferred are the examples."""
        seen: set[int] = set()
        for record in self._preferences.records():
            values = record.values
            key = digest(f"{values.get('input')}\0{values.get('chosen')}")
            if key not in seen:
                seen.add(key)
                kept = {name: value for name, value in values.items() if name not in ("chosen", "rejected")}
                self._take(Record("examples", {**kept, "target": values.get("chosen")}, record.place, record.split))
        if seen:
            self._notes["the answers that are preferred are the examples"] = None

    def _understood(self) -> tuple[Kind, str]:
        """The kind and the instruction: as asked, as the format says, or guessed."""
        asked, has_documents = self._request.asked, bool(self._documents)
        kind = asked.kind or next((found.kind for _, found in self._sources if found.kind), None)
        if kind is None and self._request.labels:
            kind = "classification"
        if kind is None:
            kind, why = self._answers.kind(has_documents)
            self._notes[f"the kind is {kind}, since {why} (--kind names another)"] = None
        told = asked.instruction or next((found.instruction for _, found in self._sources if found.instruction), "")
        if not told:
            told = self._answers.instruction(kind, has_documents)
            self._notes['the instruction is the usual one of its kind (--instruction "..." gives your own)'] = None
        self._check_kind(kind)
        return kind, told

    def _check_kind(self, kind: Kind) -> None:
        """Raise UserError where metric, labels or format do not go with the kind."""
        _check_settings(replace(self._request, asked=replace(self._request.asked, kind=kind)))
        records = next((found.called for _, found in self._sources if found.kind == "extraction"), "")
        if records and kind == "classification":
            raise UserError(
                f"{self._request.source}: is {records}, whose answers are JSON objects, not labels",
                "leave --kind classification out, or write one label for each row",
            )

    def _written(self, split: Assigned, kind: Kind) -> Iterator[Shown]:
        """Write all rows of the second pass; yields five of them as they will be used."""
        rows, at, shown = len(self._marks), 0, 0
        kept = {self._marks.inputs[row] for row, side in enumerate(split.sides) if side in (DEV, TEST)}
        for record in self._preferences.records():
            self._write_preference(record, kept)
        for record in counted(self._examples.records(), "write rows", rows):
            part = PARTS[split.sides[at]]
            found = self._row(record, part, kind)
            at += 1
            if found is None:
                continue
            self._folder.add(part, found)
            if shown < SHOWN and at > (shown + digest(str(shown)) / 2**64) * rows / SHOWN:  # a row of each fifth
                shown += 1
                yield Shown(part, str(found["input"]), str(found["target"]), bool(found.get("evidence")))

    def _row(self, record: Record, part: str, kind: Kind) -> dict[str, object] | None:
        """A row as its file holds it; None where it is left out."""
        values = {**record.values, "target": plain(record.values["target"])}
        try:
            target, answers = settled(values, kind, self._request.labels)
        except Unfit as error:
            self._dropped.add(str(error), record.place)
            return None
        row: dict[str, object] = {"id": self._id(record, part), "input": plain(values["input"]), "target": target}
        if len(answers) > 1:
            row["targets"] = list(answers)
        if evidence := self._evidence(record):
            row["evidence"] = evidence
        if (group := plain(values.get("group"))) not in (None, ""):
            row["group"] = str(group)
        if kind == "classification":
            self._labels.add(digest(target))
        return row

    def _id(self, record: Record, part: str) -> str:
        """The row's id, with a number where an earlier row of the file has it."""
        given = plain(record.values.get("id"))
        name = first = str(given) if given not in (None, "") else str(record.place.line)
        known = self._ids[part]
        while (key := digest(name)) in known:
            own = digest(f"{part}:{first}")
            self._again[own] = self._again.get(own, 1) + 1
            name = f"{first}#{self._again[own]}"
        if name != first and given not in (None, ""):
            self._changed.add("its id is that of an earlier row and got a number", record.place)
        known.add(key)
        return name

    def _evidence(self, record: Record) -> list[str]:
        """The documents that a row names, as far as they are there."""
        given = record.values.get("evidence")
        names = [str(plain(item)) for item in (given if isinstance(given, list) else [given]) if item not in (None, "")]
        found = [name for name in names if digest(name) in self._documents]
        if len(found) < len(names):
            why = (
                "its evidence names a document that is not there"
                if self._documents
                else ("its evidence is left out, since there are no documents (--documents names them)")
            )
            self._changed.add(why, record.place)
        return list(dict.fromkeys(found))

    def _write_preference(self, record: Record, kept: set[int]) -> None:
        """Write a pair of answers, unless its input is one to be tested on."""
        if record.split in ("dev", "test") or digest(normalised(str(record.values.get("input")))) in kept:
            self._dropped.add("the preference is about an input of test or dev", record.place)
        else:
            self._folder.add("preferences", record.values)


def _documents_of(request: ImportRequest) -> Path | None:
    return Path(request.documents) if request.documents else _inside(request, "documents")


def _change_of(request: ImportRequest) -> tuple[Path | None, Path | None]:
    """The documents and the questions of after a change, as named or in the source's folder."""
    after = Path(request.documents_after) if request.documents_after else _inside(request, "documents_after")
    test = Path(request.test_after) if request.test_after else _inside(request, "test_after")
    if test and not after:
        raise UserError(f"{test}: what changes is not known", "name the documents too: --documents-after FOLDER")
    check_change(after, test)
    return after, test


def _inside(request: ImportRequest, name: str) -> Path | None:
    """A file or folder of that name, with any ending, in the source's folder."""
    folder = Path(request.source)
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((path for path in inside if path.name.split(".")[0] == name), None)


def _settings(found: Imported, request: ImportRequest) -> Iterator[str]:
    """The lines of `task.toml`."""
    task: dict[str, object] = {"name": found.name, "kind": found.kind, "instruction": found.instruction}
    yield from toml_table("task", task | {"metric": request.metric, "labels": request.labels})
    caveats = [f"made by an import of {Path(found.source).name}; its splits: {found.split}"]
    if found.dropped:
        why = listed([f"{reason.why} ({reason.count:,})" for reason in found.dropped], 4)
        were = "was" if sum(reason.count for reason in found.dropped) == 1 else "were"
        caveats.append(f"{in_words(found.dropped)} of the source {were} left out on import: {why}")
    head = {"source": found.source, "format": found.format, "sha256": found.sha256, "key": found.key}
    yield from toml_table("import", {**head, "split": found.split, "seed": found.seed, "caveats": caveats})
    if found.columns:
        yield from toml_table("import.columns", found.columns)
    yield from toml_table("import.rows", found.counts)
    if found.dropped:
        yield from toml_table("import.dropped", {reason.why: reason.count for reason in found.dropped})
