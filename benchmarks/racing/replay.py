"""Races replayed from the records of finished comparisons: what they choose, and at what share of the time.

    python -m benchmarks.racing.replay RUNFOLDER [RUNFOLDER ...] [--races 10] [--out benchmarks/results]

Every run folder (found below those that are named) holds a full comparison: the answers of each approach to the same
test examples, the seconds of each fit, of all predictions and, where it was measured, of the requests sent alone. The
policy is that of `advisor compare --budget`, the very code; only turns are read from the records in place of running.

Such a comparison has no examples that were set aside, so the race is held on a random half of the test examples, and
what it chose is judged on the other half: by the decision that a comparison of the finalists comes to there, against
that of all approaches. It counts as right where both choose the same, or where what the race chose cannot be told
apart from what the full comparison chose (corrected for all pairs). Times are those of a task with as many
examples to race on as the half, and as many test examples as there are in all: the full comparison takes every fit and
all predictions, the race its fits, its turns and the finalists' predictions. Each is held on several halves.

A test set of a hundred is small beside one fit. A second table is therefore of test sets of 500 examples and 250 to
race on, both drawn with replacement from those that were recorded: times of predictions grow, times of fits stay. These
are no measurements but what the recorded answers lead one to expect of larger test sets.

Where the time does not allow a fit on all training examples, a race tries it with a quarter of them: that is read from
the comparison of the same task with so many, if it is among the folders.

Three ways: with all the time it wants; with a budget of two fifths of what the full comparison took; and with two
fifths for the race alone, whose favourite is the choice, measuring it not counted. Beside the shares of the time stands
what fitting and measuring the full comparison's choice took of it: no race can take less and measure it. What a race
expects of an approach before it is fitted was learned from the other tasks of the table of decisions alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.approaches import parse, spec_of, untrained
from advisor.errors import UserError
from advisor.forecast.learned import Knowledge, expect_from, learn, learned_edges
from advisor.measuring.reading import JOURNAL, read_comparison
from advisor.measuring.records import Comparison, Run
from advisor.pilot.deadline import OutOfTime
from advisor.racing.field import Contender, Leg
from advisor.racing.policy import TRIAL_SHARE, Finish, RaceRules, run_race
from advisor.racing.setaside import SetAside
from advisor.tasks import Example, Task
from advisor.tasks.power import MARGIN
from advisor.verdict import Decision, decide
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import samples
from advisor.verdict.standings import GAIN
from advisor.verdict.statistics import Contrasts
from benchmarks.decisions import table
from benchmarks.decisions.scoring import case_of
from benchmarks.decisions.table import Measured
from benchmarks.racing.outcomes import CHOOSING, LARGER, WAYS, Replay, text_of

RESULTS = Path(__file__).parents[1] / "results"
SMALLEST = 40  # test examples in a comparison that can be halved
FEWEST = 3  # approaches that can be chosen


@dataclass(frozen=True)
class RaceSplit:
    """The examples of a replayed race, by their positions in the comparison.

    Attributes:
        raced, judged: to race on, and to judge by.
        test: how many test examples times are of.
    """

    raced: tuple[int, ...]
    judged: tuple[int, ...]
    test: int


class Recorded:
    """The `Field` of a replayed race, read from a recorded comparison.

    Args:
        smaller: the comparison with a quarter of the training examples, if there is one.
        split: the examples.
    """

    def __init__(self, comparison: Comparison, smaller: Comparison | None, split: RaceSplit) -> None:
        self.comparison = comparison
        self.runs = racing(comparison)
        self.tried = racing(smaller) if smaller else {}
        self.split = split
        self.scores = _scores(comparison)
        self.tried_scores = _scores(smaller) if smaller else {}
        self.spent = 0.0
        self._place = dict.fromkeys(self.runs, 0)

    @property
    def specs(self) -> Sequence[str]:
        """The approaches that can be chosen."""
        return tuple(self.runs)

    @property
    def pool(self) -> int:
        """The number of examples to race on."""
        return len(self.split.raced)

    @property
    def train(self) -> int:
        """The number of training examples; 0 where nothing was fitted on fewer."""
        return self.comparison.task.train if self.tried else 0

    def trains(self, spec: str) -> bool:
        """Whether the approach trains weights."""
        return untrained(parse(spec)) is not None

    def kin(self, spec: str) -> str | None:
        """The approach with the same context and the base weights."""
        base = untrained(parse(spec))
        return spec_of(base) if base else None

    def work(self, spec: str, train: int) -> float:
        """Not recorded, so 0."""
        return 0.0

    def run(self, spec: str, until: int, seconds: float, train: int | None = None) -> Leg:
        """The recorded turn. A fit that is too long is broken off after a twentieth, as when training tells its pace,
        or else when the time is over.
        """
        if train is not None and spec not in self.tried:
            raise OutOfTime("not recorded")
        run, scores = (
            (self.runs[spec], self.scores[spec]) if train is None else (self.tried[spec], self.tried_scores[spec])
        )
        start = self._place[spec] if train is None else 0
        fit = 0.0 if start else fit_seconds(run)
        predict = (run.predict_seconds or 0.0) / len(run.predictions) * (until - start)
        if fit + predict > seconds:
            self.spent += 0.05 * fit if self.trains(spec) else max(seconds, 0.0)
            raise OutOfTime("too long", training=fit if self.trains(spec) else 0.0)
        self.spent += fit + predict
        if train is None:
            self._place[spec] = until
        return Leg(scores[list(self.split.raced[start:until])], fit, predict, training=fit)

    def test_seconds(self, per_example: float) -> float:
        """The seconds of a test run on as many test examples as were recorded."""
        return per_example * self.split.test

    def tell(self, news: str) -> None:
        """Progress is not reported."""

    def show(self, contenders: Sequence[Contender]) -> None:
        """Progress is not reported."""


Scores = dict[str, NDArray[np.float64]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--races", type=int, default=10, help="on as many halves, and on a fifth as many larger sets")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    comparisons = list(_comparisons(options.folders))
    pairs = [(comparison, _smaller(comparison, comparisons)) for comparison in comparisons]
    found = [r for pair in pairs for n in range(options.races) for r in replays(*pair, n, halved)]
    larger = [r for pair in pairs for n in range(max(1, options.races // 5)) for r in replays(*pair, n, drawn)]
    if not found:
        sys.exit("no finished comparison with enough examples and approaches was found")
    options.out.mkdir(parents=True, exist_ok=True)
    text = text_of(found, larger)
    (options.out / "racing-replay.md").write_text(text, encoding="utf-8")
    rows = {"halves": _short(found), "larger": _short(larger)}
    (options.out / "racing-replay.json").write_text(json.dumps(rows, indent=0) + "\n", encoding="utf-8")
    print(text)


def _comparisons(folders: Sequence[Path]) -> Iterator[Comparison]:
    for journal in sorted({path for folder in folders for path in folder.rglob(JOURNAL)}):
        try:
            comparison = read_comparison(journal.parent)
        except (UserError, KeyError, ValueError) as error:
            print(f"{journal.parent}: left out: {error}", file=sys.stderr)
            continue
        if all(run.status in ("ok", "skipped") for run in comparison.runs):
            yield comparison


def _smaller(comparison: Comparison, others: Sequence[Comparison]) -> Comparison | None:
    """The comparison on the same test examples with a quarter of the training examples."""
    for other in others:
        same = other.task.name == comparison.task.name and other.answers == comparison.answers
        if same and other.task.train == comparison.task.train // TRIAL_SHARE:
            return other
    return None


def racing(comparison: Comparison) -> dict[str, Run]:
    """The runs of approaches that can be chosen."""
    return {run.spec: run for run in complete_runs(comparison) if run.seed == 0 and not run.control}


def halved(size: int, number: int) -> RaceSplit:
    """Split the test examples into one half to race on and the other to judge by."""
    order = [int(i) for i in np.random.default_rng(number).permutation(size)]
    return RaceSplit(tuple(order[: size // 2]), tuple(order[size // 2 :]), size)


def drawn(size: int, number: int) -> RaceSplit:
    """Draw more examples than there are, with replacement."""
    random = np.random.default_rng(number)
    raced, judged = (tuple(int(i) for i in random.integers(size, size=n)) for n in (LARGER // 2, LARGER))
    return RaceSplit(raced, judged, LARGER)


def replays(
    comparison: Comparison, smaller: Comparison | None, number: int, chosen: Callable[[int, int], RaceSplit]
) -> Iterator[Replay]:
    """The race of that number on one comparison, in each way."""
    size = len(comparison.answers)
    if len(racing(comparison)) < FEWEST or size < SMALLEST:
        return
    split = chosen(size, number)
    judged = _on(comparison, split.judged)
    full = decide(judged, margin=MARGIN)
    whole = sum(fit_seconds(run) + _test(run, split) for run in comparison.runs if run.status == "ok")
    unit = _aside(comparison).unit
    edges = {spec: edge / unit for spec, edge in expected(comparison).items()}
    for way, share in WAYS.items():
        field = Recorded(comparison, smaller, split)
        rules = RaceRules(share * whole, MARGIN / unit, GAIN / unit, measures=way != CHOOSING, edges=edges)
        finish = run_race(field, rules)
        times = {run.spec: (fit_seconds(run), _test(run, split)) for run in comparison.runs}
        yield _replay(judged, full, finish, Held(way, number, field.spent, whole, times))


@dataclass(frozen=True)
class Held:
    """The times of a replayed race, of the full comparison, and of each fit and test run."""

    way: str
    number: int
    spent: float
    whole: float
    times: Mapping[str, tuple[float, float]]


def _replay(judged: Comparison, full: Decision, finish: Finish, held: Held) -> Replay:
    finalists = (finish.favourite,) if held.way == CHOOSING else finish.finalists
    kept = replace(judged, runs=tuple(run for run in judged.runs if run.spec in finalists))
    chosen, best = decide(kept, margin=MARGIN).recommendation.approach, full.recommendation.approach
    assert chosen is not None
    assert best is not None
    quality = {row.spec: row.quality.value for row in full.rows if row.quality}
    contrasts = Contrasts(
        samples(judged.task.metric, judged.answers, complete_runs(judged)),
        frozenset(row.spec for row in full.rows if row.control),
    )
    measuring = sum(held.times[spec][1] for spec in finish.finalists) if held.way != CHOOSING else 0.0
    return Replay(
        task=judged.task.name,
        train=judged.task.train,
        way=held.way,
        number=held.number,
        full=best,
        chosen=chosen,
        right=chosen == best or not contrasts.between(chosen, best).shown,
        lost=quality[best] - quality[chosen],
        share=(held.spent + measuring) / held.whole,
        race_share=held.spent / held.whole,
        floor=sum(held.times[best]) / held.whole,
        stopped=finish.stopped,
        finalists=len(finalists),
        approaches=len(finish.contenders),
    )


@cache
def _measured() -> tuple[Measured, ...]:
    return tuple(table.read())


@cache
def _learned_without(task: str) -> Knowledge:
    """The knowledge learned from the other tasks."""
    return learn([case_of(point) for point in _measured() if point.task != task])


def expected(comparison: Comparison) -> dict[str, float]:
    """The differences to the reference that `advisor compare --budget` would expect, had this task never been measured.

    Empty where the table does not hold the comparison, whose description is read there.
    """
    name, train = comparison.task.name, comparison.task.train
    point = next((point for point in _measured() if (point.task, point.train) == (name, train)), None)
    if point is None:
        return {}
    known = _learned_without(name)
    found = expect_from(known, point.description, point.kind, point.metric, None, list(racing(comparison)))
    return learned_edges(found)


def fit_seconds(run: Run) -> float:
    """Seconds of fitting and indexing."""
    return (run.fit_seconds or 0.0) + (run.index_seconds or 0.0)


def _test(run: Run, split: RaceSplit) -> float:
    """Seconds of predicting all test examples, and of the requests sent alone."""
    each = (run.predict_seconds or 0.0) / max(1, len(run.predictions))
    return each * split.test + sum(request.seconds for request in run.latencies)


def _on(comparison: Comparison, positions: Sequence[int]) -> Comparison:
    """The comparison on some of its test examples, possibly repeated."""
    ids = list(comparison.answers)
    names = {f"{ids[at]}#{number}": ids[at] for number, at in enumerate(positions)}
    runs = []
    for run in comparison.runs:
        answers = {p.id: p for p in run.predictions}
        predictions = tuple(replace(answers[i], id=name) for name, i in names.items() if i in answers)
        runs.append(replace(run, predictions=predictions))
    answers_ = {name: comparison.answers[i] for name, i in names.items()}
    return replace(comparison, answers=answers_, runs=tuple(runs))


def _scores(comparison: Comparison) -> Scores:
    """The scores that races use: those of the answers, weighted by label for macro F1."""
    found = samples(comparison.task.metric, comparison.answers, complete_runs(comparison))
    weights = _aside(comparison).weights
    return {sample.spec: sample.scores[0] * weights for sample in found}


def _aside(comparison: Comparison) -> SetAside:
    """The test examples as examples to race on; label shares are those of the test set, since train is not recorded."""
    examples = tuple(Example(i, "", answer.targets[0]) for i, answer in comparison.answers.items())
    task = Task(comparison.task.name, "classification", "", comparison.task.metric, train=examples)  # type: ignore[arg-type]
    return SetAside(task, examples, "train", len(examples))


def _short(rows: Sequence[Replay]) -> list[dict[str, object]]:
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows]


if __name__ == "__main__":
    main()
