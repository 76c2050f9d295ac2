"""Caveats about times that were measured on a busy machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.measuring.attempt import FIT, LATENCY, PREDICT
from advisor.tasks import Limits
from advisor.verdict import words
from advisor.verdict.costs import known_cost, stretched
from advisor.verdict.decision import Row

_ANSWERING = (PREDICT, LATENCY)
_REMEDY = "The same command with --latency-again measures them anew."


def busy(rows: Sequence[Row], limits: Limits) -> Iterator[str]:
    """Say by how much times may be off, of which rows, and what fixes it."""
    yield from _taken(rows)
    yield from _fewer_threads(rows)
    yield from _fitting(rows)
    yield from _other_threads(rows)
    for row in rows:
        if row.differing:
            yield (
                f"When {row.spec} was timed anew, {words.many(row.differing, 'answer')} came out otherwise; those "
                "that were recorded stand."
            )
    broken = [row.spec for row in rows if _may_keep_limits(row, limits)]
    if broken:
        verb, who = ("breaks", "it") if len(broken) == 1 else ("break", "they")
        specs = words.listed(broken)
        yield f"By the times of a busy machine {specs} {verb} a limit that {who} may keep on a quiet one."


def _taken(rows: Sequence[Row]) -> Iterator[str]:
    found = [(row, d) for row in rows for step in _ANSWERING if (d := row.others.get(step)) and d.taken]
    if not found:
        return
    what, shares = "processor", [d.cpu or 0.0 for _, d in found]
    if any((d.gpu or 0.0) > (d.cpu or 0.0) for _, d in found):
        what, shares = "GPU", [d.gpu or 0.0 for _, d in found]
    waiting = any(d.threads is None or d.threads[0] > 1 for _, d in found)
    more = ", and many times where threads had to wait for each other" if waiting else ""
    yield (
        f"Other programs took {_percent(shares)} % of the {what} while "
        f"{words.listed(_specs(found))} answered (~): times and costs may be up to "
        f"{max(d.factor for _, d in found):.1f} times what they are on a quiet machine{more}. {_REMEDY}"
    )


def _fewer_threads(rows: Sequence[Row]) -> Iterator[str]:
    found = [(row, d) for row in rows for step in _ANSWERING if (d := row.others.get(step)) and d.fewer and not d.taken]
    for threads in sorted({d.threads for _, d in found if d.threads}):
        specs = _specs([(row, d) for row, d in found if d.threads == threads])
        yield (
            f"{words.listed(specs)} (~) ran on {threads[0]} of {threads[1]} threads, since other programs held the "
            "rest of the processor when the model was loaded: "
            f"times and costs may be up to {threads[1] / threads[0]:.1f} times what they are on a quiet machine. "
            f"{_REMEDY}"
        )


def _fitting(rows: Sequence[Row]) -> Iterator[str]:
    found = [(row, row.others[FIT]) for row in rows if row.fit_is_busy]
    if found:
        yield (
            f"{words.listed(_specs(found))} {'was' if len(found) == 1 else 'were'} fitted on a busy machine (~): the "
            f"seconds of fitting may be up to {max(d.factor for _, d in found):.1f} times what they are on a quiet "
            "one; --latency-again leaves them as they are."
        )


def _other_threads(rows: Sequence[Row]) -> Iterator[str]:
    by_number: dict[int, list[str]] = {}
    for row in rows:
        if row.uses_model and (known := row.others.get(PREDICT)) and known.threads:
            by_number.setdefault(known.threads[0], []).append(row.spec)
    if len(by_number) > 1:
        parts = [f"{words.listed(specs)} on {words.many(n, 'thread')}" for n, specs in sorted(by_number.items())]
        yield f"{words.listed(parts)}: their times and costs are not those of equal conditions."


def _may_keep_limits(row: Row, limits: Limits) -> bool:
    """Whether a row breaks a limit that it would keep if its times are as much too long as they may be."""
    if not row.violations:
        return False
    late, dear = row.stretch(LATENCY), stretched(row)
    p95 = row.latency.p95 if row.latency and limits.p95_ms is not None else None
    spent = known_cost(row.cost)
    return (p95 is not None and p95 / late <= (limits.p95_ms or 0.0) < p95) or (
        limits.budget_usd is not None and spent is not None and spent / dear <= limits.budget_usd < spent
    )


def _specs(found: Sequence[tuple[Row, object]]) -> list[str]:
    return list(dict.fromkeys(row.spec for row, _ in found))


def _percent(shares: Sequence[float]) -> str:
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    return low if low == high else f"{low} to {high}"
