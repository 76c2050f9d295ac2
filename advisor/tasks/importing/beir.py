"""BEIR's folders: a corpus, queries, and which documents are relevant for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from advisor.tasks.answers import acceptable
from advisor.tasks.faults import Fault, Faults, listed
from advisor.tasks.importing.contract import ImportSource, Record, Unclear
from advisor.tasks.importing.json_rows import JsonRows
from advisor.tasks.importing.naming import split_of
from advisor.tasks.importing.rows import Read, RowSource, SourceRow, Unread
from advisor.tasks.importing.rowwise import NoRecord, RowFormat, text_of
from advisor.tasks.importing.streams import numbered_lines
from advisor.tasks.task import Kind, Place
from advisor.tasks.values import plain

TITLE = "title"
"""`--target title`: the question is which document answers, by its title."""
_ANSWERS = ("answers", "answer")
_SPLITS = ("test", "dev", "train", "")


class _Judgements:
    """Which documents are relevant for which query, by split; held whole.

    Attributes:
        bad: lines that are no judgement.
        documents: all that are relevant for any query.
        places: of each query's first judgement.
    """

    def __init__(self, files: Sequence[tuple[Path, str]]) -> None:
        self.bad: list[Unread] = []
        self.documents: set[str] = set()
        self.places: dict[str, Place] = {}
        self._relevant: dict[str, dict[str, list[tuple[float, str]]]] = {}
        for path, split in files:
            for number, line in numbered_lines(path):
                self._add(line, Place(f"qrels/{path.name}", number), split)

    def of(self, query: str) -> dict[str, list[str]]:
        """The relevant documents of a query by split, the most relevant first."""
        found = self._relevant.get(query, {})
        return {split: [name for _, name in sorted(given, key=lambda one: -one[0])] for split, given in found.items()}

    def _add(self, line: str, place: Place, split: str) -> None:
        cells = line.split("\t") if "\t" in line else line.split()
        if not cells or (place.line == 1 and not _number(cells[-1])):  # the header
            return
        if len(cells) == 4:  # as TREC writes them, with an iteration behind the query
            del cells[1]
        if len(cells) != 3 or not _number(cells[2]):
            self.bad.append(Unread("the line is no judgement", "write query-id TAB corpus-id TAB score", place))
            return
        self.places.setdefault(cells[0], place)
        if float(cells[2]) > 0:
            by_split = self._relevant.setdefault(cells[0], {})
            self.documents.add(cells[1])
            by_split.setdefault(split, []).append((float(cells[2]), cells[1]))


class Beir(RowFormat):
    """A corpus, queries and judgements; the answers from the queries' metadata, or the titles of what is relevant."""

    name = "beir"
    called = "a BEIR folder"
    examples_of = "corpus.jsonl, queries.jsonl, qrels/test.tsv"
    kind: Kind | None = "qa"

    def __init__(self, source: ImportSource, corpus: Path, queries: Path) -> None:
        tables = sorted((corpus.parent / "qrels").glob("*.tsv"))
        several = len(tables) > 1
        files = [(path, source.split or (split_of(path.stem) if several else "")) for path in tables]
        super().__init__(_Folder(self, corpus, queries), source.asked, str(corpus.parent))
        self._files = files
        self._queries = queries
        self.judged = _Judgements([])
        self._titles: dict[str, str] = {}
        self._used: set[str] = set()
        self._answers: tuple[str, ...] = ()
        self._key = ""

    @classmethod
    def recognise(cls, source: ImportSource) -> Self | None:
        """The format opened on a folder with a corpus, queries and qrels.

        Raises:
            Faults: it is nearly one, or the user says that it is one, and a part is missing.
        """
        folder = source.path
        if folder is None or not folder.is_dir() or source.asked.format not in ("", cls.name):
            return None
        corpus, queries = (_part(folder, name) for name in ("corpus", "queries"))
        parts = {"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels/test.tsv": any(folder.glob("qrels/*.tsv"))}
        missing = [name for name, found in parts.items() if not found]
        if corpus and queries and not missing:
            return cls(source, corpus, queries)
        if source.asked.format or len(missing) == 1:
            hint = "put it there, or name the file that is to be imported"
            raise Faults([Fault(str(folder), None, f"has no {listed(missing)}, as a BEIR folder has", hint)])
        return None

    def look(self) -> None:
        """Read the judgements, and learn whether there is anything to answer."""
        self.judged = _Judgements(self._files)
        if self.asked.target == TITLE:
            return
        wanted = (self.asked.target,) if self.asked.target else _ANSWERS
        keys: dict[str, None] = {}
        for row in JsonRows(self._queries, self.asked):
            found = _flat(row.values) if isinstance(row, SourceRow) else {}
            keys |= dict.fromkeys(key for key in found if key not in ("_id", "id", "text", "metadata"))
            if key := _answering(found, wanted):
                self._answers, self._key = wanted, key
                return
        what = "the queries have no answers, so that only retrieval could be measured"
        if self.asked.target:
            what = f'no query has a "{self.asked.target}"'
        what = f'{self._queries}: {what}; which key of them is the answer? "{TITLE}": that of the relevant document'
        raise Unclear(what, "target", "--target", (*keys, TITLE))

    def records(self, row: SourceRow) -> Iterator[Record]:
        """A document of the corpus, or the example of a query."""
        identity = plain(row.values.get("_id", row.values.get("id")))
        if not isinstance(identity, str) or not identity:
            raise NoRecord('"_id" is missing', 'give each line its own: "_id": "d1"')
        if row.place.file == self._queries.name:
            yield self._example(row, identity)
            return
        text = text_of(row.values, "text", "write the document's text, or leave it out")
        title = plain(row.values.get("title"))
        title = title if isinstance(title, str) else ""
        if self.asked.target == TITLE and title and identity in self.judged.documents:
            self._titles[identity] = title
        yield Record("documents", {"id": identity, "title": title, "text": text}, row.place)

    def finish(self) -> None:
        """Say what the questions are, and what judgements named in vain."""
        if self.asked.target == TITLE:
            self.notes.append(
                "the target is the title of the most relevant document; the title of any relevant is right"
            )
            self.instruction = "Answer with the title of the document that answers the question."
        else:
            self.notes.append(f'the target is "{self._key}" of the query; what qrels name is the evidence')
            self.instruction = "Answer the question in a few words."
        if len(self._files) == 1:
            self.notes.append(f"there is one file of judgements, qrels/{self._files[0][0].name}: it is to be split")
        lost = [place for query, place in self.judged.places.items() if query not in self._used]
        if lost:
            self.notes.append(
                f"qrels name queries that are not in {self._queries.name} ({len(lost):,}, first {lost[0]})"
            )

    def _example(self, row: SourceRow, query: str) -> Record:
        judged = self.judged.of(query)
        self._used.add(query)
        if not judged:
            raise NoRecord("no document is judged relevant for the query", "add a line to qrels, or leave it out")
        split = next(split for split in (*_SPLITS, *judged) if split in judged)
        if len(judged) > 1:
            self.tell("a query is judged in several splits: it goes to the first of test, dev, train", row.place)
        values = {**_flat(row.values), "id": query}
        text = text_of(values, "text", "write the question")
        answers = self._targets(values, judged[split])
        return self.example(SourceRow(values, row.place, split), text, answers, evidence=judged[split])

    def _targets(self, values: Mapping[str, object], evidence: Sequence[str]) -> list[str]:
        if self.asked.target == TITLE:
            found = list(dict.fromkeys(self._titles[name] for name in evidence if name in self._titles))
            if not found:
                raise NoRecord("no relevant document has a title", "add titles to the corpus")
            return found
        key = _answering(values, self._answers) or self._answers[-1]
        several = acceptable(values.get(key))
        if several == []:
            raise NoRecord("the query's answers are empty", "write an answer, or leave the query out")
        return several or [text_of(values, key, "write the answer, or leave the query out")]


class _Folder(RowSource):
    """Documents, bad judgements and queries, in this order."""

    def __init__(self, beir: Beir, corpus: Path, queries: Path) -> None:
        self._beir, self._corpus, self._queries = beir, corpus, queries

    def __iter__(self) -> Iterator[Read]:
        yield from JsonRows(self._corpus, self._beir.asked)
        yield from self._beir.judged.bad
        yield from JsonRows(self._queries, self._beir.asked)


def _part(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}.jsonl{ending}" for ending in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _flat(values: Mapping[str, object]) -> dict[str, object]:
    """A query's own values and those of its metadata."""
    inner = values.get("metadata")
    return {**(inner if isinstance(inner, dict) else {}), **values}


def _answering(values: Mapping[str, object], keys: Sequence[str]) -> str:
    """The first of the keys under which something stands; empty without one."""
    return next((key for key in keys if values.get(key) not in (None, "", [])), "")


def _number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
