"""Where the choice becomes another one: along one setting at a time, all else being as it is.

The rule of the choice itself is asked at other settings (`outcome.py`), at those that a reader of the page can try too
(`exploring.py`), and between two of them by bisection. Of each setting the nearest value on either side is told from
which on another approach is chosen; that a choice becomes certain or uncertain is no flip.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from advisor.tasks import Limits
from advisor.verdict import costs, words
from advisor.verdict.break_even import LEAST_UTILISATION
from advisor.verdict.cells import Flip, Setting
from advisor.verdict.choice import figures
from advisor.verdict.decision import Recommendation, Row
from advisor.verdict.exploring import CHANGES, HORIZONS, MARGINS, QUERIES, with_value
from advisor.verdict.outcome import Outcome, Outcomes

NEVER = 36_500.0
"""Days between changes of the documents that are as good as none."""
UTILISATIONS = (LEAST_UTILISATION, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
_HALVINGS = 20
_CHOSEN, _NAMED = "is chosen", "is named provisionally"


@dataclass(frozen=True)
class _Slider:
    """A setting that may be varied.

    Attributes:
        values: rising; `now` is one of them.
        at: the outcome at a value.
        smooth: whether what lies between two values may be tried.
    """

    setting: Setting
    values: Sequence[float]
    now: float
    at: Callable[[float], Outcome]
    smooth: bool = True

    def flips(self, approach: str | None) -> Iterator[Flip]:
        """The nearest value above and below from which on another approach is chosen."""
        place = list(self.values).index(self.now)
        for rises, beyond in ((True, self.values[place + 1 :]), (False, self.values[:place][::-1])):
            near = self.now
            for far in beyond:
                there = self.at(far)
                if there.approach != approach:
                    value, there = self._nearest(near, far, there, approach)
                    yield Flip(self.setting, value, rises, there.approach, there.decided)
                    break
                near = far

    def _nearest(self, near: float, far: float, there: Outcome, approach: str | None) -> tuple[float, Outcome]:
        """The value between the last that changes nothing and the first that does."""
        for _ in range(_HALVINGS if self.smooth else 0):
            middle = math.sqrt(near * far)
            found = self.at(middle)
            if found.approach == approach:
                near = middle
            else:
                far, there = middle, found
        return far, there


def flips(outcomes: Outcomes, limits: Limits, margin: float) -> tuple[tuple[Flip, ...], tuple[str, ...]]:
    """The settings beyond which the choice is another, and sentences: on each, then on limits that would be looser.

    Nothing where nothing can be chosen.
    """
    here = outcomes.at(limits, margin)
    if here.choice.chosen is None:
        return (), ()
    found = [flip for slider in _sliders(outcomes, limits, margin, here) for flip in slider.flips(here.approach)]
    if here.choice.chosen.latency is not None:
        p95 = here.choice.chosen.latency.p95
        there = outcomes.at(replace(limits, p95_ms=math.nextafter(p95, 0.0)), margin)
        found.append(Flip("p95 limit", p95, False, there.approach, there.decided))
    looser = _looser_limits(outcomes, limits, margin, here)
    return tuple(found), (*(said(one, limits) for one in found), *looser)


def _sliders(outcomes: Outcomes, limits: Limits, margin: float, here: Outcome) -> Iterator[_Slider]:
    def at(other: Limits) -> Outcome:
        return outcomes.at(other, margin)

    asked, days = limits.queries_per_day, costs.horizon(limits)
    if here.spent:
        values = with_value(QUERIES, asked)
        queries = _Slider("queries a day", values, 0.0, lambda many: at(replace(limits, queries_per_day=many)))
        # Traffic that is not known is taken to be so much of it that what is paid once is nothing beside it.
        same = (value for value in reversed(values) if queries.at(value).approach == here.approach)
        now = next(same, None) if asked is None else asked
        if now is not None:
            yield replace(queries, now=now)
    if here.spent and asked is not None:
        yield _Slider("horizon", with_value(HORIZONS, days), days, lambda long: at(replace(limits, horizon_days=long)))
        every = limits.documents_change_every_days or NEVER
        yield _Slider(
            "days between document changes",
            with_value((*CHANGES, NEVER), every),
            every,
            lambda long: at(replace(limits, documents_change_every_days=None if long >= NEVER else long)),
        )
    yield _Slider("margin", with_value(MARGINS, margin), margin, lambda m: outcomes.at(limits, m), smooth=False)
    paid = {here.spent[row.spec].by_tokens for row in here.rows if row.eligible and row.spec in here.spent}
    if len(paid) > 1:
        busy = limits.utilisation or 1.0
        values = with_value(UTILISATIONS, busy)
        yield _Slider("utilisation", values, busy, lambda share: at(replace(limits, utilisation=share)))


def _looser_limits(outcomes: Outcomes, limits: Limits, margin: float, here: Outcome) -> Iterator[str]:
    """Limits that would allow what another approach asks, where another would be chosen then, in sentences."""
    told: set[tuple[str, str | None]] = set()
    for row in here.rows:
        if not row.violations or row.control or row.alike:
            continue
        looser, asked = _allowing(row, limits)
        there = outcomes.at(looser, margin)
        if asked and there.approach != here.approach and (asked, there.approach) not in told:
            told.add((asked, there.approach))
            yield f"The limits allow {asked}: {_then(there)}."


def _allowing(row: Row, limits: Limits) -> tuple[Limits, str]:
    """The limits that allow what a row asks, and what that is beyond what they allow now."""
    had, asked = figures(row), []
    if limits.p95_ms is not None and had.p95_ms is not None and had.p95_ms > limits.p95_ms:
        limits = replace(limits, p95_ms=had.p95_ms)
        asked.append(f"a p95 latency of {words.ms(had.p95_ms)}")
    if limits.budget_usd is not None and had.usd is not None and had.usd > limits.budget_usd:
        limits = replace(limits, budget_usd=had.usd)
        asked.append(f"a budget of {words.usd(had.usd)}")
    if limits.min_quality is not None and had.quality is not None and had.quality < limits.min_quality:
        limits = replace(limits, min_quality=had.quality)
        asked.append(f"a quality of {words.value(had.quality)}")
    return limits, words.listed(asked)


def said(flip: Flip, limits: Limits) -> str:
    """A flip in a sentence that begins with its condition."""
    return f"{_condition(flip, costs.horizon(limits))}: {_then(flip)}."


def _then(there: Outcome | Flip) -> str:
    """What is chosen then, at the end of a sentence."""
    if there.approach is None:
        return "then nothing can be chosen"
    return f"then {there.approach} {_CHOSEN if there.decided else _NAMED}"


def provisional(choice: Recommendation) -> Recommendation:
    """The same where nothing is decided, whatever the settings."""
    return replace(
        choice,
        decided=False,
        rests_on="",
        flips=tuple(replace(flip, decided=False) for flip in choice.flips),
        flips_when=tuple(re.sub(f"{_CHOSEN}\\.$", f"{_NAMED}.", sentence) for sentence in choice.flips_when),
    )


def _condition(flip: Flip, horizon: float) -> str:
    at, more = words.number(flip.at), "more" if flip.rises else "less"
    match flip.setting:
        case "queries a day":
            fewer = "more" if flip.rises else "fewer"
            in_all = f"{words.number(flip.at * horizon)} over {words.number(horizon)} days"
            return f"There are {fewer} than {at} queries a day ({in_all})"
        case "horizon":
            return f"Costs count over {more} than {at} days"
        case "days between document changes":
            return f"Documents change {'less' if flip.rises else 'more'} often than every {at} days"
        case "margin":
            return f"The margin is {flip.at:g} or {more}" if flip.at else "The margin is 0"
        case "utilisation":
            return f"Hardware is busy {more} than {words.number(100 * flip.at)} % of the time"
        case "p95 limit":
            return f"The p95 limit is below {words.ms(flip.at)}"
