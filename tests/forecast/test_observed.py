"""Readings of the very approaches, joined with what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from advisor.forecast.belief import Belief, expectations, joined, level, placed
from advisor.forecast.expected import Expected
from advisor.forecast.observed import telling_readings
from advisor.forecast.scale import angle, quality
from advisor.pilot import ProbeReading, Probes, Rates
from advisor.tasks import Example, Task
from advisor.tasks.description import Description, describe
from advisor.tasks.material import Material

HEAD = Belief("head", angle(0.5), 0.3, -0.1, 0.3, "learned", "from other tasks")
NEAREST = replace(HEAD, spec="nearest", half=0.4, ahead=0.0)
LORA = replace(HEAD, spec="lora", middle=angle(0.6), half=0.4, ahead=0.0, apart=0.0)
ALL = {one.spec: one for one in (HEAD, NEAREST, LORA)}


def described(train: int = 240, labels: int = 4) -> Description:
    some = (Example("1", "one", "a"), Example("2", "two", "b"))
    task = Task("made up", "classification", "Sort.", "accuracy", labels=("a", "b"), train=some, test=some)
    return replace(describe(Material(task)), train=train, labels=labels)


def observed(one: ProbeReading | None, found: Mapping[str, Belief] = ALL, labels: int = 4) -> dict[str, Belief]:
    probes = Probes((one,), (), Rates(), "train", (), 1.0) if one else None
    return joined(found, telling_readings(found, probes, described(labels=labels)))


def reading(name: str, value: float, n: int = 240, train: int = 210) -> ProbeReading:
    return ProbeReading(name, value, value - 0.05, value + 0.05, n, train)


def test_a_reading_moves_the_approach_among_the_others_and_narrows_its_interval() -> None:
    found = observed(reading("head", 0.75))
    assert angle(0.6) < found["head"].middle < angle(0.75)
    assert found["head"].half < HEAD.half
    assert found["head"].apart < HEAD.apart
    assert found["head"].ahead == pytest.approx(-0.1 + found["head"].middle - HEAD.middle)
    assert found["head"].basis == "measured"
    assert "measured at 0.75 on 240 examples" in found["head"].why
    assert (found["nearest"], found["lora"]) == (NEAREST, LORA)


def test_what_is_better_in_the_table_is_better_in_the_choice() -> None:
    found = expectations(observed(reading("head", 0.95, n=2000)), "lora")
    assert found["head"].value > found["lora"].value
    assert (found["head"].edge or 0.0) > found["lora"].edge == 0.0
    assert found["nearest"].edge == 0.0


def test_without_the_reference_a_belief_says_itself_how_far_that_is() -> None:
    found = expectations({"head": HEAD}, "lora")["head"]
    assert found.value + abs(found.edge or 0.0) == pytest.approx(quality(HEAD.middle + 0.1), abs=0.01)
    assert found.unsure > 0.2


@pytest.mark.parametrize(
    "other",
    [reading("head", 0.75, n=8), reading("head", 0.4, train=64), reading("few-shot:k=4", 0.75)],
    ids=["few examples", "few to learn from", "another approach"],
)
def test_a_reading_that_says_too_little_changes_nothing(other: ProbeReading) -> None:
    assert observed(other) == ALL
    assert observed(None) == ALL


def test_with_fewer_examples_a_reading_can_only_raise() -> None:
    assert observed(reading("head", 0.75, train=64))["head"].middle > HEAD.middle


def test_where_labels_have_hardly_any_examples_what_was_taken_out_of_them_can_only_raise() -> None:
    assert observed(reading("head", 0.2), labels=120) == ALL
    assert observed(reading("head", 0.2), labels=80)["head"].middle < HEAD.middle
    assert observed(reading("head", 0.75), labels=120)["head"].middle > HEAD.middle
    whole = observed(reading("head", 0.2, train=240), labels=120)  # judged on dev: nothing was taken out
    assert whole["head"].middle < HEAD.middle


def test_what_is_measured_already_stays() -> None:
    counted = {"zero-shot": replace(HEAD, spec="zero-shot", basis="measured")}
    assert observed(reading("zero-shot", 0.9), counted) == counted


def test_the_level_listens_most_to_what_is_surest() -> None:
    sure = replace(HEAD, half=0.01, apart=0.01)
    far = replace(LORA, middle=angle(0.9))
    assert level({"head": sure, "lora": far}) == pytest.approx(HEAD.middle + 0.1, abs=0.01)
    assert HEAD.middle + 0.15 < level({"head": replace(HEAD, half=0.4, apart=0.0), "lora": far}) < far.middle
    assert level({}) == 0.0
    assert placed(HEAD, 0.9, 0.2) == replace(HEAD, middle=0.8, half=0.2)
    assert placed(replace(HEAD, ahead=None), 0.9, 0.2).middle == HEAD.middle


def test_beliefs_come_from_expectations_and_go_back_to_them() -> None:
    one = Expected("own", 0.9, 0.7, 0.97, "rule", "by rule", tried=False)
    told = expectations({"own": Belief.of(one)}, "lora")["own"]
    assert (told.value, told.edge, told.basis, told.tried) == (pytest.approx(0.9), None, "rule", False)
    assert told.low == pytest.approx(0.7)
    assert told.high >= 0.97
