"""The profile of a task: its description, the findings of the audit, and what was not checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from advisor.approaches.mislabelled import LEAST_ACCURACY, LabelCheck, check_labels
from advisor.extras import install
from advisor.models import Embedder, LanguageModel
from advisor.models.languages import language_caveats
from advisor.profiling.tokens import TokenLengths, answers_too_long, count_tokens, too_long
from advisor.tasks import Task
from advisor.tasks.audit import audit, ranked
from advisor.tasks.description import Description, describe
from advisor.tasks.findings import Finding
from advisor.tasks.material import Material
from advisor.tasks.personal import can_find_names


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A check that was not made, and what would make it possible."""

    what: str
    hint: str


@dataclass(frozen=True)
class Profile:
    """The profile of a task, computed without running an approach.

    Attributes:
        description: plain numbers.
        tokens: lengths in a model's tokens; None where no model was given.
        labels: the result of checking labels with an embedder; None where they were not checked.
        findings: what may spoil a comparison, most severe first.
        unchecked: the checks that were not made.
        language_caveats: caveats where the task is in a language that the model or the embedder was not trained on.
    """

    task: Task = field(repr=False)
    description: Description
    tokens: TokenLengths | None
    labels: LabelCheck | None
    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    language_caveats: tuple[str, ...] = ()


def profile(task: Task, model: LanguageModel | None = None, embedder: Embedder | None = None) -> Profile:
    """Describe a task and audit its data; takes seconds, and no torch without a model.

    Args:
        model: the model whose tokens are counted; nothing is generated.
        embedder: finds likely label errors of a classification; it embeds every input once.
    """
    material = Material(task)
    findings = list(audit(material))
    tokens = count_tokens(material, model) if model else None
    if tokens:
        findings += [*answers_too_long(material, tokens), *too_long(material, tokens)]
    labels = check_labels(material, embedder) if embedder and task.kind == "classification" else None
    if labels and labels.finding:
        findings.append(labels.finding)
    return Profile(
        task=task,
        description=describe(material),
        tokens=tokens,
        labels=labels,
        findings=ranked(findings),
        unchecked=tuple(_unchecked(material, tokens, labels, embedder is not None)),
        language_caveats=language_caveats(task, model, embedder),
    )


def _unchecked(
    material: Material, tokens: TokenLengths | None, labels: LabelCheck | None, asked: bool
) -> list[Unchecked]:
    found = []
    if tokens is None:
        found.append(Unchecked("lengths in tokens and what exceeds the context window", "name a model: --model M"))
    if material.task.kind != "classification":
        if asked:
            found.append(Unchecked("likely label errors", "only the labels of a classification can be judged"))
    elif labels is None:
        found.append(Unchecked("likely label errors", "name an embedder: --embedder embedded"))
    elif not labels.capable:
        right, least = (f"{100 * share:.0f} %" for share in (labels.accuracy, LEAST_ACCURACY))
        share = f"a classifier on {labels.embedder} is right on {right}, and {least} are needed"
        found.append(Unchecked(f"likely label errors: {share}", "name another embedder, or label more examples"))
    if labels and labels.unread:
        ends = f"labels by the ends of {labels.unread:,} of {labels.judged:,} inputs"
        window = f"{labels.window:,} tokens" if labels.window else "only the beginnings"
        reads = f"{labels.embedder} reads {window}: name an embedder that reads more"
        found.append(Unchecked(ends, reads))
    if material.language != "en":
        found.append(Unchecked("names of persons", "they are found in English texts only"))
    elif not can_find_names():
        hint = f"{install('names')} and python -m spacy download en_core_web_sm"
        found.append(Unchecked("names of persons", hint))
    return found
