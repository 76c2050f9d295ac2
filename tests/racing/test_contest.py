"""A race through the public door, with approaches given from Python: what is measured, recorded, resumed and told."""

from __future__ import annotations

import json
import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import advisor
from advisor.approaches import Approach, Prediction, Predictor
from advisor.errors import Interrupted, UserError
from advisor.measuring.lines import lines
from advisor.measuring.progress import Silence
from advisor.models import LanguageModel
from advisor.progress import advance, step
from advisor.racing.result import recorded_race
from advisor.racing.setaside import set_aside
from advisor.tasks import Example, Limits, Preference, Query, Task


@dataclass(frozen=True)
class Guess(Approach):
    """Right on about `share` per cent of the questions; fitting takes `steps` of a hundredth of a second."""

    share: int = 50
    steps: int = 0
    slow: float = 0.0

    name: ClassVar[str] = "guess"
    fitted: ClassVar[list[tuple[int, Task]]] = []
    asked: ClassVar[list[tuple[int, str]]] = []

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        step("train", self.steps)
        for _ in range(self.steps):
            time.sleep(0.01)
            advance()
        self.fitted.append((self.share, task))
        return Guessed(self)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> Predictor:
        assert (folder / "guess.txt").read_text() == str(self.share)
        return Guessed(self)


class Guessed(Predictor):
    def __init__(self, approach: Guess) -> None:
        self.approach = approach

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        time.sleep(self.approach.slow * len(queries))
        self.approach.asked.extend((self.approach.share, q.id) for q in queries)
        right = [zlib.crc32(q.input.encode()) % 100 < self.approach.share for q in queries]
        number = [q.input.split()[-1] for q in queries]
        return [Prediction(q.id, n if r else "no") for q, n, r in zip(queries, number, right, strict=True)]

    def save(self, folder: Path) -> None:
        (folder / "guess.txt").write_text(str(self.approach.share))


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    Guess.fitted.clear()
    Guess.asked.clear()


@pytest.fixture
def numbers() -> Task:
    """Two hundred examples to learn from, forty to test on, no dev split."""
    train = tuple(Example(f"t{i}", f"say number {i}", f"{i}") for i in range(200))
    test = tuple(Example(f"q{i}", f"please say {i}", f"{i}") for i in range(40))
    return Task("numbers", "qa", "Answer.", "exact_match", train=train, test=test)


FIELD = (Guess(95), Guess(50), Guess(5))
TERMS = advisor.Terms(advisor.Budget(seconds=60.0))


def record(folder: Path) -> list[dict[str, Any]]:
    return list(lines(folder / "race" / "race.jsonl"))


def test_the_hopeless_are_dropped_and_the_finalists_measured(numbers: Task, model: Any, tmp_path: Path) -> None:
    comparison = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    assert [run.spec for run in comparison.runs] == ["guess:share=95"]
    assert {p.id for p in comparison.runs[0].predictions} == {e.id for e in numbers.test}
    assert len(comparison.runs[0].latencies) == 16
    race = comparison.race
    assert (race.stopped, race.split, race.pool, race.train, race.rivals) == ("certain", "train", 50, 150, 2)
    assert {e.spec: e.state for e in race.entrants} == {
        "guess:share=95": "winner",
        "guess": "beaten",
        "guess:share=5": "beaten",
    }
    assert race.overrun == 0


def test_nobody_learns_from_the_race_or_races_on_the_test_set(numbers: Task, model: Any, tmp_path: Path) -> None:
    comparison = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    pool = {e.id for e in set_aside(numbers).pool}
    assert len(pool) == 50
    for _, task in Guess.fitted:
        assert not task.test
        assert pool.isdisjoint(e.id for e in task.train)
        assert len(task.train) == 150
    dropped = {i for share, i in Guess.asked if share == 5}
    assert dropped <= pool
    assert comparison.task.train == 150
    assert any("50 of 200 training examples were set aside" in caveat for caveat in comparison.task.caveats)


