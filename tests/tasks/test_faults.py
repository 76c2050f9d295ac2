"""Faults in examples: every one found, with file, line and hint."""

from __future__ import annotations

import pytest

from advisor.errors import UserError
from advisor.tasks import Faults, load_task

GOOD = '{"input": "a", "target": "b"}'


def test_the_form_of_a_single_fault(write, report):
    assert report(write(train_jsonl=f'{GOOD}\n{{"input": "How?"}}\n')) == (
        'error: train.jsonl:2: "target" is missing\n'
        '  try: every line needs "input" and "target", e.g. {"input": "...", "target": "..."}'
    )


def test_many_faults_are_one_error_with_the_first_three_in_full(write, report):
    folder = write(train_jsonl='{"input": "a"}\n' * 12 + GOOD, test_jsonl='{"target": "a"}\n' * 5)
    lines = report(folder).split("\n")
    assert len(lines) == 7
    assert lines[4] == 'error: train.jsonl:3: "target" is missing'
    assert lines[6] == "... and 14 more faults (9 in train.jsonl, 5 in test.jsonl)"
    with pytest.raises(Faults) as caught:
        load_task(folder)
    assert isinstance(caught.value, UserError)
    assert [fault.line for fault in caught.value.faults] == [*range(1, 13), *range(1, 6)]


def test_one_line_with_two_faults(write, report):
    text = report(write(train_jsonl='{"input": "", "target": {"a": 3}}'))
    assert text == (
        'error: train.jsonl:1: "input" is empty\n'
        "  try: write what the model is given, or take the line away\n"
        'error: train.jsonl:1: "target" is an object, not a text\n'
        '  try: write one text: "target": "..."'
    )


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ('{"question": "a", "target": "b"}', '"input" is missing', 'rename "question" to "input"'),
        ('{"inputs": "a", "target": "b"}', '"input" is missing', 'rename "inputs" to "input"'),
        ('{"input": "a", "Answer": "b"}', '"target" is missing', 'rename "Answer" to "target"'),
        (
            '{"input": ["a"], "target": "b"}',
            '"input" is a list, not a text',
            'write one text: "input": "..."',
        ),
        ('{"input": "a", "target": null}', '"target" is null', 'write the answer, or "unanswerable"'),
        ('{"input": "a", "target": "  "}', '"target" is empty', 'write the answer, or "unanswerable"'),
        ('{"input": "a", "target": "\u200b"}', '"target" is empty', 'write the answer, or "unanswerable"'),
        ('{"input": "\ufeff ", "target": "b"}', '"input" is empty', "write what the model is given"),
        ('{"input": "a", "target": ["\u2060"]}', '"target" is an empty list', 'write the answer: "target": "..."'),
        ('{"input": "a", "target": [["b"]]}', '"target" is a list, not a text', 'write one text: "target"'),
        ('{"input": "a", "target": []}', '"target" is an empty list', 'write the answer: "target": "..."'),
        ('{"input": "a", "target": NaN}', '"target" is NaN', 'write the answer, or "unanswerable"'),
        (
            '{"input": "a", "target": {"b": 1}}',
            '"target" is an object, not a text',
            'write one text: "target"',
        ),
        (
            '{"input": "a", "target": "b", "targets": ["b", null]}',
            '"targets" holds null',
            '"targets": ["...", "..."]',
        ),
        ('{"input": "a", "target": "b", "id": [1]}', '"id" is a list', 'write it as text ("id": "q1")'),
        (
            '{"input": "a", "target": "b"',
            "not valid JSON: Expecting ',' delimiter at column 29",
            "one whole JSON",
        ),
        ('{"input": "a", "target": "b"},', "not valid JSON: Extra data at column 30", "take away the comma"),
        ("{'input': 'a'}", "not valid JSON", "JSON needs double quotes"),
        ('["a", "b"]', "the line is a list, not an object", "every line is one JSON object"),
        (
            '{"input": "a\\ud83d", "target": "b"}',
            r"not valid JSON: \ud83d is half of a surrogate pair",
            "one JSON object",
        ),
        ("[" * 100_000, "not valid JSON: nested too deeply", "one JSON object"),
    ],
)
def test_faults_of_a_line(write, report, line, what, hint):
    seen, tried = report(write(train_jsonl=f"{GOOD}\n{line}\n")).split("\n")
    assert seen.startswith(f"error: train.jsonl:2: {what}")
    assert hint in tried


def test_a_file_that_is_one_list_is_read_by_its_objects(write, report):
    task = load_task(write(train_jsonl=f"[\n{GOOD},\n{GOOD}\n]\n"))
    assert [(e.id, e.input) for e in task.train] == [("1", "a"), ("2", "a")]
    text = report(write(train_jsonl=f"[\n{GOOD},\n" + '{"input": "c"}]'))
    assert text.startswith('error: train.jsonl:2: "target" is missing')


def test_an_id_used_twice_names_both_lines(write, report):
    rows = [{"id": name, "input": "x", "target": "y"} for name in ("a", "b", "a")]
    assert report(write(test_jsonl=rows)).startswith(
        'error: test.jsonl:3: the id "a" is already used on line 1\n  try: give every example of a file its own id'
    )


def test_the_same_id_in_two_splits_is_fine(write):
    rows = [{"id": "a", "input": "x", "target": "y"}]
    assert load_task(write(train_jsonl=rows, test_jsonl=rows)).test[0].id == "a"


