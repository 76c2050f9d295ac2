"""What the reader of the results is told about the data."""

from __future__ import annotations

from advisor.tasks import load_task


def rows(*pairs: tuple[str, str]) -> list[dict[str, object]]:
    return [{"input": given, "target": target} for given, target in pairs]


def test_labels_in_test_that_train_lacks(write):
    train = rows(("x", "a"), ("y", "b"))
    test = rows(*((str(n), label) for n, label in enumerate("abcdefc")))
    assert load_task(write(kind="classification", train_jsonl=train, test_jsonl=test)).caveats == (
        '5 of 7 test examples have a label that no training example has: "c", "d", "e" and 1 more',
    )


def test_test_inputs_that_are_also_in_train(write):
    train = rows(("How  LATE is it?", "noon"), ("b", "c"))
    test = rows(("how late\nis it?", "noon"), ("d", "e"))
    assert load_task(write(train_jsonl=train, test_jsonl=test)).caveats == (
        '1 of 2 test inputs is also in train: "how late\\nis it?"',
    )


def test_inputs_with_different_targets(write):
    train = rows(("q", "yes"), ("Q", "no"), ("r", "yes"), ("r", "Yes"))
    assert load_task(write(train_jsonl=train)).caveats == ('1 input occurs in train with different targets: "q"',)
    assert load_task(write(kind="generation", train_jsonl=train)).caveats == ()


def test_labels_that_differ_only_in_case(write):
    train = rows(("q", "Spam"), ("r", "spam"), ("s", "ham"))
    task = load_task(write(kind="classification", train_jsonl=train, test_jsonl=rows(("t", "ham"))))
    assert task.caveats == ('some labels differ only in case or spacing: "Spam" and "spam"',)
