"""Anytime-valid evidence that a mean is below zero, by betting (e-processes).

A gambler with a capital of 1 bets on each paired difference being negative. If the mean is not below zero the game
is not in the gambler's favour, so the capital is a non-negative supermartingale, and by Ville's inequality (1939) the
chance that it *ever* reaches 1 / a is at most a: it may be looked at after every example, and stopped or gone on with
for any reason. Such a capital is called an e-process; a large one is evidence.

The bets are those of Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (Journal of
the Royal Statistical Society B, 2024): on bounded differences, with nothing assumed of their distribution. Instead of
choosing one bet from what was seen so far, the capital is spread evenly over many constant bets at the start, as in
Cover's universal portfolio (1991; for means of bounded variables, Orabona and Jun, "Tight concentrations and
confidence sequences from the regret of universal portfolio", 2023). It keeps up with the best constant bet but for a
factor that grows with the number of examples, and does not depend on the order in which they came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BETS = 64


def capital(differences: Floats, allowance: float = 0.0) -> Floats:
    """The gambler's capital after each example, an e-process.

    Null hypothesis: given all examples before it, each difference has a mean of at least `-allowance`. Under it the
    capital is a non-negative supermartingale that begins at 1, with respect to the history of the differences and of
    whatever else is known of the same and of earlier examples.

    Args:
        differences: each between -1 and 1, in the order in which they came; shape (examples,).
        allowance: above -1.

    Returns:
        Shape (examples,).
    """
    if not differences.size:
        return np.ones(0)
    losses = differences + allowance
    bets = (np.arange(BETS) + 0.5) / BETS / (1 + allowance)  # beyond 1 / (1 + allowance) more than all could be lost
    logs = np.cumsum(np.log1p(-np.outer(losses, bets)), axis=0)
    highest = logs.max(axis=1)
    capital_: Floats = np.exp(np.minimum(highest, 600.0)) * np.exp(logs - highest[:, None]).mean(axis=1)
    return capital_


def evidence(differences: Floats, allowance: float = 0.0) -> float:
    """The maximum of the capital so far, which Ville's inequality bounds; 1 before the first example."""
    return max(1.0, float(capital(differences, allowance).max(initial=1.0)))