def test_nothing_is_fitted_twice(numbers: Task, model: Any, tmp_path: Path) -> None:
    comparison = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    assert sorted(share for share, _ in Guess.fitted) == [5, 50, 95]
    assert comparison.runs[0].reused["fits"] == pytest.approx(comparison.runs[0].fit_seconds)


def test_the_same_call_again_does_nothing_again(numbers: Task, model: Any, tmp_path: Path) -> None:
    first = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    before, asked = record(tmp_path), len(Guess.asked)
    again = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    assert again.runs == first.runs
    assert record(tmp_path) == before
    assert len(Guess.asked) == asked
    assert again.race == first.race == recorded_race(advisor.read_comparison(tmp_path))


class Outage:
    """What a model is asked when its server is gone, from the third of the turns on until it is back."""

    def __init__(self) -> None:
        self.turns, self.back = 0, False

    def __call__(self) -> None:
        self.turns += 1
        if self.turns > 2 and not self.back:
            raise Interrupted("the server is gone; the same command goes on from there once it is back")


def test_an_outage_drops_nobody_and_the_same_call_goes_on(
    numbers: Task, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage, predict = Outage(), Guessed.predict

    def asked(self: Guessed, queries: Sequence[Query]) -> list[Prediction]:
        outage()
        return predict(self, queries)

    monkeypatch.setattr(Guessed, "predict", asked)
    with pytest.raises(Interrupted, match="the server is gone"):
        advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    before = record(tmp_path)
    assert not [line for line in before if line.get("trouble")]
    outage.back, fitted = True, len(Guess.fitted)
    comparison = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    assert {e.spec: e.state for e in comparison.race.entrants} == {
        "guess:share=95": "winner",
        "guess": "beaten",
        "guess:share=5": "beaten",
    }
    assert record(tmp_path)[: len(before)] == before
    assert sorted(share for share, _ in Guess.fitted) == [5, 50, 95]
    assert fitted == 3  # the turn that broke off goes on from its fit


@pytest.mark.parametrize("asked", [{"labels_by": "text"}, {"reasoning": True}])
def test_a_model_that_is_asked_otherwise_is_raced_anew(
    asked: dict[str, Any], numbers: Task, make_model: Any, tmp_path: Path
) -> None:
    advisor.race(numbers, make_model(), FIELD, TERMS, out=tmp_path)
    fitted, answered = len(Guess.fitted), len(Guess.asked)
    advisor.race(numbers, make_model(facts=asked), FIELD, TERMS, out=tmp_path)
    assert (len(Guess.fitted), len(Guess.asked)) == (2 * fitted, 2 * answered)
    assert len({line["key"] for line in record(tmp_path)}) == 2


def test_the_result_is_handed_on_and_not_read_back(numbers: Task, model: Any, tmp_path: Path) -> None:
    comparison = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)
    shutil.rmtree(tmp_path / "race")
    decision = advisor.with_race(advisor.decide(comparison))
    assert decision.race == comparison.race
    assert advisor.with_race(advisor.decide(advisor.read_comparison(tmp_path))).race is None


def test_a_race_that_an_earlier_version_recorded_is_read(numbers: Task, model: Any, tmp_path: Path) -> None:
    comparison = advisor.compare(numbers, model, [Guess(95)], out=tmp_path)
    winner = {"spec": "guess:share=95", "state": "winner", "examples": 16, "score": 1.0, "seconds": 0.5}
    lost = {"spec": "guess:share=5", "state": "beaten", "examples": 16, "score": 0.0, "by": "guess:share=95"}
    line = {
        "type": "race",
        "key": "0123456789ab",
        "task": comparison.task.fingerprint,
        "specs": ["guess:share=95"],
        "budget": 60.0,
        "usd": None,
        "racing": 1.5,
        "measuring": 0.5,
        "stopped": "certain",
        "split": "train",
        "pool": 50,
        "train": 150,
        "level": 0.05,
        "margin": 0.02,
        "rivals": 1,
        "score": "mean score",
        "gain": 0.1,
        "favourite": None,
        "entrants": [winner, lost],
        "unknown": "of a later version",
    }
    (tmp_path / "race").mkdir()
    (tmp_path / "race" / "race.jsonl").write_text(json.dumps(line) + "\n")
    found = advisor.with_race(advisor.decide(advisor.read_comparison(tmp_path))).race
    assert found is not None
    assert [(e.spec, e.state, e.by) for e in found.entrants] == [
        ("guess:share=95", "winner", None),
        ("guess:share=5", "beaten", "guess:share=95"),
    ]


