"""Advice without data: the rules of the literature applied to answers in an interview."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from advisor.advice import argument
from advisor.advice.estimate import Change, Estimate, Option, Step
from advisor.advice.interview import Answers, Manages, Output, answers_of, told
from advisor.advice.outlook import Circumstances, Outlook
from advisor.advice.preference import AdvisedChoice, prefer
from advisor.approaches import Approach, Lengths, kinds
from advisor.forecast.expected import Expected
from advisor.forecast.rules import expect_by_rules
from advisor.pilot.readings import PROBING, Rates
from advisor.tasks import Outline, Texts
from advisor.tasks.description import Description, Spread
from advisor.verdict import words
from advisor.verdict.prices import Tariff

_STARTS: dict[Manages, float | None] = {"untried": None, "none": 0.05, "some": 0.35, "most": 0.75}
_GROUNDED = 0.8  # share of the answers taken to stand in the documents, where there are some to answer from
_INPUT_WORDS = 30
_ANSWER_WORDS: dict[Output, int] = {"label": 1, "short": 4, "text": 60, "fields": 8}
_DOCUMENTS, _DOCUMENT_WORDS = 50, 300
_FREE, _STRICT = 0.2, 0.8  # rigidity of answers in a person's own words, and of those that keep a form
TESTABLE = 100
"""Labelled examples that a comparison needs at least to tell anything apart."""
NAME = "my-task"


def ask(answers: Answers | Mapping[str, Any], *, folder: str = "") -> Estimate:
    """The estimate that follows from answers to `advisor ask`'s questions; nothing in it is measured.

    Args:
        answers: `Answers`, or plain values by the names of its fields; what is not given is taken as its default.
        folder: the task's folder where it was made already; it is named in what to do first.

    Raises:
        UserError: an answer has no such question or is none.
    """
    given = answers if isinstance(answers, Answers) else answers_of(answers)
    outline, described = _outline(given), _description(given)
    outlook = Outlook(_expecting(given), _lengths(given), Rates(), None, Tariff())
    now = Circumstances(outline, outline, described, given.limits, given.hardware != "api", given.private)
    options = outlook.options(now)
    chosen = prefer(options, given.limits)
    changes = outlook.changes(now, options, chosen)
    return Estimate(
        name="a task without data",
        metric=given.metric,
        limits=given.limits,
        model=None,
        profile=None,
        probes=None,
        options=tuple(one for one in options if not one.control),
        advised=chosen.advised,
        open=chosen.open,
        chances=chosen.chances,
        at_stake=chosen.at_stake,
        passed_over="",
        settling=_settling(given, chosen, changes),
        nearest=chosen.nearest,
        reasons=argument.reasons(options, chosen, described, None, given.kind, told=True),
        changes=changes,
        steps=tuple(_steps(given, options, chosen, folder)),
        caveats=tuple(_caveats(given, options, chosen)),
        told=told(given),
    )


def _expecting(given: Answers) -> Any:
    def expecting(description: Description, specs: Sequence[str]) -> Mapping[str, Expected]:
        start = _STARTS[given.manages]
        found = expect_by_rules(description, given.kind, given.metric, None, specs, start)
        return {spec: replace(one, basis="rule") for spec, one in found.items()}  # even what could be counted was told

    return expecting


def _outline(given: Answers) -> Outline:
    """A task of the stated size and form, from which approaches tell whether they apply and what they cost."""
    many, classes = given.labelled, given.classes if given.output == "label" else 0
    answers = _ANSWER_WORDS[given.output]
    return Outline(
        name=NAME,
        kind=given.kind,
        labels=Texts(classes),
        train=Texts(many, (_INPUT_WORDS,)),
        answers=Texts(many, (answers,)),
        documents=Texts(_DOCUMENTS, (_DOCUMENT_WORDS,)) if given.documents else Texts(),
        distinct_answers=min(many, classes or 1),
    )


def _lengths(given: Answers) -> Lengths:
    labels = given.classes if given.output == "label" else 0
    return Lengths.of_words(_INPUT_WORDS, _INPUT_WORDS, _ANSWER_WORDS[given.output], labels)


def _description(given: Answers) -> Description:
    """The task's description, as far as the answers tell it."""
    labels = given.classes if given.kind == "classification" else 0
    usual = float(_ANSWER_WORDS[given.output])
    fixed = bool(labels) or given.strict or given.output == "fields"
    return Description(
        train=given.labelled,
        dev=0,
        test=0,
        documents=_DOCUMENTS * given.documents,
        input_words=None,
        target_words=Spread(usual, usual, usual, usual, usual),
        document_words=None,
        labels=labels,
        label_counts={},
        smallest_class=given.labelled // labels if labels else None,
        label_entropy=None,
        majority=1 / labels if labels else None,
        majority_macro_f1=None,
        distinct_answers=None,
        answers_seen=None,
        several_answers=0.0,
        unanswerable=0.0,
        in_input=None,
        in_evidence=None,
        in_documents=_GROUNDED if given.documents and not labels else None,
        question_overlap=None,
        evidence_overlap=None,
        evidence_first=None,
        rigidity=1.0 if labels else _STRICT if fixed else _FREE,
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


def _settling(given: Answers, chosen: AdvisedChoice, changes: Sequence[Change]) -> str:
    if given.private and given.hardware == "api":
        instead = changes[-1].advised
        return (
            "Data that must stay on your machines and a model behind somebody's API exclude each other: only what "
            "needs no language model is left. "
            + (f"Take a model whose weights you can have, and begin with {instead}." if instead else "")
        ).strip()
    if not chosen.open or chosen.advised is None:
        return ""
    rivals = words.listed([chosen.advised, *chosen.open])
    return f"Only a measurement of {rivals} on about {TESTABLE} labelled examples can settle it."


def _steps(given: Answers, options: Sequence[Option], chosen: AdvisedChoice, folder: str) -> Iterator[Step]:
    name = shlex.quote(folder or NAME)
    if not folder:
        yield Step("Make a folder for the task, with what you said filled in.", f"advisor ask --write {name}")
    if given.labelled < 2 * TESTABLE:
        yield Step(f"Label {TESTABLE} cases as they really come in: everything will be judged by them.")
    documents = ", the documents into documents/" if given.documents else ""
    what = f"Put examples into train.jsonl and test.jsonl{documents}, and see what the data are like."
    yield Step(what, f"advisor profile {name}")
    if given.hardware == "api":
        yield Step("Let Advisor say it again, from the data this time.", f"advisor recommend {name}")
        return
    what = "Let Advisor say it again, from the data and from probing a model."
    yield Step(what, f"advisor recommend {name} --model embedded", PROBING)
    wanted = [spec for spec in (chosen.advised, *chosen.open) if spec]
    simple = [one.spec for one in options if one.asks_simply]
    if wanted == simple:
        asked = " ".join(f"--approach {spec}" for spec in (*_baselines(), *simple))
        yield Step("Then measure it.", f"advisor compare {name} {asked}")
        return
    asked = " ".join(f"--approach {spec}" for spec in dict.fromkeys([*simple, *wanted]))
    yield Step("Then measure what may be best, beside the model simply asked.", f"advisor compare {name} {asked}")


def _baselines() -> list[str]:
    """Controls that need no model, which must be beaten to have learned anything."""
    return [one.name for one in kinds() if issubclass(one, Approach) and one.control and not one.uses_model]


def _caveats(given: Answers, options: Sequence[Option], chosen: AdvisedChoice) -> Iterator[str]:
    yield (
        "This is a judgement without data: rules of thumb from the literature, applied to your answers. Nothing was "
        "measured, and costs and times are unknown until a model is named."
    )
    yield (
        f"Tokens are worked out as if inputs had {_INPUT_WORDS} words and answers {_ANSWER_WORDS[given.output]}"
        + (f", and documents {_DOCUMENT_WORDS}" if given.documents else "")
        + "."
    )
    if given.hardware == "api":
        yield (
            "Where only an API may run the model, its weights cannot be trained by Advisor: what trains them is left "
            "out."
        )
    mine = next((one for one in options if one.spec == chosen.advised), None)
    if mine is None or mine.foreseen is None:
        return
    if given.hardware == "cpu" and mine.trained:
        yield "On processors alone, training a model of more than about a billion weights takes days rather than hours."
    asked = mine.foreseen
    if given.p95_ms is not None and mine.uses_model and asked.prompt_tokens is not None:
        seconds = given.p95_ms / 1000
        writing = f" and write {words.number(asked.completion_tokens)}" if asked.completion_tokens else ""
        yield (
            f"Whether {given.p95_ms:,g} ms can be met is known only when a model is named: for {mine.spec} it would "
            f"have to read about {words.number(asked.prompt_tokens)} tokens{writing} in {words.number(seconds)} s."
        )
