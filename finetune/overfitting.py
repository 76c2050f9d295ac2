"""Whether a training diverged or overfitted, told from its losses alone."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

FEWEST_STEPS = 8
"""Steps below which the losses of single minibatches say nothing of where training went."""
ROSE = 0.1
"""Share of the first loss by which the loss of training has to rise to be called diverging."""
WORSE = 0.05
"""Share by which the held-out loss has to rise above its lowest, that of the training falling meanwhile."""
LEAST = 0.02
"""Loss in nats a token that such a rise comes to at least: where it is near zero, shares say nothing."""
BELOW = 0.5
"""Share of the held-out loss below which that of the training counts as far below it."""
GAP = 0.2
"""Nats a token that lie between them then, at least."""


def warnings(losses: Sequence[float], held_out: Sequence[tuple[int, float]]) -> tuple[str, ...]:
    """What a reader has to know of how a training went; one sentence at most, the gravest.

    A rise or a gap is told only where it is larger than losses of minibatches vary by themselves.

    Args:
        losses: of each step, in nats per answer token.
        held_out: (step, loss) at each evaluation on held-out examples, in order.
    """
    found = _diverging(losses) or _rising(losses, held_out) or _apart(losses, held_out)
    return (found,) if found else ()


def _diverging(losses: Sequence[float]) -> str:
    """The loss of the training itself rose, or did not fall."""
    steps = len(losses)
    if steps < FEWEST_STEPS:
        return ""
    part = steps // 4
    first, last = losses[:part], losses[-part:]
    before, after = fmean(first), fmean(last)
    noise = 2 * ((_variance(first) + _variance(last)) / part) ** 0.5
    if after - before > max(ROSE * before, noise, LEAST):
        return (
            f"The training loss rose from {before:.3f} in the first {part} of {steps} steps to {after:.3f} in the last "
            f"{part}: training diverged, and a lower learning rate (lr=) is worth trying."
        )
    if steps >= 2 * FEWEST_STEPS and after >= before > GAP:
        return (
            f"The training loss did not fall: it was {before:.3f} in the first {part} of {steps} steps and {after:.3f} "
            f"in the last {part}; nothing was learned that shows, and another learning rate (lr=) is worth trying."
        )
    return ""


def _variance(losses: Sequence[float]) -> float:
    return stdev(losses) ** 2 if len(losses) > 1 else 0.0


def _rising(losses: Sequence[float], held_out: Sequence[tuple[int, float]]) -> str:
    """The held-out loss rose behind its lowest while that of the training fell."""
    if len(held_out) < 2:
        return ""
    at = min(range(len(held_out)), key=lambda number: held_out[number][1])
    (best, lowest), (end, highest) = held_out[at], held_out[-1]
    if highest - lowest <= max(WORSE * lowest, LEAST):
        return ""
    before, after = _training_loss(losses, held_out, at), _training_loss(losses, held_out, len(held_out) - 1)
    if after >= before:
        return ""
    return (
        f"From step {best} to step {end} the loss on held-out examples rose from {lowest:.3f} to {highest:.3f} while "
        f"that of the training fell from {before:.3f} to {after:.3f}: it overfitted from there on."
    )


def _apart(losses: Sequence[float], held_out: Sequence[tuple[int, float]]) -> str:
    """The loss of the training is far below the held-out one in the end."""
    if not held_out:
        return ""
    step, loss = held_out[-1]
    training = _training_loss(losses, held_out, len(held_out) - 1)
    if training >= BELOW * loss or loss - training < GAP:
        return ""
    return (
        f"At step {step} the training loss, {training:.3f}, was far below that on held-out examples, {loss:.3f}: what "
        "it learned holds for its own examples more than for others (overfitting)."
    )


def _training_loss(losses: Sequence[float], held_out: Sequence[tuple[int, float]], at: int) -> float:
    """The mean loss of the steps between an evaluation and the one before it."""
    first, last = held_out[at - 1][0] if at else 0, held_out[at][0]
    return fmean(losses[first:last] or losses)
