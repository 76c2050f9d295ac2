"""What answers are worth while weights are trained, on examples that training does not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from advisor.approaches.asking import Asker
from advisor.approaches.selection import likeness
from advisor.approaches.tuner import TrainingExample
from advisor.models import Adaptation, Decoding, LanguageModel
from advisor.tasks import TaskBrief


@dataclass(frozen=True)
class TrialJudge:
    """Asks the model as queries of the task are asked, and judges its answers as the search for prompts does
    (`selection.select`): a task's metric is applied to records afterwards and may change, so nothing that is learned
    depends on it."""

    task: TaskBrief
    model: LanguageModel
    decoding: Decoding

    def __call__(self, adaptation: Adaptation, examples: Sequence[TrainingExample]) -> float:
        """The mean worth of the answers; labels are read by likelihood per token, where it tells them."""
        return fmean(worth for _, worth in self.judged(adaptation, examples))

    def judged(self, adaptation: Adaptation | None, examples: Sequence[TrainingExample]) -> list[tuple[str, float]]:
        """Each answer with its worth."""
        asker = Asker(self.task, self.model, self.decoding, adaptation)
        if self.task.kind == "classification":
            asker.choose_reading((), (), dev=False)
        answers = asker.answers([example.prompt for example in examples])
        return [
            (
                answer.text,
                max(likeness(self.task.kind, answer.text, one) for one in (example.answer, *example.accepted)),
            )
            for answer, example in zip(answers, examples, strict=True)
        ]
