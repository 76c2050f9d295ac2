"""The policy of races, on a field that is made up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from advisor.pilot.deadline import OutOfTime
from advisor.racing.field import Contender, Leg
from advisor.racing.policy import Finish, RaceRules, run_race


@dataclass
class Runner:
    """One approach: how often it is right, with a quarter of the training examples too, and its seconds."""

    right: float
    fit: float = 0.0
    each: float = 0.1
    trains: bool = False
    tried: float | None = None
    violation: str = ""
    trouble: str = ""


@dataclass
class Made:
    """A field of runners; the same examples are hard for all."""

    runners: dict[str, Runner]
    pool: int = 256
    train: int = 100
    test: int = 200
    spent: float = 0.0
    asked: list[tuple[str, int, int | None]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    _place: dict[str, int] = field(default_factory=dict)

    @property
    def specs(self) -> Sequence[str]:
        return tuple(self.runners)

    def trains(self, spec: str) -> bool:
        return self.runners[spec].trains

    def kin(self, spec: str) -> str | None:
        return None

    def work(self, spec: str, train: int) -> float:
        return self.runners[spec].fit * train / self.train

    def run(self, spec: str, until: int, seconds: float, train: int | None = None) -> Leg:
        self.asked.append((spec, until, train))
        runner = self.runners[spec]
        start = 0 if train is not None else self._place.get(spec, 0)
        fit = runner.fit * (1.0 if train is None else 0.25) if not start else 0.0
        predict = runner.each * (until - start)
        if fit + predict > seconds:
            self.spent += 0.05 * fit
            raise OutOfTime(f"{fit + predict:.0f} s", training=fit)
        self.spent += fit + predict
        if train is None:
            self._place[spec] = until
        share = runner.right if train is None else runner.tried or 0.0
        hard = np.random.default_rng(0).uniform(size=self.pool)
        scores = np.array(hard < share, dtype=float)
        return Leg(scores[start:until], fit, predict, runner.trouble, runner.violation, fit)

    def test_seconds(self, per_example: float) -> float:
        return per_example * self.test

    def tell(self, news: str) -> None:
        self.told.append(news)

    def show(self, contenders: Sequence[Contender]) -> None: ...


def held(made: Made, budget: float = math.inf, edges: Mapping[str, float] | None = None) -> Finish:
    return run_race(made, RaceRules(budget, margin=0.02, edges=edges or {}))


def states(finish: Finish) -> dict[str, str]:
    return {entrant.spec: entrant.state for entrant in finish.entrants()}


def test_the_hopeless_are_dropped_and_never_measured() -> None:
    made = Made({"bad": Runner(0.05), "good": Runner(0.9), "poor": Runner(0.3)})
    finish = held(made)
    assert finish.finalists == ("good",)
    assert finish.stopped == "certain"
    assert states(finish) == {"good": "winner", "bad": "beaten", "poor": "beaten"}
    bad = next(e for e in finish.entrants() if e.spec == "bad")
    assert (bad.by, bad.examples) == ("good", 16)
    assert bad.evidence is not None
    assert bad.evidence >= 40
    assert any("bad is beaten by good" in news for news in made.told)


def test_what_is_level_with_the_leader_is_measured_with_it_instead_of_raced_on() -> None:
    made = Made({"a": Runner(0.7), "b": Runner(0.7), "bad": Runner(0.1)})
    finish = held(made)
    assert set(finish.finalists) == {"a", "b"}
    assert finish.stopped in ("saving", "certain")
    assert made.spent < 3 * 0.1 * 128


def test_what_needs_no_training_goes_first() -> None:
    made = Made({"trained": Runner(0.9, fit=30, trains=True), "cheap": Runner(0.5), "other": Runner(0.6)})
    held(made)
    assert [spec for spec, _, _ in made.asked[:3]] == ["cheap", "other", "trained"]


def test_a_fit_that_would_take_too_long_is_tried_with_a_quarter_of_the_examples() -> None:
    made = Made({"trained": Runner(0.95, fit=200, trains=True, tried=0.9), "cheap": Runner(0.5), "other": Runner(0.4)})
    finish = held(made, budget=150)
    assert ("trained", 64, 25) in made.asked
    assert states(finish)["trained"] == "no time"
    assert finish.favourite == "trained"
    assert finish.finalists[0] == "cheap"
    assert finish.stopped == "budget"
    tried = next(e for e in finish.entrants() if e.spec == "trained")
    assert (tried.trained_on, tried.examples) == (25, 64)
    assert made.spent < 150


def test_what_could_not_be_fitted_is_the_favourite_where_other_tasks_let_one_expect_more_of_it() -> None:
    made = {"trained": Runner(0.95, fit=900, trains=True), "cheap": Runner(0.5), "other": Runner(0.4)}
    hopes = {"trained": 0.0, "cheap": -0.2, "other": 0.1}
    finish = held(Made(made), budget=150, edges=hopes)
    assert finish.finalists[0] == "cheap"
    assert finish.favourite == "trained"
    lost = next(e for e in finish.entrants() if e.spec == "trained")
    leader = next(e for e in finish.entrants() if e.spec == "cheap")
    assert lost.expected == pytest.approx(leader.score + 0.2)
    assert leader.expected is None
    assert held(Made(made), budget=150, edges={**hopes, "trained": -0.3}).favourite == "cheap"
    assert held(Made(made), budget=150).favourite == "cheap"


def test_what_other_tasks_let_one_expect_most_of_is_fitted_first() -> None:
    runners = {name: Runner(0.6, fit=30, trains=True) for name in ("slow", "promising")}
    made = Made({**runners, "cheap": Runner(0.5)})
    held(made, edges={"slow": 0.0, "promising": 0.1, "cheap": 0.0})
    assert [spec for spec, _, _ in made.asked[:3]] == ["cheap", "promising", "slow"]


def test_what_is_bound_to_take_too_long_is_not_begun() -> None:
    slow = {name: Runner(0.9, fit=fit, trains=True) for name, fit in (("long", 4000.0), ("longer", 9000.0))}
    made = Made({**slow, "cheap": Runner(0.5), "other": Runner(0.6)}, train=4000)
    finish = held(made, budget=100)
    assert [(spec, train) for spec, _, train in made.asked if spec in slow] == [("long", 1000)]
    assert states(finish)["longer"] == "no time"
    why = {entrant.spec: entrant.why for entrant in finish.entrants()}
    assert "to fit it would take at least 50 min" in why["longer"]
    assert made.spent < 100


def test_a_trial_that_falls_far_short_is_the_end() -> None:
    made = Made({"trained": Runner(0.3, fit=4000, trains=True, tried=0.0), "cheap": Runner(0.9)}, train=4000)
    finish = held(made)
    assert states(finish) == {"cheap": "winner", "trained": "beaten"}
    assert [train for spec, _, train in made.asked if spec == "trained"] == [1000]
    assert finish.entrants()[1].trained_on == 1000


def test_the_budget_is_kept_with_the_winners_test_run() -> None:
    made = Made({name: Runner(0.7 + i / 100, each=0.5) for i, name in enumerate("abcd")})
    finish = held(made, budget=200)
    assert made.spent + made.test_seconds(0.5) * len(finish.finalists) <= 200
    assert "unmeasured" in states(finish).values()


def test_a_fit_leaves_the_time_for_the_test_runs_of_cheap_rivals() -> None:
    cheap = {"a": Runner(0.7, each=0.03), "b": Runner(0.72, each=0.03)}
    made = Made({**cheap, "trained": Runner(0.9, fit=88, each=0.03, trains=True)})
    finish = held(made, budget=100)
    assert set(finish.finalists) == {"a", "b"}
    assert states(finish)["trained"] == "no time"


def test_an_approach_whose_test_run_is_too_dear_does_not_win() -> None:
    made = Made({"dear": Runner(0.9, each=2.0), "cheap": Runner(0.8, each=0.1)})
    finish = held(made, budget=100)
    assert finish.finalists == ("cheap",)
    assert finish.favourite == "dear"
    assert states(finish)["dear"] == "unmeasured"


def test_where_the_budget_allows_nobody_the_leader_is_measured_all_the_same() -> None:
    finish = held(Made({"a": Runner(0.9), "b": Runner(0.8)}), budget=0.5)
    assert len(finish.finalists) <= 1
    assert finish.stopped == "budget"


def test_troubles_and_limits_put_out_of_the_race() -> None:
    made = Made({"a": Runner(0.5), "slow": Runner(0.9, violation="p95 latency"), "c": Runner(0.9, trouble="failed: x")})
    finish = held(made)
    assert finish.finalists == ("a",)
    assert states(finish) == {"a": "winner", "slow": "over a limit", "c": "failed"}


def test_where_all_break_a_limit_the_best_is_measured() -> None:
    made = Made({"a": Runner(0.5, violation="p95 latency"), "b": Runner(0.9, violation="p95 latency")})
    assert held(made).finalists == ("b",)


@pytest.mark.parametrize("pool", [0, 200])
def test_without_rivals_or_examples_everything_is_measured(pool: int) -> None:
    runners = {"trained": Runner(0.9, trains=True), "cheap": Runner(0.5)} if not pool else {"only": Runner(0.5)}
    finish = held(Made(runners, pool=pool))
    assert finish.finalists == (("cheap", "trained") if not pool else ("only",))
    assert finish.stopped == ("examples" if not pool else "alone")
    assert finish.entrants()


def test_decisions_are_the_same_each_time() -> None:
    runners = {"a": Runner(0.7), "b": Runner(0.6), "c": Runner(0.2, fit=20, trains=True)}
    assert held(Made(dict(runners)), 60).entrants() == held(Made(dict(runners)), 60).entrants()
