"""Which kind of task rows are, told by their answers, and what a model is told by default."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from advisor.tasks.shapes import is_json
from advisor.tasks.task import UNANSWERABLE, Kind

INSTRUCTIONS: dict[Kind, str] = {
    "classification": "Name the label that fits the text. Answer with the label only.",
    "qa": "Answer the question in a few words.",
    "generation": "Write the answer to the request.",
    "extraction": "Read the fields out of the text. Answer with a JSON object.",
}
FROM_DOCUMENTS = "Answer the question from the documents in a few words."
_ASKING = re.compile(
    r"\?\s*$|^\s*(?:who|what|when|where|which|why|how|whose|is|are|was|were|do|does|did|can|could|wer|was|wann|wo|wie|"
    r"warum|welche[rsn]?|qui|que|quand|où|comment|pourquoi|quel(?:le)?s?)\b",
    re.IGNORECASE,
)
_LABEL = 60  # characters
_MOST_LABELS = 200
_REPEATED = 3  # rows for each label
_WORDS = 8  # of a short answer
_SHARE = 0.9
_KEYS = 12


class AnswerForms:
    """What the answers of all rows look like; of them only labels are kept, while they are few."""

    def __init__(self) -> None:
        self._rows = self._json = self._asking = self._short = self._unanswerable = self._several = 0
        self._labels: Counter[str] | None = Counter()
        self._keys: Counter[str] = Counter()

    def see(self, text: str, answer: object) -> None:
        """Take the next row."""
        self._rows += 1
        self._asking += bool(_ASKING.search(text[-200:] if len(text) > 200 else text))
        if isinstance(answer, dict):
            if "text" not in answer:
                self._json += 1
                self._keys.update(answer.keys())
            return
        if isinstance(answer, list):
            objects = bool(answer) and all(isinstance(item, dict) and "text" not in item for item in answer)
            self._json += objects or not answer
            self._several += not objects
            return
        answer = str(answer)
        if answer[:1] in "{[" and is_json(answer):
            self._json += 1
        self._unanswerable += answer == UNANSWERABLE
        self._short += len(answer) <= 200 and len(answer.split()) <= _WORDS
        if self._labels is not None:
            self._labels[answer.strip()] += 1
            if len(answer) > _LABEL or len(self._labels) > _MOST_LABELS:
                self._labels = None

    def kind(self, documents: bool) -> tuple[Kind, str]:
        """The kind, and why, in words.

        Args:
            documents: whether there are some.
        """
        rows = max(self._rows, 1)
        asking = self._asking >= rows / 2
        if self._json >= _SHARE * rows:
            return "extraction", "the answers are JSON"
        labels = self._labels if not self._several else None
        few = labels is not None and len(labels) > 1 and len(labels) * _REPEATED <= self._rows
        if documents and (asking or not few):
            return "qa", "there are documents"
        if labels is not None and few:
            return "classification", f"{len(labels)} short answers repeat over {self._rows:,} rows"
        if self._unanswerable:
            return "qa", f'some answers are "{UNANSWERABLE}"'
        if asking and (self._short >= _SHARE * rows or self._several):
            return "qa", "questions with short answers"
        return "generation", "the answers are texts of their own"

    def instruction(self, kind: Kind, documents: bool) -> str:
        """What a model is told by default."""
        if kind == "qa" and documents:
            return FROM_DOCUMENTS
        keys: Sequence[str] = [key for key, count in self._keys.items() if count * 2 > self._json]
        if kind == "extraction" and 0 < len(keys) <= _KEYS and all(key.isprintable() for key in keys):
            return f"Read these fields out of the text: {', '.join(keys)}. Answer with a JSON object."
        return INSTRUCTIONS[kind]
