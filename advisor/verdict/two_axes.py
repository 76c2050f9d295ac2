"""What several models come to: one against the other, and a tuned one against one that is prompted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from advisor.tasks import Limits
from advisor.verdict import words
from advisor.verdict.costs import TOLERANCE, Expenses
from advisor.verdict.decision import DiagnosisItem, Row
from advisor.verdict.diagnosis import models_of
from advisor.verdict.statistics import Contrast, Contrasts


@dataclass(frozen=True)
class Between:
    """What is said of several models; nothing where there is one.

    Attributes:
        items: findings for the diagnosis.
        sentences: the same with costs, for the reasons.
    """

    items: tuple[DiagnosisItem, ...] = ()
    sentences: tuple[str, ...] = ()


def across_models(
    rows: Sequence[Row],
    contrasts: Contrasts,
    spent: Mapping[str, Expenses],
    limits: Limits,
    margin: float,
) -> Between:
    """The best of each model against the best of each other, and tuning one against prompting another.

    Args:
        rows: all rows, best quality first.
        spent: the expenses of the rows for which they are known.
        margin: a difference that is too small to matter, in units of the metric.
    """
    found: dict[frozenset[str], tuple[str, Row, Row]] = {}
    for pair in (*_tuned_against_prompted(rows), *_best_of_each(rows)):
        found.setdefault(frozenset((pair[1].spec, pair[2].spec)), pair)
    items, sentences = [], []
    for name, one, two in found.values():
        contrast = contrasts.between(one.spec, two.spec)
        said = _quality(one, two, contrast, margin)
        items.append(DiagnosisItem(name, contrast.difference, f"{said}.", contrast.shown))
        if one.tuned != two.tuned and (costs := _costs(one, two, spent, limits)):
            sentences.append(f"{said} (corrected for all pairs), {costs}.")
    return Between(tuple(items), tuple(sentences))


def _best_of_each(rows: Sequence[Row]) -> Iterator[tuple[str, Row, Row]]:
    best = [row for alias in models_of(rows) if (row := _best(rows, alias))]
    for one, two in combinations(best, 2):
        yield f"{one.model} against {two.model}", one, two


def _tuned_against_prompted(rows: Sequence[Row]) -> Iterator[tuple[str, Row, Row]]:
    for one, two in permutations(models_of(rows), 2):
        tuned, prompted = _best(rows, one, tuned=True), _best(rows, two, tuned=False)
        if tuned and prompted and not _best(rows, two, tuned=True):
            yield f"tuned {one} against {two}", tuned, prompted


def _best(rows: Sequence[Row], alias: str, tuned: bool | None = None) -> Row | None:
    found = (row for row in rows if row.model == alias and row.quality is not None and not row.control)
    return next((row for row in found if tuned is None or row.tuned is tuned), None)


def _quality(one: Row, two: Row, contrast: Contrast, margin: float) -> str:
    """How two rows compare in quality, as a clause."""
    subject, other = _called(one), _called(two)
    by = words.value(abs(contrast.difference.value))
    if contrast.equivalent_by(margin):
        return f"{subject} reaches what {other} does, to within {margin:g}"
    if contrast.shown:
        return f"{subject} is {'better' if contrast.difference.value > 0 else 'worse'} than {other}, by {by}"
    return f"{subject} is not shown to differ from {other}"


def _called(row: Row) -> str:
    if not row.tuned:
        return f"{row.model} when prompted ({row.spec})" if row.shows != "documents" else f"{row.model} ({row.spec})"
    return f"{row.model} when tuned ({row.spec})"


def _costs(one: Row, two: Row, spent: Mapping[str, Expenses], limits: Limits) -> str:
    """What a query of the first costs beside one of the second, and from how many on it is cheaper in all."""
    if one.spec not in spent or two.spec not in spent:
        return ""
    first, second = spent[one.spec], spent[two.spec]
    if not first.per_query or not second.per_query:
        return ""
    if abs(first.per_query - second.per_query) <= TOLERANCE * max(first.per_query, second.per_query):
        return "at about the same cost of a query"
    if first.per_query > second.per_query:
        return f"at {_times(first.per_query / second.per_query)} times the cost of a query"
    share = f"at 1/{_times(second.per_query / first.per_query)} of the cost of a query"
    extra = first.fixed(limits) - second.fixed(limits)
    if extra <= 0:
        return f"{share}, and cheaper in all from the first query on"
    queries = words.number(extra / (second.per_query - first.per_query))
    return f"{share}, and cheaper in all from {queries} queries on"


def _times(factor: float) -> str:
    """A factor with two digits: `1.3`, `52`, `3,100`."""
    return f"{float(f'{factor:.2g}'):,.10g}"
