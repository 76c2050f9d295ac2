"""Advice without data: ten questions at most, and what the rules of the literature make of the answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from advisor.advise import argument
from advisor.advise.estimate import Change, Estimate, Option, Step
from advisor.advise.preference import Preference, option, prefer
from advisor.advise.rules import expect_by_rules
from advisor.errors import UserError
from advisor.tasks import Kind, Limits, Metric
from advisor.tasks.description import Description, Spread

Output = Literal["label", "short", "text", "fields"]
Manages = Literal["untried", "none", "some", "most"]
Hardware = Literal["gpu", "cpu", "api"]
Often = Literal["never", "yearly", "monthly", "weekly", "daily"]

_KINDS: dict[Output, tuple[Kind, Metric]] = {
    "label": ("classification", "accuracy"),
    "short": ("qa", "token_f1"),
    "text": ("generation", "rouge_l"),
    "fields": ("extraction", "json_f1"),
}
_DAYS: dict[Often, float | None] = {"never": None, "yearly": 365.0, "monthly": 30.0, "weekly": 7.0, "daily": 1.0}
_STARTS: dict[Manages, float | None] = {"untried": None, "none": 0.05, "some": 0.35, "most": 0.75}
_GROUNDED = 0.8  # share of the answers taken to stand in the documents, where there are some to answer from
_WORDS: dict[Output, float] = {"label": 1.0, "short": 4.0, "text": 60.0, "fields": 8.0}


@dataclass(frozen=True)
class Answers:
    """What somebody says of a task.

    Attributes:
        output: what an answer is: one of some labels, a few words, a text, or fields (JSON).
        classes: how many labels, where the output is one.
        strict: whether answers have to keep a form or a style.
        labelled: examples with their right answers.
        documents: whether there is a collection of documents to answer from.
        changes: how often the facts behind right answers change.
        manages: how many of a few cases the model manages when simply asked.
        queries_per_day, p95_ms: traffic, and the latency that is acceptable; None where it does not matter.
        hardware: what may run a model.
        private: whether the data have to stay on one's own machines.
    """

    output: Output = "short"
    classes: int = 0
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
    def limits(self) -> Limits:
        """As a task folder has them."""
        return Limits(
            p95_ms=self.p95_ms,
            queries_per_day=self.queries_per_day,
            documents_change_every_days=_DAYS[self.changes],
        )


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        field: of `Answers`.
        choices: words that are answers; empty for a number.
        none: whether "none" is an answer too.
        asked: whether it has to be asked, after what was answered before.
    """

    field: str
    text: str
    choices: tuple[str, ...] = ()
    none: bool = False
    asked: Callable[[Mapping[str, Any]], bool] = lambda answers: True

    def read(self, text: str) -> Any:
        """The answer in a line of text.

        Raises:
            UserError: it is none; says what was seen and what is wanted.
        """
        word = text.strip().lower()
        if self.choices:
            found = [choice for choice in self.choices if word and choice.startswith(word)]
            if len(found) != 1:
                raise UserError(f"{text.strip()!r} is no answer here", f"one of {', '.join(self.choices)}")
            return found[0] == "yes" if self.choices == YES_NO else found[0]
        if self.none and word in ("", "none", "no", "-"):
            return None
        try:
            number = float(word.replace(",", ""))
        except ValueError:
            number = -1.0
        if not 0 <= number < math.inf or (self.none and not number):
            raise UserError(f"{text.strip()!r} is no answer here", "a number" + ", or none" * self.none)
        return number if self.none else int(number)

    @property
    def hint(self) -> str:
        """What an answer looks like."""
        return "/".join(self.choices) if self.choices else "a number" + ", or none" * self.none


