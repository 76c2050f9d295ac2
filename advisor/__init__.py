"""Advisor: which way of adapting a language model fits a task; estimated, measured side by side, decided.

>>> import advisor
>>> task = advisor.load_task("examples/handbook-qa")            # doctest: +SKIP
>>> model = advisor.load_model("embedded")                      # doctest: +SKIP
>>> comparison = advisor.compare(task, model, ["zero-shot", "rag:k=3", "lora"])  # doctest: +SKIP
>>> print(advisor.report(advisor.decide(comparison)))           # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

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
from advisor.measure.comparing import compare, read_comparison
from advisor.measure.records import Comparison
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


def __getattr__(name: str) -> Any:
    """The one lazy door: `load_model` brings in torch, so it is fetched when it is first asked for."""
    if name == "load_model":
        return import_module("advisor.models.load").load_model
    raise AttributeError(f"module 'advisor' has no attribute {name!r}")
