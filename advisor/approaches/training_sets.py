"""What a tuner learns from, made of a task: each example behind what a context builder puts beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from advisor.approaches.asking import prompt_of
from advisor.approaches.contract import ContextSource
from advisor.approaches.curation import Curated
from advisor.approaches.judging import TrialJudge
from advisor.approaches.tuner import OtherTraining, TrainingExample, TrainingPreference, TrainingSet
from advisor.models import Context
from advisor.tasks import Example, OtherTask, Task


def training_set(curated: Curated, source: ContextSource, judge: TrialJudge, seed: int) -> TrainingSet:
    """Prompts and answers as the model will see them, of train, dev and what is learned beside."""
    task = curated.task

    def rendered(examples: Sequence[Example]) -> tuple[TrainingExample, ...]:
        contexts = source.training_contexts(examples, seed)
        answers = source.to_learn(examples, contexts)
        return tuple(
            TrainingExample(prompt_of(task.brief, e.input, c), answer, e.answers[1:] if answer == e.target else ())
            for e, c, answer in zip(examples, contexts, answers, strict=True)
        )

    train = tuple(
        replace(row, again=tuple(replace(row.prompt, input=text) for text in further)) if further else row
        for row, further in zip(rendered(task.train), curated.further, strict=True)
    )
    others = tuple(map(_other_training, task.others))
    return TrainingSet(train, rendered(task.dev), judge, tuple(task.documents), others)


def _other_training(other: OtherTask) -> OtherTraining:
    examples = (
        TrainingExample(prompt_of(other.brief, e.input, Context()), e.target, e.answers[1:]) for e in other.train
    )
    return OtherTraining(other.named, other.brief.name, tuple(examples), other.left_out)


def training_preferences(task: Task, source: ContextSource, seed: int) -> tuple[TrainingPreference, ...]:
    """Behind the prompts that training examples with these inputs would have; sources that an answer names are not
    asked for."""
    examples = [Example(f"preference {n}", p.input, p.chosen) for n, p in enumerate(task.preferences)]
    contexts = source.training_contexts(examples, seed) if examples else []
    return tuple(
        TrainingPreference(prompt_of(task.brief, pair.input, context), pair.chosen, pair.rejected)
        for pair, context in zip(task.preferences, contexts, strict=True)
    )
