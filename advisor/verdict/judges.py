"""What the judges of a comparison are worth: held against people's grades, or a reference metric where there are none.

A judge decides nothing unless it is shown to tell better answers from worse. Where people graded some answers, its
means are corrected by these, per approach and for paired differences (`correction.py`), which stand beside its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from advisor.measuring.example_scores import example_scores
from advisor.measuring.judges import JudgeMetric, is_judge
from advisor.measuring.records import Comparison, Run, facts_in
from advisor.measuring.scored import Scored
from advisor.measuring.second_models import SecondModel
from advisor.tasks import DEFAULT_METRIC, Grade, facts_of
from advisor.tasks.forms import normalised
from advisor.tasks.grades import by_answer
from advisor.tasks.words import count_words
from advisor.verdict import words
from advisor.verdict.agreement import Agreement, agreement, length_bias, mean_over
from advisor.verdict.cells import Interval
from advisor.verdict.correction import FEWEST as FEWEST_GRADES
from advisor.verdict.correction import ppi, rogan_gladen
from advisor.verdict.decision import Row
from advisor.verdict.judge_cells import GRADES, JudgedRow, JudgeReport
from advisor.verdict.prices import Prices
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import Floats
from advisor.verdict.token_prices import PaidTokens


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every judge is seen by.

    Attributes:
        rows: with what each comes to by every metric, the one home of means and their intervals.
    """

    comparison: Comparison
    rows: Mapping[str, Row]
    prices: Prices
    today: date | None

    def mean(self, spec: str, metric: str) -> Interval | None:
        """The mean of a row by a judge; None where that did not see all of its answers."""
        row = self.rows.get(spec)
        found = row.metrics.get(metric) if row else None
        return Interval(found.value, found.low, found.high) if found else None


def judge_reports(
    comparison: Comparison, rows: Sequence[Row], prices: Prices, today: date | None = None
) -> tuple[JudgeReport, ...]:
    """Every judge of which something is recorded, in the order of the metrics.

    Args:
        rows: with their metrics.
    """
    bench = _Bench(comparison, {row.spec: row for row in rows}, prices, today)
    runs = [run for run in comparison.runs if run.status == "ok"]
    complete = {(run.spec, run.seed) for run in complete_runs(comparison)}
    found = []
    for spec in dict.fromkeys((comparison.task.metric, *comparison.task.metrics)):
        if is_judge(spec):
            of = [run for run in runs if spec in run.scored and run.scored[spec].values]
            of = [run for run in of if (run.spec, run.seed) in complete] or of
            if of:
                metric = JudgeMetric.of(spec, "")
                found.append((_pairs if metric.pairs else _graded)(bench, metric, of))
    return tuple(found)


def judge_doubts(metric: str, reports: Sequence[JudgeReport], chosen: str) -> Iterator[str]:
    """Why a verdict by a judge for this row stays provisional, in sentences; nothing where the metric is no judge."""
    own = next((one for one in reports if one.metric == metric), None)
    if own is None:
        return
    if own.distrusted:
        yield f"The metric is a judge, and {own.distrusted} So it decides nothing."
        return
    for row in own.rows:
        raw, told = row.difference, row.corrected_difference
        if raw is None or told is None or chosen not in (row.spec, row.versus):
            continue
        if raw.excludes_zero and not told.estimate.excludes_zero:
            yield (
                f"The judge has {row.spec} {raw.value:+.3f} against {row.versus}; corrected by "
                f"{words.many(told.graded, 'grade')} of people that is {told.estimate.value:+.3f} "
                f"[{told.estimate.low:+.3f}, {told.estimate.high:+.3f}], which is not shown. More grades would settle "
                "it."
            )


