"""What a change of the documents, or of the rules behind the answers, costs each approach when nothing is fitted anew.

Quality after the change is judged as quality is. What an approach lost is the paired difference over the questions that
are asked before and after, each against the answers that are right then, with the interval of these very trainings:
what other seeds would have given is no part of it, since the same weights answered both times. An approach is shown to
keep its quality where it is shown to lose less than the margin of non-inferiority, and to have lost some where the
interval lies below zero; else that stays open. Costs go by the loss as it was measured: what lost more than the margin
is fitted anew when the documents change, and what lost less is not, which is said where it is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import cast

from advisor.measuring.records import Answer, ChangeFacts, Comparison, Run
from advisor.tasks import Limits
from advisor.tasks.forms import answer_form
from advisor.tasks.power import LEVEL
from advisor.tasks.task import Kind
from advisor.verdict import costs, words
from advisor.verdict.decision import Outcome, Row, Staleness
from advisor.verdict.paired import pivot
from advisor.verdict.permutation import p_values
from advisor.verdict.rows import complete_runs, failures, lacking
from advisor.verdict.sample import labels_of, samples
from advisor.verdict.statistics import Contrasts

_GOES_ON = "the same command goes on with it"


@dataclass(frozen=True)
class AfterTheChange:
    """A comparison judged after the change.

    Attributes:
        rows: those of the comparison, each with what the change did to it, where that was measured.
        contrasts: of all approaches after the change; None where no change is known.
        sentences: what was lost, as a reason; empty where nothing was measured.
        cautions: what was not measured, and what a loss is of.
    """

    rows: tuple[Row, ...]
    contrasts: Contrasts | None = None
    sentences: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    def flips(self, chosen: Row | None) -> tuple[str, ...]:
        """Approaches that are better than the chosen one once the change has come and nothing was fitted anew."""
        known = self.contrasts.samples if self.contrasts else {}
        if self.contrasts is None or chosen is None or chosen.spec not in known:
            return ()
        found = []
        for row in self.rows:
            if row.control or row.spec == chosen.spec or row.spec not in known:
                continue
            contrast = self.contrasts.between(row.spec, chosen.spec)
            if contrast.beats and row.after:
                shown = f"+{words.interval(contrast.alone)}, {words.probability(contrast.p_alone)}"
                found.append(
                    f"{_what(row.after).capitalize()} change and nothing is fitted anew: then {row.spec} is better "
                    f"than {chosen.spec}, difference {shown}."
                )
        return tuple(found)


def after_the_change(comparison: Comparison, rows: Sequence[Row], margin: float) -> AfterTheChange:
    """Judge what was measured after the change.

    Args:
        rows: those of the comparison, without costs.
        margin: the margin of non-inferiority, in units of the metric.
    """
    change = comparison.change
    if change is None:
        return AfterTheChange(tuple(rows))
    complete = complete_runs(comparison)
    before = {(run.spec, run.seed): run for run in complete}
    after = [_as_after(run, change) for run in complete if not _unjudged(run, change)]
    controls = frozenset(row.spec for row in rows if row.control)
    contrasts = Contrasts(samples(comparison.task.metric, change.answers, after), controls)
    judge = _Judge(comparison, change, contrasts, margin)
    found = []
    for row in rows:
        own = [run for run in after if run.spec == row.spec]
        stale = judge.staleness(own, [before[run.spec, run.seed] for run in own]) if own else None
        found.append(replace(row, after=stale))
    return AfterTheChange(
        tuple(found),
        contrasts,
        tuple(_what_was_lost(found)),
        (*_of_how_many(comparison, change), *_unmeasured(complete, change), *_unanswered(after, change)),
    )


class _Judge:
    """Judges one approach after the other."""

    def __init__(self, comparison: Comparison, change: ChangeFacts, contrasts: Contrasts, margin: float) -> None:
        self._metric, self._change = comparison.task.metric, change
        self._contrasts, self._margin = contrasts, margin
        self._then, self._now = _asked_twice(comparison, change)
        self._left_out = len(comparison.answers) - len(self._then)

    def staleness(self, after: Sequence[Run], before: Sequence[Run]) -> Staleness:
        """The seeds of an approach after the change, and the same before it."""
        measured_by = [run.after[self._change.key] for run in after]
        found = Staleness(
            quality=self._contrasts.intervals[after[0].spec],
            n=len(self._change.answers),
            documents=bool(self._change.documents),
            index_seconds=_mean(each.index_seconds for each in measured_by),
            embedded=_mean(each.embedded for each in measured_by),
            left_out=self._left_out,
        )
        if not self._now:
            return found
        labels = {*labels_of(self._metric, self._then, before), *labels_of(self._metric, self._now, after)}
        (then,) = samples(self._metric, self._then, before, labels)
        (now,) = samples(self._metric, self._now, after, labels)
        then, now = replace(then, tuned=False), replace(now, tuned=False)
        difference = pivot(now, then, p_values([(now, then)])[0]).interval(LEVEL)
        return held_to(replace(found, difference=difference, paired=len(self._now)), self._margin)


def held_to(after: Staleness, margin: float) -> Staleness:
    """What a change did, judged by this margin of non-inferiority, in units of the metric."""
    found = after.difference
    if found is None:
        return after
    outcome: Outcome = "kept" if found.low > -margin else "lost" if found.high < 0 else "open"
    return replace(after, loses=found.value < -margin, outcome=outcome)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _asked_twice(comparison: Comparison, change: ChangeFacts) -> tuple[dict[str, Answer], dict[str, Answer]]:
    """The questions that are asked before and after, in one order, with the answers that are right then and now."""
    of: dict[str, str] = {}
    for now, answer in change.answers.items():
        if answer.before in comparison.answers:
            of.setdefault(answer.before, now)
    then = {before: comparison.answers[before] for before in of}
    return then, {now: change.answers[now] for now in of.values()}


def _as_after(run: Run, change: ChangeFacts) -> Run:
    return replace(run, predictions=run.after[change.key].predictions)


def _unjudged(run: Run, change: ChangeFacts) -> str:
    """Why a complete run is not judged after the change; empty where it is."""
    found = run.after.get(change.key)
    if found is not None and found.ended and change.answers.keys() <= {p.id for p in found.predictions}:
        return lacking(_as_after(run, change))
    return (found.error if found else "") or _GOES_ON


def _what_was_lost(rows: Sequence[Row]) -> Iterator[str]:
    judged = [(row, row.after) for row in rows if row.after and row.after.difference and not row.control]
    if judged:
        each = [f"{_signed(after)} for {row.spec}" for row, after in judged]
        yield f"When {_what(judged[0][1])} changed and nothing was fitted anew, quality changed by {'; '.join(each)}."


def _of_how_many(comparison: Comparison, change: ChangeFacts) -> Iterator[str]:
    """A loss is one over all questions, and so depends on how many of them the change is about."""
    then, now = _asked_twice(comparison, change)
    if now and (left_out := len(comparison.answers) - len(then)):
        yield (
            f"{words.many(left_out, 'test question')} {'is' if left_out == 1 else 'are'} not asked after the change, "
            "most likely such whose answers it changes: that nothing is lost over the others settles nothing, and "
            "costs go by a measured loss alone."
        )
    if now:
        pairs = zip(_forms(comparison, then), _forms(comparison, now), strict=True)
        other = sum(before != after for before, after in pairs)
        new = len(change.answers) - len(now)
        yield (
            f"Of the {words.many(len(now), 'question')} asked before and after the change, {other:,} "
            f"{'has' if other == 1 else 'have'} another answer after it"
            + (f", and {new:,} more are asked after it alone" if new else "")
            + ": what approaches lost by it is over all of them, and is more where more changes."
        )
    else:
        yield "No question is asked both before and after the change, so what approaches lost by it is not known."


def _forms(comparison: Comparison, answers: Mapping[str, Answer]) -> Iterator[set[str]]:
    """What is right for each question, in forms that are equal where the answers are."""
    kind = cast(Kind, comparison.task.kind)
    return ({answer_form(kind, text) for text in answer.targets} for answer in answers.values())


def _unmeasured(complete: Sequence[Run], change: ChangeFacts) -> Iterator[str]:
    """Approaches of which a seed is not judged after the change, each with one reason."""
    for spec in dict.fromkeys(run.spec for run in complete):
        each = [_unjudged(run, change) for run in complete if run.spec == spec]
        reasons = sorted(filter(None, each), key=lambda why: why == _GOES_ON)
        if reasons:
            judged = len(each) - len(reasons)
            extent = f"measured after the change in {judged} of {words.many(len(each), 'seed')} alone"
            yield f"{spec} was {extent if judged else 'not measured after the change'}: {reasons[0]}."


def _unanswered(after: Sequence[Run], change: ChangeFacts) -> Iterator[str]:
    for spec in dict.fromkeys(run.spec for run in after):
        found = failures([run for run in after if run.spec == spec])
        if number := sum(found.values()):
            why = words.listed([f"{count:,} {reason}" for reason, count in found.items()])
            n = len(change.answers)
            yield (
                f"{spec} left {number:,} of {words.many(n, 'question')} unanswered after the change ({why}): they "
                f"count as not right, so that up to {words.value(number / n)} of what it lost is theirs."
            )


def upkeep(rows: Sequence[Row], limits: Limits) -> Iterator[str]:
    """What costs take approaches to need at each change of the documents, and by what."""
    if limits.documents_change_every_days is None:
        return
    known = [row for row in rows if not row.control and row.cost.fit is not None]
    ways: Mapping[str, list[str]] = {
        "fitted anew, as the loss asks for that was measured": [],
        "fitted anew, as the loss that was measured asks for, though it is not shown": [],
        "not fitted anew, since no loss beyond the margin was measured": [],
        "not fitted anew either, though such a loss is not excluded": [],
        "fitted anew, which is assumed": [],
        "indexed anew, in the time that this was measured to take": [],
        "not indexed anew, since no document changed": [],
    }
    measured, unshown, kept, spared, assumed, indexed, unchanged = ways.values()
    for row in known:
        after, anew = row.after, costs.is_fitted_anew(row)
        if after is not None and after.index_seconds is not None:
            indexed.append(row.spec)
        elif after is not None and row.index_seconds is not None and not after.documents:
            unchanged.append(row.spec)
        if anew and (after is None or not after.settles):
            assumed.append(row.spec)
        elif anew:
            (unshown if after is None or after.outcome == "open" else measured).append(row.spec)
        elif after is not None and costs.is_trained(row):
            (kept if after.outcome == "kept" else spared).append(row.spec)
    said = [f"{words.listed(specs)} {'is' if len(specs) == 1 else 'are'} {how}" for how, specs in ways.items() if specs]
    if said:
        change = next((row.after for row in known if row.after), None)
        more = "" if change else " (test_after.jsonl has it measured)"
        yield f"In the costs of a change of {_what(change) if change else 'the documents'}, {'; '.join(said)}{more}."


def against(chosen: Row) -> list[str]:
    """What a change means for the chosen approach, where that speaks against it."""
    after, anew = chosen.after, costs.is_fitted_anew(chosen)
    if after is None or after.difference is None or (anew and not after.settles):
        return [f"{chosen.spec} has to be trained again when the documents or the rules change."] if anew else []
    shown = f"{_signed(after)} over {words.many(after.paired, 'question')}"
    what = _what(after)
    if after.outcome == "lost":
        then = ", and has to be fitted anew then" if anew else ""
        return [f"{chosen.spec} lost quality when {what} changed{then}: {shown}."]
    if after.outcome == "open" and anew:
        return [
            f"{chosen.spec} lost more than the margin when {what} changed, though that is not shown, and is fitted "
            f"anew in the costs: {shown}."
        ]
    if after.outcome == "open" and costs.is_trained(chosen):
        return [
            f"{chosen.spec} is not shown to keep its quality when {what} change and it is not trained again: {shown}."
        ]
    return []


def _what(after: Staleness) -> str:
    return "the documents" if after.documents else "the rules behind the answers"


def _signed(after: Staleness) -> str:
    found = after.difference
    assert found is not None
    return ("+" if found.value > 0 else "") + words.interval(found)