@dataclass
class Dying(Silence):
    """Interrupts at one word of progress."""

    at: int
    heard: int = 0

    def _hear(self) -> None:
        self.heard += 1
        if self.heard == self.at:
            raise KeyboardInterrupt

    def begin(self, spec: str, index: int, of: int) -> None:
        self._hear()

    def step(self, name: str, total: int | None) -> None:
        self._hear()

    def advance(self, n: int = 1) -> None:
        self._hear()

    def end(self, spec: str, outcome: str) -> None:
        self._hear()


def test_a_race_that_was_interrupted_goes_on_and_repeats_no_turn(numbers: Task, model: Any, tmp_path: Path) -> None:
    whole = advisor.race(numbers, model, FIELD, TERMS, out=tmp_path / "whole")
    expected = whole.race
    for moment in (3, 9, 12, 20, 30):
        folder = tmp_path / str(moment)
        with pytest.raises(KeyboardInterrupt):
            advisor.race(numbers, model, FIELD, TERMS, out=folder, progress=Dying(moment))
        turns = [line for line in record(folder) if line["type"] == "leg"]
        Guess.asked.clear()
        found = advisor.race(numbers, model, FIELD, TERMS, out=folder)
        ids = [e.id for e in set_aside(numbers).pool]
        for turn in turns:
            share = {"guess:share=95": 95, "guess": 50, "guess:share=5": 5}[turn["spec"]]
            assert not [i for i in ids[turn["start"] : turn["until"]] if (share, i) in Guess.asked], moment
        race = found.race
        assert [(e.spec, e.state, e.examples) for e in race.entrants] == [
            (e.spec, e.state, e.examples) for e in expected.entrants
        ]
        assert [p.text for p in found.runs[0].predictions] == [p.text for p in whole.runs[0].predictions]


def test_a_fit_that_would_not_end_in_time_is_broken_off_early(numbers: Task, model: Any, tmp_path: Path) -> None:
    slow = Guess(99, steps=3000)
    began = time.monotonic()
    comparison = advisor.race(
        numbers, model, [Guess(40), Guess(60), slow], advisor.Terms(advisor.Budget(seconds=8.0)), out=tmp_path
    )
    assert time.monotonic() - began < 8
    race = comparison.race
    lost = next(e for e in race.entrants if e.spec == "guess:share=99,steps=3000")
    assert lost.state == "no time"
    assert "s were left for it" in lost.why
    decision = advisor.with_race(advisor.decide(comparison))
    assert not decision.recommendation.decided
    assert lost.spec in decision.recommendation.unmeasured
    assert not any(flip.decided for flip in decision.recommendation.flips)
    assert not any(sentence.endswith("is chosen.") for sentence in decision.recommendation.flips_when)
    assert "did not allow to measure guess:share=99,steps=3000" in decision.recommendation.caveats[0]
    spent = [line["seconds"] for line in record(tmp_path) if line["type"] == "broken off"]
    again = advisor.race(
        numbers, model, [Guess(40), Guess(60), slow], advisor.Terms(advisor.Budget(seconds=8.0)), out=tmp_path
    )
    assert again.race == race
    assert [line["seconds"] for line in record(tmp_path) if line["type"] == "broken off"] == spent


def test_an_overrun_is_said(numbers: Task, model: Any, tmp_path: Path) -> None:
    terms = advisor.Terms(advisor.Budget(seconds=0.3))
    comparison = advisor.race(numbers, model, [Guess(90, slow=0.03), Guess(80, slow=0.03)], terms, out=tmp_path)
    race = comparison.race
    assert race.stopped == "budget"
    assert race.overrun > 0.5
    text = advisor.report(advisor.with_race(advisor.decide(comparison)))
    assert "more than the budget" in text


