"""`prompt-search`: the instruction, chosen among several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from advisor.approaches.contract import ContextBuilder, ContextSource, Facts, Shows
from advisor.approaches.instructions import OWN, WRITTEN_TOKENS, candidates
from advisor.approaches.selection import FEWEST, PromptCandidate, held_out, select, tried
from advisor.approaches.shots import FixedShots, draw, shot_of
from advisor.approaches.workload import ContextLoad
from advisor.models import Context, LanguageModel
from advisor.tasks import Outline, Task, TaskBrief, TaskShape


@dataclass(frozen=True)
class PromptSearch(ContextBuilder):
    """The instruction that did best on training examples, among the task's own, others made of it by rule, and others
    that the model writes (after Zhou et al. 2023, "Large Language Models Are Human-Level Prompt Engineers").

    Attributes:
        n: instructions that are tried, the task's own among them.
        k: training examples that stand in the prompt with each, drawn as by `few-shot`.
    """

    n: int = 8
    k: int = 0

    name: ClassVar[str] = "prompt-search"
    seeded: ClassVar[bool] = True

    @property
    def shows(self) -> Shows:  # type: ignore[override]
        return "examples" if self.k else "other"

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"n is {self.n}, and to choose there have to be at least 2 instructions")
        if self.k < 0:
            raise ValueError(f"k is {self.k}, and has to be 0 or more")

    def unsuited(self, task: TaskShape) -> str:
        """It needs training examples."""
        return "" if task.train else "there are no training examples"

    def load(self, task: Outline) -> ContextLoad:
        """The examples; about half of the other instructions are written by the model."""
        answers = tried(task, self.n)
        written = self.n // 2 * WRITTEN_TOKENS if answers else 0
        return ContextLoad(examples=min(self.k, len(task.train)), tried=answers, tried_written=written)

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Collect instructions, and choose one on examples that neither an instruction nor the prompt shows."""
        examples = draw(task, self.k, seed) if self.k else ()
        judged = held_out(task, seed, [example.input for example in examples])
        known = {example.input for example in (*judged, *examples)}
        unseen = [example for example in task.train if example.input not in known]
        seen = draw(replace(task, train=tuple(unseen)), len(unseen), seed) if unseen else examples
        context = Context(tuple(map(shot_of, examples)))
        found = candidates(task, model, seen, self.n) if len(judged) >= FEWEST and seen else ()
        others = [PromptCandidate(replace(context, instruction=one.text), one.called) for one in found]
        chosen, notes = select([PromptCandidate(context, OWN), *others], task, model, judged, self.cot)
        if chosen.context.instruction:
            notes = (*notes, f"The instruction that was chosen: {' '.join(chosen.context.instruction.split())}")
        instruction = chosen.context.instruction or task.instruction
        return FixedShots(chosen.context, Facts(notes=notes, resolved={self.name: {"instruction": instruction}}))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Read the instruction and the examples."""
        return FixedShots.restored(folder)
