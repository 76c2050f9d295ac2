"""A comparison: every approach on the same task, model, prompts and test examples; and reading it back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from gc import collect
from pathlib import Path
from typing import Any
from uuid import uuid4

from advisor.approaches import Approach, is_described, row_name, spec_of
from advisor.errors import Interrupted, UserError
from advisor.measuring.assignment import Assignment
from advisor.measuring.code_digest import HOST, program_of
from advisor.measuring.environment import hardware, versions
from advisor.measuring.executors import Executor, Here, Processes
from advisor.measuring.fits import take_fit
from advisor.measuring.forgetting import UntunedMeasurement, yardsticks
from advisor.measuring.graded import GRADES, write_grades
from advisor.measuring.judging import check_judges, judge, judge_sources
from advisor.measuring.kept_threads import keep_threads
from advisor.measuring.latency import REQUESTS
from advisor.measuring.lines import append
from advisor.measuring.lineup import (
    Given,
    Lineup,
    Source,
    asked,
    check_test,
    chosen_of,
    lineup,
    loaded,
    tell_beyond,
)
from advisor.measuring.lock import alone
from advisor.measuring.outside import outside, with_outside
from advisor.measuring.passes import Passes
from advisor.measuring.preferred import pairs_to_weigh
from advisor.measuring.progress import Progress, Silence
from advisor.measuring.reading import (
    ANSWERS,
    JOURNAL,
    add_spans,
    host_of,
    identity,
    note_interruption,
    read_comparison,
    record_path,
    write_answers,
    write_change,
)
from advisor.measuring.records import Comparison, described_by, task_facts
from advisor.measuring.scoring import metrics_to_ask
from advisor.measuring.yardsticks import Yardsticks, check_trained, other_tasks
from advisor.models import LanguageModel
from advisor.models.clock import Ledger, clock
from advisor.models.hosted.address import place_of, refuse_if_offline, runs_here
from advisor.models.languages import language_caveats
from advisor.models.load import ModelSource
from advisor.models.store import current, digest
from advisor.tasks import Task

HERE = Here()
NOTHING_NEW = ("already done", "skipped")  # outcomes of runs that recorded nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a comparison is recorded, and how much is measured.

    Attributes:
        folder: the run folder.
        seeds: how often approaches run that another seed can change.
        latency_examples: test examples that are sent alone for latency at most; 0 measures none.
        fits: run folders in which approaches may have been fitted on the very same examples; they go on from there.
        texts: whether inputs and shown passages stand in the records.
        executor: where the runs are carried out.
        p95_ms: limit for which more requests are sent alone; it is not part of the key, since no answer depends on it.
        forgetting: other tasks on which it is measured what tuned models forget, beside a general text; None where that
            is not asked for. No part of the key either.
        passes: what other models are asked before rows are fitted; None where there is one model.
    """

    folder: Path
    seeds: int = 1
    latency_examples: int = REQUESTS
    fits: tuple[Path, ...] = ()
    p95_ms: float | None = None
    texts: bool = True
    executor: Executor = HERE
    forgetting: tuple[Task, ...] | None = None
    passes: Passes | None = None

    def seeds_of(self, approach: Approach) -> range:
        """The seeds with which an approach runs."""
        return range(self.seeds if approach.seeded else 1)

    def limited(self, assignment: Assignment) -> Assignment:
        """The assignment under this plan's limit, with what other models were asked for it."""
        if self.passes is not None:
            assignment = self.passes.onto(assignment)
        return assignment if self.p95_ms is None else replace(assignment, p95_seconds=self.p95_ms / 1000)


def compare(
    task: Task,
    model: Source | Sequence[Source],
    approaches: Sequence[Given] | None = None,
    *,
    out: str | Path | None = None,
    seeds: int = 1,
    progress: Progress | None = None,
    texts: bool = True,
    workers: int = 1,
    forgetting: bool | Sequence[Task] = False,
) -> Comparison:
    """Measure each approach on the task's test examples, or go on where the same comparison stopped.

    What an earlier comparison measured under the very same conditions, in whatever folder, is taken over and says so;
    inside `with advisor.models.store.fresh():` everything is measured anew.

    Of several models each is loaded when its turn comes, where it was given by name, and given back before the next;
    one that others ask before they are fitted (`distil:teacher=big`) comes before these.

    Args:
        model: one model, or several, each with an alias of its own.
        approaches: specs such as `rag:k=3+lora`, or objects (a context builder alone runs with the base weights, a
            tuner alone without context); "all" stands for everything that applies. Each runs on every model, unless
            its spec names one: `lora@small`.
            None takes those that the task names, else those that run unasked.
        out: the run folder, `runs/<task name>` by default.
        seeds: how often approaches run that another seed can change.
        texts: whether inputs and shown passages stand in the records; answers always do.
        workers: processes that carry out runs at once, each with a model of its own; a script that asks for several
            must guard its beginning by `if __name__ == "__main__":`.
        forgetting: whether it is measured what each row that trains the model's weights makes it forget: how much
            harder it finds a general text, and, of other tasks that are given here, what zero-shot loses on them.

    Raises:
        UserError: a spec is wrong, another process works in the same folder, or no row can forget anything.
    """
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}", "1 or more")
    if workers < 1:
        raise UserError(f"--workers is {workers}", "1 or more")
    folder = Path(out) if out is not None else Path("runs") / task.name
    executor = Processes(workers) if workers > 1 else HERE
    others = other_tasks(forgetting)
    plan = Plan(folder, seeds, p95_ms=task.limits.p95_ms, texts=texts, executor=executor, forgetting=others)
    models = [model] if isinstance(model, Source) else list(model)
    rows = lineup(asked(approaches, task), models, host_of(folder, [one.alias for one in models]))
    if others is not None:
        check_trained([approach for chosen in rows.of.values() for approach in chosen.values()])
    check_judges(task, texts)
    progress, judges = progress or Silence(), judge_sources(task, models)
    _try([*models, *judges.values()] if len(models) > 1 else list(judges.values()))
    if len(models) == 1:
        with loaded(models[0]) as only:
            carry_out(plan, task, only, list(rows.of[models[0].alias].values()), progress)
            judge(folder, task, {name: only for name, source in judges.items() if source is models[0]}, progress)
    else:
        _one_after_another(plan, task, models, rows, progress)
    return judge(folder, task, judges, progress)