def test_a_target_that_is_not_among_the_labels(write, report):
    toml = '[task]\nname = "a"\nkind = "classification"\ninstruction = "b"\nlabels = ["spam", "ham"]\n'
    rows = [{"input": "x", "target": "spm"}]
    text = report(write(task_toml=toml, train_jsonl=rows, test_jsonl=[{"input": "y", "target": "zzz"}]))
    assert text == (
        'error: train.jsonl:1: the target "spm" is not among the labels\n'
        '  try: did you mean "spam"?\n'
        'error: test.jsonl:1: the target "zzz" is not among the labels\n'
        "  try: the labels: spam, ham"
    )


def test_a_target_that_only_looks_like_a_label_is_told_by_its_code_points(write, report):
    toml = '[task]\nname = "a"\nkind = "classification"\ninstruction = "b"\nlabels = ["spam", "ham"]\n'
    bad, good = ([{"input": "x", "target": target}] for target in ("sраm", "ham"))
    text = report(write(task_toml=toml, train_jsonl=bad, test_jsonl=good))
    assert text == (
        'error: train.jsonl:1: the target "sраm" is not among the labels: it looks like one, but has U+0440 U+0430 for '
        "U+0070 U+0061\n  try: copy the label from there"
    )


@pytest.mark.parametrize(
    ("target", "what"),
    [("unknown", "is not valid JSON: Expecting value"), ("12", "is a number, not a JSON object or list")],
)
def test_an_extraction_target_that_is_no_object(write, report, target, what):
    good = [{"input": "x", "target": "{}"}]
    text = report(write(kind="extraction", train_jsonl=good, test_jsonl=[{"input": "y", "target": target}]))
    assert text.startswith(f'error: test.jsonl:1: the target "{target}" {what}')
    assert '  try: write a JSON object as text, e.g. "target": "{\\"name\\": \\"Ada\\"}"' in text


def test_evidence_that_names_no_document(write, report):
    row = {"input": "x", "target": "y", "evidence": ["refunds", "refnuds"]}
    documents = [{"id": "refunds", "text": "x"}]
    assert report(write(train_jsonl=[row], documents_jsonl=documents)) == (
        'error: train.jsonl:1: the evidence "refnuds" is not the id of a document\n  try: did you mean "refunds"?'
    )


def test_encodings(write, report):
    latin = f"{GOOD}\n".encode() + '{"input": "café", "target": "b"}\n'.encode("latin-1")
    assert report(write(train_jsonl=latin)) == (
        "error: train.jsonl:2: not UTF-8: byte 0xe9 at offset 44\n"
        "  try: convert it: iconv -f WINDOWS-1252 -t UTF-8 train.jsonl > converted.jsonl"
        " (if that is its encoding)"
    )
    assert report(write(train_jsonl=GOOD.encode("utf-16"))) == (
        "error: train.jsonl:1: the file is UTF-16, not UTF-8\n"
        "  try: convert it: iconv -f UTF-16 -t UTF-8 train.jsonl > converted.jsonl"
    )


def test_files_without_examples(write, report):
    text = report(write(train_jsonl="\n\n", test_jsonl=""))
    assert "error: train.jsonl: the file holds no examples\n  try: write one example a line: {" in text
    assert "error: test.jsonl: the file holds no examples" in text


def test_missing_files_are_reported_together(write, report):
    folder = write(task_toml=None, test_jsonl=None, train_jsonl='{"input": []}')
    text = report(folder)
    assert "error: task.toml: no such file\n  try: write one: [task] and below it" in text
    assert "error: test.jsonl: no such file\n  try: add it, or set a part of train.jsonl aside with --split 0.3" in text
    assert 'error: train.jsonl:1: "input" is a list, not a text' in text
    assert text.endswith("... and 1 more fault (1 in train.jsonl)")


def test_a_missing_train_file_names_what_is_there_instead(write, report):
    folder = write(train_jsonl=None)
    assert report(folder).startswith("error: train.jsonl: no such file\n  try: add it, one example a line: {")
    (folder / "train.csv").write_text("input,target\n")
    assert "try: write train.csv as JSON lines, one example a line" in report(folder)


def test_a_split_beside_a_test_file(write, report):
    assert report(write(), split=0.3) == (
        "error: test.jsonl: there is a test file, but --split 0.3 was given too\n"
        "  try: leave --split out, or move the test file away"
    )


def test_faults_in_settings_and_examples_come_together(write, report):
    toml = '[task]\nname = "a"\nkind = "qq"\ninstruction = "b"\n'
    text = report(write(task_toml=toml, train_jsonl='{"input": "a"}'))
    assert 'error: task.toml:3: unknown kind "qq"' in text
    assert 'error: train.jsonl:1: "target" is missing' in text


def test_a_label_of_invisible_marks_is_no_label(write, report):
    rows = [{"input": "a", "target": "yes"}, {"input": "b", "target": "\ufeff"}]
    assert report(write(kind="classification", train_jsonl=rows)).startswith('error: train.jsonl:2: "target" is empty')


def test_an_answer_that_is_nested_too_deeply_is_read_as_text(write):
    rows = [{"input": "a", "target": "[" * 100_000}]
    assert load_task(write(kind="generation", train_jsonl=rows)).train[0].target == "[" * 100_000


def test_ids_of_documents_are_suggested_in_one_order(write, report):
    documents = [{"id": name, "text": "x"} for name in "hgfedcba"]
    rows = [{"input": "a", "target": "b", "evidence": "zzzz"}]
    text = report(write(documents_jsonl=documents, train_jsonl=rows))
    assert text.endswith("try: the ids of the 8 documents: a, b, c, d, e, f, g, h")
