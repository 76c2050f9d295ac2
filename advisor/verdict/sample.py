"""The judged predictions of one approach, from which intervals and tests are computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from advisor.measuring import metrics
from advisor.measuring.confusion import Confusion
from advisor.measuring.example_scores import example_scores
from advisor.measuring.records import Answer, Run

Floats = NDArray[np.float64]
Counts = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """One approach's predictions, scored against the same test examples in the same order.

    Attributes:
        spec: the approach.
        scores: per-example scores between 0 and 1; shape (seeds, examples).
        counts: `metrics.confusion` of each seed where the metric is macro F1, None for metrics that are means of
            scores; over the labels of all samples of the comparison.
        tuned: whether weights were trained by gradient, of the model or of its embedder, so that another seed gives
            others.
    """

    spec: str
    scores: Floats
    counts: tuple[Confusion, ...] | None = None
    tuned: bool = False

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return int(self.scores.shape[0])

    @property
    def n(self) -> int:
        """The number of test examples."""
        return int(self.scores.shape[1])

    @cached_property
    def means(self) -> Floats:
        """Per-example scores averaged over the seeds; shape (examples,)."""
        mean: Floats = self.scores.mean(axis=0)
        return mean

    @cached_property
    def quality(self) -> float:
        """The metric, averaged over the seeds."""
        return float(self.qualities.mean())

    @property
    def accuracy(self) -> Sample:
        """The same predictions judged by the mean of their scores."""
        return Sample(self.spec, self.scores, tuned=self.tuned)

    @cached_property
    def qualities(self) -> Floats:
        """The metric of each seed; shape (seeds,)."""
        if self.counts is not None:
            return np.concatenate([counts.macro_f1() for counts in self.counts])
        each: Floats = self.scores.mean(axis=1)
        return each

    def reweighted(self, weights: Floats) -> Floats:
        """The metric of each seed under every weighting of the examples.

        Args:
            weights: shape (weightings, examples).

        Returns:
            Shape (weightings, seeds).
        """
        if self.counts is None:
            found: Floats = weights @ self.scores.T / weights.sum(axis=1, keepdims=True)
            return found
        return np.stack([counts.macro_f1(weights) for counts in self.counts], axis=1)

    @cached_property
    def values(self) -> Floats:
        """The contribution of each example to the metric, which is their mean; shape (seeds, examples).

        The scores themselves for metrics that are means; for macro F1 the jackknife's pseudo-values (Efron & Tibshirani
        1993, chapter 11), shifted to have it as their mean.
        """
        if self.counts is None or self.n < 2:
            return self.scores
        without = np.stack([counts.without_each() for counts in self.counts])
        pseudo: Floats = self.n * self.qualities[:, None] - (self.n - 1) * without
        pseudo += self.qualities[:, None] - pseudo.mean(axis=1, keepdims=True)
        return pseudo


def samples(
    metric: str, answers: Mapping[str, Answer], runs: Sequence[Run], more_labels: Iterable[str] = ()
) -> list[Sample]:
    """Build one sample for each approach, in order of appearance, from complete runs, one for each seed.

    Args:
        more_labels: those of macro F1 that only samples hold which these are compared with.
    """
    ids = list(answers)
    targets = [answers[i].targets for i in ids]
    texts = [_texts(run, ids) for run in runs]
    labels = tuple(sorted({*labels_of(metric, answers, runs), *more_labels}))
    found = []
    for spec in dict.fromkeys(run.spec for run in runs):
        seeds = [t for run, t in zip(runs, texts, strict=True) if run.spec == spec]
        tuned = any(run.drawn for run in runs if run.spec == spec)
        each = [example_scores(metric, run, answers) for run in runs if run.spec == spec]
        scores = np.nan_to_num(np.stack(each), nan=0.0)  # what has no value is not right
        counts = tuple(metrics.confusion(t, targets, labels) for t in seeds) if labels else None
        found.append(Sample(spec, scores, counts, tuned))
    return found


def _texts(run: Run, ids: Iterable[str]) -> list[str]:
    by_id = {p.id: p.answer for p in run.predictions}
    return [by_id[i] for i in ids]


def labels_of(metric: str, answers: Mapping[str, Answer], runs: Sequence[Run]) -> set[str]:
    """The labels that are right or were given, where the metric is macro F1; none for others."""
    if metric != "macro_f1":
        return set()
    targets = [answer.targets for answer in answers.values()]
    return {label for run in runs for label in metrics.label_set(_texts(run, answers), targets)}
