"""What a reader of the results should know about the examples: facts with counts, in short sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from advisor.tasks.faults import listed, quoted
from advisor.tasks.task import Example, Task


def data_caveats(task: Task) -> tuple[str, ...]:
    """The caveats that the task's examples, as they are, call for."""
    caveats = [_leaked(task), _conflicting(task)]
    if task.kind == "classification":
        caveats = [_unseen_labels(task), _like_labels(task), *caveats]
    return tuple(caveat for caveat in caveats if caveat)


def normalised(text: str) -> str:
    """The text without regard to case and spacing, as inputs are compared."""
    return " ".join(text.casefold().split())


def _unseen_labels(task: Task) -> str:
    known = {example.target for example in task.train}
    unseen = Counter(example.target for example in task.test if example.target not in known)
    if not unseen:
        return ""
    rows = f"{unseen.total()} of {len(task.test)} test examples have"
    return f"{rows} a label that no training example has: {_examples(unseen)}"


def _like_labels(task: Task) -> str:
    spelt: dict[str, list[str]] = {}
    for label in task.labels:
        spelt.setdefault(normalised(label), []).append(label)
    alike = [" and ".join(map(quoted, labels)) for labels in spelt.values() if len(labels) > 1]
    return f"some labels differ only in case or spacing: {listed(alike, 3)}" if alike else ""


def _leaked(task: Task) -> str:
    known = {normalised(example.input) for example in task.train}
    leaked = [example.input for example in task.test if normalised(example.input) in known]
    if not leaked:
        return ""
    verb = "is" if len(leaked) == 1 else "are"
    return f"{len(leaked)} of {len(task.test)} test inputs {verb} also in train: {_examples(leaked)}"


def _conflicting(task: Task) -> str:
    if task.kind == "generation":  # several good texts for one input are the rule there
        return ""
    answers: dict[str, list[Example]] = {}
    for example in task.train:
        answers.setdefault(normalised(example.input), []).append(example)
    conflicts = [group[0].input for group in answers.values() if len(group) > 1 and _disagree(group)]
    if not conflicts:
        return ""
    noun = "input occurs" if len(conflicts) == 1 else "inputs occur"
    return f"{len(conflicts)} {noun} in train with different targets: {_examples(conflicts)}"


def _disagree(group: list[Example]) -> bool:
    accepted = [{normalised(answer) for answer in example.answers} for example in group]
    return not set.intersection(*accepted)


def _examples(texts: Iterable[str]) -> str:
    return listed([quoted(text) for text in dict.fromkeys(texts)], 3)
