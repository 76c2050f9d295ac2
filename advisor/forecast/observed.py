"""Which probe readings measure the approaches whose quality is forecast."""

from __future__ import annotations

from collections.abc import Mapping

from advisor.approaches import known
from advisor.forecast.belief import Belief
from advisor.forecast.scale import angle
from advisor.pilot.readings import ProbeReading, Probes
from advisor.tasks.description import Description
from advisor.tasks.splits import scarce

NEARLY_ALL = 0.75
"""Share of the training examples with which an approach has to have been probed for its reading to be of that one."""
FEWEST = 16  # examples that a reading has to rest on


def telling_readings(
    found: Mapping[str, Belief], probes: Probes | None, description: Description
) -> dict[str, ProbeReading]:
    """The readings that update the forecast, by spec, except of approaches measured already.

    Args:
        description: the task with the training examples that the approaches will have.
    """
    return {
        one.name: one
        for one in (probes.readings if probes else ())
        if one.name in found and found[one.name].basis != "measured" and _tells(one, found[one.name], description)
    }


def _tells(reading: ProbeReading, one: Belief, description: Description) -> bool:
    """Whether a reading is of this very approach, or of one with fewer examples that still exceeds the expectation."""
    approach = known(reading.name)
    enough = reading.train >= NEARLY_ALL * description.train and not unfair(reading, description)
    enough = enough or (approach is not None and not approach.learns)
    return reading.n >= FEWEST and (enough or angle(reading.value) > one.middle)


def unfair(reading: ProbeReading, description: Description) -> bool:
    """Whether the judged examples were taken out of labels with hardly any examples, so that the reading is biased
    downwards.
    """
    approach = known(reading.name)
    taken_out = reading.train < description.train and approach is not None and approach.only_seen_labels
    return taken_out and scarce(description.train, description.labels)