YES_NO = ("yes", "no")
_OUTPUT = "What is an answer: one of some labels, a few words, a text, or fields (JSON)?"
_HARDWARE = "What may run the model: your GPU, your processors, or only somebody's API?"
QUESTIONS = (
    Question("output", _OUTPUT, get_args(Output)),
    Question("classes", "How many labels are there?", asked=lambda a: a["output"] == "label"),
    Question("strict", "Must answers keep a form or a style?", YES_NO, asked=lambda a: a["output"] != "label"),
    Question("labelled", "How many examples do you have with their right answers?"),
    Question("documents", "Is there a collection of documents that answers come from?", YES_NO),
    Question("changes", "How often do the facts behind right answers change?", get_args(Often)),
    Question("manages", "When you simply ask a model a few cases, how many does it manage?", get_args(Manages)),
    Question("queries_per_day", "How many queries a day?", none=True),
    Question("p95_ms", "How many milliseconds may an answer take?", none=True),
    Question("hardware", _HARDWARE, get_args(Hardware)),
    Question("private", "Must the data stay on your own machines?", YES_NO, asked=lambda a: a["hardware"] == "api"),
)
"""At most ten of them are asked: either `classes` or `strict`; `private` where only an API may run the model."""


def ask(answers: Answers | Mapping[str, Any]) -> Estimate:
    """The judgement that follows from the answers; nothing of it is measured.

    Raises:
        UserError: an answer has no such question or is none.
    """
    given = answers if isinstance(answers, Answers) else answers_of(answers)
    options = _options(given)
    chosen = prefer(options)
    return Estimate(
        name="your task",
        metric=_KINDS[given.output][1],
        limits=given.limits,
        model=None,
        profile=None,
        probes=None,
        options=tuple(options),
        advised=chosen.advised,
        open=chosen.open,
        reasons=argument.reasons(options, chosen, _description(given), None, _KINDS[given.output][0]),
        changes=tuple(_changes(given, chosen)),
        steps=tuple(_steps(given, chosen)),
        caveats=tuple(_caveats(given)),
    )


def answers_of(given: Mapping[str, Any]) -> Answers:
    """Answers from plain values, checked as if they had been typed.

    Raises:
        UserError: a key or a value is none.
    """
    known = {field.name for field in fields(Answers)}
    for key in given:
        if key not in known:
            raise UserError(f'"{key}" is no question', "the questions are " + ", ".join(sorted(known)))
    found: dict[str, Any] = {}
    for question in QUESTIONS:
        if question.field in given:
            found[question.field] = question.read(_typed(given[question.field]))
    return Answers(**found)


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return YES_NO[not value]
    return "none" if value is None else str(value)


def _options(given: Answers) -> list[Option]:
    kind, metric = _KINDS[given.output]
    specs = ["zero-shot"]
    if given.labelled:
        specs += ["few-shot", "few-shot:select=nearest", "nearest", *(["head"] if kind == "classification" else [])]
    if given.documents:
        specs.append("rag")
    if given.labelled and given.hardware != "api":
        specs += ["lora", *(["rag+lora"] if given.documents else [])]
    found = expect_by_rules(_description(given), kind, metric, None, specs, _STARTS[given.manages])
    options = [option(False, found[spec], None, None, given.limits) for spec in specs]
    return sorted(options, key=lambda one: (-one.expected.value, one.spec))


def _description(given: Answers) -> Description:
    """The task as far as it can be told from the answers."""
    words = _WORDS[given.output]
    kind = _KINDS[given.output][0]
    return Description(
        train=given.labelled,
        dev=0,
        test=0,
        documents=int(given.documents),
        input_words=None,
        target_words=Spread(words, words, words, words, words),
        document_words=None,
        labels=given.classes if kind == "classification" else 0,
        label_counts={},
        smallest_class=None,
        label_entropy=None,
        majority=1 / max(given.classes, 2) if kind == "classification" else None,
        majority_macro_f1=None,
        distinct_answers=None,
        answers_seen=None,
        several_answers=0.0,
        unanswerable=0.0,
        in_input=None,
        in_evidence=None,
        in_documents=_GROUNDED if given.documents and kind != "classification" else None,
        question_overlap=None,
        evidence_overlap=None,
        evidence_first=None,
        rigidity=1.0 if kind == "classification" or given.strict or given.output == "fields" else 0.2,
        numeric_answers=0.0,
        code_answers=0.0,
        json_answers=float(given.output == "fields"),
        digits_in_answers=0.0,
        line_breaks=0.0,
        language="und",
        language_share=0.0,
        document_language="",
        detectable=None,
        examples_to_halve=0,
    )


