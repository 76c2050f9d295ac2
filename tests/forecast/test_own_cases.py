"""The user's own cases are grouped by what their inputs are, not by what they are called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from advisor.errors import UserError
from advisor.forecast.learning import ENOUGH, Case, assured, conformal, fit
from advisor.forecast.own_cases import grouped, keep, local_cases
from advisor.forecast.scale import angle, quality
from advisor.forecast.sketch import SIZE, same_data, sketch
from advisor.tasks import Example, Task


def task(inputs: Sequence[str], name: str = "desk", test: int = 20) -> Task:
    examples = [Example(f"e{i}", text, "yes" if i % 2 else "no") for i, text in enumerate(inputs)]
    train, held_out = tuple(examples[test:]), tuple(examples[:test])
    return Task(name, "classification", "Say yes or no.", "accuracy", ("yes", "no"), train=train, test=held_out)


def texts(count: int, about: str) -> list[str]:
    return [f"What of {about}, number {i}?" for i in range(count)]


def case(name: str, sketch_: Sequence[int] = (), train: float = 5.0, lora: float = 0.5) -> Case:
    return Case(name, {"train": train}, {"lora": lora}, tuple(sketch_))


@pytest.mark.parametrize("script", ["the invoice", "счёт за май", "五月份的发票"])
def test_the_same_data_is_known_in_another_order_spelling_and_number(script: str) -> None:
    whole = sketch(task(texts(300, script)))
    turned = sketch(task([text.upper().replace(",", " -") for text in texts(300, script)][::-1]))
    part = sketch(task(texts(300, script)[:40]))
    other = sketch(task(texts(300, "another " + script)))
    assert same_data(whole, turned)
    assert same_data(whole, part) and same_data(part, whole)
    assert not same_data(whole, other)


def test_a_small_part_of_a_large_set_of_data_is_found_in_it() -> None:
    many = texts(20_000, "parcels")
    part = sketch(task([many[i] for i in np.random.default_rng(0).permutation(20_000)[:2_000]]))
    whole = sketch(task(many))
    assert len(whole) == len(part) == SIZE
    assert same_data(whole, part)
    assert not same_data(whole, sketch(task(texts(2_000, "letters"))))


def test_nothing_is_the_same_as_nothing() -> None:
    assert not same_data((), ())


def test_cases_of_the_same_data_are_one_group_whatever_they_are_called() -> None:
    invoices, parcels = sketch(task(texts(60, "invoices"))), sketch(task(texts(60, "parcels")))
    found = grouped([case("a", invoices), case("b", invoices[:30]), case("a", parcels), case("c"), case("c")])
    assert [one.task for one in found] == ["a", "a", "a (2)", "c", "c"]


def test_what_joins_two_groups_makes_them_one() -> None:
    first, second = sketch(task(texts(60, "invoices"))), sketch(task(texts(60, "parcels")))
    found = grouped([case("a", first), case("b", second), case("both", sorted([*first, *second]))])
    assert {one.task for one in found} == {"a"}


def test_old_cases_without_a_sketch_are_grouped_by_name() -> None:
    found = grouped([case("a"), case("a", sketch(task(texts(60, "invoices")))), case("b")])
    assert [one.task for one in found] == ["a", "a", "b"]


def test_what_is_kept_holds_no_text_and_the_newest_of_a_size_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cases.jsonl"
    monkeypatch.setenv("ADVISOR_CASES", str(path))
    found = sketch(task(texts(60, "Frau Müller aus Köln")))
    keep(case("first", found, lora=0.4))
    keep(case("renamed", found, lora=0.6))
    keep(case("renamed", found, train=7.0))
    old = {name: value for name, value in asdict(case("old")).items() if name != "sketch"}
    path.write_text(path.read_text() + json.dumps(old) + "\n")
    assert "Köln" not in path.read_text() and "number" not in path.read_text()
    assert [(one.task, one.features["train"], one.qualities["lora"]) for one in local_cases()] == [
        ("first", 5.0, 0.6),
        ("first", 7.0, 0.5),
        ("old", 5.0, 0.5),
    ]


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ('{"task": "a"}'.encode("utf-16"), "cases.jsonl:1: is no UTF-8 text"),
        (b"\xff\x00", "cases.jsonl:1: is no UTF-8 text"),
        (b"[" * 100_000, "cases.jsonl:1: is no measured case"),
    ],
)
def test_a_file_that_holds_no_cases_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, seen: str
) -> None:
    (tmp_path / "cases.jsonl").write_bytes(content)
    monkeypatch.setenv("ADVISOR_CASES", str(tmp_path / "cases.jsonl"))
    with pytest.raises(UserError, match=seen) as caught:
        local_cases()
    assert caught.value.hint


CASE = json.dumps(asdict(case("kept", [1, 2])))


@pytest.mark.parametrize("torn", ['{"task": "t", "feat', CASE[:-1], "{", CASE.replace("kept", "käse")[:13]])
def test_a_line_that_a_kill_tore_is_passed_over_and_cut_off_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: str
) -> None:
    path = tmp_path / "cases.jsonl"
    monkeypatch.setenv("ADVISOR_CASES", str(path))
    path.write_bytes(f"{CASE}\n{torn}".encode()[: None if torn.isascii() else -1])
    assert [one.task for one in local_cases()] == ["kept"]
    keep(case("next"))
    assert [one.task for one in local_cases()] == ["kept", "next"]
    assert len(path.read_text().splitlines()) == 2


def test_a_last_line_without_a_line_break_is_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As editors leave it."""
    path = tmp_path / "cases.jsonl"
    monkeypatch.setenv("ADVISOR_CASES", str(path))
    path.write_text(f"{CASE}\n\n{CASE.replace('kept', 'by hand').replace('[1, 2]', '[7]')}")
    keep(case("next"))
    assert [one.task for one in local_cases()] == ["kept", "by hand", "next"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("5.0", '"x"'),
        ("0.5", '"y"'),
        ("0.5", "NaN"),
        ("0.5", "1.5"),
        ("5.0", "9" * 400),
        ("5.0", "true"),
        ("[1, 2]", '["a"]'),
    ],
)
def test_what_is_no_number_is_no_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    path = tmp_path / "cases.jsonl"
    monkeypatch.setenv("ADVISOR_CASES", str(path))
    path.write_text(f"{CASE}\n{CASE.replace(old, new)}\n")
    with pytest.raises(UserError, match=r"cases.jsonl:2: is no measured case"):
        local_cases()


