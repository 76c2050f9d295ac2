"""Checks for duplicates and near-duplicates (MinHash) of inputs and documents, within and across splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from advisor.tasks.findings import Finding, Severity, counted, excerpt, sights
from advisor.tasks.material import SPLITS, Entry, Material, Page, Split
from advisor.tasks.minhash import THRESHOLD, near_pairs, reworded
from advisor.tasks.task import Place, Task

_MANY, _FEW = 0.05, 0.01  # shares from which repeats weigh, and below which they hardly do
_HALF = 57  # columns of either of two inputs
_HELD_OUT: tuple[Split, ...] = ("test", "dev")
_KNOWN: dict[Split, tuple[Split, ...]] = {"test": ("train", "dev"), "dev": ("train",), "train": ()}
_NEARLY = f"Jaccard similarity of at least {THRESHOLD:g}, and an answer in common"

Groups = dict[str, list[Entry]]
NearDuplicates = dict[int, list[Entry]]


def repeated_inputs(material: Material) -> Iterator[Finding]:
    """Find inputs that occur in several splits, contradict each other or are repeated within a split."""
    task, entries = material.task, material.entries
    exact: Groups = defaultdict(list)
    for entry in entries:
        exact[entry.key].append(entry)
    near = near_duplicates(entries)
    for split in _HELD_OUT:
        yield from _leaked(material.of(split), exact)
        yield from _nearly_leaked(material.of(split), exact, near)
    if task.kind != "generation":  # several good texts for one input are the rule there
        yield from _contradictions(task, exact)
    for split in SPLITS:
        yield from _repeated(material.of(split), exact)
        yield from _nearly_repeated(material.of(split), exact, near)


def _leaked(held_out: Sequence[Entry], exact: Groups) -> Iterator[Finding]:
    found, where = [], set()
    for entry in held_out:
        others = [other for other in exact[entry.key] if other.split in _KNOWN[entry.split]]
        if others:
            where |= {other.split for other in others}
            found.append(([entry.place, *(other.place for other in others)], entry.example.input))
    if not found:
        return
    split = held_out[0].split
    yield Finding(
        code=f"{split}-input-in-train",
        severity="high" if split == "test" and len(found) >= _FEW * len(held_out) else "medium",
        count=len(found),
        total=len(held_out),
        what=f"{counted(len(found), len(held_out), f'{split} inputs')} also in {_either(where)}, word for word.",
        meaning="Train is also the pool of few-shot examples: what has seen them is judged by its memory, so LoRA, "
        "few-shot and nearest look better than they are on new inputs."
        if split == "test"
        else "Training would be stopped by examples that it has seen.",
        hint=f"Take these lines out of train, or out of {split}.",
        sights=sights(found),
    )


def _nearly_leaked(held_out: Sequence[Entry], exact: Groups, near: NearDuplicates) -> Iterator[Finding]:
    found, where = [], set()
    for entry in held_out:
        known = _KNOWN[entry.split]
        others = [other for other in near.get(id(entry), ()) if other.split in known]
        if others and not any(other.split in known for other in exact[entry.key]):
            where |= {other.split for other in others}
            found.append(([entry.place, *(other.place for other in others)], _both(entry, others[0])))
    if not found:
        return
    split = held_out[0].split
    share = len(found) / len(held_out)
    weighs = split == "test" and share >= _FEW
    yield Finding(
        code=f"near-{split}-input-in-train",
        severity="high" if weighs and share >= _MANY else "medium" if weighs else "low",
        count=len(found),
        total=len(held_out),
        what=f"{counted(len(found), len(held_out), f'{split} inputs')} nearly the same as one in "
        f"{_either(where)} ({_NEARLY}).",
        meaning="They reward memory of train, though less than exact copies do."
        if split == "test"
        else "Training would be stopped by examples that it has nearly seen.",
        hint="Look at them; take out of train what is the same but for spelling or a word.",
        sights=sights(found),
    )


def _either(splits: Collection[Split]) -> str:
    return " or ".join(split for split in SPLITS if split in splits)


def _contradictions(task: Task, exact: Groups) -> Iterator[Finding]:
    groups = [group for group in exact.values() if len(group) > 1 and disagree(group)]
    if not groups:
        return
    count = sum(map(len, groups))
    total = sum(len(getattr(task, split)) for split in SPLITS)
    held_out = any(entry.split == "test" for group in groups for entry in group)
    answers = "labels" if task.kind == "classification" else "answers"
    found = [
        (
            [entry.place, *(other.place for other in group if other is not entry)],
            f"{' | '.join(dict.fromkeys(e.example.target for e in group))} <- {entry.example.input}",
        )
        for group in groups
        for entry in group
    ]
    inputs = "1 input occurs" if len(groups) == 1 else f"{len(groups):,} inputs occur"
    yield Finding(
        code="contradictory-answers",
        severity="high" if held_out else "medium",
        count=count,
        total=total,
        what=f"{inputs} with {answers} that exclude each other ({count:,} examples).",
        meaning="No approach can be right on all of them; in test they lower what can be reached, in train they teach "
        "noise.",
        hint='Decide on one answer, or list all acceptable ones in "targets".',
        sights=sights(sorted(found, key=lambda row: row[0][0])),
    )


def disagree(group: Sequence[Entry]) -> bool:
    """Whether entries of one input have no acceptable answer in common."""
    return not frozenset.intersection(*(entry.forms for entry in group))


def _repeated(split: Sequence[Entry], exact: Groups) -> Iterator[Finding]:
    found = []
    for entry in split:
        first = next(other for other in exact[entry.key] if other.split == entry.split)
        if first is not entry and entry.agrees_with(first):
            found.append(([entry.place, first.place], entry.example.input))
    if found:
        yield _repeats(f"repeated-{split[0].split}-input", found, split, "")


def _nearly_repeated(split: Sequence[Entry], exact: Groups, near: NearDuplicates) -> Iterator[Finding]:
    found = []
    for entry in split:
        earlier = [
            other
            for other in near.get(id(entry), ())
            if other.split == entry.split and other.place < entry.place and other.key != entry.key
        ]
        if earlier and exact[entry.key][0] is entry:
            found.append(([entry.place, earlier[0].place], _both(entry, earlier[0])))
    if found:
        yield _repeats(f"near-repeated-{split[0].split}-input", found, split, f" nearly ({_NEARLY})")


def _repeats(code: str, found: Sequence[tuple[list[Place], str]], split: Sequence[Entry], nearly: str) -> Finding:
    name = split[0].split
    share = len(found) / len(split)
    severity: Severity = "low"
    if share >= _MANY or (name == "test" and not nearly):
        severity = "medium"
    verb = "repeats" if len(found) == 1 else "repeat"
    meaning = {
        "test": "What is asked twice counts twice, and intervals are narrower than the data allow.",
        "dev": "What is asked twice counts twice when training is stopped.",
        "train": "They weigh twice in training, and few-shot may show the same example twice.",
    }[name]
    return Finding(
        code=code,
        severity=severity,
        count=len(found),
        total=len(split),
        what=f"{len(found):,} of {len(split):,} {name} examples {verb} an earlier one{nearly or ', word for word'}.",
        meaning=meaning,
        hint="Keep one of each, unless their number is what they are like in use.",
        sights=sights(found),
    )


def _both(entry: Entry, other: Entry) -> str:
    """The beginnings of both inputs, for comparison by eye."""
    return f"{excerpt(entry.example.input, _HALF)} ~ {excerpt(other.example.input, _HALF)}"


def near_equal(entries: Sequence[Entry]) -> list[tuple[list[Entry], list[Entry]]]:
    """Group entries by the words of their inputs, and pair the groups that are the same or near-duplicates.

    A group stands beside itself where it holds several entries; two groups stand together both ways round where
    MinHash and `reworded` say so and an answer of the one is acceptable in the other.
    """
    alike: Groups = defaultdict(list)
    for entry in entries:
        if entry.words:
            alike[entry.words].append(entry)
    texts = list(alike)
    groups = list(alike.values())

    def agree(first: int, second: int) -> bool:
        return any(a.agrees_with(b) for a in groups[first] for b in groups[second])

    together = [(group, group) for group in groups if len(group) > 1]
    for pair in near_pairs(texts, agree):
        if reworded(texts[pair.first], texts[pair.second]):
            left, right = groups[pair.first], groups[pair.second]
            together += [(left, right), (right, left)]
    return together


def near_duplicates(entries: Sequence[Entry]) -> NearDuplicates:
    """The near-duplicates of each entry whose answer agrees, by their words or by MinHash, keyed by `id(entry)`."""
    found: NearDuplicates = defaultdict(list)
    for ones, others in near_equal(entries):
        for one in ones:
            found[id(one)] += [other for other in others if other is not one and one.agrees_with(other)]
    return found


def repeated_documents(material: Material) -> Iterator[Finding]:
    """Find documents that are repeated exactly or nearly."""
    pages = material.pages
    first: dict[str, Page] = {}
    again = [
        ([page.place, before.place], page.document.text)
        for page in pages
        if (before := first.setdefault(page.words, page)) is not page
    ]
    if again:
        yield _copies("repeated-document", again, pages, "have the same words as an earlier one")
    kept = [page for words, page in first.items() if words]
    near: dict[int, Page] = {}
    for pair in near_pairs([page.words for page in kept], lambda first, second: True):
        near.setdefault(pair.second, kept[pair.first])
    if near:
        found = [([kept[at].place, other.place], kept[at].document.text) for at, other in sorted(near.items())]
        what = f"are nearly the same as an earlier one (Jaccard similarity of at least {THRESHOLD:g})"
        yield _copies("near-repeated-document", found, pages, what)


def _copies(code: str, found: Sequence[tuple[list[Place], str]], pages: Sequence[Page], what: str) -> Finding:
    return Finding(
        code=code,
        severity="medium" if len(found) >= _MANY * len(pages) else "low",
        count=len(found),
        total=len(pages),
        what=f"{len(found):,} of {len(pages):,} documents {what}.",
        meaning="Copies take several of the few places among the retrieved passages, and where only one of them is "
        "named as evidence, finding the other counts as a miss.",
        hint="Keep one of each, or name all copies as evidence.",
        sights=sights(found),
    )
