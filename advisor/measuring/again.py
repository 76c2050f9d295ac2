"""Times measured anew, of rows that are there: nothing is fitted and no answer is recorded again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from gc import collect
from pathlib import Path
from typing import Any

from advisor.approaches import Predictor, apart, parse, row_name, spec_of
from advisor.errors import UserError
from advisor.measuring import run_cache
from advisor.measuring.assignment import Assignment
from advisor.measuring.attempt import FIT, LATENCY, PREDICT, read_run
from advisor.measuring.comparing import Plan, assignment_of, head_of
from advisor.measuring.disturbance import disturbances
from advisor.measuring.lines import append, counted, lines
from advisor.measuring.lineup import Given, Source, asked, loaded
from advisor.measuring.lock import alone
from advisor.measuring.progress import Progress, Silence
from advisor.measuring.reading import JOURNAL, add_spans, newest, read_comparison, record_path
from advisor.measuring.records import Comparison, Run
from advisor.measuring.runner import Measurement
from advisor.models import LanguageModel
from advisor.models.clock import Ledger, clock
from advisor.tasks import Task


def disturbed(comparison: Comparison) -> tuple[str, ...]:
    """Specs of the rows whose times of answering are those of a busy machine."""
    found = []
    for spec in dict.fromkeys(run.spec for run in comparison.runs):
        runs = [run for run in comparison.runs if run.spec == spec and run.status == "ok"]
        member = comparison.model_of(runs[0]) if runs else None
        if member and any(step != FIT and d.busy for step, d in disturbances(runs, member.facts).items()):
            found.append(spec)
    return tuple(found)


def time_again(
    task: Task,
    models: Sequence[Source],
    approaches: Sequence[Given] | None = None,
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Measure throughput and latency anew in a run folder: all test queries are answered again, and some alone.

    The record keeps its answers; how many came out otherwise is recorded. It goes by as many threads as there are
    cores free now. What fitting took stays as it was.

    Args:
        models: those that were measured, each of the same name and options as then.
        approaches: as for `compare`; of these, or of all there are, those whose times are of a busy machine. Where
            none of the named is, all of them.
        out: the run folder, `runs/<task name>` by default.

    Raises:
        UserError: the folder holds another comparison, or none of an approach that was named.
    """
    folder, shown = Path(out) if out is not None else Path("runs") / task.name, progress or Silence()
    before = read_comparison(folder)
    with alone(folder):
        olds = newest([line for line in lines(folder / JOURNAL) if line["type"] == "comparison"])
        rows = _rows(task, before, approaches)
        if not rows:
            shown.end("nothing to measure anew", "no row is from a busy machine; name one with --approach")
        for source in models:
            _of_model(folder, task, source, olds, rows, shown)
            collect()
    return read_comparison(folder)


def _of_model(
    folder: Path,
    task: Task,
    source: Source,
    olds: Sequence[Mapping[str, Any]],
    rows: Sequence[str],
    progress: Progress,
) -> None:
    """The rows of one model."""
    together = len(olds) > 1 or "together" in olds[0]
    old = next((head for head in olds if head.get("alias") == source.alias), None) if together else olds[0]
    if old is None:
        there = ", ".join(str(head["alias"]) for head in olds)
        raise UserError(f"{folder}: has no rows of a model called {source.alias!r}", f"its models are {there}")
    named = {spec: _named(old, spec) for spec in old["runs"]}
    chosen = {spec: parse(spec) for spec, row in named.items() if row in rows}
    with loaded(source) as model:
        sent, texts = old["settings"]["latency_examples"], old.get("texts", True)
        plan = Plan(folder, old["seeds"], sent, p95_ms=task.limits.p95_ms, texts=texts)
        kept = {name: old[name] for name in ("runs", "together", "free", "alias", "after", "forgetting") if name in old}
        head = head_of(plan, task, model, chosen) | kept
        _check_same(folder, old, head)
        loading = Ledger({name: span for name, span in clock.drain().spans.items() if name == "load"})
        if chosen:
            append(folder / JOURNAL, head)
            add_spans(folder, head["key"], loading, head["model"])
        for number, (spec, approach) in enumerate(chosen.items(), start=1):
            progress.begin(named[spec], number, len(chosen))
            outcomes = []
            for seed in range(old["runs"][spec]):
                path = record_path(folder / head["key"], spec, seed)
                assignment = plan.limited(assignment_of(approach, model, head, path, seed))
                outcomes.append(_time(assignment, task, model, progress))
            progress.end(named[spec], next((outcome for outcome in outcomes if outcome != "ok"), "ok"))


def _named(head: Mapping[str, Any], spec: str) -> str:
    """What a row of a recorded comparison is called."""
    several = "together" in head and spec not in head["free"]
    return row_name(spec, head["alias"]) if several else spec


def _check_same(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    if new["key"] != old["key"]:
        raise UserError(
            f"{folder}: the comparison there is not of this task, model and number format",
            "give the same options as then, or leave --latency-again out to measure this one",
        )
    here, there = (f"{head['model']['device_name']}, {head['hardware']['cores']} cores" for head in (new, old))
    if here != there:
        raise UserError(
            f"{folder}: was measured on another machine ({there}; this is {here})",
            "measure its times anew there, or all of it here with another --out",
        )


def _rows(task: Task, before: Comparison, approaches: Sequence[Given] | None) -> list[str]:
    """The rows to measure anew, by what they are called."""
    busy = disturbed(before)
    if approaches is None:
        return list(busy)
    wanted = {(spec_of(one.approach), one.alias) for one in asked(approaches, task)}
    there = list(dict.fromkeys(run.spec for run in before.runs))
    chosen = [row for row in there if {(spec := apart(row)[0], ""), (spec, apart(row)[1])} & wanted]
    if not chosen:
        names = " or ".join(row_name(spec, alias) if alias else spec for spec, alias in sorted(wanted))
        raise UserError(f"{before.folder}: does not hold {names}", "leave --latency-again out to measure what is new")
    return [row for row in chosen if row in busy] or chosen


def _time(assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> str:
    """One run; returns the outcome in words."""
    before = read_run(assignment.path)
    if before is None or before.status != "ok":
        return "not timed: it is not complete"
    if before.program != assignment.program:
        return "not timed: another version of the program measured it; the same command without --latency-again does"
    measurement = Measurement(assignment, task, model, progress)
    model.forget()
    predictor = measurement.restored()
    if predictor is None:
        return "not timed: what was fitted cannot be read any more"
    try:
        _record(measurement, predictor, before)
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - its times stay as they were; the others go on
        return f"not timed: {type(error).__name__}: {error}"
    finally:
        predictor.close()
    if all(number == assignment.threads for number in before.threads.values()):
        run_cache.put(assignment.key, assignment.path, assignment.machine)
    return "ok"


def _record(measurement: Measurement, predictor: Predictor, before: Run) -> None:
    """Each step is one line, written when it is done, so that a kill leaves the older times of the others."""
    path, known = measurement.assignment.path, {p.id: p.text for p in before.predictions}
    head = {"type": "again", "threads": measurement.assignment.threads, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    measurement.warm_up(predictor, measurement.queries())
    clock.drain()
    seconds, differing = 0.0, 0
    for predictions, took in measurement.answers(predictor, set()):
        seconds += took
        differing += sum(known.get(p.id) != p.text for p in predictions)
    append(path, {**head, "step": PREDICT, "seconds": seconds, "differing": differing, **counted(clock.drain())})
    latencies = [asdict(latency) for latency in measurement.requests(predictor)]
    if latencies:
        append(path, {**head, "step": LATENCY, "latencies": latencies, **counted(clock.drain())})