def test_limits_that_can_be_checked_put_out_of_the_race(numbers: Task, model: Any, tmp_path: Path) -> None:
    terms = advisor.Terms(advisor.Budget(seconds=60.0), Limits(p95_ms=15))
    comparison = advisor.race(numbers, model, [Guess(99, slow=0.02), Guess(70)], terms, out=tmp_path)
    race = comparison.race
    out = next(e for e in race.entrants if e.spec.startswith("guess:share=99"))
    assert out.state == "over a limit"
    assert "p95 latency" in out.why
    assert [run.spec for run in comparison.runs] == ["guess:share=70"]


def test_a_metric_that_asks_a_model_is_refused_before_anything_is_measured(
    numbers: Task, model: Any, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="a race scores each answer as it comes"):
        advisor.race(replace(numbers, metric="embedding_similarity"), model, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_controls_do_not_race_but_those_that_cost_nothing_are_measured(
    numbers: Task, model: Any, tmp_path: Path
) -> None:
    comparison = advisor.race(numbers, model, [*FIELD, "majority"], TERMS, out=tmp_path)
    assert [run.spec for run in comparison.runs] == ["guess:share=95", "majority"]
    race = comparison.race
    assert "majority" not in [e.spec for e in race.entrants]
    with pytest.raises(UserError, match="a race needs an approach that can be chosen"):
        advisor.race(numbers, model, ["majority"], TERMS, out=tmp_path)


def test_too_few_examples_to_race_on(numbers: Task, model: Any, tmp_path: Path) -> None:
    small = Task("small", "qa", "Answer.", "exact_match", train=numbers.train[:12], test=numbers.test)
    comparison = advisor.race(small, model, [Guess(50), Guess(90)], TERMS, out=tmp_path)
    assert [run.spec for run in comparison.runs] == ["guess", "guess:share=90"]
    assert comparison.task.fingerprint == small.fingerprint
    race = comparison.race
    assert race.pool == 0
    text = advisor.report(advisor.with_race(advisor.decide(comparison)))
    assert "too few examples to set some aside" in text


def test_the_report_tells_how_the_race_went_in_every_form(numbers: Task, model: Any, tmp_path: Path) -> None:
    decision = advisor.with_race(advisor.decide(advisor.race(numbers, model, FIELD, TERMS, out=tmp_path)))
    terminal, markdown = advisor.report(decision), advisor.report(decision, "markdown")
    for text in (terminal, markdown):
        flat = " ".join(text.split())
        assert "Budget 1 min; spent" in flat
        assert "50 training examples that nobody learned from" in flat
        assert "the winner is certain enough" in flat
        assert "beaten by guess:share=95" in flat.replace("\\", "")
        assert "with a chance of at most 5 % in the whole race" in flat
    found = json.loads(advisor.report(decision, "json"))["race"]
    assert found["stopped"] == "certain"
    assert found["budget_seconds"] == 60
    assert [e["state"] for e in found["entrants"]] == ["winner", "beaten", "beaten"]
    plain = advisor.decide(advisor.compare(numbers, model, FIELD, out=tmp_path))
    assert advisor.with_race(plain).race is None
    assert json.loads(advisor.report(plain, "json"))["race"] is None


def test_for_macro_f1_rare_labels_weigh_as_much_as_frequent_ones() -> None:
    train = tuple(Example(f"t{i}", f"text {i}", "rare" if i % 10 == 0 else "common") for i in range(400))
    task = Task("labels", "classification", "Sort.", "macro_f1", labels=("common", "rare"), train=train, test=train[:9])
    aside = set_aside(task)
    rare = [e.target == "rare" for e in aside.pool]
    assert len(aside.pool) == 100
    assert aside.weights.max() == 1.0
    always_common = sum(w for w, r in zip(aside.weights, rare, strict=True) if not r) * aside.unit / len(rare)
    assert always_common == pytest.approx(0.5, abs=0.05)


def test_no_preference_about_what_is_raced_on_is_learned(numbers: Task) -> None:
    pairs = tuple(Preference(e.input.upper(), "good", "bad") for e in numbers.train)
    aside = set_aside(replace(numbers, preferences=pairs))
    assert {p.input.lower() for p in aside.task.preferences} == {e.input.lower() for e in aside.task.train}


def test_dev_is_raced_on_where_there_is_enough_and_half_of_it_is_left(numbers: Task) -> None:
    dev = tuple(Example(f"d{i}", f"dev {i}", f"{i}") for i in range(300))
    aside = set_aside(Task("n", "qa", "Answer.", "exact_match", train=numbers.train, dev=dev, test=numbers.test))
    assert (aside.split, len(aside.pool), len(aside.task.dev), len(aside.task.train)) == ("dev", 150, 150, 200)
    few = set_aside(Task("n", "qa", "Answer.", "exact_match", train=numbers.train, dev=dev[:30], test=numbers.test))
    assert (few.split, len(few.pool), len(few.task.dev)) == ("train", 50, 30)


@pytest.mark.parametrize(
    ("text", "seconds", "usd"),
    [("90s", 90, None), ("10m", 600, None), ("1h30m", 5400, None), ("2 min", 120, None), ("$0.50", None, 0.5)],
)
def test_budgets(text: str, seconds: float | None, usd: float | None) -> None:
    assert advisor.Budget.parse(text) == advisor.Budget(seconds, usd)
    assert advisor.Budget.parse("0.5usd").usd == 0.5


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "0m", "-5m", "5x", "$", "0usd", "nan"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(UserError, match="--budget is"):
        advisor.Budget.parse(text)


def test_dollars_need_a_price() -> None:
    with pytest.raises(UserError, match="no price is known"):
        advisor.Budget(usd=1.0).in_seconds(None)


def test_what_belongs_together_is_set_aside_together() -> None:
    rows = [
        Example(f"{n}-{turn}", f"{'abcdefghijklm'[turn]}{n} {'zyxwvutsrq'[turn]}{n * 3}", "x", group=f"dialogue {n}")
        for n in range(60)
        for turn in range(4)
    ]
    again = [replace(e, id=f"{e.id} again", input=f"{e.input.upper()}!", group="") for e in rows[::20]]
    aside = set_aside(Task("n", "qa", "Answer.", "exact_match", train=(*rows, *again), test=tuple(rows[:8])))
    assert len(aside.pool) >= 56
    assert {e.group for e in aside.pool if e.group}.isdisjoint(e.group for e in aside.task.train)
    assert {e.input.casefold().strip("!") for e in aside.pool}.isdisjoint(
        e.input.casefold().strip("!") for e in aside.task.train
    )
    one = tuple(replace(e, group="all") for e in rows)
    mixed = set_aside(Task("n", "qa", "Answer.", "exact_match", train=tuple(rows), dev=one, test=one[:8]))
    assert (mixed.split, len(mixed.pool), len(mixed.task.dev)) == ("train", 60, 240)
    assert set_aside(Task("n", "qa", "Answer.", "exact_match", train=one, test=one[:8])).pool == ()


def test_a_race_leaves_texts_out_where_it_is_told_to(numbers: Task, model: Any, tmp_path: Path) -> None:
    advisor.race(numbers, model, FIELD, replace(TERMS, texts=False), out=tmp_path)
    records = list(tmp_path.rglob("*.seed*.jsonl"))
    assert records
    for path in (*records, *tmp_path.rglob("answers.jsonl")):
        assert not any(example.input in path.read_text(encoding="utf-8") for example in numbers.test), path


def test_finalists_alone_are_measured_after_a_change(numbers: Task, model: Any, tmp_path: Path) -> None:
    new = Example("new", "please say 99", "99")
    changing = replace(numbers, test_after=(*numbers.test, new))
    comparison = advisor.race(changing, model, FIELD, TERMS, out=tmp_path)
    assert len(comparison.runs[0].after[changing.fingerprint_after].predictions) == 41
    assert [share for share, asked in Guess.asked if asked == "new"] == [95]
    assert all(line["type"] != "after" for path in (tmp_path / "race").rglob("*.jsonl") for line in lines(path))
