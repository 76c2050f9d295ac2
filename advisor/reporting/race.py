"""The report of a race, in sentences and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from advisor.reporting import figures
from advisor.verdict import words
from advisor.verdict.race import WHY, Entrant, Race


def summary(race: Race) -> list[str]:
    """The examples of the race, how it ended and how long it took."""
    spent = race.racing + race.measuring
    budget = figures.duration(race.budget) + (f" ({figures.money(race.usd)})" if race.usd is not None else "")
    shares = f"{figures.duration(race.racing)} racing, {figures.duration(race.measuring)} measuring the finalists"
    sentences = [f"Budget {budget}; spent {figures.duration(spent)}: {shares}."]
    if race.overrun:
        sentences.append(f"That is {figures.duration(race.overrun)} more than the budget.")
    if race.pool:
        sentences.append(
            f"Raced on {race.pool} {'training' if race.split == 'train' else race.split} examples that nobody learned "
            f"from; {figures.count(race.train)} training examples were left."
        )
        sentences.append(f"The race ended because {WHY[race.stopped]}.")
        sentences += _favourite(race)
    elif race.stopped == "alone":
        sentences.append("There was nothing to race against.")
    else:
        sentences.append("There were too few examples to set some aside: everything was measured, in order.")
    return sentences


def entrants(race: Race) -> list[tuple[str, str]]:
    """Each approach with its outcome."""
    return [(entrant.spec, _fate(entrant, race)) for entrant in race.entrants]


def guarantee(race: Race) -> list[str]:
    """The guarantee of the race, and the assumption it rests on."""
    if not race.pool or race.stopped == "alone":
        return []
    chance = figures.amount(100 * race.level)
    sentences = [
        f"Guarantee: with a chance of at most {chance} % in the whole race, whenever it was looked at, the approach of "
        f"the highest expected {race.score} was dropped as beaten, or a winner was called certain that is worse than "
        f"it by {figures.amount(race.margin)} or more.",
        "Evidence is an e-process of bets on the paired differences (Waudby-Smith and Ramdas 2024); to beat an "
        f"approach it has to exceed {figures.amount(race.rivals / race.level)}: {figures.count(race.rivals)} rivals "
        f"over {figures.amount(race.level)}.",
    ]
    if race.assumed:
        sentences.append(
            "What was dropped with a smaller training set was so on the assumption that the whole of it would not add "
            f"more than {figures.amount(race.gain)}."
        )
    lost = [e.spec for e in race.entrants if e.state == "no time"]
    if lost:
        sentences.append(f"Nothing is promised of {words.listed(lost)}, for which there was no time.")
    return sentences


def _favourite(race: Race) -> list[str]:
    """A sentence about the favourite where it is not the winner."""
    found = next((e for e in race.entrants if e.spec == race.favourite), None)
    if found is None or found.state in ("winner", "finalist"):
        return []
    if found.expected is not None and found.expected > (found.score or 0.0):
        return [
            f"{found.spec} may well be the best, and there was no time to measure it: comparisons on other tasks let "
            f"one expect {figures.decimals(found.expected)} of it. A larger budget goes on from here."
        ]
    fewer = f", with only {figures.count(found.trained_on)} training examples," if found.trained_on else ""
    return [
        f"{found.spec}{fewer} seemed the best on the race's examples, and there was no time to measure it: a larger "
        "budget goes on from here."
    ]


def as_json(race: Race | None) -> dict[str, object] | None:
    """The race for results.json; None where there was none."""
    if race is None:
        return None
    facts = {field.name: getattr(race, field.name) for field in dataclasses.fields(race)}
    names = {"budget": "budget_seconds", "usd": "budget_usd", "racing": "racing_seconds", "measuring": "final_seconds"}
    return {
        **{names.get(name, name): value for name, value in facts.items()},
        "overrun_seconds": race.overrun,
        "entrants": [dataclasses.asdict(entrant) for entrant in race.entrants],
        "guarantee": " ".join(guarantee(race)) or None,
    }


def _fate(entrant: Entrant, race: Race) -> str:
    return ", ".join(_parts(entrant, race)) + (f" ({entrant.why})" if entrant.why else "")


def _parts(entrant: Entrant, race: Race) -> Iterator[str]:
    words = {
        "winner": "leads",
        "finalist": "not told apart from it",
        "unmeasured": "not told apart from it, but no time was left to measure it",
        "passed over": f"shown not to be better by {figures.amount(race.margin)}, and dearer",
        "over a limit": "breaks a limit",
        "no time": "not fitted: no time",
        "failed": "out",
    }
    if entrant.state == "beaten" and entrant.difference is not None:
        fewer = f" with {figures.count(entrant.trained_on)} training examples" if entrant.trained_on else ""
        shown = "over 1,000,000" if (entrant.evidence or 0) > 1e6 else figures.count(entrant.evidence)
        yield (
            f"beaten by {entrant.by}{fewer}: {figures.decimals(entrant.difference, signed=True)} on "
            f"{entrant.at_examples} examples, evidence {shown}"
        )
    else:
        yield words.get(entrant.state, entrant.state)
    if entrant.score is not None and entrant.state != "beaten":
        yield f"{figures.decimals(entrant.score)} on {entrant.examples} examples"
    if entrant.expected is not None and entrant.state == "no time":
        yield f"{figures.decimals(entrant.expected)} expected from other tasks"
    if entrant.left_at is not None:
        yield f"out after {figures.duration(entrant.left_at)}"
    if entrant.seconds:
        yield f"took {figures.duration(entrant.seconds)}"
