"""What each row comes to by every metric that was asked for: the task's own, and those beside it, which decide nothing.

A mean over examples of values from 0 to 1 gets the interval that quality gets, Wilson's where it is a share
(`resampling.py`); any other mean a t interval over those that have a value, of logarithms where it is geometric. A
figure of all answers together that is made of sums over them (BLEU, chrF, lengths) is bootstrapped by percentiles, as
is usual for BLEU (Koehn 2004). One that counts what is alike among answers is not, since a resample draws answers twice
and would change it by that alone: distinct n-grams, and measures of other packages, get a delete-a-group jackknife
(Kott 2001), and self-BLEU a t interval over the answers, each held against the others as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from statistics import fmean

import numpy as np

from advisor.measuring.example_scores import example_scores, is_scored
from advisor.measuring.metrics import metric_of
from advisor.measuring.records import Comparison, Run
from advisor.measuring.scored import Scored
from advisor.measuring.student import VariancePart, half_width
from advisor.measuring.whole import EACH, WHOLES, Whole
from advisor.tasks import MetricFacts, facts_of
from advisor.tasks.power import LEVEL, TAILS
from advisor.verdict import words
from advisor.verdict.cells import Interval, Measured
from advisor.verdict.decision import Row
from advisor.verdict.paired import rounded
from advisor.verdict.resampling import Bootstrap, interval_of
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import Floats, Sample, samples

GROUPS = 20
"""Of examples, of which each is left out once, of a figure of all answers together."""
RESAMPLES = 999
_SEED = 20_261_130
_LARGEST = 700.0  # of logarithms


def with_metrics(comparison: Comparison, rows: Sequence[Row]) -> list[Row]:
    """The rows, which have their quality already, each with what it comes to by every metric."""
    runs = complete_runs(comparison)
    own = comparison.task.metric
    found: dict[str, dict[str, Measured]] = {row.spec: {} for row in rows}
    for row in rows:
        if row.quality is not None:
            found[row.spec][own] = _as_quality(comparison, own, row.spec, row.quality, runs)
    boot: Bootstrap | None = None
    for metric in dict.fromkeys(comparison.task.metrics):
        if metric == own:
            continue
        ready = [run for run in runs if is_scored(metric, run, comparison.answers)]
        if not ready:
            continue
        if facts_of(metric).decides:
            judged = samples(metric, comparison.answers, ready)
            boot = boot or Bootstrap(judged)
            measured: dict[str, Measured | None] = {
                one.spec: _as_quality(comparison, metric, one.spec, boot.interval(one), ready) for one in judged
            }
        else:
            specs = dict.fromkeys(run.spec for run in ready)
            measured = {one: _any(comparison, metric, [run for run in ready if run.spec == one]) for one in specs}
        for spec, value in measured.items():
            if value is not None:
                found[spec][metric] = value
    return [_with(row, found[row.spec], own) for row in rows]


def _with(row: Row, found: Mapping[str, Measured], own: str) -> Row:
    """The row with its metrics, and a note on the figure of all answers together (as chrF of translations is usually
    reported), where the task's metric has one: quality is the mean over examples."""
    corpus = found[own].corpus if own in found else None
    notes = [f"corpus {words.metric(own)} {corpus.value:.3f}"] if corpus else []
    return replace(row, metrics=found, notes=(*row.notes, *notes))


def not_scored(comparison: Comparison) -> Iterator[str]:
    """What was to be measured by asking a model and is not known, with the reason; of complete runs."""
    asked = [one for one in (comparison.task.metric, *comparison.task.metrics) if facts_of(one).sort == "asked"]
    for run in complete_runs(comparison):
        for metric in asked:
            if why := run.scored.get(metric, Scored()).error:
                yield f"{metric} was not measured of {run.spec} (seed {run.seed}): {why}."


def _as_quality(comparison: Comparison, metric: str, spec: str, found: Interval, ready: Sequence[Run]) -> Measured:
    """What a row comes to by a metric of which every example has a value."""
    runs = [run for run in ready if run.spec == spec]
    missing, corpus = _missing(comparison, metric, runs), _corpus(comparison, metric, runs)
    return Measured(found.value, found.low, found.high, len(comparison.answers), missing=missing, corpus=corpus)


def _missing(comparison: Comparison, metric: str, runs: Sequence[Run]) -> int:
    """Values that a metric which asks a model did not give, the most of all seeds."""
    if facts_of(metric).sort != "asked":
        return 0
    recorded = [run.scored.get(metric, Scored()).values for run in runs]
    return max((sum(values.get(i) is None for i in comparison.answers) for values in recorded), default=0)


