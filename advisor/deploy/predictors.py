"""A fitted predictor of a run folder, ready to answer in any process: the task it was fitted for is not needed."""

from __future__ import annotations

import json
from pathlib import Path

from advisor.approaches import Predictor, apart, known, parse, row_name, spec_of
from advisor.cleaning import say
from advisor.disk import intact
from advisor.errors import UserError
from advisor.measuring.keeping import BRIEF
from advisor.measuring.reading import read_comparison, run_place
from advisor.measuring.records import Comparison, Member, Run
from advisor.models import LanguageModel
from advisor.models.load import load_again
from advisor.racing import with_race
from advisor.tasks import Limits, TaskBrief
from advisor.verdict import decide

MODEL = ("revision", "embedder")  # what has to be the same for the answers to be those that were measured


def load_predictor(folder: str | Path, spec: str | None = None, model: LanguageModel | None = None) -> Predictor:
    """The fitted predictor of a row of the newest comparison in a run folder.

    It answers as it was measured: the instruction, labels, worked examples, index, weights and decoding are those that
    were saved. The folder may have been moved, and the task may be gone.

    Args:
        spec: of the row; None takes the only one, the recommended one, or else the provisional one, which is named on
            stderr.
        model: None loads the recorded one.

    Raises:
        UserError: there is no such row, it was not measured to the end, or the model is another one.
    """
    comparison = read_comparison(folder)
    run = chosen(comparison, spec)
    return restored(comparison, run, model or recorded_model(comparison, run))


def chosen(comparison: Comparison, spec: str | None) -> Run:
    """The run that answers for a row: the first seed that was measured to the end.

    Raises:
        UserError: the comparison has no such row, chooses none, or the row was not measured to the end.
    """
    spec = spec or _recommended(comparison)
    rows = list(dict.fromkeys(run.spec for run in comparison.runs))
    named = spec if spec in rows else _as_recorded(spec)
    runs = [run for run in comparison.runs if run.spec == named]
    found = [] if runs else [row for row in rows if apart(row)[0] == named]
    if len(found) == 1:
        runs = [run for run in comparison.runs if run.spec == found[0]]
    elif found:
        raise UserError(f"{comparison.folder}: has several rows {named!r}", f"name one of {', '.join(found)}")
    if not runs:
        raise UserError(f"{comparison.folder}: has no row {spec!r}", f"its rows are {', '.join(rows)}")
    done = [run for run in runs if run.status == "ok"]
    if not done:
        reason = f" ({runs[0].error})" if runs[0].error else ""
        ready = ", ".join(dict.fromkeys(run.spec for run in comparison.runs if run.status == "ok")) or "none"
        seen = f"{comparison.folder}: {named} was not measured to the end: {runs[0].status}{reason}"
        raise UserError(seen, f"rows that can answer: {ready}")
    return done[0]


def _as_recorded(spec: str) -> str:
    """A spec as records have it, with the model that it names."""
    described, alias = known(spec), apart(spec)[1]
    if described is None:
        return spec
    return row_name(spec_of(described), alias) if alias else spec_of(described)


def _recommended(comparison: Comparison) -> str:
    """The only row that there is, as in a bundle; else the one that the comparison chooses."""
    rows = {run.spec for run in comparison.runs}
    if len(rows) == 1:
        return rows.pop()
    decision = with_race(decide(comparison, Limits(**comparison.task.limits)))
    found = decision.recommendation
    if found.approach is None:
        raise UserError(f"{comparison.folder}: no row is recommended", "name one: advisor report shows them")
    if not found.decided:
        say(f"note: {found.approach} is the provisional choice; the comparison has not decided")
    return found.approach


def recorded_model(
    comparison: Comparison, run: Run, trust_remote_code: bool = False, offline: bool = False
) -> LanguageModel:
    """The model of a run, loaded as it was then.

    Args:
        offline: whether no text may leave the machine, if the task's limits do not say so already.
        trust_remote_code: whether code that comes with the weights may run; a record cannot allow it.

    Raises:
        UserError: the record does not say how, or it cannot be had any more.
    """
    member = model_of(comparison, run)
    if not member.loaded_from:
        raise UserError(
            f"{comparison.folder}: does not say how its model {member.facts.id} was loaded",
            "name it: --model, or the argument model of load_predictor",
        )
    return load_again(member.loaded_from, trust_remote_code, offline or keeps_texts(comparison))


def keeps_texts(comparison: Comparison) -> bool:
    """Whether no text of its task may leave the machine."""
    return bool(comparison.task.limits.get("local_only"))


def model_of(comparison: Comparison, run: Run) -> Member:
    """The model that a run was recorded with; of one that was measured to the end there is one."""
    return comparison.model_of(run) or comparison.models[0]


def restored(comparison: Comparison, run: Run, model: LanguageModel) -> Predictor:
    """What was fitted in a run, brought back.

    Raises:
        UserError: what was kept is not there or was damaged, or the model is not the one that was measured.
    """
    place = run_place(comparison, run)
    again = f"measure it again with advisor compare: --approach {run.spec} --fresh"
    if not intact(place):
        raise UserError(f"{place}: what was fitted is not there, or was damaged", again)
    described, facts = model.describe(), model_of(comparison, run).facts
    for name in MODEL if facts.revision else ("id", *MODEL):
        then, now = (str(of).rpartition("@")[2] for of in (getattr(facts, name), described[name]))
        if then != now:  # by contents: a folder of weights may lie elsewhere now
            raise UserError(
                f"{comparison.folder}: was measured with {facts.id}, {name} {then}, and the {name} of "
                f"{described['id']} is {now}",
                "name the model that was measured, or leave it out",
            )
    try:
        brief = brief_of(place)
        return parse(apart(run.spec)[0]).restore(place, brief, model)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{place}: cannot be brought back without its task ({reason})", again) from error


def brief_of(place: Path) -> TaskBrief:
    """The brief of the task that something was fitted for, as it was saved with it."""
    saved = json.loads((place / BRIEF).read_text(encoding="utf-8"))
    return TaskBrief(**{**saved, "labels": tuple(saved["labels"])})
