"""The time a comparison took by kind of work, and its share of the machine's peak rate of matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from advisor.measuring.records import Comparison

OPERATIONS = {"prefill": 2, "train": 4}
"""For each weight and token: two to read it; as many again for the gradient to a frozen layer's input."""


@dataclass(frozen=True)
class Effort:
    """Time, tokens and utilisation by kind of work, over all calls and kills.

    Attributes:
        seconds: wall seconds by kind of work, most first; without runs taken over from an earlier comparison.
        tokens: tokens read by the model, for the kinds of work that read some.
        shares: the share of the machine's peak rate of matrix products, for the kinds of work where it is known.
    """

    seconds: Mapping[str, float]
    tokens: Mapping[str, int]
    shares: Mapping[str, float]


def effort(comparison: Comparison) -> Effort:
    """Sum the timed spans of the runs measured here and of the work around them."""
    seconds: dict[str, float] = {}
    tokens: dict[str, int] = {}
    for spans in (comparison.spans, *(run.spans for run in comparison.runs if run.measured is None)):
        for name, span in spans.items():
            seconds[name] = seconds.get(name, 0.0) + span.seconds
            if span.tokens:
                tokens[name] = tokens.get(name, 0) + span.tokens
    shares = {name: share for name in OPERATIONS if (share := _share(comparison, name)) is not None}
    ordered = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    return Effort(dict(ordered), tokens, shares)


def _share(comparison: Comparison, name: str) -> float | None:
    """The operations of one kind of work, over those that would have been possible meanwhile; None where unknown."""
    done = possible = 0.0
    for run in comparison.runs:
        member, span = comparison.model_of(run), run.spans.get(name)
        if run.measured is not None or member is None or span is None or not member.facts.matrix_flops:
            continue
        done += OPERATIONS[name] * (member.facts.matrix_parameters or 0) * span.tokens
        possible += member.facts.matrix_flops * span.seconds
    return done / possible if done and possible else None
