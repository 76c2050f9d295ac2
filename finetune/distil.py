"""The `distil` tuner: trained on the answers of another model of the comparison (sequence-level distillation); no
torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from advisor import progress
from advisor.approaches import (
    Adapted,
    ContextBuilder,
    Prediction,
    SecondAnswer,
    SecondPass,
    TrainingExample,
    TrainingSet,
    spec_of,
    told_to,
)
from advisor.approaches.adapted import AdaptedPredictor
from advisor.errors import NotApplicable
from advisor.models import Capabilities, LanguageModel
from advisor.models.clock import clock
from advisor.scratch import Scratch, scratch
from advisor.tasks import Example, Task
from advisor.tasks.forms import answer_form, is_blank
from finetune.lora import Lora

On = Literal["teacher", "both"]
KEPT, FILE = "answers", "answers.json"


@dataclass(frozen=True)
class Distil(Lora):
    """LoRA on a teacher's answers to the training inputs (sequence-level knowledge distillation, Kim and Rush 2016).

    The teacher is another model of the comparison, named by its alias: `distil:teacher=big`. It answers with what
    stands beside a training input for the same context builder, and greedily, where the paper takes a beam. Dev
    examples keep their targets, so that training is stopped by what is right and not by what the teacher says.

    Attributes:
        teacher: alias of the model whose answers are learned.
        on: what is learned: the teacher's answers, or the targets as well.
        agree: whether its answer is learned only where it is the target or another accepted answer (rejection sampling
            by what is known to be right).
    """

    teacher: str = field(kw_only=True)
    on: On = field(default="teacher", kw_only=True)
    agree: bool = field(default=False, kw_only=True)

    name: ClassVar[str] = "distil"
    unasked: ClassVar[bool] = False
    probed_as: ClassVar[str] = ""
    defining: ClassVar[tuple[str, ...]] = ("on", "agree")

    def second_passes(self, builder: ContextBuilder | None, seed: int) -> tuple[SecondPass, ...]:
        """The teacher's answers to the training inputs, beside what is asked to be written for any tuner."""
        asked = super().second_passes(builder, seed)
        if builder is None:
            return asked
        return (*asked, TeacherAnswers(self.teacher, builder, 0 if builder.shows == "nothing" else seed))

    def reads(self, examples: int, own: float, shared: int) -> float:
        """Up to two answers an example where both are learned."""
        return super().reads(2 * examples if self.on == "both" else examples, own, shared)

    def learned_from(self, training: TrainingSet) -> tuple[TrainingSet, tuple[str, ...]]:
        """The training set with what the teacher said, and what is to be said of that."""
        told = told_to(self, "teacher")
        return taught(training, told, self.on, self.agree)


@dataclass(frozen=True)
class TeacherAnswers(SecondPass):
    """A teacher's answers to the training inputs, asked with what a context builder puts beside them.

    Attributes:
        seed: by which it chooses that.
    """

    builder: ContextBuilder
    seed: int

    parameter: ClassVar[str] = "teacher"

    @property
    def request(self) -> str:
        """As what the teacher answers."""
        return f"answers to the training inputs as {self._spec}, seed {self.seed}"

    @property
    def _spec(self) -> str:
        return "nobody" if self.builder.taught else spec_of(Adapted(self.builder))

    def answers_as(self, examples: int) -> tuple[str, float] | None:
        """A prompt for each training example."""
        return None if self.builder.taught else (self._spec, float(examples))

    def ask(self, task: Task, model: LanguageModel) -> Any:
        """The answers by a digest of their inputs, None where there is none, with what they took.

        Labels are told as a row of the teacher tells them. What stands beside an input is what would in training: an
        example is never shown its own answer.

        Raises:
            NotApplicable: what the builder asks for is learned, and a teacher has not learned it.
        """
        if self.builder.taught:
            raise NotApplicable(
                f"{self.builder.name}:{self.builder.taught} is learned, and the teacher did not learn it"
            )
        predictor = Adapted(self.builder).fit(task, model, self.seed)
        if not isinstance(predictor, AdaptedPredictor):
            raise NotApplicable(f"{self.builder.name} does not say how a training input is asked")
        try:
            return self._answers(predictor, task.train, model.can)
        finally:
            predictor.close()

    def _answers(self, predictor: AdaptedPredictor, examples: Sequence[Example], can: Capabilities) -> dict[str, Any]:
        contexts = predictor.source.training_contexts(examples, self.seed)
        prompts = [predictor.asker.prompt(e.input, c) for e, c in zip(examples, contexts, strict=True)]
        place = None if can.remote else scratch()  # what is paid is kept by each answer, and counted as it is taken up
        kept = _Kept.read(place)
        progress.step("ask the teacher", len(examples))
        progress.advance(kept.done)
        while kept.done < len(prompts):
            began = clock.now()
            found = predictor.asker.answers(prompts[kept.done : kept.done + can.rows_at_once])
            kept.add(examples[kept.done : kept.done + len(found)], found, clock.now() - began)
            if place and place.due:
                place.keep(KEPT, kept.write)
            progress.advance(len(found))
        return {"answers": kept.answers, "tokens": kept.tokens}


