"""The time a comparison took by kind of work, and its share of the machine's peak rate of matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from advisor.measuring.records import Comparison, Member, ModelFacts
from advisor.models.clock import Span

OPERATIONS = {"prefill": 2, "train": 4}
"""For each weight and token: two to read it; as many again for the gradient to a frozen layer's input."""


@dataclass(frozen=True)
class Effort:
    """Time, tokens and utilisation by kind of work, over all calls and kills.

    Attributes:
        seconds: wall seconds by kind of work, most first; without runs taken over from an earlier comparison.
        tokens: tokens read by the model, for the kinds of work that read some.
        shares: the share of the machine's peak rate of matrix products, for the kinds of work where it is known; of
            several models, of each one's own rate.
        members: the models that the shares are of.
    """

    seconds: Mapping[str, float]
    tokens: Mapping[str, int]
    shares: Mapping[str, float]
    members: tuple[Member, ...] = ()


def effort(comparison: Comparison) -> Effort:
    """Sum the timed spans of the runs measured here and of the work around them."""
    seconds: dict[str, float] = {}
    tokens: dict[str, int] = {}
    for spans in (comparison.spans, *(run.spans for run in comparison.runs if run.measured is None)):
        for name, span in spans.items():
            seconds[name] = seconds.get(name, 0.0) + span.seconds
            if span.tokens:
                tokens[name] = tokens.get(name, 0) + span.tokens
    work = [(name, *of) for name in OPERATIONS for of in _multiplied(comparison, name)]
    shares = {name: share for name in OPERATIONS if (share := _share(name, work)) is not None}
    ordered = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    members = {member.key or member.alias: member for name, member, _ in work if name in shares}
    return Effort(dict(ordered), tokens, shares, tuple(members.values()))


def ceiling_of(members: Sequence[Member]) -> ModelFacts | None:
    """The one model whose rate of matrix products is known; None where there is none, or several."""
    known = [member.facts for member in members if member.facts.matrix_flops]
    return known[0] if len(known) == 1 else None


def _multiplied(comparison: Comparison, name: str) -> Iterator[tuple[Member, Span]]:
    """One kind of work of each run that was measured here with a model whose rate and weights are known."""
    for run in comparison.runs:
        member, span = comparison.model_of(run), run.spans.get(name)
        known = member is not None and member.facts.matrix_flops and member.facts.matrix_parameters
        if run.measured is None and member is not None and known and span is not None:
            yield member, span


def _share(name: str, work: Sequence[tuple[str, Member, Span]]) -> float | None:
    """The operations of one kind of work, over those that would have been possible meanwhile; None where unknown."""
    done = possible = 0.0
    for kind, member, span in work:
        if kind == name:
            done += OPERATIONS[name] * (member.facts.matrix_parameters or 0) * span.tokens
            possible += (member.facts.matrix_flops or 0.0) * span.seconds
    return done / possible if done and possible else None
