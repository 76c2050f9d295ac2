"""Readings of the very approaches, joined with what is expected of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.advise import Probes, Rates, Reading
from advisor.advise.expected import Expected
from advisor.advise.level import told_apart
from advisor.advise.observed import observed

HEAD = Expected("head", 0.5, 0.2, 0.8, "learned", "from other tasks", -0.1, 0.3)
NEAREST = Expected("nearest", 0.5, 0.1, 0.9, "learned", "from other tasks", 0.0, 0.3)
LORA = Expected("lora", 0.6, 0.2, 1.0, "learned", "from other tasks", 0.0)
ALL = {one.spec: one for one in (HEAD, NEAREST, LORA)}


def probed(*readings: Reading) -> Probes:
    return Probes(readings, (), Rates(), "train", (), 1.0)


def reading(name: str, value: float, n: int = 240, train: int = 210) -> Reading:
    return Reading(name, value, value - 0.05, value + 0.05, n, train)


def test_a_reading_moves_the_approach_and_narrows_its_interval() -> None:
    found = observed(ALL, probed(reading("head", 0.75)), 240)
    assert 0.6 < found["head"].value < 0.75
    assert found["head"].high - found["head"].low < HEAD.high - HEAD.low
    assert found["head"].basis == "measured"
    assert "measured at 0.75 on 240 examples" in found["head"].why
    assert (found["nearest"], found["lora"]) == (NEAREST, LORA)


def test_the_order_takes_in_how_far_a_reading_lies_from_what_is_expected_of_the_reference() -> None:
    seen = observed(ALL, probed(reading("head", 0.75, n=2000)), 240)
    assert {spec: one.edge for spec, one in seen.items()} == {spec: one.edge for spec, one in ALL.items()}
    found = told_apart(ALL, seen, "lora")
    assert HEAD.edge is not None
    assert found["head"].edge is not None
    assert HEAD.edge < found["head"].edge < seen["head"].value - LORA.value
    assert found["head"].unsure < HEAD.unsure
    assert (found["head"].value, found["nearest"], found["lora"]) == (HEAD.value, NEAREST, LORA)
    assert told_apart(ALL, ALL, "lora") == ALL
    without = {"head": HEAD}
    assert told_apart(without, observed(without, probed(reading("head", 0.75)), 240), "lora") == without


@pytest.mark.parametrize(
    "other",
    [reading("head", 0.75, n=8), reading("head", 0.4, train=64), reading("few-shot:k=4", 0.75)],
    ids=["few examples", "few to learn from", "another approach"],
)
def test_a_reading_that_says_too_little_changes_nothing(other: Reading) -> None:
    assert observed(ALL, probed(other), 240) == ALL
    assert observed(ALL, None, 240) == ALL


def test_with_fewer_examples_a_reading_can_only_raise() -> None:
    found = observed(ALL, probed(reading("head", 0.75, train=64)), 240)
    assert found["head"].value > HEAD.value


def test_what_is_measured_already_stays() -> None:
    counted = {"zero-shot": replace(HEAD, spec="zero-shot", basis="measured")}
    assert observed(counted, probed(reading("zero-shot", 0.9)), 240) == counted