def _changes(given: Answers, chosen: Preference) -> list[Change]:
    more = max(10 * given.labelled, 100)
    found = [argument.change(f"{more:,} labelled examples", chosen, _options(replace(given, labelled=more)))]
    if not given.documents:
        with_documents = _options(replace(given, documents=True))
        found.append(argument.change("there were documents to answer from", chosen, with_documents))
    elif _DAYS[given.changes] is None or (_DAYS[given.changes] or 0) > _DAYS_A_WEEK:
        retrained = "lora" in (chosen.advised or "")
        cost = "it would have to be trained again each week" if retrained else "documents are only indexed again"
        found.append(Change("the documents change every week", f"still {chosen.advised}: {cost}"))
    if given.hardware == "api":
        found.append(
            argument.change("you could have a model's weights", chosen, _options(replace(given, hardware="gpu")))
        )
    return found


_DAYS_A_WEEK = 7.0


def _steps(given: Answers, chosen: Preference) -> list[Step]:
    found = [Step("Write down the task: the skeleton of its folder.", "advisor ask --write my-task")]
    if given.labelled < _TESTABLE:
        found.append(Step(f"Label {_TESTABLE} cases as they really come in; they are what everything is judged by."))
    found.append(Step("Measure what costs little.", "advisor compare my-task --approach zero-shot --approach few-shot"))
    found.append(Step("With data, this advice rests on measurements.", "advisor recommend my-task --model embedded"))
    if chosen.advised not in (None, "zero-shot", "few-shot"):
        found.append(Step("Then measure what is advised.", f"advisor compare my-task --approach {chosen.advised}"))
    return found


_TESTABLE = 100


def _caveats(given: Answers) -> list[str]:
    found = ["This is a judgement without data: rules of the literature applied to your answers, nothing was measured."]
    if given.hardware == "api":
        found.append("Where only an API may run the model, its weights cannot be trained here: lora is left out.")
        if given.private:
            found.append("Data that must stay on your machines and a model behind somebody's API exclude each other.")
    if given.p95_ms is not None:
        found.append(f"Whether {given.p95_ms:g} ms can be met is known only when a model is named.")
    return found


def skeleton(answers: Answers) -> dict[str, str]:
    """The files of a task folder, by name: what is known is filled in, what is missing explained.

    Which file says what: README.txt; a line of train.jsonl or test.jsonl is for the user to write.
    """
    kind, metric = _KINDS[answers.output]
    limits = {name: value for name, value in asdict(answers.limits).items() if value is not None}
    toml = [
        "[task]",
        'name = "my-task"',
        f'kind = "{kind}"',
        'instruction = "Say here what the model is told to do, in a sentence."',
        f'metric = "{metric}"',
        *(["", "[limits]"] if limits else []),
        *(f"{name} = {value:g}" for name, value in limits.items()),
    ]
    return {
        "task.toml": "\n".join(toml) + "\n",
        "train.jsonl": "",
        "test.jsonl": "",
        "README.txt": _README + (_DOCUMENTS if answers.documents else ""),
    }


_README = """Fill in, then run: advisor profile my-task

task.toml    the instruction: what the model is told
train.jsonl  examples to learn from, one JSON object a line: {"input": "...", "target": "..."}
test.jsonl   about 100 examples to judge by, in the same form; none of them may be in train.jsonl
"""
_DOCUMENTS = """documents/   a folder with the documents, as .md or .txt files
             an example can name those that hold its answer: "evidence": ["file name without ending"]
"""


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
