"""What is known of a row while others are still measured: figures, and no verdict, which needs all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from advisor.measuring.latency import p50_interval
from advisor.measuring.records import Answer, Run
from advisor.verdict.cells import Interval
from advisor.verdict.resampling import Bootstrap
from advisor.verdict.rows import complete
from advisor.verdict.sample import samples


@dataclass(frozen=True, slots=True)
class SoFar:
    """A row that is measured, beside rows that are not yet.

    Attributes:
        quality: the task's metric over all seeds, with the interval that the report will give it where nothing more is
            measured of it.
        fit_seconds: fitting and indexing, the median over seeds.
        p50_ms: the median of requests that were sent alone; None where none were.
    """

    quality: Interval
    fit_seconds: float | None
    p50_ms: float | None


def so_far(metric: str, answers: Mapping[str, Answer], runs: Sequence[Run]) -> SoFar | None:
    """The figures of one row; None where no run of it can be judged.

    Args:
        answers: to the test examples, by their ids.
        runs: of one approach, one for each seed.
    """
    good = complete(runs, answers, metric)
    if not good:
        return None
    (sample,) = samples(metric, answers, good)
    fits = [run.fit_seconds + (run.index_seconds or 0.0) for run in good if run.fit_seconds is not None]
    requests = {request.id: request.seconds for run in reversed(good) for request in run.latencies}
    return SoFar(
        Bootstrap([sample]).interval(sample),
        median(fits) if fits else None,
        1000 * p50_interval(list(requests.values())).value if requests else None,
    )
