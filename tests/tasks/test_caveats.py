"""What the reader of the results is told about the data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.tasks import Task, data_caveats, data_facts, load_task
from advisor.tasks.description import describe
from advisor.tasks.material import Material


def rows(*pairs: tuple[str, str]) -> list[dict[str, object]]:
    return [{"input": given, "target": target} for given, target in pairs]


def test_labels_in_test_that_train_lacks(write):
    train = rows(("x", "a"), ("y", "b"))
    test = rows(*((str(n), label) for n, label in enumerate("abcdefc")))
    assert data_caveats(load_task(write(kind="classification", train_jsonl=train, test_jsonl=test))) == (
        '5 of 7 test examples are of a label that train lacks: "c" (2), "d" (1), "e" (1), "f" (1). See test.jsonl:3.',
    )


def test_test_inputs_that_are_also_in_train(write):
    train = rows(("How  LATE is it?", "noon"), ("b", "c"))
    test = rows(("how late\nis it?", "noon"), ("d", "e"))
    assert data_caveats(load_task(write(train_jsonl=train, test_jsonl=test))) == (
        "1 of 2 test inputs is also in train, word for word. See test.jsonl:1 and train.jsonl:1.",
    )


def test_test_inputs_that_are_nearly_in_train(write):
    train = rows(("At what hour does the office in Porto open?", "nine"), ("b", "c"))
    test = rows(("d", "e"), ("At what hour does the office in Porto open", "nine"))
    (caveat,) = data_caveats(load_task(write(train_jsonl=train, test_jsonl=test)))
    assert caveat.startswith("1 of 2 test inputs is nearly the same as one in train")
    assert caveat.endswith("See test.jsonl:2 and train.jsonl:1.")


def test_inputs_with_answers_that_exclude_each_other(write):
    train = rows(("q", "yes"), ("Q", "no"), ("r", "yes"), ("r", "Yes"))
    assert data_caveats(load_task(write(train_jsonl=train))) == (
        "1 input occurs with answers that exclude each other (2 examples). See train.jsonl:1 and train.jsonl:2.",
    )
    assert data_caveats(load_task(write(kind="generation", train_jsonl=train))) == ()


def test_labels_that_differ_only_in_case(write):
    train = rows(("q", "Spam"), ("r", "spam"), ("s", "spam"), ("u", "ham"))
    task = load_task(write(kind="classification", train_jsonl=train, test_jsonl=rows(("t", "ham"))))
    (caveat,) = data_caveats(task)
    assert caveat == ('Some labels differ in case, spacing or punctuation alone: "Spam" and "spam". See train.jsonl:1.')


@pytest.mark.parametrize(
    "labels",
    [("C", "C++", "C#"), ("-1", "1", "0"), ("<5", ">5"), ("कि", "की", "के"), ("は", "ば"), ("ไม่", "ไม้"), ("A", "the")],
)
def test_labels_that_differ_in_a_sign_are_labels_of_their_own(write, labels):
    train = rows(*((f"{n} {label}", label) for n in range(5) for label in labels))
    folder = write(kind="classification", train_jsonl=train, test_jsonl=train)
    task = load_task(folder)
    assert not [caveat for caveat in data_caveats(task) if "differ" in caveat]
    found = describe(Material(task))
    assert found.label_counts == dict.fromkeys(labels, 5)
    assert found.majority == pytest.approx(1 / len(labels))


def test_labels_are_read_in_one_unicode_form(write):
    train = rows(("a", "café"), ("b", "cafe\u0301"), ("c", "\u200bcafé"), ("d", "Ｎｏｎ"), ("e", "l’an"), ("f", "l'an"))
    toml = '[task]\nname = "a"\nkind = "classification"\ninstruction = "b"\nlabels = ["cafe\u0301", "Non", "l’an"]\n'
    for settings in ({}, {"task_toml": toml}):
        task = load_task(write(kind="classification", train_jsonl=train, test_jsonl=train, **settings))
        assert sorted(task.labels) == ["Non", "café", "l'an"]
        assert [example.target for example in task.train] == ["café", "café", "café", "Non", "l'an", "l'an"]
        assert not [caveat for caveat in data_caveats(task) if "differ" in caveat]


def test_labels_that_look_alike_are_told_apart_by_their_code_points(write):
    train = rows(("q", "Open"), ("r", "Open"), ("s", "Ореn"), ("t", "closed"))
    task = load_task(write(kind="classification", train_jsonl=train, test_jsonl=rows(("u", "Open"))))
    (caveat,) = data_caveats(task)
    assert caveat.startswith(
        'Some labels differ in letters that look alike alone: "Open" (U+004F U+0070 U+0065) and '
        '"Ореn" (U+041E U+0440 U+0435). See train.jsonl:3.'
    )


def test_answers_that_differ_in_their_unicode_form_do_not_contradict(write):
    train = rows(("q", "Zu\u0308rich"), ("q", "Zürich."), ("r", "下午"), ("r", "下午。"), ("s", "-5"), ("s", "5"))
    (caveat,) = data_caveats(load_task(write(train_jsonl=train)))
    assert caveat.startswith("1 input occurs with answers that exclude each other (2 examples).")


def test_labels_alike_that_no_example_has(write):
    task: Task = load_task(write(kind="classification", train_jsonl=rows(("q", "a"), ("r", "b"))))
    (caveat,) = [c for c in data_caveats(replace(task, labels=("a", "b", "C", "c"))) if "differ" in c]
    assert caveat.endswith('"C" and "c".')


def test_the_share_of_test_examples_that_train_holds_counts_each_once(write):
    train = rows(("At what hour does the office in Porto open?", "nine"), ("Was ist das?", "ein Fisch"), ("b", "c"))
    test = rows(
        ("At what hour does the office in Porto open", "nine"),
        ("was  IST das?", "ein Fisch"),
        ("d", "e"),
        ("f", "g"),
    )
    assert data_facts(load_task(write(train_jsonl=train, test_jsonl=test))).leaked == 0.5
    assert data_facts(load_task(write(train_jsonl=train))).leaked == 0
