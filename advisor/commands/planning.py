"""What `advisor compare --plan` says: what a comparison is going to take. Nothing is sent for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from gc import collect
from pathlib import Path

from advisor.approaches import Lengths, apart
from advisor.errors import UserError
from advisor.forecast.plan import ModelOutlook, Scope, plan
from advisor.forecast.planned import WorkPlan
from advisor.measuring.comparing import loaded
from advisor.measuring.environment import hardware
from advisor.measuring.lineup import Lineup
from advisor.measuring.progress import Progress
from advisor.measuring.reading import read_comparison
from advisor.measuring.records import ModelFacts, facts_of
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
        found.append((_looked_at(task, source, prices, scope.folder, progress), list(rows.of[source.alias].values())))
        collect()
    return plan(task, found, scope)


def _looked_at(task: Task, source: ModelSource, prices: Prices, folder: Path, progress: Progress) -> ModelOutlook:
    """What is known of a model without asking it."""
    with loaded(source) as model:
        return _outlook(task, model, prices, folder, progress)


def _outlook(task: Task, model: LanguageModel, prices: Prices, folder: Path, progress: Progress) -> ModelOutlook:
    facts = _facts(model)
    return ModelOutlook(
        alias=model.alias,
        facts=facts,
        lengths=Lengths.of(task, model.count_tokens),
        rates=_rates(task, model, progress),
        trainable=model.can.train,
        tariff=prices.tariff(facts, hardware(facts.device_name)),
        earlier=_earlier(task, facts, folder),
        rows_at_once=model.can.rows_at_once,
    )


def _facts(model: LanguageModel) -> ModelFacts:
    """What a model says of itself. The context window, for which a server would be asked, is left open."""
    asks = not isinstance(getattr(type(model), "context_window", None), property)  # what is looked up once, by a call
    if model.can.remote and asks:
        model.context_window = 0
    return facts_of(model)


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
    """Rows of the same model and task that the folder holds, each with as many seeds as are complete."""
    try:
        recorded = read_comparison(folder)
    except UserError:
        return ()
    alike = {member.alias for member in recorded.models if _identity(member.facts) == _identity(facts)}
    if recorded.task.fingerprint != task.fingerprint or not alike:
        return ()
    ours = [row for row in measured(recorded) if not recorded.several or row.model in alike or not row.uses_model]
    return tuple(replace(row, spec=apart(row.spec)[0]) for row in ours)


def _identity(facts: ModelFacts) -> tuple[object, ...]:
    """What tells models apart whose answers may not be mixed."""
    return facts.id, facts.revision, facts.dtype, facts.device, facts.embedder, facts.labels_by, facts.reasoning
