"""Races held again from the records of finished comparisons: what they choose, and at what share of the time.

    python -m benchmarks.racing.replay RUNFOLDER [RUNFOLDER ...] [--halves 10] [--out benchmarks/results]

Every run folder (found below those that are named) holds a full comparison: the answers of each approach to the same
test examples, the seconds of each fit, of all predictions and, where it was measured, of the requests sent alone. The
policy is that of `advisor compare --budget`, the very code; only turns are read from the records in place of running.

Such a comparison has no examples that were set aside, so the race is held on a random half of the test examples, and
what it chose is judged on the other half: by the decision that a comparison of the finalists comes to there, against
that of all approaches. It counts as right where both choose the same, or where what the race chose cannot be told
apart from what the full comparison chose (corrected for all pairs). Times are those of a task with as many
examples to race on as the half, and as many test examples as there are in all: the full comparison takes every fit and
all predictions, the race its fits, its turns and the finalists' predictions. Each is held on several halves.

Where the time does not allow a fit on all training examples, a race tries it with a quarter of them: that is read from
the comparison of the same task with so many, if it is among the folders.

Three ways: with all the time it wants; with a budget of two fifths of what the full comparison took; and with two
fifths for the race alone, whose favourite is the choice, measuring it not counted. Beside the shares of the time stands
what fitting and measuring the full comparison's choice took of it: no race can take less and measure it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from advisor.advise.field import Leg, OutOfTime
from advisor.advise.racing import TRIAL_SHARE, Finish, Rules, run_race
from advisor.advise.setaside import SetAside
from advisor.approaches import Adapted, parse, spec_of
from advisor.decide import Decision, decide
from advisor.decide.rows import complete_runs
from advisor.decide.sample import samples
from advisor.decide.standings import GAIN, LEVEL
from advisor.decide.statistics import Contrasts
from advisor.errors import UserError
from advisor.measure.comparing import JOURNAL, read_comparison
from advisor.measure.records import Comparison, Run
from advisor.tasks import Example, Task

RESULTS = Path(__file__).parents[1] / "results"
SHARE = 0.4
MARGIN = 0.02
SMALLEST = 40  # test examples in a comparison that can be halved
FEWEST = 3  # approaches that can be chosen
WAYS = {"all the time": math.inf, "two fifths": SHARE, "two fifths to choose": SHARE}
CHOOSING = "two fifths to choose"


@dataclass(frozen=True)
class Replay:
    """One race on one half.

    Attributes:
        full, chosen: specs that the full comparison and the finalists' choose on the other half.
        right: whether they are the same, or cannot be told apart there.
        lost: quality of the full comparison's choice minus that of the race's, on the other half.
        share: of the full comparison's time that race and finalists took; `race_share` without the finalists.
        floor: what fitting and measuring the full comparison's choice takes, as a share of the same.
        finalists, approaches: how many there were.
    """

    task: str
    train: int
    way: str
    half: int
    full: str
    chosen: str
    right: bool
    lost: float
    share: float
    race_share: float
    floor: float
    stopped: str
    finalists: int
    approaches: int


class Recorded:
    """The field of a race, read off a comparison; a `Field`.

    Args:
        smaller: the comparison with a quarter of the training examples, if there is one.
        order: positions of the examples to race on.
    """

    def __init__(self, comparison: Comparison, smaller: Comparison | None, order: Sequence[int]) -> None:
        self.comparison = comparison
        self.runs = racing(comparison)
        self.tried = racing(smaller) if smaller else {}
        self.order = list(order)
        self.scores = _scores(comparison)
        self.tried_scores = _scores(smaller) if smaller else {}
        self.spent = 0.0
        self._place = dict.fromkeys(self.runs, 0)

    @property
    def specs(self) -> Sequence[str]:
        """Of the approaches that can be chosen."""
        return tuple(self.runs)

    @property
    def pool(self) -> int:
        """Examples to race on."""
        return len(self.order)

    @property
    def train(self) -> int:
        """As recorded; none that could be spared where nothing was fitted on fewer."""
        return self.comparison.task.train if self.tried else 0

    def trains(self, spec: str) -> bool:
        """Whether weights are trained."""
        approach = parse(spec)
        return isinstance(approach, Adapted) and approach.tuner is not None

    def kin(self, spec: str) -> str | None:
        """The same context with the base weights."""
        approach = parse(spec)
        return spec_of(Adapted(approach.builder)) if isinstance(approach, Adapted) and approach.tuner else None

    def run(self, spec: str, until: int, seconds: float, train: int | None = None) -> Leg:
        """What was recorded; a fit that is too long is broken off after a twentieth, as when training tells its pace,
        or, where nothing tells, when the time is over."""
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
            raise OutOfTime("too long")
        self.spent += fit + predict
        if train is None:
            self._place[spec] = until
        return Leg(scores[self.order[start:until]], fit, predict)

    def test_seconds(self, per_example: float) -> float:
        """As many test examples as were recorded."""
        return per_example * len(self.comparison.answers)

    def tell(self, news: str) -> None:
        """Nobody listens."""


Scores = dict[str, NDArray[np.float64]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--halves", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    comparisons = list(_comparisons(options.folders))
    found = [
        replay
        for comparison in comparisons
        for replay in replays(comparison, _smaller(comparison, comparisons), options.halves)
    ]
    if not found:
        sys.exit("no finished comparison with enough examples and approaches was found")
    options.out.mkdir(parents=True, exist_ok=True)
    text = table(found, options.halves)
    (options.out / "racing-replay.md").write_text(text, encoding="utf-8")
    rows = [asdict(replay) for replay in found]
    (options.out / "racing-replay.json").write_text(json.dumps(_short(rows), indent=0) + "\n", encoding="utf-8")
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
    """The same test examples with a quarter of the training examples."""
    for other in others:
        same = other.task.name == comparison.task.name and other.answers == comparison.answers
        if same and other.task.train == comparison.task.train // TRIAL_SHARE:
            return other
    return None


def racing(comparison: Comparison) -> dict[str, Run]:
    """The runs of approaches that can be chosen."""
    return {run.spec: run for run in complete_runs(comparison) if run.seed == 0 and not run.control}


def replays(comparison: Comparison, smaller: Comparison | None, halves: int) -> Iterator[Replay]:
    """The races on random halves of one comparison, in each way."""
    size = len(comparison.answers)
    if len(racing(comparison)) < FEWEST or size < SMALLEST:
        return
    for half in range(halves):
        order = np.random.default_rng(half).permutation(size)
        raced, rest = [int(i) for i in order[: size // 2]], [int(i) for i in order[size // 2 :]]
        judged = _on(comparison, rest)
        full = decide(judged, margin=MARGIN)
        whole = sum(fit_seconds(run) + _test(run) for run in comparison.runs if run.status == "ok")
        for way, share in WAYS.items():
            field = Recorded(comparison, smaller, raced)
            unit = _aside(comparison).unit
            finish = run_race(field, Rules(share * whole, MARGIN / unit, GAIN / unit, measures=way != CHOOSING))
            yield _replay(comparison, judged, full, finish, (way, half, field.spent, whole))


def _replay(
    comparison: Comparison, judged: Comparison, full: Decision, finish: Finish, held: tuple[str, int, float, float]
) -> Replay:
    way, half, spent, whole = held
    runs = {run.spec: run for run in comparison.runs}
    finalists = (finish.favourite,) if way == CHOOSING else finish.finalists
    kept = replace(judged, runs=tuple(run for run in judged.runs if run.spec in finalists))
    chosen, best = decide(kept, margin=MARGIN).recommendation.approach, full.recommendation.approach
    assert chosen is not None
    assert best is not None
    quality = {row.spec: row.quality.value for row in full.rows if row.quality}
    contrasts = Contrasts(
        samples(judged.task.metric, judged.answers, complete_runs(judged)),
        frozenset(row.spec for row in full.rows if row.control),
    )
    measuring = sum(_test(runs[spec]) for spec in finish.finalists) if way != CHOOSING else 0.0
    return Replay(
        task=comparison.task.name,
        train=comparison.task.train,
        way=way,
        half=half,
        full=best,
        chosen=chosen,
        right=chosen == best or not contrasts.between(chosen, best).shown,
        lost=quality[best] - quality[chosen],
        share=(spent + measuring) / whole,
        race_share=spent / whole,
        floor=(fit_seconds(runs[best]) + _test(runs[best])) / whole,
        stopped=finish.stopped,
        finalists=len(finalists),
        approaches=len(finish.forms),
    )


def fit_seconds(run: Run) -> float:
    """Fitting and indexing."""
    return (run.fit_seconds or 0.0) + (run.index_seconds or 0.0)


def _test(run: Run) -> float:
    """Predicting all test examples, and the requests sent alone."""
    return (run.predict_seconds or 0.0) + sum(request.seconds for request in run.latencies)


def _on(comparison: Comparison, positions: Sequence[int]) -> Comparison:
    """The same comparison on some of its test examples."""
    ids = list(comparison.answers)
    kept = {ids[i] for i in sorted(positions)}
    return replace(
        comparison,
        answers={i: answer for i, answer in comparison.answers.items() if i in kept},
        runs=tuple(replace(r, predictions=tuple(p for p in r.predictions if p.id in kept)) for r in comparison.runs),
    )


def _scores(comparison: Comparison) -> Scores:
    """What races are about: the scores of the answers, weighted by label for macro F1."""
    found = samples(comparison.task.metric, comparison.answers, complete_runs(comparison))
    weights = _aside(comparison).weights
    return {sample.spec: sample.scores[0] * weights for sample in found}


def _aside(comparison: Comparison) -> SetAside:
    """The examples as ones to race on; the shares of labels are those of the test set, since train is not recorded."""
    examples = tuple(Example(i, "", answer.targets[0]) for i, answer in comparison.answers.items())
    task = Task(comparison.task.name, "classification", "", comparison.task.metric, train=examples)  # type: ignore[arg-type]
    return SetAside(task, examples, "train", len(examples))


def table(found: Sequence[Replay], halves: int) -> str:
    """One row a comparison; then all of them."""
    lines = [
        "# Races held again from finished comparisons",
        "",
        f"`python -m benchmarks.racing.replay`, {halves} random halves of the test examples each; level {LEVEL:g},",
        f"margin {MARGIN:g}. *Right*: the race's choice is the full comparison's or cannot be told apart from it, on",
        "the half that was not raced on. *Time*: median share of the full comparison's that race and finalists took,",
        "in brackets the race alone; *own*: what fitting and measuring the full comparison's choice takes of it, below",
        "which no race can measure it. *Two fifths to choose*: that much for the race alone, whose favourite is its",
        "choice; the test run is not counted.",
        "",
        "| task | train | approaches | own | " + " | ".join(f"{way}: right | time" for way in WAYS) + " |",
        "|:--|--:|--:|--:|" + "--:|--:|" * len(WAYS),
    ]
    cells = list(dict.fromkeys((replay.task, replay.train) for replay in found))
    for task, train in cells:
        rows = [replay for replay in found if (replay.task, replay.train) == (task, train)]
        parts = [_cell([row for row in rows if row.way == way]) for way in WAYS]
        own = median(row.floor for row in rows)
        lines.append(f"| {task} | {train} | {rows[0].approaches} | {own:.0%} | " + " | ".join(parts) + " |")
    tasks = len({task for task, _ in cells})
    lines += ["", f"All {len(cells)} comparisons of {tasks} tasks:", ""]
    for way in WAYS:
        lines.append(f"- {way}: {_words([row for row in found if row.way == way])}")
    cheap = [row for row in found if row.floor <= SHARE]
    if cheap:
        lines += ["", f"Where the full comparison's choice alone takes at most {SHARE:.0%} of the time:", ""]
        for way in WAYS:
            lines.append(f"- {way}: {_words([row for row in cheap if row.way == way])}")
    return "\n".join(lines) + "\n"


def _cell(rows: Sequence[Replay]) -> str:
    right = fmean(row.right for row in rows)
    return f"{right:.0%} | {median(r.share for r in rows):.0%} ({median(r.race_share for r in rows):.0%})"


def _words(rows: Sequence[Replay]) -> str:
    within = fmean(row.right and row.share <= SHARE for row in rows)
    return (
        f"right in {fmean(row.right for row in rows):.1%} of {len(rows)} races (the very same choice in "
        f"{fmean(row.chosen == row.full for row in rows):.1%}), mean loss of quality "
        f"{fmean(row.lost for row in rows):.4f}; mean time {fmean(row.share for row in rows):.0%} of the full "
        f"comparison's (median {median(row.share for row in rows):.0%}), the race alone "
        f"{fmean(row.race_share for row in rows):.0%}; right and within {SHARE:.0%} of the time in {within:.1%}"
    )


def _short(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


if __name__ == "__main__":
    main()
