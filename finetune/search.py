"""The search for a configuration: sampled by Optuna, judged by successive halving on the held-out examples.

All candidates are trained for a small share of their history, the better half of them for twice that share, and so
on, until one is left, which is trained to its end (Jamieson and Talwalkar 2016). A candidate that goes on does so
where it stopped, with the learning rate of its whole history, so the winner is what training it alone would give.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields, replace

from advisor import progress
from finetune.candidate import Candidate, Recipe
from finetune.fused.packing import TokenRow
from finetune.halving import SHARES, shares_for, staying, trainings
from finetune.together import Together, at_once

RATES = (2e-4, 5e-3)
RANKS = (4, 8, 16, 32, 64)
DROPOUTS = (0.0, 0.05, 0.1)


@dataclass(frozen=True)
class Rung:
    """What was seen when all candidates still running had come to one share of their history.

    Attributes:
        share: of the history.
        steps: that each had taken.
        losses: lowest held-out loss of each so far, in the same order, the order of the candidates.
    """

    share: float
    recipes: tuple[Recipe, ...]
    steps: tuple[int, ...]
    losses: tuple[float, ...]


def sampled(first: Recipe, fixed: Collection[str], count: int, seed: int) -> list[Recipe]:
    """`first` and `count` - 1 others, spread evenly over what is searched; the same for the same seed.

    Args:
        fixed: names of the recipe's fields that all have in common with `first`.
    """
    import optuna  # takes a second, and only a search needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the version is pinned
        # All are asked for before anything is known of any, so what counts is that they lie far apart.
        sampler = optuna.samplers.QMCSampler(scramble=True, seed=seed)
    study = optuna.create_study(sampler=sampler)
    batches = sorted({max(1, first.batch // 2), first.batch, 2 * first.batch})
    found = []
    for _ in range(count):
        trial = study.ask()
        rate = trial.suggest_float("lr", *RATES, log=True)
        recipe = Recipe(
            rank=trial.suggest_categorical("rank", RANKS),
            alpha=first.alpha,
            lr=float(f"{rate:.1e}"),  # two digits say all there is to say
            epochs=first.epochs,
            batch=trial.suggest_categorical("batch", batches),
            dropout=trial.suggest_categorical("dropout", DROPOUTS),
        )
        recipe = replace(recipe, **{name: getattr(first, name) for name in fixed})
        if "alpha" not in fixed:  # the strength of an update shall not depend on its rank
            recipe = replace(recipe, alpha=max(1, round(first.alpha * recipe.rank / first.rank)))
        found.append(recipe)
    return [first, *found[1:]]  # from the first trial the sampler learns what there is to sample


def halved(
    candidates: list[Candidate], examples: Sequence[TokenRow], held_out: Sequence[TokenRow], seed: int
) -> tuple[Candidate, list[Rung]]:
    """Train until one is left, and that one to its end; what falls out is taken out of `candidates`.

    Returns:
        The winner, with the adapter of its lowest held-out loss, and what was seen on the way.
    """
    shares = shares_for(len(candidates))
    for candidate in candidates:
        candidate.trainer.begin(examples, held_out, seed)
    progress.step("train", round(trainings(len(candidates)) * len(examples) * candidates[0].recipe.epochs))
    together = Together(candidates, at_once(candidates, examples))
    rungs = [_rung(candidates, together, share) for share in shares]
    (winner,) = candidates
    together.go_on({winner: winner.trainer.total})
    winner.trainer.finish()
    return winner, rungs


def _rung(candidates: list[Candidate], together: Together, share: float) -> Rung:
    together.go_on({c: max(1, round(share * c.trainer.total)) for c in candidates})
    unseen = [
        c for c in candidates if not c.trainer.history.held_out or c.trainer.history.held_out[-1][0] < c.trainer.steps
    ]
    now = together.losses(unseen)
    losses = []
    for candidate in candidates:
        seen = [loss for _, loss in candidate.trainer.history.held_out]
        if candidate in now:
            seen.append(now[candidate])
        numbers = [loss for loss in seen if math.isfinite(loss) and not candidate.trainer.history.diverged]
        losses.append(min(numbers, default=math.inf))
    rung = Rung(share, tuple(c.recipe for c in candidates), tuple(c.trainer.steps for c in candidates), tuple(losses))
    order = sorted(range(len(candidates)), key=lambda n: losses[n])
    candidates[:] = [candidates[n] for n in sorted(order[: staying(share)])]
    return rung


def notes(rungs: Sequence[Rung], winner: Recipe, held_out: str) -> tuple[str, str]:
    """Notes for the report: what was searched and for how long, and what won against the configuration as given."""
    first = rungs[0].recipes[0]
    counts = ", ".join(
        f"{len(r.recipes)} {'took' if n == 0 else 'went on to'} {_steps(r)} steps ({SHARES[r.share]} of training)"
        for n, r in enumerate(rungs)
    )
    searched = (
        f"Searched {len(rungs[0].recipes)} configurations by successive halving on {held_out}: {counts}, 1 to the end."
    )
    last = next(r for r in reversed(rungs) if first in r.recipes)
    losses = dict(zip(last.recipes, last.losses, strict=True))
    given = f"the configuration as given ({described(first)})"
    if winner == first:
        other = min((r for r in losses if r != first), key=losses.__getitem__)
        won, lost = given, f"the next best ({described(other)})"
    else:
        other = first
        won, lost = described(winner), given
    return searched, (
        f"What won was {won}: after {SHARES[last.share]} of training its loss was {losses[winner]:.3f}, "
        f"that of {lost} {losses[other]:.3f}."
    )


def described(recipe: Recipe) -> str:
    """A configuration as it can be asked for on the command line."""
    said = dict(zip((field.name for field in fields(recipe)), astuple(recipe), strict=True))
    told = {name: str(value).lower() if isinstance(value, bool) else f"{value:g}" for name, value in said.items()}
    return "lora:" + ",".join(f"{name}={value}" for name, value in told.items() if value != "false")


def _steps(rung: Rung) -> str:
    low, high = min(rung.steps), max(rung.steps)
    return f"{low}" if low == high else f"{low} to {high}"
