"""The results of probing a model on a task. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

PROBING = 100.0  # seconds that probes may take unless told otherwise: with loading and the profile, two minutes


@dataclass(frozen=True, slots=True)
class ProbeReading:
    """One probe's measured value with its 95 % interval.

    Attributes:
        name: what was measured: the spec of an approach (`zero-shot`, `few-shot:k=4`, `oracle`, `rag`, `nearest`,
            `head`), or `recall@3`, `perplexity of inputs`, `perplexity of documents`.
        value: the value in the task's metric for approaches; recall from 0 to 1; perplexity per word, from 1.
        n: examples (or documents) behind it.
        train: training examples that what was measured had at hand.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    train: int


@dataclass(frozen=True, slots=True)
class Rates:
    """The speed of this model on this machine, in tokens per second; None where not measured.

    Attributes:
        prefill: prompt tokens read, many prompts together.
        prefill_alone: the same for a prompt that is alone.
        decode: tokens generated, many answers together.
        decode_alone: the same for an answer that is alone.
        train: tokens of training rows.
        embed: words embedded, many texts together.
    """

    prefill: float | None = None
    prefill_alone: float | None = None
    decode: float | None = None
    decode_alone: float | None = None
    train: float | None = None
    embed: float | None = None


@dataclass(frozen=True)
class Probes:
    """All results of probing, on examples of train or dev alone.

    Attributes:
        readings: approaches and retrieval, with all the training examples that the probe used.
        curve: the cheap learners (`nearest`, `head`) with fewer training examples, smallest first.
        split: the split of the probed examples, `dev` or `train`.
        left_out: the things that were not probed and why, in full sentences.
        seconds: the time of all probes.
        others: share of the processor that other processes took meanwhile; None where that cannot be told.
    """

    readings: tuple[ProbeReading, ...]
    curve: tuple[ProbeReading, ...]
    rates: Rates
    split: str
    left_out: tuple[str, ...]
    seconds: float
    others: float | None = None

    def value(self, name: str) -> float | None:
        """The value of a reading; None where it was not measured."""
        return next((reading.value for reading in self.readings if reading.name == name), None)
