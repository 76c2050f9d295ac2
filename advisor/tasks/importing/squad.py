"""Questions on passages: SQuAD 1 and 2, in their nesting and as flat rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from advisor.tasks.answers import acceptable
from advisor.tasks.importing.contract import ImportChoices, Record
from advisor.tasks.importing.rows import RowSource, SourceRow
from advisor.tasks.importing.rowwise import NoRecord, RowFormat, text_of
from advisor.tasks.jsonfile import type_name
from advisor.tasks.task import UNANSWERABLE, Kind
from advisor.tasks.values import plain

_DIGEST = 6  # bytes; among 100,000 passages two collide with a chance of 2e-5


class Squad(RowFormat):
    """Questions on passages: each passage a document, named as evidence where it holds the answer."""

    name = "squad"
    called = "a SQuAD file"
    examples_of = '{"question": "...", "context": "...", "answers": {"text": ["..."]}}, or data > paragraphs > qas'
    kind: Kind | None = "qa"

    def __init__(self, rows: RowSource, asked: ImportChoices, name: str) -> None:
        super().__init__(rows, asked, name)
        self._passages: set[int] = set()
        self._unanswerable = 0

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether a row has a question, its passage and its answers."""
        return {"question", "context", "answers"} <= set(values)

    def records(self, row: SourceRow) -> Iterator[Record]:
        """The passage, when it is first met, and the example."""
        values = row.values
        if values.get("is_impossible") not in (None, True, False, 0, 1, "true", "false"):
            raise NoRecord('"is_impossible" is neither true nor false', "write true or false, or leave it out")
        passage = text_of(values, "context", "write the passage, or leave the row out")
        document, new = self._document(passage)
        if new:
            title = plain(values.get("title"))
            shown = title.replace("_", " ") if isinstance(title, str) else ""
            yield Record("documents", {"id": document, "title": shown, "text": passage}, row.place)
        question = text_of(values, "question", "write the question, or leave the row out")
        answers = self._answers(values)
        if not answers:
            self._unanswerable += 1
            yield self.example(row, question, [UNANSWERABLE])
            return
        if not any(answer in passage for answer in answers):
            self.tell("no answer stands in its passage in these words", row.place)
        yield self.example(row, question, answers, evidence=[document])

    def finish(self) -> None:
        """Say what became of passages and of questions without an answer."""
        self.notes.append(
            f"the passages are the documents ({len(self._passages):,} different ones); each question names its own"
        )
        if self._unanswerable:
            self.notes.append(f'questions without an answer ({self._unanswerable:,}) have the target "{UNANSWERABLE}"')
        self.instruction = "Answer the question with a short phrase."
        if self._unanswerable:
            self.instruction += f" If it cannot be answered, answer: {UNANSWERABLE}."

    def _document(self, passage: str) -> tuple[str, bool]:
        """The id of a passage, the same in all files, and whether it is met for the first time."""
        key = hashlib.blake2b(passage.encode(), digest_size=_DIGEST)
        number = int.from_bytes(key.digest())
        new = number not in self._passages
        self._passages.add(number)
        return f"p{key.hexdigest()}", new

    def _answers(self, values: Mapping[str, object]) -> list[str]:
        """The different answers; none where the question has none."""
        if values.get("is_impossible") in (True, 1, "true"):
            return []
        found = acceptable(values["answers"]) if "answers" in values else None
        if found is None:
            seen = type_name(values.get("answers"))
            raise NoRecord(f'"answers" is {seen}, no list of texts', 'write "answers": {"text": ["..."]}')
        if not found and values.get("is_impossible") in (False, 0, "false"):
            raise NoRecord("no answer, and not marked as impossible", 'write the answer, or "is_impossible": true')
        return found
