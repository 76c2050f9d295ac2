"""How a label is chosen: by the likelihood of each label where the model tells it, else from the answer it writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from advisor.approaches.answering import CONTENT_FREE, TRIAL_EXAMPLES, LabelReading, blank_prompts, blank_values
from advisor.approaches.contract import Prediction, Usage
from advisor.approaches.temperature import chosen_temperature
from advisor.models import Adaptation, Context, LanguageModel, Prompt, Scores
from advisor.tasks.forms import answer_form
from advisor.tasks.words import unspaced

UNBIASED = LabelReading(unbiased=True)
PROBABILITIES = "the labels' probabilities"


class LabelReader:
    """Chooses among the labels by their likelihoods.

    Attributes:
        reading: how label likelihoods become a choice.
    """

    def __init__(self, model: LanguageModel, labels: Sequence[str], adaptation: Adaptation | None) -> None:
        self.model = model
        self.labels = labels
        self.adaptation = adaptation
        self.reading = LabelReading()
        self._blanks: dict[Context, list[float]] = {}

    def choose_reading(
        self, prompts: Sequence[Prompt], targets: Sequence[str], dev: bool, calibrate: bool = False
    ) -> tuple[str, ...]:
        """Choose how label likelihoods are read, by accuracy on labelled prompts; returns notes for the report.

        The plain reading divides by the label's length; another takes its place only where it is right more
        often. The label bias is told from inputs that say nothing, and so neither where weights were tuned nor behind
        reasoning, which always says something.

        Args:
            prompts: the first `TRIAL_EXAMPLES` of them decide, so that confidences which are calibrated, on all of
                them, are those of the same answers.
            dev: whether the prompts are of dev, else of train.
            calibrate: whether a temperature is chosen for the confidences.
        """
        if not prompts:
            unread = "Labels were compared by likelihood per token; there were no examples to choose by."
            return (unread, *([chosen_temperature([], PROBABILITIES, dev)[1]] if calibrate else []))
        gold = [self.labels.index(target) if target in self.labels else -1 for target in targets]
        biased = self.adaptation is None and all(prompt.reasoning is None for prompt in prompts)
        readings = [LabelReading(), UNBIASED if biased else LabelReading(normalised=False)]
        scored = self._scored(prompts, blanks=biased)
        tried = list(zip(scored, gold, strict=True))[:TRIAL_EXAMPLES]
        right = [sum(reading.choose(scores, blank)[0] == g for (scores, blank), g in tried) for reading in readings]
        best = max(range(len(readings)), key=lambda i: (right[i], -i))
        self.reading = readings[best]
        note = _reading_note(readings, right, len(tried), best, dev)
        if not calibrate:
            return (note,)
        rows = [(self.reading.compared(*score), g) for score, g in zip(scored, gold, strict=True)]
        temperature, how = chosen_temperature(rows, PROBABILITIES, dev)
        self.reading = replace(self.reading, temperature=temperature)
        return note, how

    def answers(self, prompts: Sequence[Prompt], called: float) -> list[Prediction]:
        """The likeliest label behind each prompt, with its probability among the labels; ids are left out.

        Args:
            called: seconds that went by before the model was asked.
        """
        answers = []
        for score, blank in self._scored(prompts, blanks=self.reading.unbiased):
            number, confidence = self.reading.choose(score, blank)
            usage = Usage(
                score.prompt_tokens,
                score.completion_tokens or score.lengths[number],
                score.dropped,
                score.cut,
                called + score.seconds,
                cached_tokens=score.cached_tokens,
                estimated=score.estimated,
            )
            answers.append(Prediction("", self.labels[number], (), confidence, usage))
        return answers

    def _scored(self, prompts: Sequence[Prompt], blanks: bool) -> list[tuple[Scores, list[float]]]:
        """The labels' scores behind each prompt, and the label bias of its context where `blanks`
        says so, else nothing.

        A context that is the same for every query is asked once with all inputs that say nothing; one that follows the
        query would have to be asked anew for each, so there a single such input has to do. It is asked together with
        its prompt, so that the model need read what both have in common only once.
        """
        if not blanks:
            return [(score, []) for score in self.model.score(prompts, self.labels, self.adaptation)]
        found = []
        for part in self._in_parts(prompts):
            saying_nothing = [blank_prompts(p, CONTENT_FREE[:1])[0] for p in part if not p.context.fixed]
            scores = self.model.score([*part, *saying_nothing], self.labels, self.adaptation)
            own = iter(scores[len(part) :])
            for prompt, score in zip(part, scores, strict=False):
                fixed = prompt.context.fixed
                found.append((score, self._label_bias(prompt) if fixed else blank_values([next(own)], UNBIASED)))
        return found

    def _in_parts(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[Prompt]]:
        """Where contexts follow the query, so few that the model answers them, each with its blank input, at once."""
        size = max(len(prompts), 1)
        if any(not p.context.fixed for p in prompts):
            size = max(self.model.can.rows_at_once // 2, 1)
        for first in range(0, len(prompts), size):
            yield prompts[first : first + size]

    def _label_bias(self, prompt: Prompt) -> list[float]:
        """The model's bias for each label in a context that is the same for every query."""
        if prompt.context not in self._blanks:
            scores = self.model.score(blank_prompts(prompt, CONTENT_FREE), self.labels, self.adaptation)
            self._blanks[prompt.context] = blank_values(scores, UNBIASED)
        return self._blanks[prompt.context]


def label_in(text: str, labels: Sequence[str]) -> str:
    """The label that a written answer names: the one that it is, else the one that it names first, of several at the
    same place the longest. An answer that names none stays what it is, which no metric takes for a label."""
    forms, longest, pattern = _looked_for(tuple(labels))
    if label := forms.get(answer_form("classification", text)):
        return label
    found = pattern.search(text)
    return longest[found.lastindex - 1] if found and found.lastindex else text


@lru_cache(maxsize=8)
def _looked_for(labels: tuple[str, ...]) -> tuple[dict[str, str], list[str], re.Pattern[str]]:
    """The labels by their forms; the longest first; and a pattern with a group for each of these."""
    longest = sorted(labels, key=lambda label: (-len(label), label))
    pattern = re.compile("|".join(f"({_whole(label)})" for label in longest), re.IGNORECASE)
    return {answer_form("classification", label): label for label in labels}, longest, pattern


def _whole(label: str) -> str:
    """A pattern for a label as words of its own, where its script has spaces."""
    before, behind = ("" if unspaced(end) else r"\w" for end in (label[:1], label[-1:]))
    return (f"(?<!{before})" if before else "") + re.escape(label) + (f"(?!{behind})" if behind else "")


def _reading_note(readings: Sequence[LabelReading], right: Sequence[int], n: int, best: int, dev: bool) -> str:
    names = {
        LabelReading(): "by likelihood per token",
        LabelReading(normalised=False): "by likelihood of the whole label",
        UNBIASED: "by likelihood per token with the model's label bias removed (Zhao et al. 2021)",
    }
    other = 1 - best
    where = "dev" if dev else "training"
    return (
        f"Labels were compared {names[readings[best]]}: right on {right[best]} of {n} {where} examples, "
        f"against {right[other]} {names[readings[other]]}."
    )
