"""How the rows of a measured comparison stand: quality, and the difference to one of them, as the tables have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from advisor.measuring.records import Comparison
from advisor.verdict import words
from advisor.verdict.decision import Row
from advisor.verdict.rows import complete_runs, measured
from advisor.verdict.sample import samples
from advisor.verdict.statistics import Contrasts

SAYS = """Quality with its 95 % interval; differences with the 95 % interval of that pair alone, in which what another
seed of training would change is estimated from other tasks; * where one is shown, corrected for all pairs of a task's
rows."""


def table(
    comparison: Comparison, against: str, columns: Sequence[str], cells: Callable[[Row], Sequence[str]]
) -> Iterator[str]:
    """One task as Markdown: a section of its own.

    Args:
        against: the row to which the others' differences are told.
        columns: what stands behind quality and difference.
        cells: the same of a row.
    """
    task = comparison.task
    contrasts = Contrasts(samples(task.metric, comparison.answers, complete_runs(comparison)))
    yield f"## {task.name}\n"
    sizes = f"{task.train} training, {task.test} test examples, {task.documents} documents"
    yield f"{words.metric(task.metric)}; {sizes}.\n"
    yield f"| row | quality | to `{against}` | " + " | ".join(columns) + " |"
    yield "|---" + "|--:" * (2 + len(columns)) + "|"
    for row in measured(comparison):
        if row.spec not in contrasts.intervals:
            yield f"| `{row.spec}` | {row.status}: {row.error} |" + " |" * (1 + len(columns))
            continue
        own = contrasts.intervals[row.spec]
        quality = f"{words.value(own.value)} [{words.value(own.low)}, {words.value(own.high)}]"
        yield (
            f"| `{row.spec}` | " + " | ".join((quality, _difference(contrasts, row.spec, against), *cells(row))) + " |"
        )
    yield ""


def _difference(contrasts: Contrasts, spec: str, against: str) -> str:
    if spec == against or against not in contrasts.samples:
        return ""
    between = contrasts.between(spec, against)
    found = between.alone
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{'*' if between.shown else ''}"
