"""Preferences of a task folder: read, checked, kept apart from what is tested, and partly held out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.errors import UserError
from advisor.tasks import Faults, Outline, Preference, load_task
from advisor.tasks.preferences import MOST_HELD_OUT, parted


def pair(number: int, say: str = "ask") -> dict[str, str]:
    return {"input": f"{say} {number}", "chosen": f"good {number}", "rejected": f"bad {number}"}


def test_a_third_is_held_out_by_its_inputs_and_never_fitted(write):
    folder = write(preferences_jsonl=[pair(n) for n in range(30)])
    task = load_task(folder)
    assert (len(task.preferences), len(task.preferences_held_out)) == (20, 10)
    together = {*task.preferences, *task.preferences_held_out}
    assert together == {Preference(f"ask {n}", f"good {n}", f"bad {n}") for n in range(30)}
    assert str(task.preferences[0].place).startswith("preferences.jsonl:")
    fitted = task.for_fitting()
    assert fitted.preferences == task.preferences
    assert fitted.preferences_held_out == ()
    assert len(Outline.of(task).preferences) == 20
    assert task.caveats == ()


def test_pairs_of_one_input_stay_together_and_later_ones_move_hardly_any():
    pairs = [Preference(f"{'ASK' if n % 2 else 'ask'} {n // 3}", f"good {n}", "bad") for n in range(90)]
    learned, held_out = parted(pairs)
    assert {p.input.lower() for p in learned}.isdisjoint(p.input.lower() for p in held_out)
    assert len(held_out) == 30
    more = [*pairs, *(Preference(f"new {n}", "good", "bad") for n in range(3))]
    assert len({*parted(more)[1]} & {*held_out}) >= 27
    many = [Preference(f"ask {n}", "good", "bad") for n in range(1000)]
    assert len(parted(many)[1]) == MOST_HELD_OUT
    assert parted(pairs[:2]) == (tuple(pairs[:2]), ())


def test_the_fingerprint_knows_them_only_where_there_are_some(write):
    plain = load_task(write())
    assert plain.fingerprint == load_task(write()).fingerprint
    some = replace(plain, preferences=(Preference("a", "b", "c"),))
    assert (
        len({plain.fingerprint, some.fingerprint, replace(plain, preferences_held_out=some.preferences).fingerprint})
        == 3
    )


def test_pairs_about_test_inputs_are_left_out_and_that_is_said(write):
    test = [{"input": "Ask 3", "target": "y"}]
    task = load_task(
        write(
            test_jsonl=test,
            dev_jsonl=[{"input": "ask  4", "target": "y"}],
            preferences_jsonl=[pair(n) for n in range(6)],
        )
    )
    inputs = {p.input for p in (*task.preferences, *task.preferences_held_out)}
    assert inputs == {"ask 0", "ask 1", "ask 2", "ask 5"}
    assert "2 preferences are about an input of test or dev and left out" in task.caveats


def test_all_faults_are_told_with_their_places(write):
    rows = [
        {"input": "a", "chosen": "b", "reject": "c"},
        {"input": "", "chosen": "b", "rejected": "c"},
        {"input": "a", "chosen": 5, "rejected": "c"},
        {"input": "a", "chosen": "b", "rejected": " b"},
    ]
    with pytest.raises(Faults) as found:
        load_task(write(preferences_jsonl=rows))
    said = [f"{fault.line}: {fault.what} ({fault.hint})" for fault in found.value.faults]
    assert said[0] == '1: "rejected" is missing (rename "reject" to "rejected")'
    assert '2: "input" is empty' in said[1]
    assert '3: "chosen" is a number, not a text' in said[2]
    assert '4: "chosen" and "rejected" are the same' in said[3]
    with pytest.raises(UserError, match="holds no preferences"):
        load_task(write(preferences_jsonl=""))
