"""What `advisor compare --plan` says: what a comparison is going to take. Nothing is sent for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from gc import collect
from pathlib import Path

from advisor.approaches import Approach, Lengths, apart
from advisor.errors import UserError
from advisor.forecast.plan import ModelOutlook, Scope, plan
from advisor.forecast.planned import WorkPlan
from advisor.forecast.second import with_passes
from advisor.measuring.comparing import Plan, assignment_of, head_of
from advisor.measuring.environment import hardware
from advisor.measuring.judging import judges_in
from advisor.measuring.lines import lines
from advisor.measuring.lineup import Lineup, loaded
from advisor.measuring.progress import Progress
from advisor.measuring.reading import JOURNAL, identity, is_head, read_comparison, record_path
from advisor.measuring.records import ModelFacts, facts_of
from advisor.measuring.runner import is_done
from advisor.models import Embedder, LanguageModel
from advisor.models.embedder import ReadsInPart
from advisor.models.load import ModelSource
from advisor.models.store import fresh
from advisor.pilot import probe
from advisor.pilot.readings import Rates
from advisor.tasks import Task
from advisor.tasks.words import count_words
from advisor.verdict import Prices
from advisor.verdict.decision import Row
from advisor.verdict.rows import measured

PROBE_SECONDS = 30.0  # that a model in this process is probed for
EMBEDDED = 64  # texts by which the speed of an embedder is told


def planned_comparison(
    task: Task, models: Sequence[ModelSource], rows: Lineup, prices: Prices, scope: Scope, progress: Progress
) -> WorkPlan:
    """What the approaches will take on each of the models; models in this process are probed, others are not asked."""
    found = []
    for source in models:
        chosen = rows.of[source.alias]
        with loaded(source) as model:
            found.append((_outlook(task, model, chosen, prices, scope, progress), list(chosen.values())))
        collect()
    whole = with_passes(plan(task, found, scope), task, found, scope)
    return replace(whole, assumptions=(*whole.assumptions, *_judges(task, rows, scope)))


def _judges(task: Task, rows: Lineup, scope: Scope) -> Iterator[str]:
    """How often judges are asked when all rows are done, in sentences."""
    chosen = [approach for of in rows.of.values() for approach in of.values()]
    answers = len(task.test) * sum(scope.seeds if approach.seeded else 1 for approach in chosen)
    for metric in judges_in(task):
        calls = answers * (2 if metric.pairs else 1)
        yield f"{metric.spec} asks {metric.model} up to {calls:,} times when all rows are done; that is not in the sum."


def _outlook(
    task: Task,
    model: LanguageModel,
    chosen: Mapping[str, Approach],
    prices: Prices,
    scope: Scope,
    progress: Progress,
) -> ModelOutlook:
    """What is known of a model without asking it, and which of the approaches it need not be asked for."""
    facts = _facts(model)
    return ModelOutlook(
        alias=model.alias,
        facts=facts,
        lengths=Lengths.of(task, model.count_tokens),
        rates=_rates(task, model, progress),
        trainable=model.can.train,
        tariff=prices.tariff(facts, hardware(facts.device_name)),
        earlier=_earlier(task, facts, scope.folder),
        done=_done(task, model, chosen, scope),
        done_after=_done(task, model, chosen, scope, change=task),
        rows_at_once=model.can.rows_at_once,
        layers=model.can.layers,
    )


def _facts(model: LanguageModel) -> ModelFacts:
    """What a model says of itself. The context window, for which a server would be asked, is left open."""
    model.assume_window(0)
    return facts_of(model)


def _done(
    task: Task, model: LanguageModel, chosen: Mapping[str, Approach], scope: Scope, change: Task | None = None
) -> frozenset[str]:
    """Specs of the approaches that the same command has measured to their end, with the program of now.

    A window that would have to be asked for is taken to be one of those that are recorded.

    Args:
        change: the task where they have to have been measured after its change too.
    """
    plan = Plan(scope.folder, scope.seeds, scope.latency_examples, texts=scope.texts)
    heads = [line for line in lines(scope.folder / JOURNAL) if is_head(line)]
    found: set[str] = set()
    for window in dict.fromkeys(head["model"]["context_window"] for head in heads):
        model.assume_window(window)
        head = head_of(plan, task, model, chosen)
        for spec, approach in chosen.items():
            paths = [record_path(scope.folder / head["key"], spec, seed) for seed in range(head["runs"][spec])]
            runs = [assignment_of(approach, model, head, path, seed) for seed, path in enumerate(paths)]
            if all(is_done(assignment, change) for assignment in runs):
                found.add(spec)
    return frozenset(found)


def _rates(task: Task, model: LanguageModel, progress: Progress) -> Rates:
    """How fast the model and its embedder are, as far as both are in this process."""
    embedder = model.embedder
    if not isinstance(embedder, ReadsInPart):  # it is behind an API
        return Rates()
    if model.can.remote:
        return Rates(embed=_words_a_second(embedder, [one.input for one in (task.train or task.test)[:EMBEDDED]]))
    if not (task.train or task.dev):
        return Rates()
    return probe(task, model, PROBE_SECONDS, progress).rates


def _words_a_second(embedder: Embedder, texts: Sequence[str]) -> float | None:
    words = sum(map(count_words, texts))
    if not words:
        return None
    with fresh():
        embedder.embed(texts[:1])  # warms up
        began = time.perf_counter()
        embedder.embed(texts)
    return words / max(time.perf_counter() - began, 1e-6)


def _earlier(task: Task, facts: ModelFacts, folder: Path) -> tuple[Row, ...]:
    """Rows of the same model and task in the newest comparison of the folder."""
    try:
        recorded = read_comparison(folder)
    except UserError:
        return ()
    alike = {member.alias for member in recorded.models if _same(member.facts) == _same(facts)}
    if recorded.task.fingerprint != task.fingerprint or not alike:
        return ()
    ours = [row for row in measured(recorded) if not recorded.several or row.model in alike or not row.uses_model]
    return tuple(replace(row, spec=apart(row.spec)[0]) for row in ours)


def _same(facts: ModelFacts) -> dict[str, object]:
    """What tells models apart, but for the context window, which was not asked for."""
    return {**identity(asdict(facts)), "context_window": None}
