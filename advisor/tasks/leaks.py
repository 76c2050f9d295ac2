"""Checks for leaks other than repeated inputs: test inputs and answers inside training texts or the instruction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.tasks.findings import Finding, counted, sights
from advisor.tasks.forms import normalised
from advisor.tasks.groups import are_sources
from advisor.tasks.material import LONG_ANSWER, Entry, Material
from advisor.tasks.minhash import squeezed
from advisor.tasks.occurrences import Occurrences, holds
from advisor.tasks.task import Place, Task
from advisor.tasks.words import count_words

_LONG_INPUT = 8  # words from which an input is not part of another text by chance
_PART = 0.8  # share of a longer input from which it is nearly the same instead
_FEW = 0.01
_INSTRUCTED = 4  # words of an input that stand in the instruction by no chance


def leaks(material: Material) -> Iterator[Finding]:
    """Find test inputs inside training texts or the instruction, long test answers among targets, and split groups."""
    task, test = material.task, material.of("test")
    known = [entry for entry in material.entries if entry.split != "test"]
    inputs = Occurrences([entry.words for entry in known])
    yield from _inside(test, known, inputs)
    if task.kind in ("qa", "generation"):
        yield from _answers(test, known, inputs)
    yield from _instructed(task, test)
    yield from _grouped(test, known)
    yield from _asked_after(task, test, known)


def longer_inputs(entry: Entry, known: Sequence[Entry], inputs: Occurrences) -> list[Entry]:
    """The known entries whose inputs contain a long enough input; `inputs` is an index over their words."""
    if count_words(entry.words) < _LONG_INPUT:
        return []
    others = [known[at] for at in inputs.of(entry.words)]
    return [other for other in others if len(entry.words) < _PART * len(other.words)]


def _inside(test: Sequence[Entry], known: Sequence[Entry], inputs: Occurrences) -> Iterator[Finding]:
    found = []
    for entry in test:
        others = longer_inputs(entry, known, inputs)
        if others:
            found.append(([entry.place, *(other.place for other in others)], entry.example.input))
    if found:
        yield Finding(
            code="test-input-inside-train-input",
            severity="low" if len(found) < _FEW * len(test) else "medium",
            count=len(found),
            total=len(test),
            what=f"{counted(len(found), len(test), 'test inputs')} part of a longer input in train or dev.",
            meaning="Few-shot may show the longer one with its answer, and training may have seen it.",
            hint="Split by the whole text (the dialogue, the page, the customer), so that its parts stay together.",
            sights=sights(found),
        )


def _answers(test: Sequence[Entry], known: Sequence[Entry], inputs: Occurrences) -> Iterator[Finding]:
    owners = [(answer, entry) for entry in known for answer in entry.answers]
    targets = Occurrences([answer for answer, _ in owners])
    found = []
    for entry in test:
        long = [answer for answer in entry.answers if count_words(answer) >= LONG_ANSWER]
        places = {owners[at][1].place for answer in long for at in targets.of(answer)}
        places |= {known[at].place for answer in long for at in inputs.of(answer)}
        if places:
            found.append(([entry.place, *sorted(places)], entry.example.target))
    if found:
        yield Finding(
            code="test-answer-in-train",
            severity="low" if len(found) < _FEW * len(test) else "medium",
            count=len(found),
            total=len(test),
            what=f"The answers of {len(found):,} of {len(test):,} test examples stand in train or dev word for word "
            f"({LONG_ANSWER} words or more).",
            meaning="They can be copied from train: nearest, few-shot and LoRA look better than on questions with new "
            "answers.",
            hint="If answers will not come from a fixed list in use, split so that no answer is in both.",
            sights=sights(found),
        )


def _instructed(task: Task, test: Sequence[Entry]) -> Iterator[Finding]:
    told = squeezed(task.instruction)
    found = []
    for entry in test:
        phrases = [entry.words] if count_words(entry.words) >= _INSTRUCTED else []
        if task.kind in ("qa", "generation"):
            phrases += [answer for answer in entry.answers if count_words(answer) >= LONG_ANSWER]
        if holds(told, phrases):
            found.append(([entry.place], entry.example.input))
    if found:
        yield Finding(
            code="test-example-in-instruction",
            severity="high",
            count=len(found),
            total=len(test),
            what=f"{counted(len(found), len(test), 'test examples')} part of the instruction.",
            meaning="Every approach is told their answers.",
            hint="Take the example out of the instruction, or out of test.",
            sights=sights(found),
        )


def _grouped(test: Sequence[Entry], known: Sequence[Entry]) -> Iterator[Finding]:
    """Test examples of sources that train has too; groups that are slices are in both, as they should be."""
    if not are_sources(entry.example.group for entry in (*test, *known)):
        return
    groups: dict[str, Entry] = {}
    for entry in known:
        groups.setdefault(entry.example.group, entry)
    found = [
        ([entry.place, groups[entry.example.group].place], entry.example.input)
        for entry in test
        if entry.example.group and entry.example.group in groups
    ]
    if found:
        yield Finding(
            code="test-group-in-train",
            severity="low" if len(found) < _FEW * len(test) else "medium",
            count=len(found),
            total=len(test),
            what=f"{counted(len(found), len(test), 'test examples')} of a group that train or dev has too, and groups "
            f"are small ({_groups(test, known)}), as those of one patient or conversation are.",
            meaning="If it is a source, what is learned of it in train helps in test as it would not with new ones.",
            hint="Keep each source in one file, or split train by --group; slices to report apart belong in both.",
            sights=sights(found),
        )


def _groups(test: Sequence[Entry], known: Sequence[Entry]) -> str:
    named = [entry.example.group for entry in (*test, *known) if entry.example.group]
    number = len(set(named))
    return f"{number:,} of about {max(1, round(len(named) / number)):,} examples"


def _asked_after(task: Task, test: Sequence[Entry], known: Sequence[Entry]) -> Iterator[Finding]:
    """Questions of after a change that are new, but for train or dev."""
    seen = {entry.key: entry for entry in reversed(known)}
    before = {entry.key for entry in test}
    found = []
    for number, example in enumerate(task.test_after, 1):
        key = normalised(example.input)
        if key in seen and key not in before:
            found.append(([example.place or Place("test_after", number), seen[key].place], example.input))
    if found:
        total = len(task.test_after)
        what = counted(len(found), total, "test inputs of after the change")
        yield Finding(
            code="test-after-input-in-train",
            severity="high" if len(found) >= _FEW * total else "medium",
            count=len(found),
            total=total,
            what=f"{what} also in train or dev, word for word.",
            meaning="What has seen them answers by memory: quality after the change looks other than it would be.",
            hint="Take these lines out of train, or out of test_after.jsonl.",
            sights=sights(found),
        )