def _one_after_another(plan: Plan, task: Task, models: Sequence[Source], rows: Lineup, progress: Progress) -> None:
    """A comparison of several models. Each has records of its own, and a head that says with which others it belongs
    together, so that one that is added later is paid for alone.

    Raises:
        Interrupted: no model could be measured.
    """
    check_test(task)
    current()
    together = uuid4().hex
    group = {"id": together, "rows": rows.rows()}
    stopped: dict[str, Interrupted | UserError] = {}
    runs = (one for chosen in rows.of.values() for one in chosen.values())
    passes = Passes(plan.folder, task, [(one, seed) for one in runs for seed in plan.seeds_of(one)])
    plan, named, first = replace(plan, passes=passes), {source.alias: source for source in models}, True
    with alone(plan.folder):
        for alias, chosen in rows.turns():
            source = named[alias]
            more = {"together": group, "free": [spec for spec in chosen if spec in rows.free], "alias": alias}
            try:
                _loaded_and_measured(plan, task, source, chosen, progress, more)
            except (Interrupted, UserError) as error:  # of this model alone; its rows wait
                if isinstance(error, UserError) and first:
                    raise  # nothing is lost by it
                stopped[alias] = error
                why = error.what if isinstance(error, UserError) else str(error)
                note_interruption(plan.folder, together, alias, why)
                passes.stop(alias, why)
                progress.end(alias, f"interrupted: {why}")
            first = False
            collect()  # what refers to itself keeps its memory until then, and the next one needs it
    if len(stopped) == len(models):
        raise next(iter(stopped.values()))


def _try(models: Sequence[Source]) -> None:
    """Load what is asked over a connection, for which nothing is sent, so that a slip in a name or a key shows before
    anything was measured.

    Raises:
        UserError: one of them cannot be had.
    """
    for source in models:
        if isinstance(source, ModelSource) and not runs_here(source.name):
            with suppress(Interrupted), loaded(source):  # what is gone now may be back when its turn comes
                pass


def _refuse_to_send(task: Task, model: LanguageModel) -> None:
    """Where no text of a task may leave the machine, neither model nor embedder may be elsewhere.

    Raises:
        UserError: one of them is.
    """
    offline = bool(task.limits.local_only)
    refuse_if_offline("model", model.name, model.describe().get("place", "process"), offline)
    refuse_if_offline("embedder", model.embedder.name, place_of(model.embedder.name), offline)


def _loaded_and_measured(
    plan: Plan,
    task: Task,
    source: Source,
    chosen: Mapping[str, Approach],
    progress: Progress,
    more: Mapping[str, Any],
) -> None:
    """The runs of a model that is loaded for them; in a frame of its own, so that nothing refers to it afterwards."""
    with loaded(source) as model:
        _refuse_to_send(task, model)
        keep_threads(model, [plan.folder])
        if plan.passes is not None:
            plan.passes.carry_out(model, progress)
        if chosen:
            _measure(plan, task, model, chosen, progress, more)


