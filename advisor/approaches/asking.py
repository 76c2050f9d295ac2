"""How a task's prompts are answered: the same for every approach that asks the model, and while one is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from advisor.approaches.answering import reasoning_for
from advisor.approaches.contract import Prediction, Usage
from advisor.approaches.labels import LabelReader, label_in
from advisor.errors import NotApplicable
from advisor.models import Adaptation, Context, Decoding, Generation, LabelsBy, LanguageModel, Prompt
from advisor.models.clock import clock
from advisor.models.hearing import answering
from advisor.tasks import TaskBrief


def prompt_of(task: TaskBrief, text: str, context: Context) -> Prompt:
    """An input of the task, with what stands beside it, as its answer is asked for and learned."""
    labels = task.labels if task.kind == "classification" else ()
    return Prompt(context.instruction or task.instruction, text, labels, context)


class Asker:
    """Answers prompts of one task, with tuned weights where there are some.

    Args:
        cot: whether the model reasons first. That is a call of its own, for any model; its answer is then asked for
            behind what it reasoned, and is read as any other. Reasoning that its budget cut off does as well.

    Attributes:
        decoding: where a generated answer ends.
        reasoning: where reasoning ends.
        labels: chooses among the labels (classification, and a model that gives likelihoods).
        labels_by: how labels are told; None where there are none.
    """

    def __init__(
        self,
        task: TaskBrief,
        model: LanguageModel,
        decoding: Decoding,
        adaptation: Adaptation | None = None,
        cot: bool = False,
    ) -> None:
        self.task = task
        self.model = model
        self.decoding = decoding
        self.adaptation = adaptation
        self.reasoning = reasoning_for(model) if cot else None
        self.labels = LabelReader(model, task.labels, adaptation)
        self.labels_by: LabelsBy | None = None

    def prompt(self, text: str, context: Context) -> Prompt:
        """A query of the task, with what stands beside it."""
        asked = prompt_of(self.task, text, context)
        return asked if self.reasoning is None else replace(asked, reasoning="")

    def answers(self, prompts: Sequence[Prompt], called: float = 0.0) -> list[Prediction]:
        """One answer a prompt, in order; ids are left out.

        Args:
            called: seconds that went by before the model was asked.
        """
        if self.reasoning is None:
            return self._answered(prompts, called)
        began = clock.now()
        prompts, thoughts = self._reasoned(prompts, self.reasoning)
        answers = self._answered(prompts, called + clock.now() - began)
        return [_behind(thought, answer) for thought, answer in zip(thoughts, answers, strict=True)]

    def choose_reading(
        self, prompts: Sequence[Prompt], targets: Sequence[str], dev: bool, calibrate: bool = False
    ) -> tuple[str, ...]:
        """Find out how the model tells labels, and choose how likelihoods are read, on labelled prompts; returns notes
        for the report.

        Args:
            dev: whether the prompts are of dev, else of train.
            calibrate: whether a temperature is chosen for the confidences.

        Raises:
            NotApplicable: it is to be, and there are no confidences.
        """
        self.labels_by = self.model.tells_labels_by(self.task.labels)
        if calibrate and self.labels_by != "likelihood":
            raise NotApplicable(f"{self.model.name} gives no likelihoods of labels, so no confidences to calibrate")
        if self.labels_by == "constraint":
            return (f"{self.model.name} could answer with nothing but a label.",)
        if self.labels_by == "text":
            why = "as --labels-by asks" if self.model.labels_by else "since it gives no likelihoods of labels"
            return (f"Labels were read from what {self.model.name} wrote, {why}.",)
        notes: tuple[str, ...] = ()
        if self.reasoning is not None and prompts:
            prompts, thoughts = self._reasoned(prompts, self.reasoning)
            notes = (_note_of_budget(thoughts, self.reasoning.max_tokens, "dev" if dev else "training"),)
        return (*self.labels.choose_reading(prompts, targets, dev, calibrate), *notes)

    def _reasoned(self, prompts: Sequence[Prompt], ending: Decoding) -> tuple[list[Prompt], list[Generation]]:
        """The prompts that ask for the answers, and what was reasoned; where nothing was, the answer comes at once."""
        thoughts = self.model.generate(prompts, ending, self.adaptation)
        asked = [replace(p, reasoning=t.text or None) for p, t in zip(prompts, thoughts, strict=True)]
        return asked, thoughts

    def _answered(self, prompts: Sequence[Prompt], called: float) -> list[Prediction]:
        if self.task.kind != "classification":
            return self._written(prompts, called)
        if self.labels_by == "likelihood":
            return self.labels.answers(prompts, called)
        if self.labels_by == "constraint":
            return _predictions(self.model.choose(prompts, self.task.labels, self.adaptation), called)
        return [replace(a, text=label_in(a.text, self.task.labels)) for a in self._written(prompts, called)]

    def _written(self, prompts: Sequence[Prompt], called: float) -> list[Prediction]:
        with answering():
            return _predictions(self.model.generate(prompts, self.decoding, self.adaptation), called)


def _predictions(generations: Sequence[Generation], called: float) -> list[Prediction]:
    """What a model wrote, as answers to queries whose ids are left out."""
    answers = []
    for g in generations:
        usage = Usage(
            g.prompt_tokens,
            g.completion_tokens,
            g.dropped,
            g.cut,
            called + g.ttft_seconds,
            cached_tokens=g.cached_tokens,
            reasoning_tokens=g.reasoning_tokens,
            estimated=g.estimated,
        )
        answers.append(Prediction("", g.text, (), None, usage, failure=g.failure))
    return answers


def _behind(thought: Generation, answer: Prediction) -> Prediction:
    """An answer with what reasoning before it took as well."""
    usage = answer.usage
    both = replace(
        usage,
        prompt_tokens=thought.prompt_tokens + usage.prompt_tokens,
        dropped=max(thought.dropped, usage.dropped),
        cut=max(thought.cut, usage.cut),
        cached_tokens=thought.cached_tokens + usage.cached_tokens,
        reasoning_tokens=thought.completion_tokens + thought.reasoning_tokens + usage.reasoning_tokens,
        estimated=thought.estimated or usage.estimated,
    )
    return replace(answer, usage=both)


def _note_of_budget(thoughts: Sequence[Generation], budget: int, where: str) -> str:
    cut = sum(thought.completion_tokens >= budget for thought in thoughts)
    return (
        f"The model reasoned before it answered, in up to {budget} tokens; on {cut} of {len(thoughts)} {where} "
        "examples its reasoning was cut off there, and the answer was asked for all the same."
    )
