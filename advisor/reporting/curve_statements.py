"""The statements about learning curves, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from advisor.reporting import figures
from advisor.verdict import words
from advisor.verdict.crossings import Crossing
from advisor.verdict.curves import FLAT, LABELS, Curve, Curves, Leader
from advisor.verdict.saturation import ASSUMPTION

_FEW_SIZES, _FEW_DRAWS = 4, 5


def about(size: float) -> str:
    """A number of training examples to two significant digits: `240`, `1,300`."""
    return f"{figures.significant(size):,.0f}"


def leaders(curves: Curves) -> str:
    """Which approach leads at which sizes; empty where nothing was fitted."""
    found = curves.leaders
    if not found:
        return ""
    first, last = figures.count(found[0].start), figures.count(found[-1].end)
    reach = {(curve.line[0][0], curve.doubling.start) for curve in curves.curves if curve.line and curve.doubling}
    among = " among those measured there" if len(reach) > 1 else ""
    if len(found) == 1:
        return f"{found[0].spec} is ahead{among} from {first} to {last} labels, by the fitted curves."
    stretches = [_stretch(leader, number, found) for number, leader in enumerate(found)]
    return f"Ahead{among}, by the fitted curves: {words.listed(stretches)}. The crossings say how sure that is."


def _stretch(leader: Leader, number: int, found: Sequence[Leader]) -> str:
    if number == len(found) - 1:
        return f"{leader.spec} from there to {figures.count(leader.end)}"
    until = math.sqrt(leader.end * found[number + 1].start)
    return f"{leader.spec} up to about {about(until)}" + (" labels" if number == 0 else "")


def crossings(curves: Curves) -> list[str]:
    """One sentence for each pair: overtakings first, then approaches ahead throughout, last pairs that cannot be told
    apart.
    """
    told = [c for c in curves.crossings if not _untold(c)]
    told.sort(key=lambda c: (c.at is None, c.extrapolated, c.at or 0.0))
    sentences = [crossing(c) for c in told if not _throughout(c)]
    always: dict[tuple[str, float, int], list[str]] = {}
    for c in filter(_throughout, told):
        always.setdefault((c.later, c.start, c.end), []).append(c.earlier)
    sentences += [_ahead(later, words.listed(behind), start, end) for (later, start, end), behind in always.items()]
    rest = [f"{c.later} and {c.earlier}" for c in curves.crossings if _untold(c)]
    if rest:
        sentences.append(f"Cannot be told apart with these test examples: {'; '.join(rest)}.")
    return sentences


def _throughout(c: Crossing) -> bool:
    return c.at is None and c.high is not None and c.high <= c.start


def _ahead(later: str, earlier: str, start: float, end: int) -> str:
    return (
        f"{later} is ahead of {earlier} at every number of labels from {figures.count(start)} to {figures.count(end)}."
    )


def _untold(c: Crossing) -> bool:
    return c.high is None and c.low is None


def crossing(c: Crossing) -> str:
    """Where one approach overtakes the other, with the interval."""
    start, end = figures.count(c.start), figures.count(c.end)
    if _untold(c):
        return f"{c.later} and {c.earlier} cannot be told apart with these test examples."
    if c.at is None:
        if _throughout(c):
            return _ahead(c.later, c.earlier, c.start, c.end)
        return f"{c.later} is ahead of {c.earlier}; that is shown from about {about(c.high or c.end)} labels on."
    if c.extrapolated:
        return _extrapolated(c)
    head = f"{c.later} passes {c.earlier} at about {about(c.at)} labels"
    if c.low is not None and c.high is not None:
        return f"{head}, 95 % between {about(c.low)} and {about(c.high)}."
    if c.low is None and c.high is not None:
        return f"{head}, 95 % up to {about(c.high)}: that {c.earlier} is ahead at {start}, the fewest, is not shown."
    return (
        f"{head}, 95 % from {about(c.low or c.start)} on: that it is ahead at {end}, the most measured, is not shown."
    )


def _extrapolated(c: Crossing) -> str:
    text = f"{c.later} may pass {c.earlier} at about {about(c.at or c.end)} labels, beyond what was measured; "
    low = f"between {about(c.low)}" if c.low is not None else f"between less than {figures.count(c.start)}"
    high = about(c.high) if c.high is not None else f"more than {figures.count(c.end)}, or never"
    return f"{text}95 % {low} and {high}."


def flat(curve: Curve) -> str:
    """From where the curve is flat (`from 130`), or that it still rises."""
    if not curve.families:
        return ""
    return "still rising" if curve.flat_from is None else f"from {about(curve.flat_from)}"


def flatness() -> str:
    """The definition of flat."""
    return f"Flat: where twice as many labels add less than {FLAT:g}, by the estimate."


def next_labels(curves: Curves) -> str:
    """The number of further labels that are priced, in words; it differs only where sizes do."""
    spans = {(c.more.start, c.more.end) for c in curves.curves if c.more}
    if len(spans) != 1:
        return f"up to {LABELS} more labels than the most measured of each"
    ((start, end),) = spans
    return f"{figures.count(end - start)} more labels than {figures.count(start)}"


def troubles(curves: Curves) -> list[str]:
    """The reasons for missing qualities, grouped by approach and reason."""
    found = []
    for curve in curves.curves:
        reasons: dict[str, list[int]] = {}
        for point in curve.points:
            if point.trouble:
                reasons.setdefault(point.trouble, []).append(point.size)
        for reason, sizes in reasons.items():
            found.append(f"{curve.spec} with {words.listed([figures.count(s) for s in sizes])}: {reason}")
    return found


def caveats(curves: Curves) -> list[str]:
    """The limits of these statements, in full sentences."""
    growth = curves.growth
    found = [*growth.model.caveats, *growth.task.caveats]
    if too_many := [figures.count(size) for size in growth.asked if size > growth.task.train]:
        there = figures.count(growth.task.train)
        found.append(f"{words.listed(too_many)} training examples were asked for; there are {there}: all were used.")
    if growth.task.dev:
        found.append(
            f"The {figures.count(growth.task.dev)} dev examples were at hand at every size, beside the others."
        )
    if growth.draws == 1:
        found.append(
            "One sample of the training examples was drawn at each size: the intervals hold the chance of the test "
            "examples, not that of which training examples one has, which matters most where they are few. "
            "--seeds 3 measures it."
        )
    elif growth.draws < _FEW_DRAWS:
        found.append(f"{growth.draws} samples of the training examples are few: the intervals are still too narrow.")
    fitted = [sum(p.quality is not None for p in c.points) for c in curves.curves if c.families]
    if fitted and min(fitted) < _FEW_SIZES:
        found.append(
            f"{min(fitted)} sizes do not settle how a curve bends: the intervals are as wide as the families of curves "
            f"differ. {_FEW_SIZES} sizes or more let the data say it."
        )
    for curve in curves.curves:
        for before, after in curve.falls:
            found.append(
                f"{curve.spec} is shown to be worse with {figures.count(after)} examples than with "
                f"{figures.count(before)}; its curve was fitted as if it never fell."
            )
        if curve.misses:
            sizes = words.listed([figures.count(size) for size in curve.misses])
            found.append(f"{curve.spec}: the fitted curve leaves the interval measured at {sizes}; trust the table.")
    if len(curves.crossings) > 1:
        found.append(f"Each interval stands for itself; {len(curves.crossings)} pairs were looked at.")
    return found


def method(curves: Curves) -> str:
    """How the figures were computed."""
    drawn = f", {curves.growth.draws} draws each" if curves.growth.draws > 1 else ""
    return (
        f"Every approach was measured on the same {figures.count(curves.test)} test examples at every size{drawn}, "
        "without latency; the training examples of a smaller size are among those of a larger one. "
        f"{ASSUMPTION} Intervals hold 95 %, by a bootstrap over the test examples, paired over approaches and sizes. "
        "Beyond the largest size they hold if the curve goes on as one of these families would: a jump that begins "
        f"only there is not foreseen. Nothing is said beyond {figures.count(curves.farthest)} labels."
    )
