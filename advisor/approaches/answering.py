"""How answers to a task are read off a model: the same for every approach that uses one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.approaches.temperature import scaled
from advisor.models import Decoding, LanguageModel, Prompt, Scores
from advisor.models.prompt import CUE
from advisor.tasks import Example, Task

# Zhao et al. 2021, "Calibrate Before Use", section 4: inputs that say nothing, averaged.
CONTENT_FREE = ("N/A", "[MASK]", "")
TRIAL_EXAMPLES = 48
LONG_ANSWER = 160  # tokens
LONGEST_ANSWER = 1024
REASONING = 256  # tokens of reasoning at most
USUAL_REASONING = 160


def decoding_for(task: Task, model: LanguageModel) -> Decoding:
    """Where a generated answer ends.

    The cap is the 95th percentile of the training targets' lengths and a quarter more (lengths at most, where a model's
    tokens are only estimated), so that no approach is
    cut short of a usual answer and none is paid for rambling; where answers are long, their 90th percentile,
    since every further token costs every approach. A line break ends an answer where no training target holds one.
    """
    lengths = sorted(model.most_tokens(e.target) for e in task.train) or [32]
    most, usual = (lengths[math.ceil(share * len(lengths)) - 1] for share in (0.95, 0.9))
    cap = min(math.ceil(1.25 * most) + 4, max(LONG_ANSWER, usual), LONGEST_ANSWER, model.context_window // 2)
    one_line = not any("\n" in e.target for e in task.train)
    return Decoding(cap, ("\n",) if one_line else ())


def reasoning_for(model: LanguageModel) -> Decoding:
    """Where reasoning before an answer ends: at a budget, or where the model goes on to its answer by itself."""
    return Decoding(min(REASONING, model.context_window // 4), (CUE,))


@dataclass(frozen=True)
class LabelReading:
    """How label likelihoods are turned into a choice.

    Attributes:
        normalised: whether a label's log-likelihood is divided by its length in tokens.
        unbiased: whether the model's label bias, told from inputs that say nothing, is taken off first
            (Zhao et al. 2021).
        temperature: by which what is left is divided to be a confidence (`advisor.approaches.temperature`).
    """

    normalised: bool = True
    unbiased: bool = False
    temperature: float = 1.0

    def choose(self, scores: Scores, blank: Sequence[float]) -> tuple[int, float]:
        """The number of the chosen label, and its probability among the labels."""
        values = self.compared(scores, blank)
        top = max(range(len(values)), key=values.__getitem__)
        return top, scaled(values, self.temperature)[top]

    def compared(self, scores: Scores, blank: Sequence[float]) -> list[float]:
        """By what the labels are told apart: log probabilities up to a constant, before the temperature."""
        values = self.values(scores)
        return [value - bias for value, bias in zip(values, blank, strict=True)] if self.unbiased else values

    def values(self, scores: Scores) -> list[float]:
        """Log-likelihood of each label, per token where `normalised`."""
        if not self.normalised:
            return list(scores.totals)
        return [total / length for total, length in zip(scores.totals, scores.lengths, strict=True)]


def trial_examples(task: Task, seed: int, without: Sequence[str] = (), most: int = TRIAL_EXAMPLES) -> list[Example]:
    """Labelled examples, of dev or else of train, on which something is chosen, such as a way of reading.

    Args:
        without: inputs that are shown in the prompt already.
        most: so many at most.
    """
    shown = set(without)
    pool = [e for e in task.dev or task.train if e.input not in shown]
    random.Random(seed).shuffle(pool)
    return pool[:most]


def blank_prompts(prompt: Prompt, inputs: Sequence[str]) -> list[Prompt]:
    """The same prompt around inputs that say nothing."""
    return [Prompt(prompt.instruction, text, prompt.labels, prompt.context) for text in inputs]


def blank_values(scores: Sequence[Scores], reading: LabelReading) -> list[float]:
    """The label bias: for each label the log of its mean probability on inputs that say nothing."""
    totals: list[float] = []
    for row in scores:
        values = reading.values(row)
        top = max(values)
        size = sum(math.exp(v - top) for v in values)
        share = [math.exp(v - top) / size for v in values]
        totals = [a + b for a, b in zip(totals, share, strict=True)] if totals else share
    return [math.log(max(total / len(scores), 1e-12)) for total in totals]
