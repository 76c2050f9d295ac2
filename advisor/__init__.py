"""Advisor: which way of adapting a language model fits a task; estimated, measured side by side, decided.

>>> import advisor
>>> task = advisor.load_task("examples/handbook-qa")            # doctest: +SKIP
>>> model = advisor.load_model("embedded")                      # doctest: +SKIP
>>> comparison = advisor.compare(task, model, ["zero-shot", "rag:k=3", "lora"])  # doctest: +SKIP
>>> print(advisor.report(advisor.decide(comparison)))           # doctest: +SKIP
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.advise import (
        Answers,
        Budget,
        Estimate,
        Probes,
        Profile,
        Terms,
        ask,
        curve,
        probe,
        profile,
        race,
        recommend,
        with_race,
    )
    from advisor.decide import Curves, Decision, decide, load_prices
    from advisor.errors import AdvisorError, NotApplicable, UserError
    from advisor.measure.comparing import compare
    from advisor.measure.reading import read_comparison
    from advisor.measure.records import Comparison
    from advisor.models.load import load_model
    from advisor.report import render as report
    from advisor.tasks import Document, Example, Limits, Query, TableSource, Task, load_table, load_task, subset

__all__ = [
    "AdvisorError",
    "Answers",
    "Budget",
    "Comparison",
    "Curves",
    "Decision",
    "Document",
    "Estimate",
    "Example",
    "Limits",
    "NotApplicable",
    "Probes",
    "Profile",
    "Query",
    "TableSource",
    "Task",
    "Terms",
    "UserError",
    "ask",
    "compare",
    "curve",
    "decide",
    "load_model",
    "load_prices",
    "load_table",
    "load_task",
    "probe",
    "profile",
    "race",
    "read_comparison",
    "recommend",
    "report",
    "subset",
    "with_race",
]


_ROOMS = {
    "advisor.advise": (
        *("Answers", "Budget", "Estimate", "Probes", "Profile", "Terms"),
        *("ask", "curve", "probe", "profile", "race", "recommend", "with_race"),
    ),
    "advisor.decide": ("Curves", "Decision", "decide", "load_prices"),
    "advisor.errors": ("AdvisorError", "NotApplicable", "UserError"),
    "advisor.measure.comparing": ("compare",),
    "advisor.measure.reading": ("read_comparison",),
    "advisor.measure.records": ("Comparison",),
    "advisor.models.load": ("load_model",),
    "advisor.report": ("report",),
    "advisor.tasks": (
        *("Document", "Example", "Limits", "Query", "TableSource", "Task"),
        *("load_table", "load_task", "subset"),
    ),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}
_INSIDE = {"report": "render"}
"""What is called otherwise where it is at home."""


class _FrontDoor(ModuleType):
    """Fetches a public name when it is first asked for, so that whoever needs one of them does not pay for all.

    `decide` and `report` are rooms too, and the import of a room is written here under its name: what is public under
    that name wins.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'advisor' has no attribute {name!r}")
        found = getattr(import_module(_HOMES[name]), _INSIDE.get(name, name))
        self.__dict__[name] = found
        return found

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *__all__})


sys.modules[__name__].__class__ = _FrontDoor
