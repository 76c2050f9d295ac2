"""Reading good task folders."""

from __future__ import annotations

import json
import time

import pytest

from advisor.errors import UserError
from advisor.tasks import Example, Limits, load_task


def test_a_whole_folder(write):
    folder = write(
        task_toml=(
            '[task]\nname = "desk"\nkind = "qa"\ninstruction = "Answer."\nmetric = "exact_match"\n'
            '[limits]\np95_ms = 500\nbudget_usd = 0.5\n[compare]\nmodel = "m"\napproaches = ["rag:k=3"]\n'
            '[source]\nanything = "goes"\n'
        ),
        train_jsonl=[{"id": "a", "input": "x", "target": "y", "targets": ["z", "y"], "evidence": ["d"], "colour": 1}],
        dev_jsonl=[{"input": "dev", "target": "y"}],
        documents_jsonl=[{"id": "d", "title": "T", "text": "words"}],
    )
    task = load_task(folder)
    assert (task.name, task.kind, task.instruction, task.metric) == ("desk", "qa", "Answer.", "exact_match")
    assert task.train == (Example("a", "x", "y", ("y", "z"), ("d",)),)
    assert task.dev == (Example("1", "dev", "y"),)
    assert [d.title for d in task.documents] == ["T"]
    assert task.limits == Limits(p95_ms=500, budget_usd=0.5)
    assert task.defaults.models == ("m",)
    assert task.defaults.approaches == ("rag:k=3",)
    assert task.caveats == ()
    assert task.origin == str(folder)
    assert load_task(str(folder)) == task


def test_a_missing_id_is_the_line_number_and_blank_lines_count(write):
    line = '{"input": "a", "target": "b"}'
    lines = f'{line}\n\n   \n{line}\n{{"id": 7, {line[1:]}'
    assert [e.id for e in load_task(write(train_jsonl=lines)).train] == ["1", "4", "7"]


def test_marks_line_endings_and_unusual_separators_change_nothing(write):
    line = '{"input": "caf\u00e9\u2028bar", "target": "b"}'
    plain = load_task(write(train_jsonl=f"{line}\n"))
    other = load_task(write(train_jsonl=b"\xef\xbb\xbf" + f"{line}\r\n\r\n".encode()))
    assert plain.fingerprint == other.fingerprint
    assert plain.train[0].input == "caf\u00e9\u2028bar"


def test_linked_files_are_read(write, tmp_path):
    folder = write(train_jsonl=None)
    (tmp_path / "elsewhere.jsonl").write_text('{"input": "a", "target": "b"}\n')
    (folder / "train.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    assert load_task(folder).train == (Example("1", "a", "b"),)


def test_labels_default_to_those_in_train_sorted(write):
    rows = [{"input": label, "target": label} for label in ("spam", " ham ", "spam")]
    task = load_task(write(kind="classification", train_jsonl=rows, test_jsonl=[{"input": "x", "target": "ham"}]))
    assert task.labels == ("ham", "spam")
    assert task.train[1].target == "ham"


def test_labels_given_keep_their_order(write):
    toml = '[task]\nname = "a"\nkind = "classification"\ninstruction = "b"\nlabels = ["yes", "no"]\n'
    rows = [{"input": "x", "target": "no"}]
    assert load_task(write(task_toml=toml, train_jsonl=rows, test_jsonl=rows)).labels == ("yes", "no")


def test_an_extraction_target_may_be_an_object(write):
    row = {"input": "x", "target": {"name": ["Zoë"], "n": 1}, "targets": [{"name": []}]}
    task = load_task(write(kind="extraction", train_jsonl=[row], test_jsonl=[{"input": "y", "target": "{}"}]))
    assert task.train[0].targets == ('{"name":["Zoë"],"n":1}', '{"name":[]}')


def test_evidence_without_documents_is_left_out_with_a_caveat(write):
    task = load_task(write(train_jsonl=[{"input": "x", "target": "y", "evidence": "d1"}]))
    assert not task.has_evidence
    assert task.caveats == ("there are no documents, so the evidence that examples name (1) is left out",)


def test_a_missing_folder_suggests_a_near_name(write):
    folder = write()
    with pytest.raises(UserError) as caught:
        load_task(folder.with_name("dekk"))
    parent = folder.parent
    assert str(caught.value) == f"error: {parent}/dekk: no such folder\n  try: did you mean {parent}/desk?"


def test_a_folder_of_task_folders_names_them(write):
    folder = write()
    with pytest.raises(UserError, match="not a task folder, but it holds some") as caught:
        load_task(folder.parent)
    assert caught.value.hint == f"give one: {folder}"


def test_a_file_in_place_of_a_folder(write):
    folder = write()
    (folder / "tickets.csv").write_text("a,b\n")
    with pytest.raises(UserError, match="a table, not a task folder") as caught:
        load_task(folder / "tickets.csv")
    assert caught.value.hint.startswith("--train ")
    with pytest.raises(UserError, match="a file, not a task folder") as caught:
        load_task(folder / "task.toml")
    assert caught.value.hint == f"give the folder: {folder}"


def test_a_folder_of_tables_names_the_flags_for_tables(tmp_path):
    (tmp_path / "tickets.csv").write_text("a,b\n")
    with pytest.raises(UserError, match=r"tables, but no task\.toml") as caught:
        load_task(tmp_path)
    assert f"--train {tmp_path / 'tickets.csv'}" in caught.value.hint


def test_ten_thousand_rows_load_quickly(write):
    rows = [
        {"id": f"q{n}", "input": f"question {n} " + "word " * 20, "target": f"label {n % 50}"} for n in range(10_000)
    ]
    folder = write(kind="classification", train_jsonl="".join(json.dumps(row) + "\n" for row in rows))
    start = time.perf_counter()
    assert len(load_task(folder).train) == 10_000
    assert time.perf_counter() - start < 3  # about 0.2 s on an idle core
