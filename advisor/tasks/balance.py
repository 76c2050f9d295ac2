"""Checks of labels (small or look-alike classes, class imbalance), of the metric and of the test set's size."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from advisor.tasks.faults import listed, quoted
from advisor.tasks.findings import HAS, Finding, counted, sights
from advisor.tasks.forms import answer_tokens, code_points, look, unicode_form
from advisor.tasks.material import Entry, Material
from advisor.tasks.metrics import facts_of
from advisor.tasks.power import detectable
from advisor.tasks.shapes import CODE, code_share, is_code
from advisor.tasks.task import Place, Task
from advisor.tasks.words import unspaced

FEW_TO_LEARN = 5
"""Training examples below which a class is too small to learn."""
FEW_TO_TEST = 5
"""Test examples below which nothing can be said about a class."""
LOPSIDED = 0.8
"""Share of one label from which accuracy says little."""
_LOST_IN_CODE: dict[str, str] = {
    "exact_match": "brackets, quotes and case",
    "token_f1": "brackets, quotes, case and order",
    "squad_em": "operators, brackets and case",
    "squad_f1": "operators, brackets, case and order",
    "rouge_l": "operators, brackets and case",
}
_USUAL = 0.5  # share of answers from which they are what the task is about
_LOOSE = re.compile(r"(?<!\d)[ _]|[ _](?!\d)")
_COARSE, _BLIND = 0.1, 0.2  # smallest difference to be seen, in units of the metric


def balance(material: Material) -> Iterator[Finding]:
    """Find problems with labels, with the metric and with the size of the test set."""
    task, train, test = material.task, material.of("train"), material.of("test")
    if task.kind == "classification":
        yield from _untaught(train, test)
        yield from _small(task, train, test)
        yield from _alike(task, material.entries)
        yield from _lopsided(task, test)
    yield from _signs_unseen(task, material.entries)
    yield from _words_unseen(task, material.entries)
    yield from _coarse(task, test)


def _untaught(train: Sequence[Entry], test: Sequence[Entry]) -> Iterator[Finding]:
    known = {entry.form for entry in train}
    found = [entry for entry in test if entry.form not in known]
    if not found:
        return
    labels = Counter(entry.form for entry in found)
    named = listed([f"{quoted(label)} ({count})" for label, count in labels.most_common()], 4)
    yield Finding(
        code="label-not-in-train",
        severity="high" if len(found) >= 0.01 * len(test) else "medium",
        count=len(found),
        total=len(test),
        what=f"{counted(len(found), len(test), 'test examples')} of a label that train lacks: {named}.",
        meaning="Whatever learns from train cannot know it: head, nearest and LoRA lose there, zero-shot does not.",
        hint="Add training examples of it, or take it out of test.",
        sights=sights(([entry.place], f"{entry.form} <- {entry.example.input}") for entry in found),
    )


def _small(task: Task, train: Sequence[Entry], test: Sequence[Entry]) -> Iterator[Finding]:
    labels = list(dict.fromkeys([*map(unicode_form, task.labels), *(entry.form for entry in [*train, *test])]))
    few = _few(labels, train, FEW_TO_LEARN)
    if few:
        yield Finding(
            code="class-too-small-to-learn",
            severity="medium",
            count=len(few),
            total=len(labels),
            what=f"{counted(len(few), len(labels), 'classes', HAS)} "
            f"fewer than {FEW_TO_LEARN} training examples: {_named(few)}.",
            meaning="Trained approaches and few-shot look worse than they would with enough examples.",
            hint="Label some more of these, or join them with another class.",
            sights=sights((_places(label, train), f"{label}: {count}") for label, count in few.items()),
        )
    few = _few(labels, test, FEW_TO_TEST)
    if few:
        yield Finding(
            code="class-too-small-to-test",
            severity="medium" if task.metric == "macro_f1" else "low",
            count=len(few),
            total=len(labels),
            what=f"{counted(len(few), len(labels), 'classes', HAS)} "
            f"fewer than {FEW_TO_TEST} test examples: {_named(few)}.",
            meaning="Nothing can be said about them alone"
            + (", and each weighs as much as a large one in macro F1." if task.metric == "macro_f1" else "."),
            hint="Test on more of these.",
            sights=sights((_places(label, test), f"{label}: {count}") for label, count in few.items()),
        )


def _few(labels: Sequence[str], split: Sequence[Entry], least: int) -> dict[str, int]:
    counts = Counter(entry.form for entry in split)
    return {label: counts[label] for label in sorted(labels, key=lambda label: counts[label]) if counts[label] < least}


def _named(few: dict[str, int]) -> str:
    return listed([f"{quoted(label)} ({count})" for label, count in few.items()], 4)


def _places(label: str, split: Sequence[Entry]) -> list[Place]:
    """The places of a label's examples; the whole file where it has none."""
    found = [entry.place for entry in split if entry.form == label]
    return found or [Place(split[0].place.file) if split else Place("train")]