def unused_grades(comparison: Comparison) -> Iterator[str]:
    """What people graded and nothing is made of, in sentences."""
    grades = comparison.grades
    if not grades:
        return
    said = f"{words.many(len(grades), 'grade')} of people in grades.jsonl"
    if not any(is_judge(spec) for spec in (comparison.task.metric, *comparison.task.metrics)):
        yield f"{said} {_are(grades)} not used: they are what judges are held against, and no judge was asked."
        return
    given = {(p.id, normalised(p.answer)) for run in comparison.runs for p in run.predictions}
    stray = [grade for grade in grades if (grade.id, normalised(grade.answer)) not in given]
    if stray:
        yield (
            f"{len(stray):,} of {said} {_are(stray)} of answers that no row gives and {_are(stray)} not used, the "
            f"first of {stray[0].id}: grades hold for an answer word for word."
        )


def _are(grades: Sequence[Grade]) -> str:
    return "is" if len(grades) == 1 else "are"


def _graded(bench: _Bench, metric: JudgeMetric, runs: Sequence[Run]) -> JudgeReport:
    comparison = bench.comparison
    given = by_answer(comparison.grades)
    table = [_Judged.of(comparison, metric.spec, run, given) for run in runs]
    people = sum(int((~np.isnan(one.grades)).sum()) for one in table)
    by_people = _agreed(table, [one.grades for one in table], metric) if people else None
    against = GRADES if by_people else _reference(comparison)
    agreed = by_people or _agreed(
        table, [example_scores(against, one.run, comparison.answers) for one in table], metric
    )
    asked = _asked(metric, runs)
    return JudgeReport(
        metric=metric.spec,
        asked=asked,
        usd=_usd(asked, bench.prices, bench.today),
        against=against,
        agreement=agreed[0] if agreed else None,
        length=agreed[1] if agreed else None,
        position=None,
        rows=_rows(bench, metric, table),
        failures=sum(one.failures for one in table),
        answers=sum(len(one.judged) for one in table),
        grades=people,
    )


@dataclass(frozen=True, eq=False)
class _Judged:
    """One run as a judge has it, in the order of the test examples; NaN where there is none.

    Attributes:
        grades: people's.
        unanswered: whether there is no answer, which nobody need grade: it is worth 0.
    """

    run: Run
    ids: tuple[str, ...]
    judged: Floats
    grades: Floats
    lengths: Floats
    failures: int
    unanswered: NDArray[np.bool_]

    @classmethod
    def of(cls, comparison: Comparison, spec: str, run: Run, given: Mapping[tuple[str, str], float]) -> _Judged:
        ids = tuple(comparison.answers)
        answers = {p.id: p for p in run.predictions}
        values = run.scored.get(spec, Scored()).values
        said = [values.get(i) for i in ids]
        people = [given.get((i, normalised(answers[i].answer))) if given and i in answers else None for i in ids]
        return cls(
            run,
            ids,
            _array(said),
            _array(people),
            _array([count_words(answers[i].answer) if i in answers else None for i in ids]),
            sum(i in values and values[i] is None for i in ids),
            np.array([i in answers and bool(answers[i].failure) for i in ids], dtype=bool),
        )


