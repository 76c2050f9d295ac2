"""The pilot: cheap first measurements of a model on a few examples of a task, within a time."""

from advisor.pilot.probing import probe
from advisor.pilot.readings import Probes, Rates, Reading

__all__ = ["Probes", "Rates", "Reading", "probe"]
