"""Advisor: which way of adapting a language model fits a task; estimated, measured side by side, decided.

>>> import advisor
>>> task = advisor.load_task("examples/handbook-qa")            # doctest: +SKIP
>>> model = advisor.load_model("embedded")                      # doctest: +SKIP
>>> comparison = advisor.compare(task, model, ["zero-shot", "rag:k=3", "lora"])  # doctest: +SKIP
>>> print(advisor.report(advisor.decide(comparison)))           # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.advice import Answers, Estimate, ask, recommend
    from advisor.curves import curve
    from advisor.deploy import load_predictor
    from advisor.errors import AdvisorError, NotApplicable, UserError
    from advisor.measuring.comparing import compare
    from advisor.measuring.reading import read_comparison
    from advisor.measuring.records import Comparison
    from advisor.models.load import load_model
    from advisor.pilot import Probes, probe
    from advisor.profiling import Profile, profile
    from advisor.racing import Budget, Terms, race, with_race
    from advisor.reporting import report
    from advisor.tasks import (
        Document,
        Example,
        Limits,
        Preference,
        Query,
        TableSource,
        Task,
        load_table,
        load_task,
        subset,
    )
    from advisor.verdict import Curves, Decision, decide, load_prices

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
    "Preference",
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
    "load_predictor",
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


_HOMES = {
    "Answers": "advice",
    "Budget": "racing",
    "Curves": "verdict",
    "Decision": "verdict",
    "Comparison": "measuring.records",
    "Document": "tasks",
    "AdvisorError": "errors",
    "Estimate": "advice",
    "Example": "tasks",
    "Limits": "tasks",
    "NotApplicable": "errors",
    "Preference": "tasks",
    "Probes": "pilot",
    "Profile": "profiling",
    "Query": "tasks",
    "TableSource": "tasks",
    "Task": "tasks",
    "Terms": "racing",
    "UserError": "errors",
    "ask": "advice",
    "compare": "measuring.comparing",
    "curve": "curves",
    "decide": "verdict",
    "load_model": "models.load",
    "load_predictor": "deploy",
    "load_prices": "verdict",
    "load_table": "tasks",
    "load_task": "tasks",
    "probe": "pilot",
    "profile": "profiling",
    "race": "racing",
    "read_comparison": "measuring.reading",
    "recommend": "advice",
    "report": "reporting",
    "subset": "tasks",
    "with_race": "racing",
}
"""The room of each public name, which is read when the name is first asked for: who needs one does not pay for all."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'advisor' has no attribute {name!r}")
    found = getattr(import_module(f"advisor.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