@dataclass
class _Kept:
    """The answers so far.

    Attributes:
        done: examples that were asked.
        answers: by digests of their inputs; None where there is none.
        tokens: that this took, by kind.
        seconds: likewise.
    """

    done: int = 0
    answers: dict[str, str | None] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=lambda: {"read": 0, "written": 0})
    seconds: float = 0.0

    @classmethod
    def read(cls, place: Scratch | None) -> _Kept:
        """What a killed pass had; its seconds count as if they were spent again."""
        folder = place.kept(KEPT) if place else None
        if folder is None:
            return cls()
        found = cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        clock.credit("a teacher's answers", found.seconds)
        return found

    def add(self, examples: Sequence[Example], predictions: Sequence[Prediction], seconds: float) -> None:
        """Answers to the next examples."""
        for example, prediction in zip(examples, predictions, strict=True):
            usage = prediction.usage
            nothing = bool(prediction.failure) or is_blank(prediction.text)
            self.answers[key_of(example.input)] = None if nothing else prediction.text
            self.tokens["read"] += usage.prompt_tokens
            self.tokens["written"] += usage.completion_tokens + usage.reasoning_tokens
        self.done, self.seconds = self.done + len(examples), self.seconds + seconds

    def write(self, folder: Path) -> None:
        """Keep them in a folder."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        (folder / FILE).write_text(json.dumps(values), encoding="utf-8")


def key_of(text: str) -> str:
    """By what an answer is found again: a digest, since a run folder may have to do without inputs."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def taught(
    training: TrainingSet, told: SecondAnswer, on: On = "teacher", agree: bool = False
) -> tuple[TrainingSet, tuple[str, ...]]:
    """A training set with a teacher's answers in place of the targets, or beside them; and notes for the report.

    Raises:
        NotApplicable: the teacher gave nothing that is to be learned.
    """
    said: Mapping[str, str | None] = told.what["answers"]
    answers = [said.get(key_of(example.prompt.input)) for example in training.examples]
    right = [_is_right(answer, example) for answer, example in zip(answers, training.examples, strict=True)]
    usable = [answer is not None and (fits or not agree) for answer, fits in zip(answers, right, strict=True)]
    if not any(usable):
        why = "gave no answer" if not any(answers) else "agreed with no target"
        raise NotApplicable(f"{told.alias} {why} on {len(answers)} training examples, so nothing is learned from it")
    learned: list[TrainingExample] = []
    for example, answer, use in zip(training.examples, answers, usable, strict=True):
        learned += [example] if on == "both" else []
        if answer is not None and use and not (on == "both" and answer == example.answer):
            learned.append(replace(example, answer=answer, accepted=()))
    return replace(training, examples=tuple(learned)), _notes(told, answers, sum(right), sum(usable), on)


def _is_right(answer: str | None, example: TrainingExample) -> bool:
    """Whether an answer is one that the example accepts, in the form in which answers are compared."""
    if answer is None:
        return False
    form = partial(answer_form, "classification" if example.prompt.labels else "extraction")  # of JSON, else of words
    return form(answer) in map(form, (example.answer, *example.accepted))


def _notes(told: SecondAnswer, answers: Sequence[str | None], right: int, used: int, on: On) -> tuple[str, ...]:
    there, tokens = sum(answer is not None for answer in answers), told.what["tokens"]
    beside = "beside the targets" if on == "both" else "in place of the targets"
    return (
        f"{told.alias} answered {there} of {len(answers)} training inputs, {right / len(answers):.0%} of them as the "
        f"targets do; {used} of its answers were learned {beside}.",
        f"Asking {told.alias} took {told.seconds:,.0f} s, {tokens['read']:,} tokens read and {tokens['written']:,} "
        "written, which are part of the fit.",
    )
