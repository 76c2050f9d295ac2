"""The parts of a test set that are looked at one by one: by group, label, length, answerability, evidence, language.

A part with fewer than `SLICE` examples tells nothing alone. Groups, labels and languages that small are pooled where
together they are enough, and left out else; what was pooled or left out is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.measuring.records import Answer, Comparison, Run
from advisor.tasks.forms import unicode_form
from advisor.tasks.language import name_of
from advisor.tasks.power import SLICE
from advisor.tasks.words import count_words
from advisor.verdict import words
from advisor.verdict.sources import is_unanswerable

Places = NDArray[np.intp]

MOST = 40
"""Slices of one kind; the smallest beyond are pooled."""
_BINS = 4
_RETRIEVALS = 3  # of different retrievals those of the best rows
GROUP, LABEL, LENGTH, ANSWERABLE, EVIDENCE, LANGUAGE = (
    "group",
    "label",
    "input length",
    "answerable",
    "evidence found",
    "language",
)
NAMELESS = {GROUP: "without a group", LANGUAGE: "in no clear language"}
"""What the examples are called that have none."""


@dataclass(frozen=True, slots=True)
class Subset:
    """A part of the test set.

    Attributes:
        by, name: as in `advisor.verdict.slices.Slice`.
        places: of its examples among those of the test set; shape (examples,).
        pooled: whether it is several that are too small alone.
    """

    by: str
    name: str
    places: Places
    pooled: bool = False

    @property
    def alone(self) -> bool:
        """Whether it is a single group, label or language, and not what is left of them."""
        return not self.pooled and self.name != NAMELESS.get(self.by)

    @property
    def n(self) -> int:
        """The number of its examples."""
        return len(self.places)


@dataclass(frozen=True, slots=True)
class Subsets:
    """All parts of a test set.

    Attributes:
        parts: those that can be judged.
        notes: what was pooled, left out or could not be told, in sentences.
    """

    parts: tuple[Subset, ...]
    notes: tuple[str, ...]


def subsets(comparison: Comparison, runs: Sequence[Run]) -> Subsets:
    """Subset the test set in every way that its records tell.

    Args:
        runs: complete ones, those of the best row first; of each row the first seed tells what was retrieved.
    """
    answers = list(comparison.answers.values())
    found, notes = list[Subset](), list[str]()
    for by, names in _names(comparison, answers).items():
        made, said = _named(by, names)
        found += made
        notes += said
    if comparison.texts or any(answer.input for answer in answers):
        found += _by_length(answers)
    elif len(answers) >= 2 * SLICE:
        notes.append("Inputs were left out of the records (--no-texts), so that there are no slices by their length.")
    found += _by_evidence(comparison.answers, runs)
    return Subsets(tuple(found), tuple(notes))


def _names(comparison: Comparison, answers: Sequence[Answer]) -> Mapping[str, list[str]]:
    """The part that each example belongs to, by what it is parted by; "" where it has none."""
    kind = comparison.task.kind
    label, free = kind == "classification", kind not in ("classification", "extraction")
    hopeless = [is_unanswerable(answer) for answer in answers]
    told = ("answerable", "unanswerable")
    return {
        GROUP: [answer.group for answer in answers],
        LABEL: [unicode_form(answer.targets[0]) if label and answer.targets else "" for answer in answers],
        ANSWERABLE: [told[one] if free and any(hopeless) else "" for one in hopeless],
        LANGUAGE: [name_of(answer.language) if answer.language else "" for answer in answers],
    }


def _named(by: str, names: Sequence[str]) -> tuple[list[Subset], list[str]]:
    """One part for each name with enough examples, the largest first; what is smaller pooled or left out."""
    counts = Counter(names)
    counts.pop("", None)
    if len(counts) < 2 and (by not in NAMELESS or not counts):
        return [], []
    nameless = NAMELESS.get(by, "")
    called = [name or nameless for name in names]
    counts = Counter(name for name in called if name)
    large = [name for name, n in counts.most_common() if n >= SLICE and name != nameless][:MOST]
    large += [nameless] if nameless and counts[nameless] >= SLICE else []
    small = [name for name in counts if name not in large]
    found = [Subset(by, name, _places(called, {name})) for name in large]
    pool = _places(called, set(small))
    together = len(small) > 1 and len(pool) >= SLICE
    if together:
        found.append(Subset(by, f"{_counted(by, small)} together", pool, pooled=True))
    if len(found) < 2:
        return [], [f"There are no slices by {by}: {_too_small(by, small, counts)}."] if small else []
    what = "are judged together" if together else "was left out" if len(small) == 1 else "were left out"
    return found, [f"Slices by {by}: {_too_small(by, small, counts)} and {what}."] if small else []


def _too_small(by: str, small: Sequence[str], counts: Mapping[str, int]) -> str:
    """Which parts are not judged alone, and why: `3 small groups have fewer than 20 test examples each`."""
    few = f"fewer than {SLICE} test examples"
    if len(small) == 1:
        return f'"{small[0]}" ' + (f"has {few}" if counts[small[0]] < SLICE else f"is beyond the {MOST} largest")
    beyond = "" if max(counts[name] for name in small) < SLICE else f", or are beyond the {MOST} largest"
    return f"{_counted(by, small)} have {few} each{beyond}"


def _counted(by: str, names: Sequence[str]) -> str:
    return words.many(len(names), {GROUP: "small group", LABEL: "rare label", LANGUAGE: "rare language"}.get(by, by))


def _places(names: Sequence[str], wanted: set[str]) -> Places:
    return np.flatnonzero([name in wanted for name in names])


def _by_length(answers: Sequence[Answer]) -> Iterator[Subset]:
    """Quantiles of the inputs' lengths in words, as many as leave each enough examples, at most four."""
    lengths = np.array([count_words(answer.input) for answer in answers])
    bins = min(_BINS, len(lengths) // SLICE)
    if bins < 2:
        return
    upper = np.unique(np.quantile(lengths, [k / bins for k in range(1, bins + 1)], method="inverted_cdf"))
    of = np.searchsorted(upper, lengths)
    made: list[Places] = []
    for k in range(len(upper)):
        places = np.flatnonzero(of == k)
        if made and min(len(made[-1]), len(places)) < SLICE:  # many inputs of one length leave others few
            made[-1] = np.sort(np.concatenate([made[-1], places]))
        else:
            made.append(places)
    for places in made if len(made) > 1 else ():
        low, high = int(lengths[places].min()), int(lengths[places].max())
        yield Subset(LENGTH, words.many(low, "word") if low == high else f"{low:,} to {high:,} words", places)


def _by_evidence(answers: Mapping[str, Answer], runs: Sequence[Run]) -> Iterator[Subset]:
    """Whether retrieval brought any of the evidence into the prompt.

    What was retrieved depends on the row, so that the question is asked of each retrieval: rows that found the same
    share one. The parts are the same for all rows.
    """
    known = [(at, key) for at, key in enumerate(answers) if answers[key].evidence]
    retrievals: dict[tuple[bool, ...], str] = {}
    for run in runs:
        if run.control or not any(p.evidence for p in run.predictions):
            continue
        shown = {p.id: p.evidence_shown for p in run.predictions}
        found = tuple(not set(answers[key].evidence).isdisjoint(shown[key]) for _, key in known)
        retrievals.setdefault(found, run.spec)
    for found, spec in list(retrievals.items())[:_RETRIEVALS]:
        hits = np.array(found, dtype=bool)
        at = np.array([place for place, _ in known], dtype=np.intp)
        if min(hits.sum(), (~hits).sum()) >= SLICE:
            yield Subset(EVIDENCE, f"found by {spec}", at[hits])
            yield Subset(EVIDENCE, f"missed by {spec}", at[~hits])
