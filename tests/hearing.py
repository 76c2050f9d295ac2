"""Somebody who listens to a run and keeps what is told."""

from __future__ import annotations

from advisor.measuring.progress import Silence


class Ear(Silence):
    """Keeps what it is told.

    Attributes:
        told: steps, as their name and total, and by how much they advanced.
        ended: how what was begun ended, in order.
    """

    def __init__(self) -> None:
        self.told: list[object] = []
        self.ended: dict[str, str] = {}

    def step(self, name: str, total: int | None) -> None:
        self.told.append((name, total))

    def advance(self, n: int = 1) -> None:
        self.told.append(n)

    def answered(self, prompts: int) -> None: ...

    def end(self, spec: str, outcome: str) -> None:
        self.ended[spec] = outcome