def _alike(task: Task, entries: Sequence[Entry]) -> Iterator[Finding]:
    spelt: dict[str, list[str]] = defaultdict(list)
    for label in dict.fromkeys([*map(unicode_form, task.labels), *(entry.form for entry in entries)]):
        spelt[_LOOSE.sub("", " ".join(answer_tokens(look(label))))].append(label)
    groups = [labels for labels in spelt.values() if len(labels) > 1]
    alike = [labels for labels in groups if len(set(map(look, labels))) < len(labels)]
    others = [labels for labels in groups if labels not in alike]
    kinds = (
        ("labels-alike", "case, spacing or punctuation", others),
        ("labels-look-alike", "letters that look alike", alike),
    )
    counts = Counter(entry.form for entry in entries)
    for code, ways, alike in kinds:
        if not alike:
            continue
        usual = {max(labels, key=lambda label: counts[label]) for labels in alike}
        rare = {label for labels in alike for label in labels} - usual
        found = [entry for entry in entries if entry.form in rare]
        yield Finding(
            code=code,
            severity="high",
            count=len(found),
            total=len(entries),
            what=f"Some labels differ in {ways} alone: {listed([_told_apart(labels) for labels in alike], 3)}.",
            meaning="They count as different answers, so that right ones are judged wrong.",
            hint="Write each label in one way.",
            sights=sights(([entry.place], f"{entry.form} <- {entry.example.input}") for entry in found),
        )


def _told_apart(labels: Sequence[str]) -> str:
    """The labels, each with the characters in which it differs from the label it looks like."""
    named = []
    for label in labels:
        lookalike = next((other for other in labels if other != label and look(other) == look(label)), None)
        named.append(quoted(label) + (f" ({code_points(label, lookalike)})" if lookalike else ""))
    return " and ".join(named)


def _lopsided(task: Task, test: Sequence[Entry]) -> Iterator[Finding]:
    if not test or task.metric != "accuracy":
        return
    label, count = Counter(entry.form for entry in test).most_common(1)[0]
    if count >= LOPSIDED * len(test):
        yield Finding(
            code="lopsided-labels",
            severity="medium",
            count=count,
            total=len(test),
            what=f"{counted(count, len(test), 'test examples')} of the label {quoted(label)}.",
            meaning=f"Who always says so has an accuracy of {count / len(test):.2f}; differences between approaches "
            "are small beside that.",
            hint='Set metric = "macro_f1", or test on more of the other labels.',
            sights=(),
        )


def _signs_unseen(task: Task, entries: Sequence[Entry]) -> Iterator[Finding]:
    share = code_share([entry.example for entry in entries])
    lost = _LOST_IN_CODE.get(task.metric)
    if not lost or share < CODE:
        return
    code = [entry for entry in entries if is_code(entry.example.target)]
    better = "code_exact" if task.metric in ("exact_match", "squad_em") else "code_f1"
    yield Finding(
        code="code-judged-as-text",
        severity="low" if task.metric in ("exact_match", "token_f1") else "medium",
        count=len(code),
        total=len(entries),
        what=f"{counted(len(code), len(entries), 'answers', ('looks', 'look'))} like code, and {task.metric} judges "
        "them as text.",
        meaning=f"It does not see {lost}, so that answers which differ in them alone count as the same.",
        hint=f'Set metric = "{better}", which sees every sign.',
        sights=sights(([entry.place], entry.example.target) for entry in code),
    )


def _words_unseen(task: Task, entries: Sequence[Entry]) -> Iterator[Finding]:
    if task.metric not in ("squad_em", "squad_f1"):
        return
    whole = [entry for entry in entries if unspaced(entry.example.target)]
    if len(whole) >= _USUAL * len(entries) > 0:
        better = "exact_match" if task.metric == "squad_em" else "token_f1"
        yield Finding(
            code="words-not-parted",
            severity="medium",
            count=len(whole),
            total=len(entries),
            what=f"{counted(len(whole), len(entries), 'answers')} in a script without spaces between words.",
            meaning=f"{task.metric} parts words at white space and drops ASCII punctuation alone: an answer is right "
            "as a whole or not at all, and a full stop makes it wrong.",
            hint=f'Set metric = "{better}", which compares characters there.',
            sights=sights(([entry.place], entry.example.target) for entry in whole),
        )


def _coarse(task: Task, test: Sequence[Entry]) -> Iterator[Finding]:
    if not test:
        return
    smallest = detectable(facts_of(task.metric).spread / math.sqrt(len(test)))
    if smallest >= _COARSE:
        yield Finding(
            code="small-test-set",
            severity="high" if smallest >= _BLIND else "medium",
            count=len(test),
            total=len(test),
            what=f"There are {len(test):,} test examples.",
            meaning=f"A difference in {task.metric} below about {smallest:.2f} will most likely go unnoticed.",
            hint=f"Test on more; {4 * len(test):,} examples would halve it.",
            sights=(),
        )
