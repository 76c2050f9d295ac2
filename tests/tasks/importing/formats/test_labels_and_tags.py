"""Tagged tokens, and rows with several labels."""

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

SENTENCES = "-DOCSTART- X O\n\nAda\tB-person\nK.\tI-person\nin\tO\nОсло\tB-city\nРига\tB-city\n\n朝\tO\nです\tO\n"


@pytest.mark.parametrize("name", ["t.conll", "t.bio", "t.iob", "t.txt"])
def test_entities_by_type_are_the_target(file: File, bring: Bring, name: str) -> None:
    found = bring(file(name, SENTENCES))
    assert (found.format.name, found.format.kind) == ("conll", "extraction")
    assert [text for text, _ in found.pairs] == ["Ada K. in Осло Рига", "朝 です"]
    assert json.loads(found.examples[0]["target"]) == {"person": ["Ada K."], "city": ["Осло", "Рига"]}
    assert found.examples[1]["target"] == "{}"
    assert [str(place) for place in found.places] == [f"{name}:3", f"{name}:9"]
    assert "(city, person)" in found.format.instruction


def test_blanks_between_token_and_tag_and_other_schemes(file: File, bring: Bring) -> None:
    found = bring(file("t.conll", "Ada NNP B-NP U-PER\nof IN O O\nNew NN x B-ORG\nYork NN x L-ORG\n"))
    assert json.loads(found.examples[0]["target"]) == {"PER": ["Ada"], "ORG": ["New York"]}


def test_faults_of_tags(file: File, bring: Bring) -> None:
    text = SENTENCES + "\nOslo\tCITY\n\nloose\n\nup\tO\nOslo\tI-city\n\n".replace("up", "auf") + "\u00fc\tO\n"
    with pytest.raises(Faults, match=r"t\.conll:19: not UTF-8: byte 0xfc"):
        bring(file("t.conll", text.encode().replace("\u00fc".encode(), b"\xfc")))
    found = bring(file("t.conll", text))
    dropped = {place: why.split(" (")[0] for place, why in found.dropped.items()}
    assert dropped["t.conll:12"] == "a line is no token with a tag"
    assert dropped["t.conll:14"] == "a line is no token with a tag"
    assert len(dropped) == 2
    assert "a tag I- (or E-, L-) without a B- before it begins an entity (1 row, first t.conll:16)" in found.notes
    assert found.examples[-2]["target"] == '{"city":["Oslo"]}'


def test_plain_text_is_no_conll_file(file: File, bring: Bring) -> None:
    for text in ("It is O\nnice.\n", "one two\nthree four\n"):
        with pytest.raises(Unclear, match="which column is the input"):
            bring(file("t.txt", text))
    with pytest.raises(Faults, match="a line is no token with a tag"):
        bring(file("t.txt", "one two\nthree four\n"), format="conll")


def test_a_folder_of_conll_files(file: File, bring: Bring) -> None:
    path = file("ner/train.txt", SENTENCES)
    file("ner/testb.txt", SENTENCES)
    file("ner/readme.txt", "About it.\n")
    assert bring(path.parent).splits == ["test", "test", "train", "train"]


def test_rows_of_tokens_and_tags(file: File, bring: Bring) -> None:
    rows = [
        {"tokens": ["in", "Oslo"], "ner_tags": ["O", "B-city"]},
        {"tokens": ["in", "Oslo"], "ner_tags": [0, 1], "tag_names": ["O", "B-city"]},
        {"tokens": ["in", "Oslo"], "ner_tags": ["0", "1"], "tag_names": {"0": "O", "1": "B-city"}},
        {"tokens": ["in", "Oslo"], "ner_tags": [0, 1]},
        {"tokens": ["in"], "ner_tags": ["O", "B-city"]},
        {"tokens": ["in"], "ner_tags": ["city"]},
        {"tokens": [], "ner_tags": []},
        {"tokens": ["in"], "ner_tags": None},
        {"tokens": "in Oslo", "ner_tags": ["O"]},
        {"tokens": ["in", None], "ner_tags": ["O", "O"]},
    ]
    found = bring(file("t.jsonl", rows))
    assert found.pairs == [("in Oslo", '{"city":["Oslo"]}')] * 3
    assert [why.split(" (")[0] for why in found.dropped.values()] == [
        "the tags are numbers whose names are not told",
        '"tokens" and "ner_tags" have not the same length',
        "a tag is neither O nor B-, I-, E-, S-, L- or U- before a type",
        "the sentence has no tokens",
        '"ner_tags" is null, not a list',
        '"tokens" is a text, not a list',
        '"tokens" holds something that is no text',
    ]


