"""Equality gates: when two sides of a benchmark count as having done the same work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.record import Gate

CLOSE = 0.01  # of a step's loss
ERRORS = 2.0  # standard errors of a paired difference that may be chance
Losses = Sequence[float]  # of the steps of a training
Scores = Sequence[NDArray[np.float64]]  # of the test examples, an array for each pair of runs


def every(judge: Callable[[Any, Any], Gate]) -> Callable[[Sequence[Any], Sequence[Any]], Gate]:
    """A gate that has to hold in every pair; the first pair in which it does not is what is shown, else the last."""

    def gate(mine: Sequence[Any], found: Sequence[Any]) -> Gate:
        judged = [judge(one, other) for one, other in zip(mine, found, strict=True)]
        return next((gate for gate in judged if gate.holds is False), judged[-1])

    return gate


def same_losses(mine: Losses, found: Losses) -> Gate:
    """Whether every step had the same loss."""
    apart = [abs(a - b) / b for a, b in zip(mine, found, strict=False)]
    holds = len(mine) == len(found) and max(apart) <= CLOSE
    seen = {"steps": [len(mine), len(found)], "largest": max(apart), "first": mine[0], "last": mine[-1]}
    return Gate(f"every step's loss within {CLOSE:.0%}", holds, seen)


def same_scores(mine: Sequence[Sequence[float]], found: Sequence[Sequence[float]], close: float) -> Gate:
    """Whether every label of every prompt has the same log-likelihood.

    Args:
        mine, found: log-likelihoods of the labels, prompt by prompt.
        close: nats that may lie between two.
    """
    apart = max(abs(a - b) for m, f in zip(mine, found, strict=True) for a, b in zip(m, f, strict=True))
    return Gate(f"log-likelihoods within {close} nats", apart <= close, {"largest_difference": apart})


def same_answers(mine: Sequence[object], found: Sequence[object]) -> Gate:
    """Whether every answer is the same, by all that is told of each."""
    same = sum(m == f for m, f in zip(mine, found, strict=True))
    return Gate("identical greedy answers", same == len(mine), {"same": same, "of": len(mine)})


def as_near(exact: Callable[[int], Losses]) -> Callable[[Sequence[Losses], Sequence[Losses]], Gate]:
    """A gate for bfloat16, where rounding depends on the order of operations: every step has the same loss, or over all
    pairs Advisor's losses are as close to float32's as the peer's, within noise.

    Args:
        exact: losses of a pair in float32.
    """

    def gate(mine: Sequence[Losses], found: Sequence[Losses]) -> Gate:
        judged = every(same_losses)(mine, found)
        ours, theirs = ([_distance(losses, exact(pair)) for pair, losses in enumerate(side)] for side in (mine, found))
        apart = np.subtract(ours, theirs)
        error = _error_by_pair(apart)
        steps = all(len(losses) == len(exact(pair)) for side in (mine, found) for pair, losses in enumerate(side))
        holds = steps and (bool(judged.holds) or float(np.mean(apart)) <= error)
        seen = {
            "steps": judged.seen["steps"],
            "pairs": len(apart),
            "mean distance to float32": float(np.mean(ours)),
            "the peer's": float(np.mean(theirs)),
            "standard error of their difference": error,
        }
        what = "or as near to float32's as the peer's, over all pairs, within the standard error"
        return Gate(f"{judged.what}, {what}", holds, seen)

    return gate


def _distance(losses: Losses, exact: Losses) -> float:
    """Mean over the steps, relative to the exact loss."""
    return sum(abs(x - e) / e for x, e in zip(losses, exact, strict=False)) / len(exact)


def no_worse(mine: Mapping[str, Scores], found: Mapping[str, Scores]) -> Gate:
    """Whether the first side's scores are lower by no more than noise, on the mean over approaches and for each.

    The sides train in another order, so that their adapters differ by chance: one pair of runs cannot tell that from
    a difference of quality, several can.
    """
    apart = {name: [own - other for own, other in zip(mine[name], found[name], strict=True)] for name in mine}
    over_all = [np.mean(rows, axis=0) for rows in zip(*apart.values(), strict=True)]
    holds = _mean(over_all) >= -_error(over_all)
    holds &= all(_mean(rows) >= -ERRORS * _error(rows) for rows in apart.values())
    means = [float(np.mean([_mean(rows) for rows in side.values()])) for side in (mine, found)]
    seen: dict[str, Any] = {"mean": means, "standard_error": _error(over_all), "pairs": len(over_all)}
    for name, rows in apart.items():
        values = {"advisor": _mean(mine[name]), "script": _mean(found[name])}
        seen[name] = {**values, "standard_error": _error(rows)}
    what = f"mean score no lower than by its standard error, no approach's by more than {ERRORS:g} of its own"
    return Gate(what, holds, seen)


def _mean(rows: Scores) -> float:
    return float(np.mean(np.concatenate(rows)))


def _error(apart: Scores) -> float:
    """Standard error of the mean of paired differences.

    The larger of what the examples and what the pairs tell: an adapter's random draw affects all examples of its pair.
    """
    rows = np.concatenate(apart)
    by_example = rows.std(ddof=1) / sqrt(len(rows))
    return float(max(by_example, _error_by_pair([one.mean() for one in apart])))


def _error_by_pair(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Standard error of the mean of what each pair of runs gave; of a single one nothing can be told."""
    return float(np.std(values, ddof=1) / sqrt(len(values))) if len(values) > 1 else 0.0
