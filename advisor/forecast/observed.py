"""Which readings of probes are of the very approaches that are to be expected."""

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
    """By spec; none of what is measured already.

    Args:
        description: of the task with the training examples that the approaches will have.
    """
    return {
        one.name: one
        for one in (probes.readings if probes else ())
        if one.name in found and found[one.name].basis != "measured" and _tells(one, found[one.name], description)
    }


def _tells(reading: ProbeReading, one: Belief, description: Description) -> bool:
    """Whether it is of this very approach, or of one that knew less and still did better than expected."""
    approach = known(reading.name)
    enough = reading.train >= NEARLY_ALL * description.train and not unfair(reading, description)
    enough = enough or (approach is not None and not approach.learns)
    return reading.n >= FEWEST and (enough or angle(reading.value) > one.middle)


def unfair(reading: ProbeReading, description: Description) -> bool:
    """Whether what was judged had been taken out of labels with hardly any examples: the others then know most of all
    labels but its own, or nothing of that."""
    approach = known(reading.name)
    taken_out = reading.train < description.train and approach is not None and approach.only_seen_labels
    return taken_out and scarce(description.train, description.labels)
