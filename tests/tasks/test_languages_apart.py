"""Languages of test inputs, told apart where there are enough of each."""

from __future__ import annotations

import json
from pathlib import Path

from advisor.measuring.reading import read_answers, write_answers
from advisor.tasks import Example
from advisor.tasks.language import told_apart

ENGLISH = [f"Where can I find the invoice for order number {n} that I placed last week?" for n in range(30)]
GERMAN = [f"Wo finde ich die Rechnung zu der Bestellung {n}, die ich letzte Woche aufgab?" for n in range(25)]


def test_languages_are_told_where_two_have_enough_texts() -> None:
    assert told_apart([*ENGLISH, *GERMAN, "ok"]) == ["en"] * 30 + ["de"] * 25 + [""]
    assert told_apart([*ENGLISH, *GERMAN[:19]]) == []
    assert told_apart([*ENGLISH, *ENGLISH]) == []
    assert told_apart(ENGLISH[:5]) == []


def test_records_keep_the_language_of_each_test_input_without_its_text(tmp_path: Path) -> None:
    examples = [Example(f"q{at}", text, "yes") for at, text in enumerate([*ENGLISH, *GERMAN])]
    path = tmp_path / "answers.jsonl"
    known = write_answers(path, examples, texts=False)
    found = read_answers(path, len(examples), known)
    assert [found["q0"].language, found["q30"].language] == ["en", "de"]
    assert found["q0"].input == ""
    write_answers(path, examples[:30], texts=True)
    assert all("language" not in json.loads(line) for line in path.read_text().splitlines())
