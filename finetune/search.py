"""The search for a configuration, by Optuna: each is trained for a small share of its history, goes on as long as it
is among the better half of those that came so far, and the next is drawn where the ones before did well.

It is successive halving without waiting for one another (ASHA, Li et al. 2020) with the tree-structured Parzen
estimator (Bergstra et al. 2011). A configuration is trained as it would be alone, with the learning rate of its whole
history, so the winner is what training it alone would give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from advisor import progress
from advisor.approaches import Tuner, registry
from advisor.models.local.engine import LocalModel
from finetune.insertion import Insertion
from finetune.methods.contract import LearnedTensors
from finetune.minibatches import pass_size
from finetune.session import SplitRows, beginning
from finetune.trainer import History, Trainer, diverged, stands
from finetune.training import SearchRange, TrainingSettings, trainings
from finetune.trials import ALL, STAGES, TrialKeeper, TriedRecipe, Winner


@dataclass(frozen=True)
class SearchResult:
    """What a search found: the winner, which came to its end, and all that were tried, in their order."""

    recipe: TrainingSettings
    learned: LearnedTensors
    history: History
    trials: tuple[TriedRecipe, ...]


def varied(given: TrainingSettings, asked: TrainingSettings) -> dict[str, SearchRange]:
    """What a search varies, by name: what the user left as it is.

    Args:
        given: with what it leaves open chosen.
        asked: as the user wrote it.
    """
    batches = SearchRange(tuple(sorted({max(1, given.batch // 2), given.batch, 2 * given.batch})))
    defaults = {field.name: field.default for field in fields(asked)}
    found = {**given.ranges, "batch": batches}
    return {n: _with(r, getattr(given, n)) for n, r in found.items() if getattr(asked, n) == defaults[n]}


def searched(
    given: TrainingSettings, ranges: Mapping[str, SearchRange], rows: SplitRows, model: LocalModel, seed: int
) -> SearchResult:
    """Try `given` and others, `given.search` in all.

    Args:
        given: with what it leaves open chosen.
        ranges: what is varied, as `varied` tells it.

    Raises:
        UserError: all diverged.
    """
    import optuna  # takes a second, and only a search needs it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(4, given.search // 2))
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.enqueue_trial({name: getattr(given, name) for name in ranges})
    progress.step("train", round(trainings(given.search) * pass_size(rows.train, given.mix)[0] * given.epochs))
    keeper = TrialKeeper.of(given, rows, model, seed)
    for _ in range(given.search):
        asked = study.ask()
        trial = _gone_through(_drawn(given, ranges, asked), rows, model, seed, (asked, keeper))
        study.tell(asked, trial.loss if trial.ended else None, None if trial.ended else optuna.trial.TrialState.PRUNED)
    winner = keeper.winner
    if winner is None:
        raise diverged(given, keeper.done[0].steps)
    learned = winner.learned or _learned(winner, rows, model, seed)
    return SearchResult(winner.trial.recipe, learned, winner.history, tuple(keeper.done))


def _with(tried: SearchRange, value: Any) -> SearchRange:
    """The same, with a value in it that was given."""
    if tried.between:
        return SearchRange((min(*tried.values, value), max(*tried.values, value)), between=True)
    return tried if value in tried.values else SearchRange((*tried.values, value))


def _drawn(given: TrainingSettings, ranges: Mapping[str, SearchRange], asked: Any) -> TrainingSettings:
    """What Optuna asks for; the first time that is what was given."""
    values: dict[str, Any] = {}
    for name, tried in ranges.items():
        if tried.between:
            value = asked.suggest_float(name, *tried.values, log=True)
            values[name] = value if value == getattr(given, name) else float(f"{value:.1e}")  # two digits say all
        else:
            values[name] = asked.suggest_categorical(name, tried.values)
    if all(value == getattr(given, name) for name, value in values.items()):
        return given
    return replace(given, **given.tried(**values))


def _gone_through(
    recipe: TrainingSettings, rows: SplitRows, model: LocalModel, seed: int, noted: tuple[Any, TrialKeeper]
) -> TriedRecipe:
    """Train as long as it is among the better ones, or learn how that went in a process that was killed.

    Args:
        noted: Optuna's trial, and what keeps how it went.
    """
    asked, keeper = noted
    known = keeper.known(recipe)
    if known is None:
        keeper.note(*_tried(recipe, rows, model, seed, noted))
    else:
        for stage, loss in known.losses.items():
            _falls_out(asked, stage, loss)  # which notes it among those that others are held against
        keeper.note(known, keeper.winner_known(known))
    return keeper.done[-1]


def _tried(
    recipe: TrainingSettings, rows: SplitRows, model: LocalModel, seed: int, noted: tuple[Any, TrialKeeper]
) -> tuple[TriedRecipe, Winner | None]:
    """What was seen of a configuration, and what it learned where it is the best so far."""
    (asked, keeper), losses = noted, dict[int, float]()
    with beginning(recipe, rows, model, seed) as trainer:
        for stage in STAGES:
            trainer.go_on(max(1, round(stage / ALL * trainer.total)))
            stands = _stands(trainer)
            losses[stage] = stands[0]
            if _falls_out(asked, stage, losses[stage]):
                break
        else:
            trainer.finish()
            trial = TriedRecipe(recipe, losses, trainer.steps, stands)
            if keeper.winner is not None and keeper.winner.trial.stands <= stands:
                return trial, None
            return trial, Winner(trial, trainer.masters(), trainer.history, trainer.learned())
        return TriedRecipe(recipe, losses, trainer.steps), None


def _falls_out(asked: Any, stage: int, loss: float) -> bool:
    """Whether a trial ends here, since others were better so far or it is no number."""
    if not math.isfinite(loss):
        return True
    asked.report(loss, stage)
    return stage < ALL and bool(asked.should_prune())


def _stands(trainer: Trainer) -> tuple[float, float]:
    """What it is judged by and its held-out loss at best so far, asked for where they were not lately; infinite where
    none is a number."""
    if trainer.history.diverged:
        return math.inf, math.inf
    if trainer.stopped or trainer.evaluated_at == trainer.steps:
        return trainer.best
    loss, worth = trainer.evaluated()
    return min(trainer.best, stands(loss, worth)) if math.isfinite(loss) else trainer.best


def _learned(winner: Winner, rows: SplitRows, model: LocalModel, seed: int) -> LearnedTensors:
    """What a killed process learned, as it is kept."""
    with Insertion(winner.trial.recipe.method_for(rows), model, seed) as inserted:
        return inserted.learned(winner.masters)


def notes(found: SearchResult, held_out: str) -> tuple[str, str]:
    """Notes for the report: what was searched and for how long, and what won against the configuration as given."""
    trials = found.trials
    ended = {stage: sum(trial.stage == stage for trial in trials) for stage in STAGES}
    counts = ", ".join(f"{n} ended after {STAGES[stage]} of it" for stage, n in ended.items() if n and stage < ALL)
    went = f"{ended[ALL]} to the end" + (f", {counts}" if counts else "")
    given = trials[0]
    by = "the loss on" if given.recipe.stop == "loss" else "how far answers fell short of being right on"
    searched = (
        f"Searched {len(trials)} configurations with Optuna (TPE, successive halving), judged by {by} {held_out}: "
        f"{went}."
    )
    called = "a loss" if given.recipe.stop == "loss" else "a shortfall"
    losses = {trial.recipe: trial.loss for trial in trials if trial.stage == ALL}
    if found.recipe != given.recipe:
        first = f"{given.loss:.3f}" if math.isfinite(given.loss) else "no number"
        return searched, (
            f"What won was {spec_of(found.recipe)}, with {called} of {losses[found.recipe]:.3f}; that of the "
            f"configuration as given ({spec_of(given.recipe)}) was {first}."
        )
    others = sorted((loss, spec_of(recipe)) for recipe, loss in losses.items() if recipe != given.recipe)
    beside = f"; the next best, {others[0][1]}, had {others[0][0]:.3f}" if others else ""
    return searched, (
        f"What won was the configuration as given ({spec_of(given.recipe)}), with {called} of {given.loss:.3f}{beside}."
    )


def spec_of(recipe: TrainingSettings) -> str:
    """A configuration as it can be asked for on the command line."""
    return registry.spec_of(registry.whole(cast("Tuner", replace(recipe, search=0))))
