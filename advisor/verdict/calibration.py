"""How far a row's confidences can be believed: calibration error, Brier score, log loss and the reliability table."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.verdict.cells import Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well a row's confidences agree with how often its answers are right.

    Attributes:
        ece: expected calibration error over bins of equal mass, corrected for its bias; 0 where confidences are right
            on average at every level.
        plug_in: the same as it is usually computed, which is above 0 by chance alone.
        by_chance: what the latter is on average for as many answers whose confidences are right.
        brier: mean squared difference of confidence and being right, 0 to 1.
        log_loss: mean negative log-likelihood (nats) of being right or wrong.
        overconfidence: mean confidence minus the share right, -1 to 1.
        bins: the reliability table: mean confidence, share right and answers of each bin, by confidence.
        n: test examples whose answers have a confidence; those of several seeds count as one.
    """

    ece: Interval
    plug_in: float
    by_chance: float
    brier: Interval
    log_loss: Interval
    overconfidence: Interval
    bins: tuple[tuple[float, float, int], ...]
    n: int
