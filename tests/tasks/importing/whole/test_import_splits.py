"""Splits of an import: by share, group and time, stratified, and the same again on every run."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.tasks.importing.times import Times, shown

from .conftest import Done, Import

Rows = list[dict[str, object]]
ROWS: Rows = [{"text": f"text number {n}", "label": "abbb"[n % 4]} for n in range(200)]


def _inputs(done: Done, part: str) -> set[str]:
    return {example.input for example in getattr(done.task, part)}


def test_shares_keep_the_proportion_of_labels(import_file: Import) -> None:
    done = import_file("t.csv", ROWS, split=0.2, dev_share=0.1)
    assert done.said.counts == {"train": 140, "dev": 20, "test": 40}
    for part, size in (("train", 35), ("dev", 5), ("test", 10)):
        assert Counter(example.target for example in getattr(done.task, part))["a"] == size


def test_the_same_rows_are_chosen_again_in_any_order(import_file: Import) -> None:
    one = import_file("t.csv", ROWS, split=0.2)
    mixed = ROWS.copy()
    random.Random(0).shuffle(mixed)
    other = import_file("t.csv", mixed, split=0.2)
    assert _inputs(one, "test") == _inputs(other, "test")
    assert _inputs(import_file("t.csv", ROWS, split=0.2, seed=1), "test") != _inputs(one, "test")
    assert import_file("t.csv", ROWS, split=0.2).task.fingerprint == one.task.fingerprint


def test_equal_inputs_stay_on_one_side(import_file: Import) -> None:
    rows = [{"text": f"Question {n % 30}" + " " * (n % 2), "answer": f"the answer is {n}"} for n in range(90)]
    done = import_file("t.csv", rows, split=0.3)
    trimmed = [{one.strip() for one in _inputs(done, part)} for part in ("train", "test")]
    assert not trimmed[0] & trimmed[1]
    assert "90 rows whose input another row has too" in done.said.split


@pytest.mark.parametrize("told", [{}, {"group": "conversation"}])
def test_a_group_stays_on_one_side_and_is_guessed(import_file: Import, told: dict[str, str]) -> None:
    rows = [{"text": f"t{n}", "label": "ab"[n % 2], "conversation": f"c{n // 4}"} for n in range(80)]
    done = import_file("t.csv", rows, split=0.25, **told)
    groups = [{example.group for example in getattr(done.task, part)} for part in ("train", "test")]
    assert not groups[0] & groups[1]
    assert done.said.counts["test"] == 20
    assert "20 groups" in done.said.split
    assert any("--group" in note for note in done.said.notes) == (not told)


DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=3 * n) for n in range(60)]
FORMS: dict[str, Callable[[dt.date], object]] = {
    "iso": lambda day: day.isoformat(),
    "iso with time": lambda day: f"{day.isoformat()}T08:30:00Z",
    "epoch": lambda day: int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()),
    "milliseconds": lambda day: int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 1000,
    "excel": lambda day: (day - dt.date(1899, 12, 30)).days,
    "compact": lambda day: day.strftime("%Y%m%d"),
    "german": lambda day: day.strftime("%d.%m.%Y"),
    "american": lambda day: day.strftime("%m/%d/%Y"),
    "british": lambda day: day.strftime("%d/%m/%y"),
    "words": lambda day: day.strftime("%b %d, %Y"),
    "mail": lambda day: day.strftime("%a, %d %b %Y 10:00:00 +0000"),
    "counter": lambda day: (day - DAYS[0]).days,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_newest_are_the_test(import_file: Import, form: str) -> None:
    rows: Rows = [{"text": f"t{n}", "label": "ab"[n % 2], "day": FORMS[form](day)} for n, day in enumerate(DAYS)]
    random.Random(1).shuffle(rows)
    done = import_file("t.jsonl", rows, split=0.25, dev_share=0.1, time="day")
    assert _inputs(done, "test") == {f"t{n}" for n in range(45, 60)}
    assert _inputs(done, "dev") == {f"t{n}" for n in range(39, 45)}
    if form != "counter":
        assert f"from {DAYS[45]} on" in done.said.split


def test_times_that_cannot_be_read_are_named(import_file: Import) -> None:
    rows: Rows = [{"text": f"t{n}", "label": "ab"[n % 2], "day": day.isoformat()} for n, day in enumerate(DAYS)]
    rows[3]["day"], rows[7]["day"] = "soon", None
    rows[0]["day"] = 45292  # as Excel shows a date that is formatted as a number
    done = import_file("t.jsonl", rows, split=0.2, time="day")
    assert done.why == {'the time in "day" cannot be read': ("t.jsonl:4", "t.jsonl:8")}
    assert "t0" in _inputs(done, "train")


def test_days_and_months_that_cannot_be_told_are_asked_for(import_file: Import) -> None:
    rows: Rows = [
        {"text": f"t{n}", "label": "ab"[n % 2], "day": f"{n % 9 + 1:02}/{n % 7 + 3:02}/2024"} for n in range(40)
    ]
    with pytest.raises(UserError, match=r"which is first in dates such as 03/04/2024 of \"day\"\?") as caught:
        import_file("t.csv", rows, split=0.2, time="day")
    assert "--dates (there are: day-first, month-first)" in str(caught.value)
    done = import_file("t.csv", rows, split=0.2, time="day", dates="month-first")
    assert all(int(row["day"][:2]) >= 8 for row in rows if row["text"] in _inputs(done, "test"))  # type: ignore[index]


def test_no_test_row_is_older_than_the_cut_though_groups_span_it(import_file: Import) -> None:
    rows: Rows = [
        {"text": f"t{n}", "label": "ab"[n % 2], "day": day.isoformat(), "user": f"u{n % 12}" if n < 55 else f"new{n}"}
        for n, day in enumerate(DAYS)
    ]
    done = import_file("t.csv", rows, split=0.2, time="day", group="user")
    assert _inputs(done, "test") == {f"t{n}" for n in range(55, 60)}
    assert "(7 later rows belong to what began before and stay in train)" in done.said.split


def test_one_time_for_all_rows_cannot_split(import_file: Import) -> None:
    with pytest.raises(UserError, match="all rows are of one time"):
        import_file("t.csv", [{**row, "day": "2024-01-01"} for row in ROWS], split=0.2, time="day")


def test_a_column_of_splits_is_seen(import_file: Import) -> None:
    rows = [{**row, "split": ("train", "validation", "test", "train")[n % 4]} for n, row in enumerate(ROWS)]
    done = import_file("t.csv", rows)
    assert done.said.counts == {"train": 100, "dev": 50, "test": 50}
    with pytest.raises(UserError, match="the source has test rows, but --split was given too"):
        import_file("t.csv", rows, split=0.2)


def test_dev_stands_in_for_a_test_that_is_missing(import_file: Import) -> None:
    rows = [{**row, "split": ("train", "validation", "train", "train")[n % 4]} for n, row in enumerate(ROWS)]
    done = import_file("t.csv", rows)
    assert done.said.counts == {"train": 150, "test": 50}
    assert "what the source calls dev is the test" in done.said.split


@pytest.mark.parametrize(
    ("told", "what"), [({"split": 1.2}, "--split is 1.2"), ({"split": 0.6, "dev_share": 0.5}, "--dev-share is 0.5")]
)
def test_shares_that_are_none(import_file: Import, told: Any, what: str) -> None:
    with pytest.raises(UserError, match=what):
        import_file("t.csv", ROWS, **told)


def test_a_time_is_shown_as_its_date() -> None:
    times = Times()
    assert times.add("2024-03-05 12:00")
    assert not times.add("never")
    (found,), _ = times.settled()
    assert shown(found) == "2024-03-05"
    assert shown(17.0) == "17"


def test_time_beside_splits_that_are_given(import_file: Import, mistake: Callable[..., str]) -> None:
    rows: Rows = [{"text": f"t{n}", "label": "ab"[n % 2], "day": f"2024-01-{n + 1:02}"} for n in range(20)]
    halves = [row | {"split": "train" if n < 10 else "validation"} for n, row in enumerate(rows)]
    done = import_file("t.jsonl", halves, time="day")
    assert done.said.counts == {"train": 8, "dev": 10, "test": 2}
    assert "the newest 20 % are the test" in done.said.split
    tested = [row | {"split": "train" if n < 10 else "test"} for n, row in enumerate(rows)]
    assert "the source has test rows, but --time was given too" in mistake("t.jsonl", tested, time="day")
