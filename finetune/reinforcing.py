"""From preferences to a reward model, and from that to weights."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from advisor.approaches import TrainingExample, TrainingPreference, TrainingSet, Tuned, Tuner
from advisor.errors import NotApplicable
from advisor.models import LanguageModel, Prompt
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import scratch
from finetune.fused.packing import TokenRow
from finetune.insertion import Insertion
from finetune.low_rank import LowRank
from finetune.methods.contract import LearnedTensors
from finetune.policy import PolicyTrainer
from finetune.preference_settings import REWARD_EPOCHS, PolicySettings
from finetune.preferring import FEWEST, in_tokens, parted
from finetune.resuming import identity
from finetune.rewards import RewardModel, RewardRecipe, RewardTrainer
from finetune.session import SplitRows, beginning, keep_on, local_of
from finetune.training import default_batch
from finetune.tuning import check_lengths, history_note

WATCHED = 16
"""Prompts whose answers tell the reward before and after."""
PROMPTS_A_STEP = 4
FIFTH = 5
LONGEST = 256
"""Tokens of a drawn answer at most; less where the preferences are shorter."""
REUSED = "reward models of a training that was interrupted"
_KEPT, _FACTS = "reward", "reward.json"


def tune(tuner: PolicySettings, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Train a reward model on the preferences, then the weights against it.

    Raises:
        NotApplicable: there are too few preferences, or the weights cannot be trained here.
    """
    local, pairs = local_of(model), training.preferences
    if len(pairs) < FEWEST:
        raise NotApplicable(f"{len(pairs)} preferences are too few for a reward model, at least {FEWEST} are needed")
    answers = [TrainingExample(p.prompt, text) for p in pairs for text in (p.chosen, p.rejected)]
    check_lengths(answers, local, 0, ("preferences",))
    learned, held_out = parted(pairs, seed, FEWEST, FIFTH)
    (rows, _), (judged, _) = (in_tokens(some, local, 0) for some in (learned, held_out))
    reward = _reward_model(tuner, SplitRows(rows, judged), local, seed)
    longest = min(LONGEST, max(len(row.answer) for pair in (*rows, *judged) for row in pair.rows))
    asked, watched = (
        [_asked(local, prompt, longest) for prompt in some] for some in _prompts(tuner, training, held_out, seed)
    )
    given, split = _resolved(tuner, len(asked)), SplitRows(asked, ())
    insertion = Insertion(given.method_for(split), local, seed)
    with insertion as inserted:
        trainer = PolicyTrainer(local, inserted, given)
        trainer.insertion, trainer.reward, trainer.longest, trainer.watched = insertion, reward, longest, watched
        trainer.begin(asked, (), seed)
        keep_on(trainer, given, split, seed)
        trainer.go_to_the_end()
        learned_tensors = trainer.learned()
    return _told(given, trainer, learned_tensors, local)


def _reward_model(tuner: PolicySettings, rows: SplitRows, model: LocalModel, seed: int) -> RewardModel:
    """Trained, or what a killed run of the same had trained."""
    batch = default_batch(len(rows.train) * REWARD_EPOCHS)
    shape = cast("LowRank", tuner)
    recipe = RewardRecipe(shape.rank, shape.alpha, lr=tuner.lr, epochs=REWARD_EPOCHS, batch=batch)
    lent, known = scratch(), identity(recipe, (rows.train, rows.held_out), model, seed)
    kept = lent.kept(_KEPT) if lent else None
    if kept is not None:
        facts = json.loads((kept / _FACTS).read_text(encoding="utf-8"))
        if facts["identity"] == known:
            clock.credit(REUSED, facts["seconds"])
            return RewardModel.load(kept, facts["accuracy"], len(rows.held_out))
    began = clock.now()
    with beginning(recipe, rows, model, seed) as trainer:
        assert isinstance(trainer, RewardTrainer)
        keep_on(trainer, recipe, rows, seed)
        trainer.go_to_the_end()
        accuracy = trainer.accuracy(rows.held_out) if rows.held_out else None
        found = RewardModel(trainer.learned(), accuracy, len(rows.held_out))

    def write(folder: Path) -> None:
        found.save(folder)
        facts = {"identity": known, "seconds": clock.now() - began, "accuracy": accuracy}
        (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")

    if lent is not None and lent.worth(clock.now() - began):
        lent.keep(_KEPT, write)
    return found


def _prompts(
    tuner: PolicySettings, training: TrainingSet, held_out: Sequence[TrainingPreference], seed: int
) -> tuple[list[Prompt], list[Prompt]]:
    """Prompts that answers are drawn to, and those that are watched, which are none of them where there are enough."""
    apart = list(dict.fromkeys(pair.prompt for pair in held_out))
    every = dict.fromkeys((*(p.prompt for p in training.preferences), *(e.prompt for e in training.examples)))
    left = [prompt for prompt in every if prompt not in apart]
    random.Random(seed).shuffle(left)
    asked = left[: tuner.prompts] or apart
    return asked, (apart or asked)[:WATCHED]


def _asked(model: LocalModel, prompt: Prompt, longest: int) -> TokenRow:
    """A prompt in tokens that leaves room for an answer; its own is only the token that ends one."""
    return TokenRow.of(model.renderer.encode(prompt, longest + 1), (model.renderer.end_id,))


def _resolved(tuner: PolicySettings, prompts: int) -> PolicySettings:
    return replace(tuner, epochs=tuner.epochs or 1, batch=tuner.batch or min(PROMPTS_A_STEP, prompts))


def _told(given: PolicySettings, trainer: PolicyTrainer, learned: LearnedTensors, model: LocalModel) -> Tuned:
    """What was learned, with what is to be said of it."""
    method, reward, history = given.method(), trainer.reward, trainer.history
    tuned: Tuned = method.tuned(model, learned)
    how = "its accuracy was not measured, since there are too few to hold some out"
    if reward.accuracy is not None:
        how = f"it gave the chosen answer more in {reward.accuracy:.0%} of {reward.pairs} held-out pairs"
    notes = (
        f"A reward model was trained on the preferences first: {how}.",
        history_note(history, given.epochs, len(trainer.asked), "", "prompt"),
        *history.remarks,
    )
    tuned.facts = replace(
        tuned.facts,
        notes=(*method.notes(model), *tuned.facts.notes, *notes),
        resolved={cast("Tuner", given).name: {"epochs": given.epochs, "batch": given.batch}},
        tokens_seen=history.tokens,
        served=tuned.adaptation.form,
    )
    return tuned
