"""`decision`: a typed question to an endpoint that answers it with a probability for every option, in one pass."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import ClassVar

from advisor.approaches.answering import TRIAL_EXAMPLES, trial_examples
from advisor.approaches.asking import prompt_of
from advisor.approaches.contract import Approach, Facts, Prediction, Predictor, Shows, Usage
from advisor.approaches.workload import TAIL, Lengths, Load
from advisor.errors import NotApplicable
from advisor.models import Context, Decided, LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Outline, Query, Task, TaskBrief, TaskShape

SAVED = "decision.json"
FEWEST = 16  # examples with which a temperature is chosen
COLDEST, HOTTEST = 0.1, 10.0
LEAST = 1e-9  # a probability that was rounded to nothing
BINS = 10

Row = tuple[tuple[float, ...], int]  # a probability for each label, and the number of the right one; -1 for none


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
        rows = [(d.probabilities, number.get(e.target, -1)) for d, e in zip(decided, examples, strict=True)]
        decider.temperature, note = chosen_temperature([row for row in rows if row[0]], bool(task.dev))
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
        shares = scaled(one.probabilities, self.temperature)
        top = max(range(len(shares)), key=shares.__getitem__)
        return Prediction(query.id, self.task.labels[top], confidence=shares[top], usage=usage)


def scaled(probabilities: Sequence[float], temperature: float) -> list[float]:
    """Probabilities at another temperature, which sum up to 1."""
    logs = [math.log(max(p, LEAST)) / temperature for p in probabilities]
    top = max(logs)
    weights = [math.exp(log - top) for log in logs]
    return [weight / sum(weights) for weight in weights]


def chosen_temperature(rows: Sequence[Row], dev: bool) -> tuple[float, str]:
    """The temperature at which labelled examples are likeliest, and a note for the report.

    It is taken only where it helps examples that it was not chosen on: those of either half, by the other half's.

    Args:
        dev: whether the examples are of dev, else of train.
    """
    known = [row for row in rows if row[1] >= 0]
    where = f"{len(known)} {'dev' if dev else 'training'} examples"
    if len(known) < FEWEST:
        return 1.0, f"Confidences are the endpoint's probabilities as they come; {where} are too few to check them on."
    halves = known[::2], known[1::2]
    crossed = [(half, _likeliest(other)) for half, other in (halves, halves[::-1])]
    before, after = _loss(known, 1.0), fmean(_loss(half, best) for half, best in crossed)
    error = _calibration_error([_judged(row, 1.0) for row in known])
    if after >= before:
        return 1.0, (
            f"Confidences are the endpoint's probabilities as they come: on {where} their expected calibration error "
            f"is {error:.3f}, and no temperature makes them better."
        )
    temperature = _likeliest(known)
    less = _calibration_error([_judged(row, best) for half, best in crossed for row in half])
    return temperature, (
        f"Confidences are the endpoint's probabilities at temperature {temperature:.2f} (Guo et al. 2017), chosen on "
        f"{where}: their expected calibration error is {less:.3f}, cross-validated there, and {error:.3f} as they come."
    )


def _likeliest(rows: Sequence[Row]) -> float:
    from scipy.optimize import minimize_scalar  # on first use: to name an approach shall cost nothing

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    found = minimize_scalar(lambda log: _loss(rows, math.exp(log)), bounds=bounds, method="bounded")
    return float(math.exp(found.x))


def _loss(rows: Sequence[Row], temperature: float) -> float:
    """Mean negative log probability of the right label."""
    return -fmean(math.log(max(scaled(shares, temperature)[right], LEAST)) for shares, right in rows)


def _judged(row: Row, temperature: float) -> tuple[float, bool]:
    """The confidence of an answer, and whether it is right."""
    shares = scaled(row[0], temperature)
    top = max(range(len(shares)), key=shares.__getitem__)
    return shares[top], top == row[1]


def _calibration_error(judged: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error: how far confidence and share of right answers are apart, in bins of equal width."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in judged:
        bins.setdefault(min(int(BINS * confidence), BINS - 1), []).append((confidence, right))
    apart = (abs(sum(confidence - right for confidence, right in held)) for held in bins.values())
    return sum(apart) / len(judged)