def labelled(*labels: object) -> list[dict[str, object]]:
    return [{"text": f"text {n}", "labels": found} for n, found in enumerate(labels)]


def test_lists_of_labels(file: File, bring: Bring) -> None:
    found = bring(file("m.jsonl", labelled(["a", "b"], [], ["b", "b", " b"])))
    assert (found.format.name, found.format.kind) == ("multilabel", "extraction")
    assert found.pairs == [
        ("text 0", '{"labels":["a","b"]}'),
        ("text 1", '{"labels":[]}'),
        ("text 2", '{"labels":["b"]}'),
    ]
    assert "among: a, b." in found.format.instruction
    assert "json_f1" in found.notes


def test_one_label_each_is_a_classification(file: File, bring: Bring) -> None:
    found = bring(file("m.jsonl", labelled(["a"], ["b"], [])))
    assert found.format.kind == "classification"
    assert found.pairs == [("text 0", "a"), ("text 1", "b")]
    assert "the row has no label" in found.dropped["m.jsonl:3"]


def test_labels_joined_in_cells(file: File, bring: Bring) -> None:
    found = bring(file("m.csv", "text,tags\none,a;b\ntwo,b\nthree,a; b\nfour,\n"))
    assert [target for _, target in found.pairs] == [
        '{"labels":["a","b"]}',
        '{"labels":["b"]}',
        '{"labels":["a","b"]}',
        '{"labels":[]}',
    ]


def test_a_list_written_into_a_cell(file: File, bring: Bring) -> None:
    found = bring(file("m.csv", "text,labels\none,\"['a', 'b']\"\ntwo,[]\n"))
    assert [target for _, target in found.pairs] == ['{"labels":["a","b"]}', '{"labels":[]}']


def test_a_column_of_0_and_1_for_each_label(file: File, bring: Bring) -> None:
    rows = "id,comment,toxic,rude\n1,you one,1,1\n2,you two,0,0\n3,three,1,x\n4,four,1,\n5,,1,1\n"
    found = bring(file("m.csv", rows + "".join(f"{n},more,0,0\n" for n in range(6, 30))))
    assert found.pairs[:2] == [("you one", '{"labels":["toxic","rude"]}'), ("you two", '{"labels":[]}')]
    assert [example["id"] for example in found.examples][:2] == ["1", "2"]
    assert {place: why.split(" (")[0] for place, why in found.dropped.items()} == {
        "m.csv:4": '"rude" is neither 0 nor 1',
        "m.csv:5": '"rude" is empty',
        "m.csv:6": '"comment" is empty',
    }
    assert "json_f1" in found.notes


def test_faults_of_labels(file: File, bring: Bring) -> None:
    found = bring(file("m.jsonl", [*labelled(["a", "b"], ["a"], ["b"], None, [{"x": 1}], [None]), {"labels": ["a"]}]))
    assert len(found.pairs) == 3
    assert {place: why.split(" (")[0] for place, why in found.dropped.items()} == {
        "m.jsonl:4": '"labels" is null or missing',
        "m.jsonl:5": '"labels" holds an object, not a label',
        "m.jsonl:6": '"labels" holds null, not a label',
        "m.jsonl:7": '"text" is missing',
    }


def test_a_plain_table_is_left_to_others(file: File, bring: Bring) -> None:
    for rows in (
        [{"text": "a", "label": "b"}],
        [{"question": "a", "answer": "b; c"}, {"question": "b", "answer": "d"}],
        [{"text": text, "label": text, "seen": 1, "sure": 0} for text in "ab"],
    ):
        assert bring(file("p.jsonl", rows)).format.name == "table"


def test_columns_that_are_named(file: File, bring: Bring) -> None:
    rows = [{"title": "t", "body": "b", "areas": ["x", "y"], "n": 1}]
    found = bring(file("m.jsonl", rows), inputs=("title", "body"), target="areas")
    assert found.pairs == [("title: t\nbody: b", '{"labels":["x","y"]}')]
