"""Expectations for every approach under given circumstances, and the advice under changed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from advisor.advice.estimate import Change, Option
from advisor.advice.preference import AdvisedChoice, option, prefer, price
from advisor.approaches import Approach, Lengths, spec_of, suggested
from advisor.forecast.expected import Expected
from advisor.forecast.foresight import foresee
from advisor.measuring.records import ModelFacts
from advisor.pilot.readings import Rates
from advisor.tasks import Limits, Outline, TaskShape
from advisor.tasks.description import Description
from advisor.verdict import words
from advisor.verdict.prices import Tariff

TIMES = 10
"""How much more labels and traffic there are in what might change."""
FIRST_LABELS = 100  # examples that are labelled where there were none
USUAL_TRAFFIC = 1_000.0  # queries a day, where nobody says
WEEK = 7.0
_WORTH_SAYING = 0.01

_BARRED = "it would run behind an API, and the data have to stay on your machines"

Expecting = Callable[[Description, Sequence[str]], Mapping[str, Expected]]


@dataclass(frozen=True)
class Circumstances:
    """The circumstances of a decision.

    Attributes:
        task: the task, or its outline, by which approaches tell whether they apply.
        outline: the outline by which costs are foreseen.
        weights: whether a model's weights can be had, so that it can be trained and run on one's own machines.
        private: whether texts have to stay on these.
    """

    task: TaskShape
    outline: Outline
    description: Description
    limits: Limits
    weights: bool = True
    private: bool = False


@dataclass(frozen=True)
class Outlook:
    """Everything that expectations follow from, whatever the circumstances.

    Attributes:
        expecting: gives expected qualities by description and specs.
        rates: the speed of the model.
        model: None where none was named.
        tariff: what the model's work is paid by.
        also: approaches that are estimated beside those that run unasked.
    """

    expecting: Expecting
    lengths: Lengths
    rates: Rates
    model: ModelFacts | None
    tariff: Tariff
    also: tuple[Approach, ...] = ()

    def options(self, under: Circumstances) -> list[Option]:
        """Every approach that applies, best expected quality first."""
        wanted = [*suggested(under.task), *(one for one in self.also if not one.unsuited(under.task))]
        approaches: dict[str, Approach] = {spec_of(one): one for one in wanted if under.weights or not one.trains_model}
        found = self.expecting(under.description, list(approaches))
        options = [
            option(
                one,
                found[spec],
                foresee(one, under.outline, self.lengths, self.rates, self.model),
                self.tariff,
                under.limits,
            )
            for spec, one in approaches.items()
        ]
        if under.private and not under.weights:
            options = [_barred(one) if one.uses_model else one for one in options]
        return sorted(options, key=lambda one: (-one.expected.value, not one.expected.tried, one.spec))

    def changes(self, now: Circumstances, options: Sequence[Option], chosen: AdvisedChoice) -> tuple[Change, ...]:
        """The advice under circumstances that may change."""
        return tuple(
            self._change(circumstance, then, options, chosen) for circumstance, then in self._others(now, chosen)
        )

    def _others(self, now: Circumstances, chosen: AdvisedChoice) -> Iterator[tuple[str, Circumstances]]:
        task, limits = now.task, now.limits
        more = now.description.train * TIMES or FIRST_LABELS
        yield f"With {more:,} labelled examples, not {now.description.train:,}", _with_labels(now, more)
        every = limits.documents_change_every_days
        if every is None or every > WEEK:
            what = "the documents" if task.documents else "the rules behind the answers"
            weekly = replace(limits, documents_change_every_days=WEEK)
            yield f"If {what} change every week", replace(now, limits=weekly)
        busy = TIMES * (limits.queries_per_day or USUAL_TRAFFIC)
        yield f"With {busy:,.0f} queries a day", replace(now, limits=replace(limits, queries_per_day=busy))
        if now.weights:
            yield "If privacy forbids an API", replace(now, private=True)
            yield "If a model can be had only through an API, without its weights", replace(now, weights=False)
        else:
            with_ = "with a model whose weights you have"
            said = with_.capitalize() if now.private else f"If privacy forbids an API, {with_}"
            yield said, replace(now, weights=True, private=True)

    def _change(
        self, circumstance: str, then: Circumstances, before: Sequence[Option], chosen: AdvisedChoice
    ) -> Change:
        options = self.options(then)
        now = prefer(options, then.limits)
        return Change(circumstance, now.advised, _outcome(options, now, before, chosen, then.limits))


def _outcome(
    options: Sequence[Option], now: AdvisedChoice, before: Sequence[Option], chosen: AdvisedChoice, limits: Limits
) -> str:
    by_spec = {one.spec: one for one in options}
    if now.advised is None:
        return "nothing would be expected to respect the limits"
    mine = by_spec[now.advised]
    value = words.value(mine.expected.value)
    if now.advised == chosen.advised:
        earlier = next(one for one in before if one.spec == now.advised).expected.value
        moved = abs(mine.expected.value - earlier) >= _WORTH_SAYING
        return f"still {now.advised}" + (f", then expected at {value}" if moved else "")
    if chosen.advised is None:
        return f"{now.advised}, expected at {value}"
    said = f"{now.advised} in place of {chosen.advised}"
    other = by_spec.get(chosen.advised)
    if other is None:
        return f"{said}, which could not be had; expected at {value}"
    if other.violations:
        return f"{said}, which would break a limit ({'; '.join(other.violations)})"
    ahead = now.worth[mine.spec].value - now.worth[other.spec].value
    if ahead > 0:
        return f"{said}: expected at {value}, better by {words.value(ahead)}"
    if mine.cost.over_horizon is not None and other.cost.over_horizon is not None:
        sums = f"{words.usd(mine.cost.over_horizon)} against {words.usd(other.cost.over_horizon)}"
        return f"{said}: about as good, and cheaper over the horizon ({sums})"
    theirs, own = price(other, limits), max(price(mine, limits), 1e-9)
    known = math.isfinite(theirs) and theirs > 1.05 * own
    return f"{said}: about as good" + (f", for {100 * own / theirs:.0f} % of the work" if known else "")


def _with_labels(now: Circumstances, more: int) -> Circumstances:
    """The circumstances with `more` labelled examples, distributed over the labels as now."""
    description, grown = now.description, now.outline.with_labelled(more)
    times = more / description.train if description.train else 1.0
    described = replace(
        description,
        train=more,
        label_counts={label: round(times * n) for label, n in description.label_counts.items()},
        smallest_class=None if description.smallest_class is None else round(times * description.smallest_class),
    )
    return replace(now, task=grown, outline=grown, description=described)


def _barred(one: Option) -> Option:
    return replace(one, violations=(*one.violations, _BARRED))
