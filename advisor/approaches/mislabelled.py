"""Likely label errors: where a classifier that has not seen an example is sure of another label.

Confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels"):
an example is suspect if its out-of-sample probability of another label reaches that label's mean among the examples
that carry it. On its own that rule suspects every hard example; so the nearest neighbours have to contradict the
label as well. Own code rather than `cleanlab`, which is the same rule in one line of NumPy here and brings pandas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.models import Embedder, Vectors, cut_by, window_of
from advisor.tasks.faults import quoted
from advisor.tasks.findings import HAS, Finding, counted, sights
from advisor.tasks.material import Entry, Material

FOLDS = 5
"""Every example is judged by a classifier fitted on the other four fifths; smaller classes are not judged."""
MARGIN = 0.5
"""How much more probable the other label has to be than the given one."""
NEIGHBOURS, SUPPORT = 10, 1
"""At most one of the ten nearest other inputs may carry the label of a suspect."""
LEAST_ACCURACY = 0.6
"""A classifier that is right less often knows too little of the task to suspect anything."""
_MANY = 0.01
_CHUNK = 1_024  # rows of similarities at a time

Numbers = NDArray[np.int64]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Suspect:
    """An example whose label is probably wrong.

    Attributes:
        likely: the label that the others suggest, as answers are compared (`advisor.tasks.forms.answer_form`).
    """

    entry: Entry
    likely: str


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """The result of checking the labels with an embedder.

    Attributes:
        embedder: its name.
        judged: examples whose label was judged: those of classes with at least `FOLDS` examples.
        accuracy: share of these that the classifier labels as they are labelled, out of sample.
        finding: what the suspects come to, None if there are none.
        suspects: the likeliest first; none if the classifier is not good enough to say.
        unread: judged inputs of which the embedder read only the first `window` tokens.
    """

    embedder: str
    judged: int
    accuracy: float
    finding: Finding | None
    suspects: tuple[Suspect, ...] = ()
    unread: int = 0
    window: int | None = None

    @property
    def capable(self) -> bool:
        """Whether the classifier is accurate enough for its suspicions to count."""
        return self.accuracy >= LEAST_ACCURACY


def check_labels(material: Material, embedder: Embedder) -> LabelCheck:
    """Check the labels of all splits of a classification."""
    counts = Counter(entry.form for entry in material.entries)
    judged = [entry for entry in material.entries if counts[entry.form] >= FOLDS]
    names = sorted({entry.form for entry in judged})
    if len(names) < 2:
        return LabelCheck(embedder.name, 0, 0.0, None)
    number = {name: at for at, name in enumerate(names)}
    labels = np.array([number[entry.form] for entry in judged])
    inputs = [entry.example.input for entry in judged]
    vectors = embedder.embed(inputs)
    shares = _out_of_sample(vectors, labels)
    accuracy = float((shares.argmax(axis=1) == labels).mean())
    found: tuple[Suspect, ...] = ()
    if accuracy >= LEAST_ACCURACY:
        numbers = suspects(vectors, labels, shares)
        found = tuple(Suspect(judged[at], names[shares[at].argmax()]) for at in numbers)
    unread = sum(cut_by(embedder, inputs))
    return LabelCheck(
        embedder.name, len(judged), accuracy, _finding(found, len(judged)), found, unread, window_of(embedder)
    )


def suspects(vectors: Vectors, labels: Numbers, shares: Probabilities) -> list[int]:
    """Positions of likely label errors, the likeliest first.

    Args:
        vectors: unit vectors, shape (examples, dimension).
        labels: numbers of the given labels, shape (examples,).
        shares: out-of-sample probabilities, shape (examples, labels).
    """
    rows = np.arange(len(labels))
    own = shares[rows, labels]
    sums = np.bincount(labels, weights=own, minlength=shares.shape[1])
    usual = sums / np.maximum(np.bincount(labels, minlength=shares.shape[1]), 1)
    best = shares.argmax(axis=1)
    margin = shares[rows, best] - own
    suspect = (best != labels) & (shares[rows, best] >= usual[best]) & (margin >= MARGIN)
    suspect &= _support(vectors, labels) <= SUPPORT
    return [int(at) for at in np.argsort(-margin, kind="stable") if suspect[at]]


def _out_of_sample(vectors: Vectors, labels: Numbers) -> Probabilities:
    from sklearn.linear_model import LogisticRegression  # on first use: it takes a second, and is not always wanted
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    learner = LogisticRegression(C=10.0, max_iter=1_000)
    found: Probabilities = cross_val_predict(learner, vectors, labels, cv=folds, method="predict_proba")
    return found


def _support(vectors: Vectors, labels: Numbers) -> Numbers:
    """The number of nearest other inputs with the same label; shape (examples,)."""
    found = np.zeros(len(labels), dtype=np.int64)
    nearest = min(NEIGHBOURS, len(labels) - 1)
    for start in range(0, len(labels), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(labels)))
        alike = vectors[rows] @ vectors.T
        alike[np.arange(len(rows)), rows] = -np.inf
        neighbours = np.argpartition(-alike, nearest - 1, axis=1)[:, :nearest]
        found[rows] = (labels[neighbours] == labels[rows, None]).sum(axis=1)
    return found


def _finding(found: Sequence[Suspect], judged: int) -> Finding | None:
    if not found:
        return None
    seen = [([s.entry.place], f"{s.entry.form} -> {s.likely}? {s.entry.example.input}") for s in found]
    first = found[0]
    example = f"{quoted(first.entry.form)} may be {quoted(first.likely)}"
    return Finding(
        code="likely-label-error",
        severity="medium" if len(found) >= _MANY * judged else "low",
        count=len(found),
        total=judged,
        what=f"{counted(len(found), judged, 'examples', HAS)} a label that the others contradict; first of all, "
        f"{example} at {first.entry.place}.",
        meaning="Wrong labels in test cap what can be reached and blur differences; in train they teach noise.",
        hint="Look at them in this order, the likeliest first; some will be right, but hard.",
        sights=sights(seen),
    )
