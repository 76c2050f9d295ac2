"""Continued pre-training: raw text to rows, trained as any others, and what the model makes of the text then."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from advisor.approaches import TrainingExample, TrainingSet, Tuned
from advisor.errors import NotApplicable
from advisor.models import LanguageModel
from finetune.fused.packing import TokenRow
from finetune.holding_out import HELD_OUT
from finetune.raw_settings import RawTextSettings
from finetune.raw_text import blocks, text_of
from finetune.session import SplitRows, local_of
from finetune.training import default_batch
from finetune.tuning import Lesson, check_lengths, examination, fit, rows_of, where


def tune(tuner: RawTextSettings, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Read the text as often as is asked for or fits the budget; judged, where that is asked for, by held-out answers.

    Raises:
        NotApplicable: there is nothing to read, or the weights cannot be trained here.
    """
    local = local_of(model)
    texts = _texts(tuner, training)
    rows = blocks(local.renderer, texts, tuner.block)
    if not rows:
        raise NotApplicable(f"there is no text to read: {_WHAT[tuner.on]} hold none")
    asked = _judged(training, seed) if tuner.stop != "never" else ()
    if asked:
        check_lengths(asked, local, 0, ("dev" if training.dev else "train",))
    held_out, _ = rows_of(asked, local, 0)
    split = SplitRows(rows, held_out, examination(tuner, training, asked) if asked else None, training.documents)
    given = _resolved(tuner, rows)
    lesson = Lesson(split, where(training, held_out), "block", texts=texts, notes=(_read(given, rows),))
    return _told(fit(tuner, given, lesson, local, seed), tuner)


_WHAT = {"documents": "the documents", "inputs": "the training inputs", "both": "documents and training inputs"}


def _texts(tuner: RawTextSettings, training: TrainingSet) -> list[str]:
    documents = [text_of(document) for document in training.documents] if tuner.on != "inputs" else []
    inputs = [example.prompt.input for example in training.examples] if tuner.on != "documents" else []
    return [*documents, *inputs]


def _judged(training: TrainingSet, seed: int) -> Sequence[TrainingExample]:
    """Of dev, else of train, whose answers are not learned."""
    examples = list(training.dev or training.examples)
    random.Random(seed).shuffle(examples)
    return examples[:HELD_OUT]


def _resolved(tuner: RawTextSettings, rows: Sequence[TokenRow]) -> RawTextSettings:
    """The configuration with what it leaves open chosen."""
    tokens = sum(row.tokens for row in rows)
    epochs = tuner.passes(tokens)
    seen = min(epochs, tuner.budget / tokens) if tuner.budget else epochs
    return replace(tuner, lr=tuner.rate, epochs=epochs, batch=tuner.batch or default_batch(len(rows) * seen))


def _read(given: RawTextSettings, rows: Sequence[TokenRow]) -> str:
    tokens = sum(row.tokens for row in rows)
    what = f"the {tokens:,} tokens of {_WHAT[given.on]}"
    if given.budget and given.budget < tokens:
        return f"Of {what} {given.budget:,} were read, drawn at random, which is the budget: the rest is not known."
    often = "once" if given.epochs == 1 else f"{given.epochs} times"
    return f"Of {what} all were read, {often} at most, as raw text with a loss on every token."


def _told(tuned: Tuned, tuner: RawTextSettings) -> Tuned:
    """With the perplexities in words."""
    if tuned.facts.perplexity:
        before, after = tuned.facts.perplexity
        went = "fell" if after < before else "rose"
        note = (
            f"The perplexity of a sample of {_WHAT[tuner.on]} {went} from {before:.1f} to {after:.1f} a token by that."
        )
        tuned.facts = replace(tuned.facts, notes=(*tuned.facts.notes, note))
    return tuned
