"""The interview about a task without data: at most ten questions, and how answers are parsed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from advisor.errors import UserError
from advisor.tasks import Kind, Limits
from advisor.tasks.faults import short

Output = Literal["label", "short", "text", "fields"]
Manages = Literal["untried", "none", "some", "most"]
Hardware = Literal["gpu", "cpu", "api"]
Often = Literal["never", "yearly", "monthly", "weekly", "daily"]

KINDS: dict[Output, tuple[Kind, str]] = {
    "label": ("classification", "accuracy"),
    "short": ("qa", "token_f1"),
    "text": ("generation", "rouge_l"),
    "fields": ("extraction", "json_f1"),
}
_DAYS: dict[Often, float | None] = {"never": None, "yearly": 365.0, "monthly": 30.0, "weekly": 7.0, "daily": 1.0}
_NUMBER = re.compile(r"(?:about |~)?(\d[\d,]*(?:\.\d+)?) ?(k|ms|s)?", re.IGNORECASE)
_UNITS = {"k": 1_000.0, "ms": 1.0, "s": 1_000.0}


@dataclass(frozen=True)
class Answers:
    """The answers of an interview.

    Attributes:
        output: what an answer is: one of some labels, a few words, a text, or fields (JSON).
        classes: the number of labels, where the output is one.
        strict: whether answers have to keep a form or a style.
        labelled: examples with their right answers.
        documents: whether there is a collection of documents to answer from.
        changes: the frequency at which the facts behind right answers change.
        manages: the share of a few cases that the model manages when simply asked.
        queries_per_day, p95_ms: traffic, and the latency that is acceptable; None where it does not matter.
        hardware: the hardware that may run a model; `api` where its weights cannot be had.
        private: whether the data have to stay on one's own machines.
    """

    output: Output = "short"
    classes: int = 2
    strict: bool = False
    labelled: int = 0
    documents: bool = False
    changes: Often = "never"
    manages: Manages = "untried"
    queries_per_day: float | None = None
    p95_ms: float | None = None
    hardware: Hardware = "cpu"
    private: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of task."""
        return KINDS[self.output][0]

    @property
    def metric(self) -> str:
        """The metric of the task."""
        return KINDS[self.output][1]

    @property
    def limits(self) -> Limits:
        """The limits, as a task folder states them."""
        return Limits(
            p95_ms=self.p95_ms,
            queries_per_day=self.queries_per_day,
            documents_change_every_days=_DAYS[self.changes],
        )


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        field: its field of `Answers`.
        choices: words that are answers; empty for a number.
        least, most: the smallest and the largest number that are answers.
        default: what an empty line stands for; empty where it is no answer.
        asked: whether it has to be asked, after what was answered before.
    """

    field: str
    text: str
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = 1e12
    default: str = ""
    asked: Callable[[Mapping[str, Any]], bool] = lambda answers: True

    def read(self, text: str) -> Any:
        """Parse the answer in a line of text.

        Raises:
            UserError: it is none; says what was seen and what is wanted.
        """
        word = text.strip().lower() or self.default
        if self.choices:
            found = [choice for choice in self.choices if word and choice.startswith(word)]
            if len(found) != 1:
                raise self._none(text)
            return found[0] == "yes" if self.choices == YES_NO else found[0]
        if self.default == "none" and word in ("none", "no", "-"):
            return None
        read = _NUMBER.fullmatch(word)
        number = float(read[1].replace(",", "")) * _UNITS.get(read[2] or "", 1.0) if read else math.nan
        if not self.least <= number <= self.most or (self.default == "none" and not number):
            raise self._none(text)
        return number if self.default == "none" else int(number)

    def _none(self, text: str) -> UserError:
        seen = f"{short(text.strip())!r} is no answer" if text.strip() else "an empty line is no answer"
        return UserError(f"{seen} to: {self.text}", self.wanted)

    @property
    def wanted(self) -> str:
        """The form of a valid answer, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return (
            "a number"
            + (f" from {self.least:g} to {self.most:,.0f}" if self.least else "")
            + ", or none" * bool(self.default)
        )

    @property
    def hint(self) -> str:
        """The form of a valid answer, shown behind the question."""
        words = "/".join(self.choices) if self.choices else self.wanted
        return words + (f"; Enter: {self.default}" if self.default else "")


YES_NO = ("yes", "no")
QUESTIONS = (
    Question(
        "output",
        "What is an answer: one of some labels (label), a few words (short), a text (text), or JSON (fields)?",
        get_args(Output),
    ),
    Question("classes", "How many labels are there?", least=2, most=10_000, asked=lambda a: a["output"] == "label"),
    Question(
        "strict",
        "Must answers keep a form or a style that a reader would miss?",
        YES_NO,
        asked=lambda a: a["output"] != "label",
    ),
    Question("labelled", "How many examples do you have with their right answers?"),
    Question("documents", "Is there a collection of documents that answers come from?", YES_NO),
    Question("changes", "How often do the facts behind right answers change?", get_args(Often), default="never"),
    Question(
        "manages",
        "When you simply ask a model a few cases, how many does it manage?",
        get_args(Manages),
        default="untried",
    ),
    Question("queries_per_day", "How many queries a day will there be?", default="none"),
    Question("p95_ms", "How many milliseconds may an answer take?", default="none"),
    Question(
        "hardware",
        "What may run the model: your GPU, your processors (cpu), or only an API, its weights being out of reach?",
        get_args(Hardware),
    ),
    Question("private", "Must the data stay on your own machines?", YES_NO, asked=lambda a: a["hardware"] == "api"),
)
"""At most ten of them are asked: either `classes` or `strict`; `private` where only an API may run the model."""


def answers_of(given: Mapping[str, Any]) -> Answers:
    """Build answers from plain values, validated as if typed.

    Raises:
        UserError: a key or a value is none.
    """
    known = [field.name for field in fields(Answers)]
    for key in given:
        if key not in known:
            raise UserError(f'"{short(key)}" is no question', "the questions are " + ", ".join(known))
    found: dict[str, Any] = {}
    for question in QUESTIONS:
        if question.field in given:
            found[question.field] = question.read(_typed(given[question.field]))
    return Answers(**found)


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return YES_NO[not value]
    return "none" if value is None else str(value)


def told(answers: Answers) -> tuple[tuple[str, str], ...]:
    """The questions that had to be asked, each with its answer."""
    given = {field.name: getattr(answers, field.name) for field in fields(Answers)}
    return tuple((q.text, _said(given[q.field])) for q in QUESTIONS if q.asked(given))


def _said(value: object) -> str:
    return f"{value:,.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else _typed(value)


def read_interview(ask_line: Callable[[str], str], said: Callable[[str], object]) -> Answers:
    """Ask the questions one after the other; a wrong answer is asked again.

    Args:
        ask_line: shows a question and returns a line; raises EOFError where there are no more.
        said: shows what was wrong.
    """
    found: dict[str, Any] = {}
    asked = 0
    for question in QUESTIONS:
        if not question.asked(found):
            continue
        asked += 1
        while question.field not in found:
            line = ask_line(f"{asked}. {question.text} [{question.hint}] ")
            try:
                found[question.field] = question.read(line)
            except UserError as error:
                said(str(error))
    return Answers(**found)
