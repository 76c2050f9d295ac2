"""What a judge is asked, and how its grade is read: a model that grades answers, by a rubric and the reference.

Nothing that it writes is parsed. Where it tells likelihoods, the grade is the mean of the scale under the probabilities
that it gives the grades (G-Eval, Liu et al. 2023); an endpoint for decisions gives these itself; a model that can be
held to a choice answers with one of them. Two answers are compared in both orders, and where the orders disagree it is
a tie (Zheng et al. 2023), since a judge often likes what stands first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from advisor.errors import NotApplicable, UserError
from advisor.models import Context, LabelsBy, LanguageModel, Passage, Prompt
from advisor.tasks import parse_metric
from advisor.tasks.forms import normalised
from advisor.tasks.metrics import name_of

MOST_GRADES = 10
FORM = 1
"""Of the words in which judges are asked; grades that were given to others do not count with those of now."""
JUDGE, PAIRS = "judge", "judge-pairs"
RUBRIC = (
    "You grade an answer to a question. Judge only whether it says what the reference answer says: not its length, its "
    "style or how sure it sounds."
)
FAITHFUL = (
    "You grade an answer to a question. Judge whether it says what the reference answer says, and whether the "
    "documents say so: not its length, its style or how sure it sounds."
)
BETTER = (
    "You compare two answers to a question, A and B. Say which one agrees better with the reference answer: not which "
    "is longer, better written or stands first."
)
ORDERS = ("A", "B")
_RIGHT = ("no", "yes")


@dataclass(frozen=True)
class JudgeMetric:
    """A metric that asks a judge.

    Attributes:
        spec: its canonical text, under which its values are recorded.
        model: alias of a model of the comparison, or by what another one is loaded.
        rubric: empty for the default.
        passages: whether the judge is shown what the row was shown.
        scale: grades; of two they are no and yes.
        pairs: whether answers are compared with those of the best rival, rather than graded.
    """

    spec: str
    model: str
    rubric: str = ""
    passages: bool = False
    scale: int = 5
    pairs: bool = False

    @classmethod
    def of(cls, spec: str, rubric: str) -> JudgeMetric:
        """The metric that a spec names.

        Args:
            rubric: the task's, where the spec names none.

        Raises:
            UserError: its scale is too long.
        """
        values: Mapping[str, Any] = parse_metric(spec).values
        own = str(values.get("rubric", "")) or rubric
        scale = int(values.get("scale", len(ORDERS)))
        if scale > MOST_GRADES:
            raise UserError(f"{spec}: a scale of {scale} grades", f"2 to {MOST_GRADES}; 5 is usual")
        return cls(spec, str(values["model"]), own, bool(values.get("passages")), scale, name_of(spec) == PAIRS)

    @property
    def choices(self) -> tuple[str, ...]:
        """What it may answer, the worst grade first; of a pair the first answer, then the second."""
        if self.pairs:
            return ORDERS
        return _RIGHT if self.scale == len(_RIGHT) else tuple(str(grade) for grade in range(1, self.scale + 1))

    @property
    def instruction(self) -> str:
        """The rubric, and what is to be said."""
        if self.pairs:
            return f"{self.rubric or BETTER}\nReply with A or B alone."
        rubric = self.rubric or (FAITHFUL if self.passages else RUBRIC)
        if self.scale == len(_RIGHT):
            return f"{rubric}\nIs the answer right? Reply with yes or no alone."
        return f"{rubric}\nReply with a grade alone, from 1, wrong, to {self.scale}, as good as the reference."

    @property
    def asked(self) -> list[object]:
        """All that decides what it is asked, but for the model and the answers."""
        return [FORM, self.instruction, self.choices, self.passages]

    def prompt(self, question: str, targets: Sequence[str], answers: Sequence[str], shown: Sequence[Passage]) -> Prompt:
        """What it is asked of one answer, or of two in this order.

        Args:
            shown: passages that the row was shown; ignored unless the judge is to see them.
        """
        named = zip(("Answer A", "Answer B") if self.pairs else ("Answer to grade",), answers, strict=True)
        lines = [f"Question: {question}", f"Reference answer: {' / '.join(dict.fromkeys(targets))}"]
        lines += [f"{name}: {text.strip() or '(nothing)'}" for name, text in named]
        context = Context(passages=tuple(shown), fixed=not shown) if self.passages else Context()
        return Prompt(self.instruction, "\n".join(lines), (), context)


def is_judge(spec: str) -> bool:
    """Whether a metric asks a judge."""
    return name_of(spec) in (JUDGE, PAIRS)


class Judge:
    """Asks a model for probabilities of choices.

    Args:
        choices: what it may answer.

    Raises:
        NotApplicable: it neither tells likelihoods nor can be held to a choice.
    """

    def __init__(self, model: LanguageModel, choices: Sequence[str]) -> None:
        self.model = model
        self.choices = tuple(choices)
        self._way: LabelsBy | None = model.tells_labels_by(self.choices)
        if self._way != "likelihood" and model.decides(self.choices):
            self._way = None
        if self._way == "text":
            raise NotApplicable(
                f"{model.name} cannot judge: it tells no likelihoods, answers no typed questions and cannot be held to "
                "a choice of answers, and what a judge writes is not parsed"
            )

    def probabilities(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...] | None]:
        """Of each choice behind each prompt; None where it gave no answer."""
        if not prompts:
            return []
        if self._way == "likelihood":
            return [_shares(scores.totals) for scores in self.model.score(prompts, self.choices)]
        if self._way is None:
            decided = self.model.decide(prompts, self.choices)
            return [None if one.failure or not one.probabilities else one.probabilities for one in decided]
        return [self._chosen(one.failure, one.text) for one in self.model.choose(prompts, self.choices)]

    def _chosen(self, failure: str, text: str) -> tuple[float, ...] | None:
        if failure or text not in self.choices:
            return None
        return tuple(float(choice == text) for choice in self.choices)


def grade_of(probabilities: tuple[float, ...] | None) -> float | None:
    """The mean of the scale, from 0 to 1, under its probabilities."""
    if probabilities is None:
        return None
    mean = sum(step * share for step, share in enumerate(probabilities)) / sum(probabilities)
    return round(mean / (len(probabilities) - 1), 6)


def outcome_of(first: float, second: float) -> float:
    """1 where an answer is preferred in both orders, 0 where the other one is, 0.5 where the orders disagree.

    Args:
        first, second: probability that what stands first is better, with the answer first and with it second.
    """
    wins = (first > 0.5) - (first < 0.5), (second < 0.5) - (second > 0.5)
    return 1.0 if wins == (1, 1) else 0.0 if wins == (-1, -1) else 0.5


def same_answer(one: str, other: str) -> bool:
    """Whether two answers are one, so that nobody need be asked."""
    return normalised(one) == normalised(other)


def _shares(totals: Sequence[float]) -> tuple[float, ...]:
    top = max(totals)
    weights = [math.exp(total - top) for total in totals]
    return tuple(weight / sum(weights) for weight in weights)
