"""How far what other processes took may have stretched the times of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advisor.measuring.attempt import FIT, LATENCY, PREDICT, STEPS
from advisor.measuring.records import ModelFacts, Run
from advisor.models.contention import BUSY, Contention

_MOST = 0.95  # of what a step could use that was lost: beyond, a factor would only pretend to know


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What disturbed one timed step.

    Attributes:
        cpu, gpu: share of the processor and of the GPU that others took; None where that cannot be told.
        lost: share of what the step could use: of the processor; where a GPU computes, of that, or of the one core
            that feeds it.
        threads: that computed, and that would have on a machine without others; None where that is not recorded.
    """

    cpu: float | None
    gpu: float | None
    lost: float
    threads: tuple[int, int] | None = None

    @property
    def fewer(self) -> bool:
        """Whether it ran on fewer threads for the sake of others."""
        return self.threads is not None and self.threads[0] < self.threads[1]

    @property
    def taken(self) -> bool:
        """Whether others took enough to say so."""
        return self.lost > BUSY

    @property
    def busy(self) -> bool:
        """Whether its times are those of a busy machine."""
        return self.taken or self.fewer

    @property
    def factor(self) -> float:
        """How many times too long its times may be, if it would have made use of all that others took.

        Threads that wait for each other may lose far more, which no count tells.
        """
        waiting = self.threads[1] / self.threads[0] if self.threads is not None and self.fewer else 1.0
        return max(1 / (1 - min(self.lost, _MOST)), waiting)


def disturbances(runs: Sequence[Run], model: ModelFacts) -> Mapping[str, Disturbance]:
    """What disturbed each timed step, over all runs of an approach; steps of which nothing is known are left out.

    A step too short for the counts is taken to have been disturbed as all steps together were. Of a model that is not
    in this process nothing is known: a server on this machine is itself one of the others. What needs none computes on
    the processor here, where such a model is the one that it is recorded with.

    Args:
        model: that they are recorded with.
    """
    here = model.place == "process"
    if not here and any(run.uses_model for run in runs):
        return {}
    found, on_gpu = {}, here and not model.device.startswith("cpu")
    for step in STEPS.values():
        load = _sum([run.others[step] for run in runs if step in run.others])
        told = load if load.share is not None else _sum([load for run in runs for load in _beside(run, step)])
        threads = None if on_gpu else _threads(runs, step)
        if load.seconds and told.share is not None:
            found[step] = Disturbance(told.share, told.gpu_share, _lost(told, on_gpu), threads)
        elif threads and threads[0] < threads[1]:
            found[step] = Disturbance(None, None, 0.0, threads)
    return found


def _beside(run: Run, step: str) -> list[Contention]:
    """What is known of the steps that were measured at the same time as one of them."""
    anew = (PREDICT, LATENCY) if run.timed_again and step != FIT else tuple(STEPS.values())
    return [load for name, load in run.others.items() if name in anew]


def _sum(loads: Sequence[Contention]) -> Contention:
    total = Contention()
    for load in loads:
        total.add(load)
    return total


def _lost(load: Contention, on_gpu: bool) -> float:
    share = load.share or 0.0
    if not on_gpu:
        return share
    free = (1 - share) * load.cores
    return max(load.gpu_share or 0.0, 1.0 - free, 0.0)


def _threads(runs: Sequence[Run], step: str) -> tuple[int, int] | None:
    """The fewest of all runs, and how many there would have been."""
    known = [
        (run.threads[step], run.threads_alone) for run in runs if run.threads_alone is not None and step in run.threads
    ]
    return min(known, key=lambda pair: pair[0] / pair[1], default=None)
