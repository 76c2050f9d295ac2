"""What each row's tuning made the language model forget: a general text and the scores of other tasks.

Perplexity is per token of the text. What became of it is the ratio of the tuned model's to the untuned one's, which is
the exponential of the mean loss that a token gained; its interval is a t interval of a ratio of sums over passages
(Cochran 1977, section 6), since the passages are what was drawn. On another task the difference of the scores is
paired by example, as that of a change of the documents is. Several seeds are averaged. Both intervals are of these
very trainings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from advisor.approaches import apart
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.recall import ForgettingFacts, OtherFacts, Recalled
from advisor.measuring.records import Answer, Comparison, Run
from advisor.measuring.student import VariancePart, half_width
from advisor.tasks.power import LEVEL
from advisor.verdict.cells import Forgotten, Interval, OtherScore
from advisor.verdict.decision import Row
from advisor.verdict.paired import pivot
from advisor.verdict.permutation import p_values
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import labels_of, samples

_TEXT = "the general text"
_GOES_ON = "the same command goes on with it"


def with_forgetting(comparison: Comparison, rows: Sequence[Row]) -> list[Row]:
    """The rows, each with what its tuning made the model forget, where that was measured in every seed."""
    facts = comparison.forgetting
    if facts is None:
        return list(rows)
    complete = complete_runs(comparison)
    return [replace(row, forgotten=_forgotten(facts, [r for r in complete if r.spec == row.spec])) for row in rows]


def _forgotten(facts: ForgettingFacts, runs: Sequence[Run]) -> Forgotten | None:
    before = facts.base.get(runs[0].key, {}) if runs else {}
    known = {key: [run.forgetting[key] for run in runs] for key in before if _whole(runs, key)}
    others = [_other(one, before[one.key], known[one.key]) for one in facts.others if one.key in known]
    if facts.text in known:
        return replace(_text(before[facts.text], known[facts.text]), others=tuple(others))
    return Forgotten(None, None, None, 0, tuple(others)) if others else None


def _whole(runs: Sequence[Run], key: str) -> bool:
    return bool(runs) and all(run.forgetting.get(key, Recalled()).ended for run in runs)


def _text(before: Recalled, after: Sequence[Recalled]) -> Forgotten:
    """How much harder the general text became to predict."""
    tokens = np.array(before.tokens, dtype=np.float64)
    lost = np.array(before.totals) - np.mean([one.totals for one in after], axis=0)
    total, n = float(tokens.sum()), len(tokens)
    gain = float(lost.sum()) / total  # of the loss, per token
    variance = n / max(n - 1, 1) * float(((lost - gain * tokens) ** 2).sum()) / total**2
    half = half_width([VariancePart(variance, max(n - 1, 1))], LEVEL)
    first = -float(np.sum(before.totals)) / total
    ratio = Interval(*(_exponential(loss) for loss in (gain, gain - half, gain + half)))
    return Forgotten(_exponential(first), _exponential(first + gain), ratio, n)


def _exponential(loss: float) -> float:
    """A perplexity, also where it is too large for a number."""
    return math.exp(min(loss, 700.0))


def _other(facts: OtherFacts, before: Recalled, after: Sequence[Recalled]) -> OtherScore:
    """What became of another task's score."""
    answers = {id: Answer(right) for id, right in before.targets.items()}
    then, now = [_as_run("before", before)], [_as_run("after", one) for one in after]
    labels = labels_of(facts.metric, answers, [*then, *now])
    (first,), (second,) = (samples(facts.metric, answers, runs, labels) for runs in (then, now))
    difference = pivot(second, first, p_values([(second, first)])[0]).interval(LEVEL)
    return OtherScore(facts.name, facts.metric, first.quality, second.quality, difference, first.n)


def _as_run(spec: str, known: Recalled) -> Run:
    given = known.answers.items()
    found = (PredictionRecord(id, text or "", failure="no answer" if text is None else "") for id, text in given)
    return Run(spec, 0, "ok", predictions=tuple(found))


def not_measured(comparison: Comparison) -> Iterator[str]:
    """What was asked for and is not known, with the reason."""
    facts = comparison.forgetting
    if facts is None:
        return
    yardsticks = {facts.text: _TEXT, **{one.key: one.name for one in facts.others}}
    for member in (one for one in comparison.models if one.key in facts.base):
        called = f" {member.alias}" if comparison.several else ""
        yield from _missing(f"the untuned model{called}", [facts.base[member.key]], yardsticks)
    runs = [run for run in complete_runs(comparison) if apart(run.spec)[0] in facts.of]
    for spec in dict.fromkeys(run.spec for run in runs):
        own = [run for run in runs if run.spec == spec]
        before = facts.base.get(own[0].key, {})
        asked = {key: name for key, name in yardsticks.items() if before.get(key, Recalled()).ended}
        yield from _missing(spec, [run.forgetting for run in own], asked)


def _missing(who: str, known: Sequence[Mapping[str, Recalled]], asked: Mapping[str, str]) -> Iterator[str]:
    why: dict[str, list[str]] = {}
    for key, name in asked.items():
        found = [one.get(key, Recalled()) for one in known]
        if reason := next((one.error or _GOES_ON for one in found if not one.ended), ""):
            why.setdefault(reason, []).append(name)
    for reason, names in why.items():
        yield f"What {who} knows of {' and '.join(names)} was not measured: {reason}."
