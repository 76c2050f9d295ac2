"""Another model that was asked before a run, as records have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SecondModel:
    """Another model that was asked before a run was fitted (`advisor.approaches.SecondPass`).

    Attributes:
        parameter, alias: by which the approach names it.
        key: digest of all that decides what it told.
        id, revision: of its weights.
        seconds: that asking took; they are part of `Run.fit_seconds`. None where the run was not fitted yet.
        calls: what it was asked where it is elsewhere; amounts as in `advisor.models.clock.Ledger`.
        tokens: that it read where it is in this process.
        model, hardware: what it says of itself and the machine, by which its work is paid.
    """

    parameter: str
    alias: str
    key: str = ""
    id: str = ""
    revision: str = ""
    seconds: float | None = None
    calls: Mapping[str, int] = field(default_factory=dict)
    tokens: int = 0
    model: Mapping[str, Any] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
