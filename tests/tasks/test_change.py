"""What is known of a change: read from a folder, made from two versions of the documents, and checked."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from advisor.errors import UserError
from advisor.profiling import profile
from advisor.reporting.importing import import_document, import_report
from advisor.reporting.profile import profile_document
from advisor.tasks import Document, Example, Task, load_task, subset
from advisor.tasks.caveats import data_caveats
from advisor.tasks.importing.change import changed_task, import_change
from advisor.tasks.importing.result import ImportRequest
from advisor.tasks.importing.revising import import_into_copy
from advisor.tasks.loading import OPEN

BEFORE = (
    Document("refunds", "Refunds", "A refund takes five working days. Ask the desk."),
    Document("hours", "Hours", "The desk opens at nine."),
    Document("parking", "Parking", "Parking costs two euros."),
    Document("canteen", "Canteen", "The canteen serves soup."),
    Document("gym", "Gym", "The gym is in the cellar."),
)
AFTER = (
    Document("refunds", "Refunds", "A refund takes ten working days. Ask the desk."),
    Document("hours", "Hours", "The desk opens at nine."),
    Document("sport", "Gym", "The gym is in the cellar."),
    Document("menu", "Menu", "There is soup on Mondays."),
)
QUESTIONS = (
    Example("q1", "How long does a refund take?", "five working days", evidence=("refunds",)),
    Example("q2", "Whom do I ask about a refund?", "the desk", evidence=("refunds",)),
    Example("q3", "When does the desk open?", "nine", evidence=("hours",)),
    Example("q4", "What does parking cost?", "two euros", evidence=("parking",)),
    Example("q5", "What does the canteen serve?", "soup", evidence=("canteen",)),
    Example("q6", "Where is the gym?", "in the cellar", evidence=("gym",)),
    Example("q7", "How are you?", "fine"),
)
TRAIN = (Example("t1", "Who pays?", "nobody"),)
DESK = Task("desk", "qa", "Answer.", "token_f1", train=TRAIN, test=QUESTIONS, documents=BEFORE)


def rows(examples):
    return [{"id": e.id, "input": e.input, "target": e.target, "evidence": list(e.evidence)} for e in examples]


def pages(documents):
    return [{"id": d.id, "title": d.title, "text": d.text} for d in documents]


def write_desk(write, **more):
    """The folder of `DESK`; keywords as of `write`, with files whose names hold underscores by `named`."""
    named = more.pop("named", {})
    files = {"test_jsonl": rows(QUESTIONS), "documents_jsonl": pages(BEFORE), **more}
    folder = write(**files)
    for name, content in named.items():
        text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_folder_says_what_changes(write):
    after = [
        {"id": "q1", "input": "How long does a refund take?", "target": "ten working days", "evidence": ["refunds"]}
    ]
    folder = write_desk(write, named={"test_after.jsonl": after, "documents_after/refunds.md": "# Refunds\nTen days."})
    task = load_task(folder)
    assert task.test_after[0].target == "ten working days"
    assert [d.id for d in task.documents_after] == ["refunds"]
    assert len(task.fingerprint_after) == 16
    assert task.changes
    plain = task.before_change()
    assert plain.fingerprint == task.fingerprint
    assert plain.fingerprint_after == ""
    fitting = task.for_fitting()
    assert not fitting.changes
    other = replace(task, documents_after=AFTER)
    assert other.fingerprint == task.fingerprint
    assert other.fingerprint_after != task.fingerprint_after


def test_the_rules_may_change_alone(write):
    folder = write_desk(write, named={"test_after.jsonl": rows(QUESTIONS[:2])})
    task = load_task(folder)
    assert not task.documents_after
    assert len(task.test_after) == 2


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"documents_after.jsonl": pages(AFTER)}, "test_after.jsonl: no such file, but there is documents_after.jsonl"),
        (
            {
                "documents_after.jsonl": pages(AFTER),
                "documents_after/a.md": "x",
                "test_after.jsonl": rows(QUESTIONS[2:3]),
            },
            "both documents_after.jsonl and documents_after/",
        ),
        (
            {"documents_after.jsonl": pages(AFTER), "test_after.jsonl": rows(QUESTIONS[2:5])},
            "test_after.jsonl:2: ",
        ),
        ({"test_after.jsonl": '{"input": "x"}\n'}, 'test_after.jsonl:1: "target" is missing'),
        ({"documents_after.jsonl": '{"id": "a"}\n', "test_after.jsonl": []}, "documents_after.jsonl:1: "),
    ],
)
def test_faults_are_named_by_file_and_line(write, report, named, said):
    assert said in report(write_desk(write, named=named))


def test_documents_that_were_not_there_before_change_nothing(write, report):
    named = {"documents_after.jsonl": pages(AFTER), "test_after.jsonl": rows(QUESTIONS[2:3])}
    folder = write_desk(write, named=named)
    (folder / "documents.jsonl").unlink()
    assert "there are no documents that change into these" in report(folder)


def test_answers_are_told_by_two_versions():
    found = changed_task(DESK, AFTER)
    fates = {question.example.id: question.fate for question in found.questions}
    assert fates == {
        "q1": "open",
        "q2": "standing",
        "q3": "kept",
        "q4": "gone",
        "q5": "open",  # its document is gone, and its answer stands in another one
        "q6": "kept",  # its document was renamed
        "q7": "kept",
    }
    after = {e.id: e for e in found.task.test_after}
    assert set(after) == {"q2", "q3", "q4", "q6", "q7"}
    assert (after["q4"].target, after["q4"].evidence) == ("unanswerable", ())
    assert after["q6"].evidence == ("sport",)
    assert "stands in menu" in next(q.why for q in found.questions if q.example.id == "q5")
    said = " ".join(found.notes)
    assert "1 changed, 2 new, 3 gone, 1 as before" in said
    assert "left out" in said
    assert "2 (q1, q5)" in said
    assert "name no documents, and are taken to keep their answers: 1" in said


def test_given_answers_count_and_may_be_of_new_questions():
    given = (
        replace(QUESTIONS[0], id="x", target="ten working days"),
        Example("q2", "What is there on Mondays?", "soup", evidence=("menu",)),
    )
    found = changed_task(DESK, AFTER, given)
    assert found.of("given") == ["q1"]
    after = {e.id: e for e in found.task.test_after}
    assert after["q1"].target == "ten working days"
    assert changed_task(DESK, AFTER, [replace(given[0], evidence=())]).task.test_after[0].evidence == ("refunds",)
    assert after["after/q2"].input == "What is there on Mondays?"
    assert found.new[0].id == "after/q2"


def test_what_has_no_documents_cannot_change():
    with pytest.raises(UserError, match="no documents"):
        changed_task(replace(DESK, documents=()), AFTER)
    with pytest.raises(UserError, match="no test question keeps its answer"):
        changed_task(replace(DESK, test=QUESTIONS[:1]), AFTER)


def test_a_change_is_imported_and_its_open_questions_are_filled_in(write, tmp_path):
    folder = write_desk(write)
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pages(AFTER)))
    first = import_change(folder, tmp_path / "new.jsonl")
    left = [json.loads(line) for line in (folder / OPEN).read_text().splitlines()]
    assert [(row["id"], row["was"], row["target"]) for row in left] == [
        ("q1", "five working days", ""),
        ("q5", "soup", ""),
    ]
    assert load_task(folder).fingerprint_after == first.task.fingerprint_after
    assert [row["evidence"] for row in left] == [["refunds"], []]
    caveat = f"2 test questions are not asked after the change ({OPEN}): fill in their answers"
    assert caveat in load_task(folder).caveats
    left[0]["target"] = "ten working days"
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in left))
    copied = ImportRequest(str(folder), documents_after=str(tmp_path / "new.jsonl"))
    copy = import_into_copy(copied, tmp_path / "copy")
    assert (copy.open_questions, first.of("open")) == (2, ["q1", "q5"])
    assert import_document(copy)["open_questions"] == 2
    assert f"first fill in the answers of 2 questions in {tmp_path / 'copy' / OPEN}" in str(import_report(copy))
    second = import_change(folder, tmp_path / "new.jsonl", tmp_path / "mine.jsonl")
    assert second.of("given") == ["q1"]
    assert second.of("open") == ["q5"]
    task = load_task(folder)
    assert {e.id: (e.target, e.evidence) for e in task.test_after}["q1"] == ("ten working days", ("refunds",))
    assert task.test[0].target == "five working days"


def test_new_questions_get_ids_of_their_own(write, tmp_path):
    given = [Example("q2", "a?", "x"), Example("after/q2", "b?", "y"), Example("q2", "c?", "z")]
    ids = [e.id for e in changed_task(DESK, AFTER, given).new]
    assert ids == ["after/q2", "after/after/q2", "after/q2#2"]
    folder = write_desk(write)
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pages(AFTER)))
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(given) if row["id"] == "q2"))
    import_change(folder, tmp_path / "new.jsonl", tmp_path / "mine.jsonl")
    assert {e.input for e in load_task(folder).test_after} >= {"a?", "c?"}


def test_a_change_that_cannot_be_read_leaves_nothing(write, tmp_path):
    folder = write_desk(write, train_jsonl=[{"input": "Who?", "target": "nobody"}])
    labels = sorted({e.target for e in QUESTIONS} | {"nobody"})
    kind = f'kind = "classification"\nlabels = {json.dumps(labels)}'
    toml = '[task]\nname = "desk"\ninstruction = "Answer."\n' + kind + "\n"
    (folder / "task.toml").write_text(toml)
    load_task(folder)
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pages(AFTER)))
    (tmp_path / "mine.jsonl").write_text(json.dumps({"input": "Who?!", "target": "no label"}) + "\n")
    request = ImportRequest(str(folder), documents_after=str(tmp_path / "new.jsonl"))
    with pytest.raises(UserError, match=r"mine\.jsonl:1: the answer is not among the labels"):
        import_into_copy(replace(request, test_after=str(tmp_path / "mine.jsonl")), tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def test_questions_of_after_the_change_that_train_has_are_named():
    task = replace(DESK, test_after=(*QUESTIONS, Example("new", "Who  pays?", "everybody")))
    assert any("of after the change" in caveat for caveat in data_caveats(task))
    assert not any("of after the change" in caveat for caveat in data_caveats(replace(DESK, test_after=QUESTIONS)))


def test_a_profile_counts_what_changes():
    found = profile(changed_task(DESK, AFTER).task)
    assert profile_document(found)["change"] == {"test": 5, "documents": 4}


def test_a_sample_asks_the_same_questions_after_the_change():
    task = subset(replace(DESK, test_after=QUESTIONS), limit=3)
    assert [e.input for e in task.test_after] == [e.input for e in task.test]


def test_a_sample_keeps_its_share_of_new_questions():
    new = tuple(Example(f"n{n}", f"new {n}?", "x") for n in range(14))
    whole = replace(DESK, test_after=(*QUESTIONS, *new))
    small, larger = (subset(whole, limit=limit) for limit in (2, 4))
    assert [e.input for e in small.test_after[:2]] == [e.input for e in small.test]
    assert len(small.test_after) == 2 + 4
    assert {e.id for e in small.test_after} < {e.id for e in larger.test_after}
    assert "4 of 14 that are new after the change" in small.caveats[-1]
