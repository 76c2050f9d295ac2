"""Labels: classes that are too small to learn or to test, labels that look alike, shares that flatter the majority."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from advisor.tasks.faults import listed, quoted
from advisor.tasks.findings import HAS, Finding, counted, sights
from advisor.tasks.material import Entry, Material
from advisor.tasks.power import SPREAD, detectable
from advisor.tasks.task import Place, Task
from advisor.tasks.twins import normalised, squeezed

FEW_TO_LEARN = 5
"""Training examples below which a class is too small to learn."""
FEW_TO_TEST = 5
"""Test examples below which nothing can be said about a class."""
LOPSIDED = 0.8
"""Share of one label from which accuracy says little."""
_COARSE, _BLIND = 0.1, 0.2  # smallest difference to be seen, in units of the metric


def balance(material: Material) -> Iterator[Finding]:
    """What is found about labels and about the size of the test set."""
    task, train, test = material.task, material.of("train"), material.of("test")
    if task.kind == "classification":
        yield from _untaught(train, test)
        yield from _small(task, train, test)
        yield from _alike(task, material.entries)
        yield from _lopsided(task, test)
    yield from _coarse(task, test)


def _untaught(train: Sequence[Entry], test: Sequence[Entry]) -> Iterator[Finding]:
    known = {entry.example.target for entry in train}
    found = [entry for entry in test if entry.example.target not in known]
    if not found:
        return
    labels = Counter(entry.example.target for entry in found)
    named = listed([f"{quoted(label)} ({count})" for label, count in labels.most_common()], 4)
    yield Finding(
        code="label-not-in-train",
        severity="high" if len(found) >= 0.01 * len(test) else "medium",
        count=len(found),
        total=len(test),
        what=f"{counted(len(found), len(test), 'test examples')} of a label that train lacks: {named}.",
        meaning="Whatever learns from train cannot know it: head, nearest and LoRA lose there, zero-shot does not.",
        mend="Add training examples of it, or take it out of test.",
        sights=sights(([entry.place], f"{entry.example.target} <- {entry.example.input}") for entry in found),
    )


def _small(task: Task, train: Sequence[Entry], test: Sequence[Entry]) -> Iterator[Finding]:
    labels = list(dict.fromkeys([*task.labels, *(entry.example.target for entry in [*train, *test])]))
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
            mend="Label some more of these, or join them with another class.",
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
            mend="Test on more of these.",
            sights=sights((_places(label, test), f"{label}: {count}") for label, count in few.items()),
        )


def _few(labels: Sequence[str], split: Sequence[Entry], least: int) -> dict[str, int]:
    counts = Counter(entry.example.target for entry in split)
    return {label: counts[label] for label in sorted(labels, key=lambda label: counts[label]) if counts[label] < least}


def _named(few: dict[str, int]) -> str:
    return listed([f"{quoted(label)} ({count})" for label, count in few.items()], 4)


def _places(label: str, split: Sequence[Entry]) -> list[Place]:
    """Where a label's examples are; the file as a whole where there is none."""
    found = [entry.place for entry in split if entry.example.target == label]
    return found or [Place(split[0].place.file) if split else Place("train")]


def _alike(task: Task, entries: Sequence[Entry]) -> Iterator[Finding]:
    spelt: dict[str, list[str]] = defaultdict(list)
    for label in dict.fromkeys([*task.labels, *(entry.example.target for entry in entries)]):
        spelt[squeezed(label) or normalised(label)].append(label)
    alike = {label for labels in spelt.values() if len(labels) > 1 for label in labels}
    if not alike:
        return
    counts = Counter(entry.example.target for entry in entries)
    usual = {max(labels, key=lambda label: counts[label]) for labels in spelt.values()}
    found = [entry for entry in entries if entry.example.target in alike - usual]
    groups = listed([" and ".join(map(quoted, labels)) for labels in spelt.values() if len(labels) > 1], 3)
    yield Finding(
        code="labels-alike",
        severity="high",
        count=len(found),
        total=len(entries),
        what=f"Some labels differ in case, spacing or punctuation alone: {groups}.",
        meaning="They count as different answers, so that right ones are judged wrong.",
        mend="Write each label in one way.",
        sights=sights(([entry.place], f"{entry.example.target} <- {entry.example.input}") for entry in found),
    )


def _lopsided(task: Task, test: Sequence[Entry]) -> Iterator[Finding]:
    if not test or task.metric != "accuracy":
        return
    label, count = Counter(entry.example.target for entry in test).most_common(1)[0]
    if count >= LOPSIDED * len(test):
        yield Finding(
            code="lopsided-labels",
            severity="medium",
            count=count,
            total=len(test),
            what=f"{counted(count, len(test), 'test examples')} of the label {quoted(label)}.",
            meaning=f"Who always says so has an accuracy of {count / len(test):.2f}; differences between approaches "
            "are small beside that.",
            mend='Set metric = "macro_f1", or test on more of the other labels.',
            sights=(),
        )


def _coarse(task: Task, test: Sequence[Entry]) -> Iterator[Finding]:
    if not test:
        return
    smallest = detectable(SPREAD[task.metric], len(test))
    if smallest >= _COARSE:
        yield Finding(
            code="small-test-set",
            severity="high" if smallest >= _BLIND else "medium",
            count=len(test),
            total=len(test),
            what=f"There are {len(test):,} test examples.",
            meaning=f"A difference in {task.metric} below about {smallest:.2f} will most likely go unnoticed.",
            mend=f"Test on more; {4 * len(test):,} examples would halve it.",
            sights=(),
        )
