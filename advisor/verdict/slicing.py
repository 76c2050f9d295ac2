"""Judging a comparison on parts of its test set: slices, gaps between groups, and what they say against the choice.

A part does not hold all labels, so that where the metric is macro F1 slices are judged by accuracy, the share of right
answers, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from advisor.measuring.records import Run
from advisor.tasks.faults import quoted
from advisor.verdict import words
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Decision
from advisor.verdict.errors import errors
from advisor.verdict.gaps import gaps
from advisor.verdict.resampling import interval_of
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import Sample
from advisor.verdict.slices import Slice
from advisor.verdict.subsets import ANSWERABLE, EVIDENCE, GROUP, LABEL, LANGUAGE, LENGTH, NAMELESS, Subset, subsets
from advisor.verdict.within import Within, part_of

_TOLD = 3
"""Slices that are named against a choice; the others are counted."""
_BY_ACCURACY = (
    "Macro F1 needs all labels, which a part of the test set does not have: slices are judged by accuracy, the share "
    "of right answers."
)
_WHERE = {
    GROUP: "in the group {}",
    LABEL: "where the right label is {}",
    LENGTH: "on inputs of {}",
    ANSWERABLE: "on {} questions",
    EVIDENCE: "where the evidence was {}",
    LANGUAGE: "on inputs in {}",
}


def with_parts(decision: Decision, samples: Mapping[str, Sample]) -> Decision:
    """The decision with what its test set's parts and its rows' errors tell.

    Slices on which the chosen row, or the best one where none is, is shown to be worse than another speak against it.

    Args:
        samples: by row, of those that are judged.
    """
    comparison, chosen = decision.comparison, decision.recommendation
    runs: dict[str, list[Run]] = {row.spec: [] for row in decision.rows if row.spec in samples}
    for run in complete_runs(comparison):
        runs[run.spec].append(run)
    rows = tuple(
        replace(row, errors=errors(comparison, runs[row.spec], samples[row.spec])) if row.spec in runs else row
        for row in decision.rows
    )
    scores = {spec: tuple(samples[spec].scores[0].tolist()) for spec in runs}
    decision = replace(decision, rows=rows, scores=scores)
    found = subsets(comparison, [run for of_row in runs.values() for run in of_row])
    scored = [samples[spec].accuracy for spec in runs]
    rivals = [samples[row.spec].accuracy for row in rows if row.spec in samples and not row.control]
    if not found.parts or not rivals:
        return replace(decision, slice_notes=found.notes)
    within = Within(rivals, found.parts)
    by_accuracy = [_BY_ACCURACY] if any(sample.counts is not None for sample in samples.values()) else []
    against = _against(rivals, found.parts, within, chosen.approach)
    return replace(
        decision,
        slices=tuple(_slice(at, part, scored, rivals, within) for at, part in enumerate(found.parts)),
        gaps=gaps(rivals, [part for part in found.parts if part.by == GROUP and part.alone]),
        slice_notes=(*by_accuracy, *found.notes),
        recommendation=replace(chosen, against=(*chosen.against, *against)),
    )


def _slice(at: int, part: Subset, scored: Sequence[Sample], rivals: Sequence[Sample], within: Within) -> Slice:
    versus = {rivals[place].spec: within.difference(at, place, 0) for place in range(1, len(rivals))}
    return Slice(
        by=part.by,
        name=part.name,
        n=part.n,
        quality={sample.spec: interval_of(part_of(sample, part.places)) for sample in scored},
        versus={spec: difference for spec, (difference, _) in versus.items()},
        pooled=part.pooled,
        shown=frozenset(spec for spec, (_, shown) in versus.items() if shown),
        places=tuple(part.places.tolist()),
    )


def _against(rivals: Sequence[Sample], found: Sequence[Subset], within: Within, chosen: str | None) -> Iterator[str]:
    """Where the chosen row is shown to be worse than another, the largest loss of a slice first."""
    specs = [sample.spec for sample in rivals]
    own = specs.index(chosen) if chosen in specs else 0
    losses: list[tuple[Interval, str, Subset, int]] = []
    for at, part in enumerate(found):
        each = [(*within.difference(at, own, other), specs[other]) for other in range(len(specs)) if other != own]
        worse = sorted(((one, spec) for one, shown, spec in each if shown and one.value < 0), key=lambda k: k[0].value)
        if worse:
            losses.append((*worse[0], part, len(worse) - 1))
    losses.sort(key=lambda loss: loss[0].value)
    place = "the best overall" if own == 0 else "chosen"
    for difference, spec, part, more in losses[:_TOLD]:
        others = f" (and than {words.many(more, 'other row')})" if more else ""
        yield (
            f"{specs[own]} is {place}, but is shown to be worse than {spec}{others} {where(part)} "
            f"(n = {part.n}): difference {words.interval(difference)}, corrected for all slices and pairs of rows."
        )
    if len(losses) > _TOLD:
        yield (
            f"On {words.many(len(losses) - _TOLD, 'more slice')} {specs[own]} is shown to be worse than another row "
            "too."
        )


def where(found: Slice | Subset) -> str:
    """A slice as part of a sentence."""
    if found.pooled:
        return f"in {found.name}"
    if found.name == NAMELESS.get(found.by):
        return f"on examples {found.name}"
    return _WHERE[found.by].format(quoted(found.name) if found.by in (GROUP, LABEL) else found.name)
