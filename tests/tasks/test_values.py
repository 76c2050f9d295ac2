"""One rule for all formats: what a cell stands for, and labels that are one value written in two ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.tasks import Faults, TableSource, Task, load_table, load_task
from advisor.tasks.values import one_form, plain


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Task]:
    """Loads one table of texts and the given labels, in the format that the ending names."""

    def load(ending: str, labels: list[object], kind: str = "classification") -> Task:
        path = tmp_path / f"t{ending}"
        rows = [{"text": f"text {number}", "label": label} for number, label in enumerate(labels)]
        if ending == ".parquet":
            pyarrow = pytest.importorskip("pyarrow")
            pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), path)
        elif ending == ".csv":
            cells = ["" if label is None or label != label else str(label) for label in labels]
            path.write_text("text,label\n" + "".join(f"text {n},{cell}\n" for n, cell in enumerate(cells)))
        else:
            text = json.dumps(rows) if ending == ".json" else "\n".join(map(json.dumps, rows))
            path.write_text(text)
        return load_table(
            TableSource(path, test=path, input="text", target="label", kind=kind, instruction="Label."),
        )

    return load


FORMATS = [".csv", ".jsonl", ".json", ".parquet"]


@pytest.mark.parametrize("ending", FORMATS)
def test_numbers_are_the_same_labels_in_every_format(load: Callable[..., Task], ending: str) -> None:
    assert load(ending, [0, 1, 2, 1]).labels == ("0", "1", "2")
    assert load(ending, [0.5, 1.0, 2.0]).labels == ("0.5", "1.0", "2.0")


@pytest.mark.parametrize("ending", FORMATS)
def test_truth_values_are_labels(load: Callable[..., Task], ending: str) -> None:
    assert {label.casefold() for label in load(ending, [True, False, True]).labels} == {"true", "false"}


@pytest.mark.parametrize("ending", FORMATS)
def test_no_value_is_empty_in_every_format(load: Callable[..., Task], ending: str) -> None:
    for labels in ([1.0, float("nan"), 0.0], ["a", None, "b"]):
        with pytest.raises(Faults, match=r'"label" is (NaN|null|empty)'):
            load(ending, labels)


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_the_text_nan_is_no_label(load: Callable[..., Task], ending: str) -> None:
    with pytest.raises(Faults, match="stands for no value"):
        load(ending, ["0", "nan", "1"])
    assert load(ending, ["0", "NaN"], kind="qa").train[1].target == "NaN"


def test_a_number_may_be_an_answer_and_an_input(write) -> None:
    task = load_task(write(train_jsonl='{"input": 5, "target": 42, "id": 1.5, "targets": [42, 42.0]}'))
    (example,) = task.train
    assert (example.id, example.input, example.target, example.targets) == ("1.5", "5", "42", ("42", "42.0"))


def test_labels_that_are_the_same_numbers_become_one_and_that_is_said(write) -> None:
    train = [{"input": f"один {n}", "target": str(n % 3)} for n in range(6)]
    test = [{"input": f"два {n}", "target": f"{n % 3}.0"} for n in range(6)]
    task = load_task(write(kind="classification", train_jsonl=train, test_jsonl=test))
    assert task.labels == ("0", "1", "2")
    assert {example.target for example in task.test} == {"0", "1", "2"}
    (caveat,) = task.caveats
    assert caveat.startswith('some labels are one value written in two ways: "0.0" is read as "0"')


def test_numbers_written_in_one_way_stay_as_they_are(write) -> None:
    rows = [{"input": f"q{n}", "target": f"{n}.0"} for n in range(3)]
    task = load_task(write(kind="classification", train_jsonl=rows, test_jsonl=rows))
    assert task.labels == ("0.0", "1.0", "2.0")
    assert task.caveats == ()


def test_the_labels_that_the_user_named_keep_their_form(write) -> None:
    toml = '[task]\nname = "a"\nkind = "classification"\ninstruction = "b"\nlabels = ["1.0", "2.0"]\n'
    test = '{"input": "y", "target": "2"}'
    task = load_task(write(task_toml=toml, train_jsonl='{"input": "x", "target": 1}', test_jsonl=test))
    assert (task.train[0].target, task.test[0].target) == ("1.0", "2.0")


@pytest.mark.parametrize(
    ("labels", "forms"),
    [
        (["1", "1.0", "2"], {"1": "1", "1.0": "1"}),
        (["-1", "-1.0", "1", "0.5"], {"-1": "-1", "-1.0": "-1"}),
        (["True", "true", "FALSE"], {"True": "True", "true": "True"}),
        (["1.1", "1.10"], {}),  # versions
        (["1", "1.0", "007"], {}),  # codes
        (["1", "1.0", "many"], {}),
        (["C", "C++"], {}),
    ],
)
def test_what_counts_as_one_value(labels: list[str], forms: dict[str, str]) -> None:
    assert one_form(labels) == forms


def test_what_a_cell_stands_for() -> None:
    assert [plain(value) for value in (1, 1.0, True, None, float("nan"), "x")] == ["1", "1.0", "true", None, None, "x"]