def _any(comparison: Comparison, metric: str, runs: Sequence[Run]) -> Measured | None:
    """What a row comes to by a metric that is no quality; None where no example has a value."""
    facts, known = facts_of(metric), len(comparison.answers)
    if facts.sort == "set":
        found: Interval | None = _corpus(comparison, metric, runs)
    else:
        values = np.stack([example_scores(metric, run, comparison.answers, comparison.task) for run in runs])
        present = ~np.isnan(values).all(axis=0)
        known = int(present.sum())
        found = _of_values(values[:, present], facts, any(run.drawn for run in runs)) if known else None
    missing = len(comparison.answers) - known
    if found is None:
        return None
    return Measured(found.value, found.low, found.high, known, facts.better, missing)


def _of_values(values: Floats, facts: MetricFacts, tuned: bool) -> Interval:
    """The mean of values, shape (seeds, examples); of shares and all that lies between 0 and 1 as of qualities."""
    if facts.most != 1 or np.isnan(values).any():
        return _of_means(values, facts)
    return interval_of(Sample("", values, tuned=tuned and len(values) > 1))


def _of_means(values: Floats, facts: MetricFacts) -> Interval:
    """The mean of values, shape (seeds, examples), some of them NaN, with a t interval over examples and seeds; of the
    logarithms where the mean is geometric."""
    if facts.geometric:
        found = _of_means(np.log(values), replace(facts, geometric=False, least=-math.inf, most=math.inf))
        value, low, high = (math.exp(min(_LARGEST, one)) for one in (found.value, found.low, found.high))
        return rounded(value, max(facts.least, low), min(facts.most, high))
    means: Floats = np.nanmean(values, axis=0)
    spread = float(means.var(ddof=1)) / means.size if means.size > 1 else 0.0
    part = VariancePart(spread, max(1, means.size - 1))
    return _around(float(means.mean()), part, np.nanmean(values, axis=1), (facts.least, facts.most))


def _around(value: float, examples: VariancePart, seeds: Floats, ends: tuple[float, float]) -> Interval:
    """An interval around a value by its variance over examples and that of the values of its seeds."""
    between = VariancePart(float(seeds.var(ddof=1)) / seeds.size, seeds.size - 1) if seeds.size > 1 else None
    half = half_width([part for part in (examples, between) if part], LEVEL)
    return rounded(value, max(ends[0], value - half), min(ends[1], value + half))


def _corpus(comparison: Comparison, metric: str, runs: Sequence[Run]) -> Interval | None:
    """The figure of all answers together, the mean of the seeds; None of a metric without one."""
    found = metric_of(metric)
    if found.corpus is None:
        return None
    targets = [answer.targets for answer in comparison.answers.values()]
    given = [{p.id: p.answer for p in run.predictions} for run in runs]
    texts = [[one[i] for i in comparison.answers] for one in given]
    wholes = np.array([found.corpus(each, targets) for each in texts])
    if not np.isfinite(wholes).all():
        return None
    if whole := WHOLES.get(found.name):
        return _by_bootstrap(whole, [whole.table(each, targets) for each in texts], wholes, found.most)
    if each := EACH.get(found.name):
        values = np.stack([each(text, targets) for text in texts])
        return _of_means(values, found)
    return _by_groups(found.corpus, texts, targets, wholes, found.most)


def _by_bootstrap(whole: Whole, tables: Sequence[Floats], values: Floats, most: float) -> Interval:
    """Percentiles over resamples of the examples, the same for all seeds, and what seeds add."""
    n = len(tables[0])
    weights = _weights(n)
    drawn = np.mean([[whole.figure(sums) for sums in (weights @ table).tolist()] for table in tables], axis=0)
    value, finite = float(values.mean()), drawn[np.isfinite(drawn)]
    if values.size > 1:
        return _around(value, VariancePart(float(finite.var(ddof=1)), max(1, n - 1)), values, (0.0, most))
    low, high = np.quantile(finite, TAILS)
    return rounded(value, max(0.0, float(low)), min(most, float(high)))


@lru_cache(maxsize=1)
def _weights(n: int) -> Floats:
    """How often each of `n` examples is in each resample, the same for all rows."""
    return np.random.default_rng(_SEED).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def _by_groups(
    corpus: Callable[..., float],
    texts: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    values: Floats,
    most: float,
) -> Interval:
    """A delete-a-group jackknife."""
    n, value = len(targets), float(values.mean())
    groups = min(GROUPS, n)
    if groups < 2:
        return rounded(value, value, value)
    left = [[i for i in range(n) if i % groups != group] for group in range(groups)]
    without = np.array(
        [fmean(corpus([each[i] for i in kept], [targets[i] for i in kept]) for each in texts) for kept in left]
    )
    without = without[np.isfinite(without)]
    groups = len(without)
    if groups < 2:
        return rounded(value, value, value)
    variance = (groups - 1) / groups * float(((without - without.mean()) ** 2).sum())
    return _around(value, VariancePart(variance, groups - 1), values, (0.0, most))
