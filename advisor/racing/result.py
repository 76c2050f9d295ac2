"""The result of a race: the comparison of its finalists, and how the race went."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from advisor.measuring.lines import lines
from advisor.measuring.records import Comparison
from advisor.racing.track import JOURNAL, RACE
from advisor.verdict import words
from advisor.verdict.decision import Decision
from advisor.verdict.flips import provisional
from advisor.verdict.race import Entrant, Race


@dataclass(frozen=True)
class RacedComparison(Comparison):
    """A comparison of a race's finalists, on the task without the examples set aside for the race.

    Attributes:
        race: how the race went, and where each approach stood in the end.
    """

    race: Race = field(kw_only=True)

    @classmethod
    def of(cls, comparison: Comparison, race: Race) -> RacedComparison:
        """Join a comparison with the race that chose its approaches."""
        return cls(**{f.name: getattr(comparison, f.name) for f in fields(Comparison)}, race=race)


def with_race(decision: Decision) -> Decision:
    """Add to a decision the race that chose its approaches, where there was one.

    What the race could not measure for lack of time leaves the choice open.
    """
    compared = decision.comparison
    found = compared.race if isinstance(compared, RacedComparison) else recorded_race(compared)
    if found is None:
        return decision
    lost = [e.spec for e in found.entrants if e.state in ("unmeasured", "no time")]
    choice = decision.recommendation
    if lost and choice.approach is not None:
        need = "a larger --budget goes on from here"
        caveat = f"The budget did not allow to measure {words.listed(lost)} on the test set: {need}."
        caveats = (caveat, *choice.caveats)
        choice = replace(provisional(choice), unmeasured=tuple(lost), caveats=caveats)
    return replace(decision, race=found, recommendation=choice)


def record_of(raced: RacedComparison) -> dict[str, Any]:
    """The race as its journal keeps it, with the identity of its comparison; plain JSON values."""
    specs = sorted({run.spec for run in raced.runs})
    found: dict[str, Any] = json.loads(
        json.dumps(asdict(raced.race) | {"task": raced.task.fingerprint, "specs": specs})
    )
    return found


def recorded_race(comparison: Comparison) -> Race | None:
    """The race of a comparison read from its run folder; None where there was none."""
    specs = sorted({run.spec for run in comparison.runs})
    found = None
    for line in lines(Path(comparison.folder) / RACE / JOURNAL):
        if line["type"] == "race" and (line.get("task"), line.get("specs")) == (comparison.task.fingerprint, specs):
            found = line
    if found is None:
        return None
    known = {f.name for f in fields(Race)}
    entrants = tuple(Entrant(**entrant) for entrant in found["entrants"])
    return Race(**{name: value for name, value in found.items() if name in known} | {"entrants": entrants})
