"""One temperature for all confidences (Guo et al. 2017): the answers stay, how sure they are is what changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST = 16  # examples with which a temperature is chosen
CALIBRATED_ON = 192  # at most, where they are taken for this alone
COLDEST, HOTTEST = 0.1, 10.0
LEAST = 1e-9  # a probability that was rounded to nothing

Logs = NDArray[np.float64]
Row = tuple[Sequence[float], int]  # a log probability of each label, up to a constant, and the number of the right one


def scaled(logs: Sequence[float], temperature: float) -> list[float]:
    """The probabilities, which sum up to 1, of log probabilities divided by the temperature."""
    top = max(logs)
    weights = [math.exp((log - top) / temperature) for log in logs]
    return [weight / sum(weights) for weight in weights]


def chosen_temperature(rows: Sequence[Row], what: str, dev: bool) -> tuple[float, str]:
    """The temperature at which labelled examples are likeliest, and a note for the report.

    It is taken only where it helps examples that it was not chosen on: those of either half, by the other half's.

    Args:
        rows: -1 for the right label where that is none of them; such rows are left out.
        what: whose confidences they are, as in "the endpoint's probabilities".
        dev: whether the examples are of dev, else of train.
    """
    known = [row for row in rows if row[1] >= 0]
    where = f"{len(known)} {'dev' if dev else 'training'} examples"
    if len(known) < FEWEST:
        return 1.0, f"Confidences are {what} as they come; {where} are too few to check them on."
    logs, right = np.array([one for one, _ in known], dtype=np.float64), np.array([number for _, number in known])
    halves = [slice(None, None, 2), slice(1, None, 2)]
    after = sum(
        len(right[half]) * _loss(logs[half], right[half], _likeliest(logs[other], right[other]))
        for half, other in (halves, halves[::-1])
    ) / len(right)
    before = _loss(logs, right, 1.0)
    if after >= before:
        return 1.0, (
            f"Confidences are {what} as they come: on {where} their negative log-likelihood is {before:.3f}, and no "
            "temperature makes it less."
        )
    temperature = _likeliest(logs, right)
    return temperature, (
        f"Confidences are {what} at temperature {temperature:.2f} (Guo et al. 2017), chosen on {where}: their negative "
        f"log-likelihood is {after:.3f}, cross-validated there, and {before:.3f} as they come."
    )


def _likeliest(logs: Logs, right: NDArray[np.intp]) -> float:
    from scipy.optimize import minimize_scalar  # on first use: to name an approach shall cost nothing

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    found = minimize_scalar(lambda log: _loss(logs, right, math.exp(log)), bounds=bounds, method="bounded")
    return float(math.exp(found.x))


def _loss(logs: Logs, right: NDArray[np.intp], temperature: float) -> float:
    """Mean negative log probability of the right label, nats."""
    values = (logs - logs.max(axis=1, keepdims=True)) / temperature
    shares = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    return -float(np.log(np.maximum(shares[np.arange(len(right)), right], LEAST)).mean())