def test_a_file_that_holds_something_else_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "thesis.txt"
    monkeypatch.setenv("ADVISOR_CASES", str(path))
    path.write_text("All that I wrote\nso far")
    with pytest.raises(UserError, match="is no measured case"):
        keep(case("next"))
    assert path.read_text() == "All that I wrote\nso far"


def test_intervals_hold_on_new_tasks_though_the_same_data_were_kept_under_many_names() -> None:
    """Twenty sets of data, each under five names: taken for a hundred tasks they vouch for each other."""

    def made_up(seed: int, sets: int, names: int) -> list[Case]:
        rng = np.random.default_rng(seed)
        found = []
        for number in range(sets):
            # What each is about, as numbers by which it can be learned by heart.
            own = {f"feature {i}": float(value) for i, value in enumerate(rng.normal(size=12))}
            level = quality(angle(0.5) + rng.normal(0, 0.15))
            inputs = range(1000 * (seed * 100 + number), 1000 * (seed * 100 + number) + 40)
            found += [Case(f"name {number} {k}", own, {"lora": level}, tuple(inputs)) for k in range(names)]
        return found

    def held(cases: Sequence[Case], new: Sequence[Case]) -> list[bool]:
        fitted = fit("lora", cases)
        assert fitted is not None
        return [abs(fitted.total(one.features) - angle(one.qualities["lora"])) <= fitted.within for one in new]

    by_name: list[bool] = []
    by_content: list[bool] = []
    for seed in range(12):
        cases, new = made_up(seed, 20, 5), made_up(500 + seed, 20, 1)
        by_name += held(cases, new)
        by_content += held(grouped(cases), new)
    assert np.mean(by_name) < 0.7
    assert np.mean(by_content) >= 0.92


def test_below_19_tasks_no_interval_is_said_to_hold_95_percent() -> None:
    assert ENOUGH == 19
    assert assured(19) == 0.95
    assert assured(18) == pytest.approx(18 / 19)
    assert assured(10) == pytest.approx(10 / 11)
    errors = np.arange(1.0, 20.0)
    assert conformal(errors, np.full(19, 1 / 19), tasks=19) == 19.0  # the largest, and no more
    assert conformal(errors[:18], np.full(18, 1 / 18), tasks=18) == 1.25 * 18


def test_many_cells_of_a_task_weigh_as_much_as_one() -> None:
    """The quantile is over tasks: one task measured at forty sizes does not make forty of it."""
    few = [case(f"task {i}", lora=0.5 + 0.01 * i) for i in range(6)]
    many = [*few, *(replace(few[0], features={"train": 5.0 + i}) for i in range(40))]
    first, second = fit("lora", few), fit("lora", many)
    assert first is not None and second is not None
    assert (first.tasks, second.tasks) == (6, 6)
    assert second.within >= 0.9 * first.within
