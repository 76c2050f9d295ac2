"""`decision`: a typed question to an endpoint that answers it with a probability for every option, in one pass."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from advisor.approaches.answering import TRIAL_EXAMPLES, trial_examples
from advisor.approaches.asking import prompt_of
from advisor.approaches.contract import Approach, Facts, Prediction, Predictor, Shows, Usage
from advisor.approaches.temperature import LEAST, chosen_temperature, scaled
from advisor.approaches.workload import TAIL, Lengths, Load
from advisor.errors import NotApplicable
from advisor.models import Context, Decided, LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Outline, Query, Task, TaskBrief, TaskShape

SAVED = "decision.json"


@dataclass(frozen=True)
class Decide(Approach):
    """The most probable label by an endpoint for decisions, such as OpenAI's Decisions API.

    Its confidences are the endpoint's probabilities, scaled by a temperature (Guo et al. 2017) where that makes
    labelled examples likelier that it was not chosen on. The answers are the same at any temperature.
    """

    name: ClassVar[str] = "decision"
    shows: ClassVar[Shows] = "nothing"
    learns: ClassVar[bool] = False

    def unsuited(self, task: TaskShape) -> str:
        """It chooses among labels."""
        return "" if task.kind == "classification" else "it answers with labels, and the task has none"

    def load(self, task: Outline, lengths: Lengths) -> Load:
        """One pass over the query's prompt, with nothing written."""
        tried = min(TRIAL_EXAMPLES, len(task.dev) or len(task.train))
        return Load(prompt=lengths.stem + lengths.input + TAIL, shared=lengths.stem, tried=tried)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Choose the temperature of the probabilities.

        Raises:
            NotApplicable: the model answers no typed questions.
        """
        if not model.decides(task.labels):
            if model.can.remote or not model.can.score:
                raise NotApplicable(f"{model.name} has no endpoint for decisions")
            raise NotApplicable("zero-shot does this already: all labels' likelihoods in one pass")
        decider = Decider(task.brief, model)
        examples = trial_examples(task, seed)
        decided = model.decide([prompt_of(task.brief, e.input, Context()) for e in examples], task.labels)
        number = {label: i for i, label in enumerate(task.labels)}
        rows = [
            (_logs(d.probabilities), number.get(e.target, -1))
            for d, e in zip(decided, examples, strict=True)
            if d.probabilities
        ]
        decider.temperature, note = chosen_temperature(rows, "the endpoint's probabilities", bool(task.dev))
        decider.facts = Facts(notes=(note,))
        return decider

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Read the temperature."""
        saved = json.loads((folder / SAVED).read_text(encoding="utf-8"))
        decider = Decider(task, model, saved["temperature"])
        decider.facts = Facts(notes=tuple(saved["notes"]))
        return decider


class Decider(Predictor):
    """Asks for decisions.

    Attributes:
        temperature: by which log probabilities are divided to be confidences.
    """

    def __init__(self, task: TaskBrief, model: LanguageModel, temperature: float = 1.0) -> None:
        self.task = task
        self.model = model
        self.temperature = temperature

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The most probable label of each query, with its probability; none where the endpoint refused."""
        began = clock.now()
        prompts = [prompt_of(self.task, query.input, Context()) for query in queries]
        called = clock.now() - began
        decided = self.model.decide(prompts, self.task.labels)
        return [self._answer(query, one, called) for query, one in zip(queries, decided, strict=True)]

    def save(self, folder: Path) -> None:
        """Write the temperature."""
        saved = {"temperature": self.temperature, "notes": self.facts.notes}
        (folder / SAVED).write_text(json.dumps(saved), encoding="utf-8")

    def _answer(self, query: Query, one: Decided, called: float) -> Prediction:
        usage = Usage(
            one.prompt_tokens,
            one.completion_tokens,
            one.dropped,
            one.cut,
            ttft_seconds=called + one.seconds,
            cached_tokens=one.cached_tokens,
            reasoning_tokens=one.reasoning_tokens,
            estimated=one.estimated,
        )
        if one.failure or not one.probabilities:
            return Prediction(query.id, "", usage=usage, failure=one.failure or "no probabilities")
        shares = scaled(_logs(one.probabilities), self.temperature)
        top = max(range(len(shares)), key=shares.__getitem__)
        return Prediction(query.id, self.task.labels[top], confidence=shares[top], usage=usage)


def _logs(probabilities: Sequence[float]) -> list[float]:
    return [math.log(max(share, LEAST)) for share in probabilities]