def carry_out(
    plan: Plan,
    task: Task,
    model: LanguageModel,
    approaches: Sequence[Given] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """`compare` for callers that do not measure all there is, such as latency, everywhere."""
    chosen = chosen_of(task, approaches)
    current()  # a setting of the store that cannot be read is told now, not in the middle
    with alone(plan.folder):
        _measure(plan, task, model, chosen, progress or Silence(), {})
    return read_comparison(plan.folder)


def _measure(
    plan: Plan,
    task: Task,
    model: LanguageModel,
    chosen: Mapping[str, Approach],
    progress: Progress,
    more: Mapping[str, Any],
) -> None:
    """The runs of one model.

    Args:
        more: what its head says besides, where there are other models.
    """
    _refuse_to_send(task, model)
    task = with_outside(task, chosen)
    folder, executor = plan.folder, HERE if model.can.remote else plan.executor
    keep_threads(model, [folder])
    tell_beyond(chosen, model)
    with executor.sharing(model):
        head = {**head_of(plan, task, model, chosen), **more}
        head["answers"] = write_answers(folder / head["key"] / ANSWERS, task.test, plan.texts)
        head |= write_change(folder / head["key"], task, plan.texts)
        head |= write_grades(folder / head["key"] / GRADES, task.grades)
        asked_of = yardsticks(folder / head["key"], model, chosen, plan.forgetting)
        head |= {"forgetting": asked_of.described(chosen)} if asked_of else {}
        loading = Ledger({name: span for name, span in clock.drain().spans.items() if name == "load"})
        append(folder / JOURNAL, head)
        for ledger in plan.passes.drain() if plan.passes else ():
            add_spans(folder, head["key"], ledger, {})
        rows, noted = _rows(plan, model, chosen, head, asked_of), False
        if asked_of and UntunedMeasurement(asked_of, model, progress).go():
            add_spans(folder, head["key"], clock.drain(), {})
        for outcomes in executor.outcomes(rows, task, model, progress):
            if not noted and not all(outcome.startswith(NOTHING_NEW) for outcome in outcomes):
                add_spans(folder, head["key"], loading, head["model"])
                noted = True


def _rows(
    plan: Plan,
    model: LanguageModel,
    chosen: Mapping[str, Approach],
    head: Mapping[str, Any],
    asked_of: Yardsticks | None,
) -> dict[str, list[Assignment]]:
    """The runs of each row, which begin with what was fitted elsewhere where that is the same fit."""
    rows: dict[str, list[Assignment]] = {}
    for spec, approach in chosen.items():
        several = "together" in head and spec not in head["free"]
        name = row_name(spec, head["alias"]) if several else spec
        for seed in plan.seeds_of(approach):
            path = record_path(plan.folder / head["key"], spec, seed)
            assignment = plan.limited(assignment_of(approach, model, head, path, seed))
            if approach.trains_model:
                assignment = replace(assignment, yardsticks=asked_of)
            for other in plan.fits:
                take_fit(other, head, assignment)
            rows.setdefault(name, []).append(assignment)
    return rows


def head_of(plan: Plan, task: Task, model: LanguageModel, chosen: Mapping[str, Approach]) -> dict[str, Any]:
    """All that the record says beside the runs themselves. `key` names what makes answers comparable."""
    described = described_by(model)
    batch = model.can.rows_at_once
    tokens = described.get("tokens_at_once")  # by the machine's memory; in bfloat16 answers may depend on batches
    settings = {"batch": batch, "tokens": tokens, "latency_examples": plan.latency_examples}
    found, facts = versions(), task_facts(task)
    comparable = {
        "task": task.fingerprint,
        "model": identity(described),
        "settings": settings,
        "advisor": found.get("advisor"),
        **({} if plan.texts else {"texts": False}),
    }
    key = hashlib.sha256(json.dumps(comparable, sort_keys=True).encode()).hexdigest()[:12]
    return {
        "type": "comparison",
        "key": key,
        "alias": model.alias,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "runs": {spec: len(plan.seeds_of(approach)) for spec, approach in chosen.items()},
        "seeds": plan.seeds,
        "texts": plan.texts,
        "loaded_from": model.loaded_from,
        "latency_examples": min(plan.latency_examples, len(task.test)),
        "task": asdict(replace(facts, caveats=(*language_caveats(task, model), *facts.caveats))),
        "fitting": task.for_fitting().fingerprint,
        "outside": {spec: named for spec, approach in chosen.items() if (named := outside(task, approach))},
        "model": described,
        "settings": settings,
        "versions": dict(found),
        "hardware": hardware(described["device_name"]),
    }


def assignment_of(
    approach: Approach, model: LanguageModel, head: Mapping[str, Any], path: Path, seed: int
) -> Assignment:
    """The run, and whether another comparison may share it: where name and revision say all there is to the model,
    and the spec all there is to the approach, and on a machine of the same kind, since times are part of it."""
    spec = spec_of(approach)
    program = program_of(approach, model, head["outside"].get(spec))
    described, cores = head["model"], head["hardware"]["cores"]
    machine = f"{described['device_name']}, {cores} cores, {described.get('threads')} threads"
    told = bool(described["revision"]) and type(model).__module__.split(".")[0] == HOST
    known = told and is_described(approach)
    key = digest(head["key"], described["quantisation"], spec, seed, program, machine) if known else ""
    settings, facts = head["settings"], head["task"]
    batch, latency_examples = settings["batch"], settings["latency_examples"]
    more = {name: described.get(name) for name in ("threads", "threads_alone")} | {"texts": head["texts"]}
    more |= {"pairs": pairs_to_weigh(approach, model, facts), "metrics": metrics_to_ask(approach, model, facts)}
    return Assignment(approach, spec, seed, path, batch, latency_examples, program, machine, key, **more)
