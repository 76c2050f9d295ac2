"""Where a comparison stands, told to whoever shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told each step as it begins; the report room shows it, a test or a script may ignore it."""

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts; `index` counts from 1."""

    def step(self, name: str, total: int | None) -> None:
        """A step of it starts: `fit`, `train`, `predict` or `latency`, with the number of examples if known."""

    def advance(self, n: int = 1) -> None:
        """`n` more examples of the step are done."""

    def end(self, spec: str, outcome: str) -> None:
        """It ended: `ok`, `already done`, or `failed: why` or `skipped: why`."""


class Silence:
    """Shows nothing."""

    def begin(self, spec: str, index: int, of: int) -> None:
        """Nothing."""

    def step(self, name: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, n: int = 1) -> None:
        """Nothing."""

    def end(self, spec: str, outcome: str) -> None:
        """Nothing."""
