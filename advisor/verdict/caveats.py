"""Caveats: what limits the validity of a comparison, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from advisor.measuring.records import Comparison
from advisor.measuring.student import critical
from advisor.tasks import Limits
from advisor.tasks.power import LEVEL
from advisor.verdict import macro, words
from advisor.verdict.busy import busy
from advisor.verdict.decision import Row
from advisor.verdict.money import money
from advisor.verdict.prices import Tariff
from advisor.verdict.rows import NOT_DONE
from advisor.verdict.seeds import DEGREES, usual_spread
from advisor.verdict.statistics import Contrasts

_FEW_EXAMPLES = 100
_WAYS = {
    "likelihood": "by the likelihood of each",
    "constraint": "by an answer that can be nothing else",
    "text": "by the text that was written",
}
_NAMED_LABELS = 6
_NO_TEXTS = (
    "Inputs and retrieved passages were left out of the records (--no-texts): what was asked and shown for an answer "
    "cannot be looked up there."
)


def caveats(
    comparison: Comparison,
    rows: Sequence[Row],
    contrasts: Contrasts,
    limits: Limits,
    margin: float,
    tariffs: Mapping[str, Tariff],
) -> tuple[str, ...]:
    """All caveats, each once; those of the task and the model come first.

    Args:
        tariffs: what each row is paid by.
    """
    found = [
        *comparison.task.caveats,
        *_of_models(comparison),
        *_readings(rows),
        *_unanswered(rows),
        *_test_set(comparison, rows, contrasts, margin),
        *_rare_labels(comparison),
        *(f"{place} is no record and was left out." for place in comparison.damaged),
        *([] if comparison.texts else [_NO_TEXTS]),
        *_approaches(rows, contrasts),
        *_straddling(rows, limits),
        *(sentence for row in rows for sentence in row.straddles),
        *_latency(comparison, rows, limits),
        *busy(rows, limits),
        *money(rows, limits, tariffs),
    ]
    return tuple(dict.fromkeys(found))


def _of_models(comparison: Comparison) -> Iterator[str]:
    """The caveats of each model, with its name where there are several."""
    for member in comparison.models:
        yield from (f"{member.alias}: {text}" if comparison.several else text for text in member.facts.caveats)


def _readings(rows: Sequence[Row]) -> Iterator[str]:
    """Rows whose labels were told in different ways differ in more than in model and approach."""
    by_way: dict[str, list[str]] = {}
    for row in rows:
        if row.quality and row.labels_by:
            by_way.setdefault(row.labels_by, []).append(row.spec)
    if len(by_way) > 1:
        each = words.listed([f"{_WAYS[way]} for {words.listed(specs)}" for way, specs in by_way.items()])
        yield (
            f"Labels were told {each}: a difference between these may be one of reading them. --labels-by text tells "
            "all alike."
        )
    for row in rows:
        if len(row.answered_by) > 1:
            yield f"{row.spec} was answered by several versions of its model: {words.listed(row.answered_by)}."


def _unanswered(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        number = sum(row.failures.values())
        if number and row.quality:
            why = words.listed([f"{count:,} {reason}" for reason, count in row.failures.items()])
            yield (
                f"{row.spec} left {number:,} of {words.many(row.n, 'test example')} unanswered ({why}): they count as "
                f"not right, and would add up to {words.value(number / row.n)} if all of them were."
            )


def _test_set(comparison: Comparison, rows: Sequence[Row], contrasts: Contrasts, margin: float) -> Iterator[str]:
    n = len(comparison.answers)
    candidates = [row.spec for row in rows if row.quality and not row.control]
    pairs = [contrasts.between(a, b) for a, b in combinations(candidates, 2)]
    pairs.sort(key=lambda pair: pair.detectable)
    typical = pairs[len(pairs) // 2] if pairs else None
    if typical and typical.detectable > margin:
        together = f" when all {len(pairs)} pairs are tested together" if len(pairs) > 1 else ""
        trained = " and one seed of training" if typical.of_seeds and _once(rows) else ""
        measured = f"Quality was measured on {words.many(n, 'test example')}{trained}"
        if typical.detectable >= 1:
            yield f"{measured}: no difference between two approaches can be told{together}."
        else:
            yield (
                f"{measured}: a difference below about {words.value(typical.detectable)} between two approaches is "
                f"likely to go unnoticed{together}."
            )
    elif n < _FEW_EXAMPLES:
        yield f"Quality was measured on {words.many(n, 'test example')} only."


def _rare_labels(comparison: Comparison) -> Iterator[str]:
    """Caveat on macro F1 where labels have few test examples, since each label weighs the same."""
    rare = macro.rare_labels(comparison.answers.values()) if comparison.task.metric == "macro_f1" else {}
    if rare:
        named = [f"{label} ({n})" for label, n in rare.items()]
        if len(named) > _NAMED_LABELS:
            named = [*named[: _NAMED_LABELS - 1], f"{len(named) - _NAMED_LABELS + 1} more"]
        yield (
            f"Macro F1 weighs all labels alike, and {words.listed(named)} "
            f"{'has' if len(rare) == 1 else 'have'} fewer than {macro.FEW} test examples: intervals are wider for it, "
            "and a difference between two approaches may rest on one or two answers."
        )


def _approaches(rows: Sequence[Row], contrasts: Contrasts) -> Iterator[str]:
    for row in rows:
        if row.status != "ok" and row.error != NOT_DONE:  # which the verdict says
            yield f"{row.spec} is not judged: {row.status}" + (f" ({row.error})." if row.error else ".")
    once = _once(rows)
    if once:
        spread = max(usual_spread(contrasts.samples[spec]) for spec in once)
        yield (
            f"{words.listed(once)} {'was' if len(once) == 1 else 'were'} trained with one seed, and the interval is "
            f"that of this training. Trainings on other tasks had a standard deviation of {words.value(spread)} "
            "between seeds, so a difference has to be larger than "
            f"{words.value(critical(LEVEL, DEGREES) * spread)} to be called a lead. --seeds 3 measures it."
        )
    for row in rows:
        if row.alike and not _constant_by_design(row):
            yield (
                f"{row.spec}: {row.alike}, so it answers as a constant would, whatever it is asked: look at a prompt "
                "and its answer before any figure of it is believed."
            )
        if row.dropped:
            nothing = f"; {words.many(row.bare, 'test example')} of {row.n:,} got none of it" if row.bare else ""
            yield (
                f"{row.spec}: {words.many(row.dropped, 'piece')} of context did not fit into the prompt and "
                f"{'was' if row.dropped == 1 else 'were'} left out{nothing}."
            )
        if row.cut:
            yield f"{row.spec}: the input of {words.many(row.cut, 'test example')} was cut to fit into the prompt."
    for count in sorted({row.unread for row in rows if row.unread}, reverse=True):
        same = [row for row in rows if row.unread == count]
        yield (
            f"{words.listed([row.spec for row in same])}: the embedder read only the beginning of the input of "
            f"{words.many(count, 'test example')} of {same[0].n:,}; the rest is beyond what it takes in."
        )


def _once(rows: Sequence[Row]) -> list[str]:
    """Approaches that were trained by gradient with one seed only."""
    return [row.spec for row in rows if row.quality and (row.tuned or row.tokens_seen) and row.seeds == 1]


def _constant_by_design(row: Row) -> bool:
    return row.control and not row.uses_model


def _straddling(rows: Sequence[Row], limits: Limits) -> Iterator[str]:
    least = limits.min_quality
    for row in rows:
        if least is not None and row.quality and not row.control and row.quality.low < least <= row.quality.high:
            side = "reaches" if row.quality.value >= least else "misses"
            yield (
                f"{row.spec} {side} the least quality of {least:g} by its point estimate, but its interval holds "
                f"both sides of it: {words.interval(row.quality)}."
            )


def _latency(comparison: Comparison, rows: Sequence[Row], limits: Limits) -> Iterator[str]:
    timed = [row.latency.n for row in rows if row.latency]
    if timed:
        fewest = "" if min(timed) == max(timed) else f"{min(timed)} to "
        yield f"Latency was measured on {fewest}{words.many(max(timed), 'request')}, sent one at a time."
    unknown = [row.spec for row in rows if row.eligible and row.latency is None]
    if limits.p95_ms is not None and unknown:
        yield f"The p95 limit could not be checked for {words.listed(unknown)}: no latency was recorded."
