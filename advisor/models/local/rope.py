"""Rotary positions whose frequencies depend on how long a row is: rows on either side are not read together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from advisor.errors import UserError

Side = Literal["short", "long", "across"]


@dataclass(frozen=True)
class RopeTurn:
    """Where a model changes its frequencies, for all tokens of a forward pass by the largest position in it.

    Attributes:
        at: tokens of the longest row that is read with the frequencies of short ones.
        each: whether beyond it every length has frequencies of its own ("dynamic": NTK by length), else one set
            serves all ("longrope": Phi-3, Phi-4-mini).
    """

    at: int
    each: bool

    @classmethod
    def of(cls, config: Any) -> RopeTurn | None:
        """Of a model's configuration; None where its frequencies never change."""
        text = config.get_text_config(decoder=True)
        rope = getattr(text, "rope_parameters", None) or {}
        found = []
        for part in (rope, *(value for value in rope.values() if isinstance(value, dict))):
            kind = part.get("rope_type")
            if kind == "longrope":
                found.append(cls(part["original_max_position_embeddings"], False))
            elif kind == "dynamic":
                found.append(cls(text.max_position_embeddings, True))
        return min(found, key=lambda turn: turn.at, default=None)

    def side(self, length: int, more: int) -> Side:
        """On which side a row of so many tokens stays while up to `more` follow it."""
        if length + more <= self.at:
            return "short"
        return "across" if self.each or length <= self.at else "long"

    def beyond(self, tokens: int, given: int) -> UserError:
        """What is said of a row that does not stay before the turn, behind so many keys that were given."""
        seen = f"a prompt of {tokens:,} tokens, answer included, behind a learnt beginning of {given:,}"
        return UserError(
            f"{seen}: this model changes its rotary frequencies at {self.at:,} tokens, which what was learnt cannot do",
            "shorter inputs or contexts; or lora, which learns weights instead",
        )


def alike(turn: RopeTurn | None, lengths: Sequence[int], more: int) -> Iterator[list[int]]:
    """Numbers of the rows that may be read together; each that crosses the turn is alone."""
    if turn is None:
        yield list(range(len(lengths)))
        return
    sides = [turn.side(length, more) for length in lengths]
    for side in ("short", "long"):
        if numbers := [number for number, found in enumerate(sides) if found == side]:
            yield numbers
    yield from ([number] for number, found in enumerate(sides) if found == "across")


def afresh(module: Any) -> None:
    """Let frequencies that grow with the longest row so far be those of the next one alone."""
    for part in module.modules():
        if hasattr(part, "max_seq_len_cached") and hasattr(part, "original_max_seq_len"):
            for name in [name for name in vars(part) if name.endswith("max_seq_len_cached")]:  # one a kind of layers
                setattr(part, name, part.original_max_seq_len)
            for name, first in list(part.named_buffers(recurse=False)):
                if name.endswith("original_inv_freq"):
                    setattr(part, name.replace("original_", ""), first.clone())
