"""Splits and limits: seeded, stratified, in order, and said."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.errors import UserError
from advisor.measuring.records import task_facts
from advisor.tasks import Example, Faults, TableSource, Task, load_table, load_task, subset
from advisor.tasks.audit import audit
from advisor.tasks.material import Material
from advisor.tasks.splits import sampled, split_test


def examples(**counts: int) -> tuple[Example, ...]:
    rows = [(label, n) for label, count in counts.items() for n in range(count)]
    return tuple(Example(f"{label}-{n}", f"input {label} {n}", label) for label, n in rows)


def task(kind: str = "classification") -> Task:
    train = examples(a=600, b=300, c=97, d=2, e=1)
    test = tuple(Example(f"t{e.id}", f"test {e.input}", e.target) for e in examples(a=300, b=150, c=49, d=1))
    return Task("t", kind, "i", "accuracy", ("a", "b", "c", "d", "e"), train, (), test)  # type: ignore[arg-type]


def labels(rows: tuple[Example, ...]) -> Counter[str]:
    return Counter(row.target for row in rows)


def test_a_limit_keeps_shares_and_order_and_says_so():
    small = subset(task(), limit=100, train_limit=None)
    assert labels(small.test) == {"a": 60, "b": 30, "c": 10}
    positions = [task().test.index(row) for row in small.test]
    assert positions == sorted(positions)
    assert small.train == task().train
    assert small.caveats == ("measured on 100 of 500 test examples (--limit, seed 0)",)


def test_a_train_limit_keeps_every_label_where_it_can():
    assert labels(subset(task(), train_limit=50).train) == {"a": 29, "b": 14, "c": 5, "d": 1, "e": 1}
    assert labels(subset(task(), train_limit=5).train) == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}
    assert set(labels(subset(task(), train_limit=2).train)) == {"a", "b"}


@pytest.mark.parametrize("kind", ["classification", "qa"])
def test_smaller_limits_are_nested(kind):
    whole = task(kind)
    inner: set[str] = set()
    for limit in (1, 3, 10, 100, 499):
        small = subset(whole, limit=limit)
        assert len(small.test) == limit
        outer = {row.id for row in small.test}
        assert inner <= outer
        inner = outer


def test_the_choice_is_fixed_by_the_seed():
    whole = task("qa")
    assert [row.id for row in subset(whole, limit=4).test] == ["ta-87", "ta-112", "ta-182", "tb-42"]
    assert subset(whole, limit=50, seed=1).test != subset(whole, limit=50).test


def test_a_limit_above_the_size_changes_nothing():
    whole = task()
    assert subset(whole, limit=500, train_limit=5000) is whole
    assert subset(whole, limit=None, train_limit=None) is whole


@pytest.mark.parametrize(("limit", "train_limit", "option"), [(0, None, "--limit"), (None, -3, "--train-limit")])
def test_limits_below_one(limit, train_limit, option):
    with pytest.raises(UserError, match=rf"{option} is {limit if train_limit is None else train_limit}") as caught:
        subset(task(), limit=limit, train_limit=train_limit)
    assert caught.value.hint == f"give a number above 0, or leave {option} out for all"


def test_every_limit_leaves_its_caveat():
    small = subset(task(), train_limit=2)
    assert small.caveats == ("fitted on 2 of 1000 training examples (--train-limit, seed 0)",)
    assert subset(small, limit=1).caveats == (
        small.caveats[0],
        "measured on 1 of 500 test examples (--limit, seed 0)",
    )


def write_examples(write, kind, rows):
    return write(
        kind=kind,
        test_jsonl=None,
        train_jsonl=[{"id": e.id, "input": e.input, "target": e.target} for e in rows],
    )


def test_a_split_of_train(write):
    folder = write_examples(write, "classification", examples(a=300, b=98, c=2))
    split = load_task(folder, split=0.3)
    assert labels(split.test) == {"a": 90, "b": 29, "c": 1}
    assert labels(split.train) == {"a": 210, "b": 69, "c": 1}
    assert split.caveats == ("test is a seeded split: 30 % of train.jsonl (seed 0, 120 of 400 examples)",)
    assert load_task(folder, split=0.3).fingerprint == split.fingerprint
    assert load_task(folder, split=0.3, seed=1).fingerprint != split.fingerprint


def test_a_large_split_leaves_one_of_each_label_in_train(write):
    folder = write_examples(write, "classification", examples(a=8, b=2, c=1))
    split = load_task(folder, split=0.99)
    assert labels(split.train) == {"a": 1, "b": 1, "c": 1}
    assert split.labels == ("a", "b", "c")


def test_a_split_of_too_few_examples(write):
    folder = write_examples(write, "qa", examples(a=1))
    with pytest.raises(UserError, match=r"train\.jsonl: 1 training examples are too few for --split 0\.3"):
        load_task(folder, split=0.3)


@pytest.mark.parametrize("split", [0.0, 1.0, -0.5, 30, float("nan")])
def test_a_split_out_of_range(write, split):
    with pytest.raises(UserError, match="--split is") as caught:
        load_task(write(test_jsonl=None), split=split)
    assert caught.value.hint == "give the share of train to test on, above 0 and below 1: --split 0.3"


def grouped(groups: int, size: int) -> Task:
    rows = [
        Example(f"{g}-{n}", f"{'abcdefghij'[n]}{g} {'klmnopqrst'[n]}{g * 7}", "even" if g % 2 else "odd", group=f"g{g}")
        for g in range(groups)
        for n in range(size)
    ]
    return Task("t", "classification", "i", "accuracy", ("even", "odd"), tuple(rows))


@pytest.mark.parametrize("seed", range(5))
def test_a_group_stays_on_one_side_and_shares_of_labels_are_kept(seed):
    task = split_test(grouped(20, 4), 0.3, seed, Path("t.csv"))
    assert {e.group for e in task.train}.isdisjoint(e.group for e in task.test)
    assert labels(task.test) == {"even": 12, "odd": 12}
    assert task.caveats == (
        f"test is a seeded split: 30 % of t.csv (seed {seed}, 24 of 80 examples); kept on one side each: 20 groups",
    )


@pytest.mark.parametrize("kind", ["classification", "qa"])
def test_a_split_makes_no_leak_that_the_audit_warns_of(kind):
    words = ["what", "where", "when", "who", "how", "why", "which", "whose", "whom", "whither", "whence"]
    base = [f"{word} does the blue {word}ing machine in Oslo need oil again" for word in words]
    russian = [
        f"когда {word} привезут новую машину на склад" for word in ["завтра", "утром", "вечером", "нам", "вам", "им"]
    ]
    chinese = [f"请问{place}的机器什么时候可以修好并送回来" for place in ("仓库", "办公室", "学校", "医院", "车站")]
    texts = [
        form for text in (*base, *russian, *chinese) for form in (text, text.upper(), text + "?", text + " please")
    ]
    rows = tuple(Example(str(n), text, "yes" if n // 4 % 2 else "no") for n, text in enumerate(texts))
    task = split_test(Task("t", kind, "i", "accuracy", ("no", "yes"), rows), 0.4, 0, Path("t.csv"))
    found = {finding.code for finding in audit(Material(task))}
    assert not {code for code in found if code.endswith("in-train") or "inside" in code}
    assert len(task.test) >= 0.3 * len(rows)
    assert "clusters of equal or nearly equal inputs" in task.caveats[0]


def test_examples_that_stand_alone_are_split_as_they_were():
    whole = examples(a=60, b=30, c=10)
    task = split_test(Task("t", "classification", "i", "accuracy", (), whole), 0.3, 0, Path("t.csv"))
    assert labels(task.test) == {"a": 18, "b": 9, "c": 3}
    order = sampled(whole, "split:0", stratified=True)
    last = {whole[at].target: at for at in order}
    assert set(task.test) == {whole[at] for at in [at for at in order if at not in last.values()][:30]}


def test_what_belongs_together_is_never_parted():
    one = Task("t", "qa", "i", "token_f1", (), tuple(Example(str(n), f"q {n}", "a", group="g") for n in range(9)))
    with pytest.raises(UserError, match="nothing can be set aside without parting what belongs together \\(1 groups"):
        split_test(one, 0.3, 0, Path("t.csv"))


def test_a_column_that_looks_like_a_group_is_advised(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"t{n // 4},{n}: {'wxyz'[n % 4] * 9} {n * 37},{'ab'[n // 4 % 2]}" for n in range(40)]
    path.write_text("thread_id,text,label\n" + "\n".join(rows))
    source = TableSource(path, input="text", target="label", kind="classification", instruction="i")
    advice, _ = load_table(source, split=0.3).caveats
    assert advice.startswith('the column "thread_id" looks like a group (10 values in 40 rows)')
    assert "--group thread_id" in advice
    task = load_table(replace(source, group="thread_id"), split=0.3)
    assert len(task.caveats) == 1
    assert {e.group for e in task.train}.isdisjoint(e.group for e in task.test)
    with pytest.raises(Faults, match='there is no column "threads"'):
        load_table(replace(source, group="threads"), split=0.3)


def test_sources_in_both_files_are_found(write):
    rows = [{"input": f"q{n}", "target": "a", "group": f"patient {n // 3}"} for n in range(36)]
    test = [{"input": f"z{n}", "target": "b", "group": f"patient {n}"} for n in range(4)]
    task = load_task(write(train_jsonl=rows, test_jsonl=[*test, {"input": "z9", "target": "b", "group": "patient 99"}]))
    (finding,) = [f for f in audit(Material(task)) if f.code == "test-group-in-train"]
    assert (finding.count, finding.severity) == (4, "medium")
    assert "13 of about 3 examples" in finding.what
    assert any("4 of 5 test examples are of a group that train" in one for one in task_facts(task).caveats)


@pytest.mark.parametrize("names", [["de", "fr"], [f"product {n}" for n in range(12)], ["one"]])
def test_slices_that_stand_in_both_files_are_no_leak(write, names):
    rows = [
        {"input": f"q{n} {name}", "target": "a", "group": name}
        for name in names
        for n in range(max(18, 40 // len(names)))
    ]
    test = [{"input": f"z{n} {name}", "target": "b", "group": name} for name in names for n in range(5)]
    task = load_task(write(train_jsonl=rows, test_jsonl=test))
    assert not [f for f in audit(Material(task)) if f.code == "test-group-in-train"]
    assert not any("group" in one for one in task_facts(task).caveats)


def test_large_groups_stand_on_both_sides_of_a_split_unless_they_are_kept_together(tmp_path):
    words = ["wxyz"[n % 4] * 9 for n in range(80)]
    rows = [
        {"input": f"{n * 37} {word}", "target": "a", "group": "de" if n % 2 else "fr"} for n, word in enumerate(words)
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    source = TableSource(path, input="input", target="target", kind="qa", instruction="i")
    task = load_table(source, split=0.25)
    assert len(task.test) == 20 and {e.group for e in task.test} == {e.group for e in task.train} == {"de", "fr"}
    task = load_table(replace(source, group="group"), split=0.5)
    assert {e.group for e in task.train}.isdisjoint(e.group for e in task.test)


def test_a_group_in_a_task_folder_is_advised_by_its_name(write):
    rows = [{"input": f"q{n} {'wxyz'[n % 4] * 9}", "target": "a", "Patient ID": n // 3} for n in range(30)]
    advice, _ = load_task(write(train_jsonl=rows, test_jsonl=None), split=0.3).caveats
    assert '"group" in place of "Patient ID" keeps those of one value together' in advice
    grouped = [{**row, "group": row["Patient ID"]} for row in rows]
    task = load_task(write(train_jsonl=grouped, test_jsonl=None), split=0.3)
    assert "10 groups" in task.caveats[-1] and len(task.caveats) == 1
