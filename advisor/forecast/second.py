"""What other models will be asked before rows are fitted, in the plan of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from advisor.approaches import Approach, SecondPass, known, owed, spec_of
from advisor.forecast.plan import ModelOutlook, Scope, planned
from advisor.forecast.planned import PlannedRow, WorkPlan
from advisor.tasks import Outline, Task
from advisor.tasks.outline import Texts

UNKNOWN = "cannot be told: it does not say as what it asks"


def with_passes(
    found: WorkPlan, task: Task, asked: Sequence[tuple[ModelOutlook, Sequence[Approach]]], scope: Scope
) -> WorkPlan:
    """The plan with a row for each pass of another model, before the others; what is recorded already asks nobody."""
    models = {model.alias: model for model, _ in asked}
    waiting = {(row.spec, row.model) for row in found.rows if not row.instead}
    rows: dict[tuple[str, str], PlannedRow] = {}
    for model, approaches in asked:
        for approach in approaches:
            spec = spec_of(approach)
            if (spec, model.alias if approach.uses_model else "") not in waiting:
                continue
            for seed in range(scope.seeds if approach.seeded else 1):
                for _, one in owed(approach, seed):
                    row = _foreseen(f"{one.parameter} of {spec}", one, task, models[one.alias])
                    rows.setdefault((one.alias, one.request), row)
    return replace(found, rows=(*rows.values(), *found.rows))


def _foreseen(name: str, one: SecondPass, task: Task, model: ModelOutlook) -> PlannedRow:
    """A pass as answers of the approach as which the model is asked, with what it takes to be able to give them."""
    said = one.answers_as(len(task.train))
    approach = known(said[0]) if said else None
    if said is None or approach is None:
        return PlannedRow(name, one.alias, instead=UNKNOWN)
    outline = replace(Outline.of(task), test=Texts(round(said[1])))
    anew = replace(model, done=frozenset(), done_after=frozenset())
    row = planned(approach, outline, anew, Scope(latency_examples=0))
    return PlannedRow(name, one.alias, fit=row.fit + row.test, instead=row.instead)
