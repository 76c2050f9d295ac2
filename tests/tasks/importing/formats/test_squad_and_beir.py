"""Questions with documents: SQuAD's files and BEIR's folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.tasks.faults import Faults
from advisor.tasks.importing.contract import Unclear

File = Callable[[str, object], Path]
Bring = Callable[..., Any]


def squad(*questions: dict[str, object], context: object = "Box 1 is on shelf 1.") -> dict[str, object]:
    paragraph = {"context": context, "qas": list(questions)}
    return {"version": "v2.0", "data": [{"title": "The_Store", "paragraphs": [paragraph]}]}


def asked(name: str, *answers: object, **more: object) -> dict[str, object]:
    found = [{"text": answer, "answer_start": 0} for answer in answers]
    return {"id": name, "question": f"{name}?", "answers": found, **more}


ONE, TWO = asked("a", "shelf 1", "on shelf 1", "shelf 1", is_impossible=False), asked("b", is_impossible=True)


def test_nested_squad(file: File, bring: Bring) -> None:
    found = bring(file("s.json", squad(ONE, TWO)))
    assert (found.format.name, found.format.kind) == ("squad", "qa")
    ((passage,),) = (found.documents,)
    assert (passage["title"], passage["text"]) == ("The Store", "Box 1 is on shelf 1.")
    assert found.examples == [
        {
            "id": "a",
            "input": "a?",
            "target": "shelf 1",
            "targets": ["shelf 1", "on shelf 1"],
            "evidence": [passage["id"]],
        },
        {"id": "b", "input": "b?", "target": "unanswerable"},
    ]
    assert "If it cannot be answered, answer: unanswerable." in found.format.instruction
    assert "questions without an answer (1)" in found.notes


def test_a_folder_of_squad_has_its_splits_and_its_passages_once(file: File, bring: Bring) -> None:
    file("s/train-v2.0.json", squad(ONE))
    path = file("s/dev-v2.0.json", squad(ONE, TWO))
    found = bring(path.parent)
    assert found.splits == ["dev", "dev", "train"]
    assert len(found.documents) == 1


def test_flat_squad(file: File, bring: Bring) -> None:
    row = {"id": "a", "title": "T", "context": "It is red.", "question": "Which?"}
    rows = [row | {"answers": {"text": ["red"], "answer_start": [6]}}, row | {"id": "b", "answers": {"text": []}}]
    found = bring(file("s.jsonl", rows))
    assert found.pairs == [("Which?", "red"), ("Which?", "unanswerable")]
    assert [example.get("evidence") for example in found.examples] == [[found.documents[0]["id"]], None]


@pytest.mark.parametrize(
    ("question", "seen"),
    [
        (asked("c", is_impossible=False), "no answer, and not marked as impossible"),
        (asked("c", "x", is_impossible="perhaps"), '"is_impossible" is neither true nor false'),
        (asked("c", "x") | {"question": None}, '"question" is null'),
        (asked("c", {"a": 1}), '"answers" is an object, no list of texts'),
    ],
)
def test_faults_of_squad(file: File, bring: Bring, question: dict[str, object], seen: str) -> None:
    found = bring(file("s.json", squad(ONE, question)))
    assert len(found.examples) == 1
    assert seen in found.dropped["s.json:2"]


def test_passages_without_the_answer_or_without_text(file: File, bring: Bring) -> None:
    found = bring(file("s.json", squad(ONE, asked("b", "shelf 2"))))
    assert "no answer stands in its passage in these words (1 row, first s.json:2)" in found.notes
    with pytest.raises(Faults, match='"context" is null'):
        bring(file("t.json", squad(ONE, context=None)))


def test_articles_are_read_one_after_the_other(file: File, bring: Bring) -> None:
    """The file is longer than what is read at once, and on one line."""
    data = [
        {"title": "T", "paragraphs": [{"context": f"{n} " + "x" * 5_000, "qas": [asked(str(n), str(n))]}]}
        for n in range(60)
    ]
    found = bring(file("s.json", {"data": data, "version": "1.1"}))
    assert len(found.examples) == len(found.documents) == 60
    assert found.format.instruction == "Answer the question with a short phrase."


def beir(file: File, queries: list[dict[str, object]], qrels: str, name: str = "test") -> Path:
    corpus: list[dict[str, object]] = [
        {"_id": "d1", "title": "Red", "text": "It is red.", "metadata": {}},
        {"_id": "d2", "title": "Blue", "text": "It is blue.", "metadata": {}},
    ]
    file("b/queries.jsonl", queries)
    file(f"b/qrels/{name}.tsv", qrels)
    return file("b/corpus.jsonl", corpus).parent


HEAD = "query-id\tcorpus-id\tscore\n"
QUERY = {"_id": "q1", "text": "Which?", "metadata": {"answer": "red"}}


def test_a_beir_folder_with_answers(file: File, bring: Bring) -> None:
    folder = beir(file, [QUERY, QUERY | {"_id": "q2"}], HEAD + "q1\td2\t1\nq1\td1\t2\nq2\td1\t1\nq2\td2\t0\n")
    file("b/qrels/train.tsv", HEAD + "q2\td1\t1\n")
    found = bring(folder)
    assert found.format.name == "beir"
    assert found.documents == [
        {"id": "d1", "title": "Red", "text": "It is red."},
        {"id": "d2", "title": "Blue", "text": "It is blue."},
    ]
    assert found.examples == [
        {"id": "q1", "input": "Which?", "target": "red", "evidence": ["d1", "d2"]},
        {"id": "q2", "input": "Which?", "target": "red", "evidence": ["d1"]},
    ]
    assert found.splits == ["test", "test"]
    assert "a query is judged in several splits" in found.notes


def test_without_answers_only_retrieval_could_be_measured(file: File, bring: Bring) -> None:
    folder = beir(file, [{"_id": "q1", "text": "Which?", "metadata": {"topic": "colour"}}], HEAD + "q1\td2\t1\n")
    with pytest.raises(Unclear) as caught:
        bring(folder)
    assert "have no answers, so that only retrieval could be measured" in caught.value.what
    assert (caught.value.field, caught.value.choices) == ("target", ("topic", "title"))
    assert bring(folder, target="topic").pairs == [("Which?", "colour")]
    with (folder / "qrels" / "test.tsv").open("a") as more:
        more.write("q2\td9\t1\n")
    with (folder / "queries.jsonl").open("a") as more:
        more.write('{"_id": "q2", "text": "And?"}\n')
    titled = bring(folder, target="title")
    assert "no relevant document has a title" in titled.dropped["queries.jsonl:2"]
    assert titled.pairs == [("Which?", "Blue")]
    assert titled.splits == [""]
    assert "it is to be split" in titled.notes
    with pytest.raises(Unclear, match='no query has a "tpoic"'):
        bring(folder, target="tpoic")


def test_faults_of_beir(file: File, bring: Bring) -> None:
    queries: list[dict[str, object]] = [
        QUERY,
        QUERY | {"_id": "q2"},
        QUERY | {"_id": "q3"},
        QUERY | {"_id": "q4", "metadata": {}},
        {"text": "no id"},
        QUERY | {"_id": "q5", "text": None},
    ]
    qrels = HEAD + "q1\td1\t1\nq1\td9\t1\nq2\td9\t1\nq4\td1\t1\nq5\td1\t1\nq6\td1\t1\nbroken\nq7\td1\tmuch\n"
    folder = beir(file, queries, qrels)
    with (folder / "corpus.jsonl").open("a") as corpus:
        corpus.write(json.dumps({"_id": "d3", "text": ""}) + "\n")
    found = bring(folder)
    assert [example["evidence"] for example in found.examples] == [["d1", "d9"], ["d9"]]
    dropped = {place: why.split(" (")[0] for place, why in found.dropped.items()}
    assert dropped == {
        "corpus.jsonl:3": '"text" is empty',
        "qrels/test.tsv:8": "the line is no judgement",
        "qrels/test.tsv:9": "the line is no judgement",
        "queries.jsonl:3": "no document is judged relevant for the query",
        "queries.jsonl:4": '"answer" is missing',
        "queries.jsonl:5": '"_id" is missing',
        "queries.jsonl:6": '"text" is null',
    }
    assert "qrels name queries that are not in queries.jsonl (1, first qrels/test.tsv:7)" in found.notes


def test_a_folder_that_is_nearly_beirs(file: File, bring: Bring) -> None:
    folder = beir(file, [QUERY], HEAD)
    (folder / "queries.jsonl").unlink()
    with pytest.raises(Faults, match=r"has no queries.jsonl, as a BEIR folder has"):
        bring(folder)
