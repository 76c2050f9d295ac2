"""The pilot: cheap first measurements of a model on a few examples of a task, within a time."""

from advisor.pilot.probing import probe
from advisor.pilot.readings import ProbeReading, Probes, Rates

__all__ = ["ProbeReading", "Probes", "Rates", "probe"]