def _array(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _reference(comparison: Comparison) -> str:
    """The metric that a judge is held against where nobody graded: the task's, where that asks no model."""
    own = comparison.task.metric
    if facts_of(own).sort == "example" and own != "macro_f1":
        return own
    kind = next(kind for kind in DEFAULT_METRIC if kind == comparison.task.kind)
    return DEFAULT_METRIC[kind]


def _agreed(
    judged: Sequence[_Judged], others: Sequence[Floats], metric: JudgeMetric
) -> tuple[Agreement, Interval | None] | None:
    """Agreement over the answers of all rows, each answer to a question once, and what length does to it.

    Args:
        others: for each run, by what the judge is held against.
    """
    seen: dict[tuple[str, tuple[float, ...]], None] = {}
    for one, other in zip(judged, others, strict=True):
        both = np.column_stack([one.judged, other, one.lengths])
        for place in np.flatnonzero(~np.isnan(both).any(axis=1)):
            seen[one.ids[place], tuple(map(float, both[place]))] = None
    if not seen:
        return None
    ids = [row[0] for row in seen]
    columns = np.array([row[1] for row in seen], dtype=np.float64)
    judge, people, lengths = columns.T
    found = agreement(judge, people, ids, metric.scale)
    return None if found is None else (found, length_bias(judge, people, lengths, ids))


def _rows(bench: _Bench, metric: JudgeMetric, judged: Sequence[_Judged]) -> tuple[JudgedRow, ...]:
    """The rows whose answers were all judged, that with the best mean first, each with its difference to that one."""
    of: dict[str, list[_Judged]] = {}
    for one in judged:
        of.setdefault(one.run.spec, []).append(one)
    begun: NDArray[np.bool_] = np.asarray((~np.isnan(np.stack([one.grades for one in judged]))).any(axis=0))
    found, means = [], {}
    for spec, seeds in of.items():
        if mean := bench.mean(spec, metric.spec):
            means[spec] = _Means.of(seeds, begun)
            found.append(_row(metric, spec, mean, means[spec], seeds))
    found.sort(key=lambda row: -row.judged.value)
    best = next((row.spec for row in found if not of[row.spec][0].run.control), "")
    return tuple(
        row if row.spec == best or not best else _versus(row, means[row.spec], means[best], best) for row in found
    )


@dataclass(frozen=True)
class _Means:
    """A row over its seeds, per example.

    Attributes:
        judged: of every example; 0 where the judge gave no grade, as in the row's mean.
        graded, of_graded: of those seeds whose answers people graded: their grades, and the judge's; NaN elsewhere.
            Nothing where its answer to an example was left out of which people graded others: grades that it has by
            chance, since it says what another row says, are no random choice.
    """

    judged: Floats
    graded: Floats
    of_graded: Floats

    @classmethod
    def of(cls, seeds: Sequence[_Judged], begun: NDArray[np.bool_]) -> _Means:
        """Of one row, with the examples of which people graded any answer."""
        judged = np.nan_to_num(np.stack([one.judged for one in seeds]), nan=0.0)
        grades = np.stack([np.where(one.unanswered & begun, 0.0, one.grades) for one in seeds])
        if np.isnan(grades)[:, begun].any():
            grades = np.full_like(grades, np.nan)
        return cls(_mean(judged), _mean(grades), _mean(np.where(np.isnan(grades), np.nan, judged)))


def _mean(values: Floats) -> Floats:
    """Over the seeds, of those that are known."""
    known = ~np.isnan(values)
    number = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    found: Floats = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return found


def _row(metric: JudgeMetric, spec: str, mean: Interval, means: _Means, seeds: Sequence[_Judged]) -> JudgedRow:
    graded = ~np.isnan(means.graded)
    share = None
    if metric.scale == 2 and graded.sum() >= FEWEST_GRADES:
        share = rogan_gladen(means.graded[graded], means.of_graded[graded], means.judged[~graded])
    bias = _mean(np.stack([one.judged - one.grades for one in seeds]))
    both = graded & ~np.isnan(bias)
    ids = [i for i, is_graded in zip(seeds[0].ids, both, strict=True) if is_graded]
    return JudgedRow(
        spec=spec,
        judged=mean,
        corrected=ppi(means.graded[graded], means.of_graded[graded], means.judged[~graded]),
        share=share,
        bias=mean_over(bias[both], ids),
        failures=max(one.failures for one in seeds),
    )


def _versus(row: JudgedRow, own: _Means, best: _Means, spec: str) -> JudgedRow:
    """With its difference to the best row."""
    apart = own.judged - best.judged
    graded = ~np.isnan(own.graded - best.graded)
    corrected = ppi(
        (own.graded - best.graded)[graded],
        (own.of_graded - best.of_graded)[graded],
        apart[~graded],
        (-1.0, 1.0),
    )
    ids = [str(i) for i in range(len(apart))]
    return replace(row, versus=spec, difference=mean_over(apart, ids), corrected_difference=corrected)


def _pairs(bench: _Bench, metric: JudgeMetric, runs: Sequence[Run]) -> JudgeReport:
    """A judge of pairs: who wins against the best rival, and how often the judge prefers what stands first.

    It is held against the reference metric, by which the same pairs are won or lost.
    """
    comparison = bench.comparison
    against = _reference(comparison)
    specs = {run.spec: run for run in reversed(comparison.runs) if run.status == "ok"}
    seen: dict[tuple[str, ...], tuple[float, float, float]] = {}
    firsts: dict[tuple[str, ...], float] = {}
    rows: dict[str, JudgedRow] = {}
    failures, answers = 0, 0
    for run in runs:
        scored = run.scored[metric.spec]
        rival = specs.get(scored.rival)
        missing = sum(value is None for value in scored.values.values())
        failures += missing
        answers += len(scored.values)
        for i, (first, second) in scored.orders.items():
            firsts[(i, *sorted((run.spec, scored.rival)))] = float(np.sign([first - 0.5, second - 0.5]).mean() + 1) / 2
        if mean := bench.mean(run.spec, metric.spec):
            most = max(missing, rows[run.spec].failures if run.spec in rows else 0)
            rows[run.spec] = JudgedRow(run.spec, mean, failures=most, versus=scored.rival)
        if rival is not None:
            values = _array([scored.values.get(i) for i in comparison.answers])
            seen |= dict(_outcomes(comparison, against, run, rival, values))
    asked = _asked(metric, runs)
    columns = np.array(list(seen.values()), dtype=np.float64).reshape(-1, 3)
    ids = [key[0] for key in seen]
    return JudgeReport(
        metric=metric.spec,
        asked=asked,
        usd=_usd(asked, bench.prices, bench.today),
        against=against,
        agreement=agreement(columns[:, 0], columns[:, 1], ids, 3) if ids else None,
        length=length_bias(columns[:, 0], columns[:, 1], columns[:, 2], ids) if ids else None,
        position=mean_over(np.array(list(firsts.values())), [key[0] for key in firsts]) if firsts else None,
        rows=tuple(rows.values()),
        failures=failures,
        answers=answers,
        grades=0,
    )


def _outcomes(
    comparison: Comparison, against: str, run: Run, rival: Run, values: Floats
) -> Iterator[tuple[tuple[str, ...], tuple[float, float, float]]]:
    """Of each pair once, the outcome as the judge and as the reference metric has it, and how much longer the row's
    answer is."""
    own, other = (example_scores(against, one, comparison.answers) for one in (run, rival))
    long, longer = ({p.id: count_words(p.answer) for p in one.predictions} for one in (run, rival))
    for place, i in enumerate(comparison.answers):
        if not np.isnan(values[place]) and not np.isnan(own[place] - other[place]):
            won = (float(np.sign(own[place] - other[place])) + 1) / 2
            yield (i, *sorted((run.spec, rival.spec))), (float(values[place]), won, float(long[i] - longer[i]))


def _asked(metric: JudgeMetric, runs: Sequence[Run]) -> SecondModel | None:
    """The judge with all that it took, over all runs."""
    found: SecondModel | None = None
    for run in runs:
        took = run.scored[metric.spec].took
        if took is not None and found is not None:
            calls = {name: found.calls.get(name, 0) + took.calls.get(name, 0) for name in {*found.calls, *took.calls}}
            seconds = (found.seconds or 0.0) + (took.seconds or 0.0)
            found = replace(found, seconds=seconds, calls=calls, tokens=found.tokens + took.tokens)
        elif took is not None:
            found = took
    return found


def _usd(asked: SecondModel | None, prices: Prices, today: date | None) -> float | None:
    """What a judge cost; None where no price is known."""
    if asked is None or not asked.model:
        return None
    tariff = prices.tariff(facts_in(asked.model), asked.hardware, today)
    if tariff.tokens is not None:
        return tariff.tokens.usd(PaidTokens.of({"requests": 0, **asked.calls}))
    return None if tariff.hour is None else (asked.seconds or 0.0) / 3600 * tariff.hour.usd
