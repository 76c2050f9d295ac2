"""The search for a configuration, by Optuna: each is trained for a small share of its history, goes on as long as it
is among the better half of those that came so far, and the next is drawn where the ones before did well.

It is successive halving without waiting for one another (ASHA, Li et al. 2020) with the tree-structured Parzen
estimator (Bergstra et al. 2011). A configuration is trained as it would be alone, with the learning rate of its whole
history, so the winner is what training it alone would give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch

from advisor import progress
from advisor.approaches import Tuner, registry
from advisor.models.local.engine import LocalModel
from finetune.fused.packing import TokenRow
from finetune.methods.contract import LearnedTensors
from finetune.trainer import History, Trainer, diverged
from finetune.training import SearchRange, TrainingSettings, trainings

STAGES = {1: "an eighth", 2: "a quarter", 4: "half", 8: "all"}  # of training, in eighths, after which one is judged
ALL = max(STAGES)


@dataclass(frozen=True)
class TriedRecipe:
    """One configuration, and what was seen of it.

    Attributes:
        losses: lowest held-out loss so far, by stage of `STAGES`; infinite where it was no number.
        steps: that it took.
    """

    recipe: TrainingSettings
    losses: Mapping[int, float]
    steps: int

    @property
    def stage(self) -> int:
        """How far it came."""
        return max(self.losses)

    @property
    def loss(self) -> float:
        """Its loss where it ended."""
        return self.losses[self.stage]


@dataclass(frozen=True)
class SearchResult:
    """What a search found: the winner, which came to its end, and all that were tried, in their order."""

    recipe: TrainingSettings
    learned: LearnedTensors
    history: History
    trials: tuple[TriedRecipe, ...]


@dataclass(frozen=True)
class SplitRows:
    """What is trained and judged on."""

    train: Sequence[TokenRow]
    held_out: Sequence[TokenRow]


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
    progress.step("train", round(trainings(given.search) * len(rows.train) * given.epochs))
    trials: list[TriedRecipe] = []
    best: tuple[float, LearnedTensors, History] | None = None
    for _ in range(given.search):
        asked = study.ask()
        trial, learned, history = _tried(_drawn(given, ranges, asked), rows, model, seed, asked)
        whole = learned is not None
        study.tell(asked, trial.loss if whole else None, None if whole else optuna.trial.TrialState.PRUNED)
        if learned is not None and (best is None or trial.loss < best[0]):
            best, winner = (trial.loss, learned, history), trial.recipe
        trials.append(trial)
    if best is None:
        raise diverged(given, trials[0].steps)
    return SearchResult(winner, best[1], best[2], tuple(trials))


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


def _tried(
    recipe: TrainingSettings, rows: SplitRows, model: LocalModel, seed: int, asked: Any
) -> tuple[TriedRecipe, LearnedTensors | None, History]:
    """Train as long as it is among the better ones; what it learned, where it came to its end and is a number."""
    losses: dict[int, float] = {}
    torch.manual_seed(seed)
    with recipe.method().inserted(model) as inserted:
        trainer = Trainer(model, inserted, recipe)
        trainer.begin(rows.train, rows.held_out, seed)
        for stage in STAGES:
            trainer.go_on(max(1, round(stage / ALL * trainer.total)))
            losses[stage] = _lowest(trainer, rows.held_out)
            if not math.isfinite(losses[stage]):
                break
            asked.report(losses[stage], stage)
            if stage < ALL and asked.should_prune():
                break
        else:
            trainer.finish()
            return TriedRecipe(recipe, losses, trainer.steps), trainer.learned(), trainer.history
        return TriedRecipe(recipe, losses, trainer.steps), None, trainer.history


def _lowest(trainer: Trainer, held_out: Sequence[TokenRow]) -> float:
    """Lowest loss on the held-out rows so far, asked for where none was lately; infinite where none is a number."""
    if trainer.history.diverged:
        return math.inf
    seen = [loss for _, loss in trainer.history.held_out]
    if not trainer.stopped and (not seen or trainer.history.held_out[-1][0] < trainer.steps):
        seen.append(trainer.loss(held_out))
    return min((loss for loss in seen if math.isfinite(loss)), default=math.inf)


def notes(found: SearchResult, held_out: str) -> tuple[str, str]:
    """Notes for the report: what was searched and for how long, and what won against the configuration as given."""
    trials = found.trials
    ended = {stage: sum(trial.stage == stage for trial in trials) for stage in STAGES}
    counts = ", ".join(f"{n} ended after {STAGES[stage]} of it" for stage, n in ended.items() if n and stage < ALL)
    went = f"{ended[ALL]} to the end" + (f", {counts}" if counts else "")
    searched = (
        f"Searched {len(trials)} configurations with Optuna (TPE, successive halving), judged by the loss on "
        f"{held_out}: {went}."
    )
    given = trials[0]
    losses = {trial.recipe: trial.loss for trial in trials if trial.stage == ALL}
    if found.recipe != given.recipe:
        first = f"{given.loss:.3f}" if math.isfinite(given.loss) else "no number"
        return searched, (
            f"What won was {spec_of(found.recipe)}, with a loss of {losses[found.recipe]:.3f}; that of the "
            f"configuration as given ({spec_of(given.recipe)}) was {first}."
        )
    others = sorted((loss, spec_of(recipe)) for recipe, loss in losses.items() if recipe != given.recipe)
    beside = f"; the next best, {others[0][1]}, had {others[0][0]:.3f}" if others else ""
    return searched, (
        f"What won was the configuration as given ({spec_of(given.recipe)}), with a loss of {given.loss:.3f}{beside}."
    )


def spec_of(recipe: TrainingSettings) -> str:
    """A configuration as it can be asked for on the command line."""
    return registry.spec_of(registry.whole(cast("Tuner", replace(recipe, search=0))))
