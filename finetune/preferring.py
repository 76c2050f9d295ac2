"""From preferences, or the model's own mistakes, to pairs of rows that a trainer takes."""

from __future__ import annotations

import random
from collections.abc import Sequence

from advisor.approaches import TrainingExample, TrainingPreference, TrainingSet, Tuned
from advisor.errors import NotApplicable
from advisor.models import LanguageModel
from advisor.models.local.engine import LocalModel
from finetune.fused.packing import TokenRow
from finetune.holding_out import HELD_OUT, SMALLEST_SLICE, TENTH
from finetune.preference_settings import PairSettings
from finetune.preference_trainer import TokenPair
from finetune.session import SplitRows, local_of
from finetune.tuning import Lesson, check_lengths, examination, fit, resolved

FEWEST = 8
"""Pairs below which nothing is learned of what makes an answer better."""
MOST_OWN = 400
"""Training examples that the model answers itself, at most, a seeded sample: seconds each where answers are long."""


def tune(tuner: PairSettings, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Train on pairs, and keep what did best on those of them that are held out.

    Raises:
        NotApplicable: there are too few pairs, or the weights cannot be trained here.
    """
    local = local_of(model)
    pairs, noted = (training.preferences, ()) if tuner.pairs == "preferences" else _own(training, seed)
    if len(pairs) < FEWEST:
        raise NotApplicable(f"{len(pairs)} pairs are too few to learn from, at least {FEWEST} are needed{_why(tuner)}")
    answers = [TrainingExample(p.prompt, text) for p in pairs for text in (p.chosen, p.rejected)]
    check_lengths(
        answers, local, tuner.virtual_tokens, ("preferences",) if tuner.pairs == "preferences" else ("train",)
    )
    chosen, held_out = parted(pairs, seed)
    if tuner.search and not held_out:
        raise NotApplicable(
            f"{len(chosen)} pairs are too few to hold some out to judge configurations on; dpo without search needs "
            "none"
        )
    (rows, cut), (judged, _) = (in_tokens(some, local, tuner.virtual_tokens) for some in (chosen, held_out))
    if tuner.stop == "metric" and not training.dev:
        raise NotApplicable("stop=metric asks for answers to dev examples, and the task has none; stop=loss needs none")
    examined = examination(tuner, training, training.dev[:HELD_OUT]) if judged else None
    if cut:
        noted = (*noted, f"The inputs of {cut} of {len(rows)} pairs were cut to fit beside the longer answer.")
    lesson = Lesson(SplitRows(rows, judged, examined), f"{len(judged)} held-out pairs", "pair", notes=noted)
    return fit(tuner, resolved(tuner, rows), lesson, local, seed)


def _why(tuner: PairSettings) -> str:
    return "" if tuner.pairs == "preferences" else ": the model answers nearly all training examples rightly"


def _own(training: TrainingSet, seed: int) -> tuple[Sequence[TrainingPreference], tuple[str, ...]]:
    """The target against the model's own answer, where that is wrong, and how many these are in words.

    Raises:
        NotApplicable: nothing tells what answers are worth.
    """
    if training.judge is None:
        raise NotApplicable("there is nothing to tell which of its own answers are wrong")
    examples = list(training.examples)
    random.Random(seed).shuffle(examples)
    asked = examples[:MOST_OWN]
    answers = training.judge.judged(None, asked)
    pairs = [
        TrainingPreference(example.prompt, example.answer, text)
        for example, (text, worth) in zip(asked, answers, strict=True)
        if worth < 1 and text.strip() and text.strip() != example.answer.strip()
    ]
    note = f"Of its own answers to {len(asked)} training examples {len(pairs)} were wrong: these are its pairs."
    return pairs, (note,)


def parted(
    pairs: Sequence[TrainingPreference], seed: int, smallest: int = SMALLEST_SLICE, share: int = TENTH
) -> tuple[Sequence[TrainingPreference], Sequence[TrainingPreference]]:
    """Pairs to train on and those that it is judged by: one in so many, where there are enough, whole inputs."""
    if len(pairs) < smallest:
        return pairs, ()
    inputs = sorted({pair.prompt.input for pair in pairs})
    random.Random(seed).shuffle(inputs)
    wanted, held_out = min(HELD_OUT, len(pairs) // share), set[str]()
    for text in inputs:
        if sum(pair.prompt.input in held_out for pair in pairs) >= wanted:
            break
        held_out.add(text)
    return [p for p in pairs if p.prompt.input not in held_out], [p for p in pairs if p.prompt.input in held_out]


def in_tokens(pairs: Sequence[TrainingPreference], model: LocalModel, virtual: int) -> tuple[list[TokenRow], int]:
    """The pairs in tokens, and of how many the input was cut."""
    renderer, rows, cut = model.renderer, list[TokenRow](), 0
    answers = [tuple((*renderer.encode_answer(t), renderer.end_id) for t in (p.chosen, p.rejected)) for p in pairs]
    for number, (pair, own) in enumerate(zip(pairs, answers, strict=True)):
        encoded = renderer.encode(pair.prompt, virtual + max(map(len, own)))
        other = answers[number - 1]
        beside = renderer.encode(pair.prompt, virtual + max(map(len, other)))
        others = tuple(TokenRow.of(beside, answer) for answer in other)
        rows.append(TokenPair(encoded.ids, encoded.stem, own[0], rejected=own[1], others=others))
        cut += encoded.cut > 0
    return rows, cut
