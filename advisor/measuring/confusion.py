"""Which label was given for which, kept as two numbers an example, however many labels there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FLOATS_AT_ONCE = 4_000_000
"""Of what is resampled in one step: 32 MB."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """The true and the predicted label of every example of one run.

    Attributes:
        true, predicted: positions among the labels, each of shape (examples,).
        labels: how many there are.
    """

    true: NDArray[np.intp]
    predicted: NDArray[np.intp]
    labels: int

    def __len__(self) -> int:
        return len(self.true)

    def take(self, rows: NDArray[np.intp]) -> Confusion:
        """The same of some examples."""
        return Confusion(self.true[rows], self.predicted[rows], self.labels)

    @cached_property
    def hits(self) -> csr_array:
        """1 where an example is right, at its label; shape (examples, labels)."""
        rows = np.flatnonzero(self.true == self.predicted)
        return self._sparse(rows, self.true[rows])

    @cached_property
    def involved(self) -> csr_array:
        """How often a label is the true or the predicted one of an example: 0, 1 or 2; shape (examples, labels)."""
        rows = np.arange(len(self))
        return self._sparse(np.concatenate([rows, rows]), np.concatenate([self.true, self.predicted]))

    def sums(self, weights: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Hits and parts in examples by label, under every weighting of the examples.

        Args:
            weights: shape (weightings, examples).

        Returns:
            Each of shape (weightings, labels).
        """
        return weights @ self.hits, weights @ self.involved

    def macro_f1(self, weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Macro F1 under every weighting of the examples, by default of all alike; shape (weightings,)."""
        if weights is None:
            weights = np.ones((1, len(self)))
        return np.concatenate([macro_f1(*self.sums(weights[rows])) for rows in blocks(len(weights), 2 * self.labels)])

    def without_each(self) -> NDArray[np.float64]:
        """Macro F1 of all examples but one, for each of them; shape (examples,). Changes two labels at most."""
        hits, involved = (found[0] for found in self.sums(np.ones((1, len(self)))))
        each = _f1(hits, involved)
        total, present = each.sum(), np.count_nonzero(involved)
        right = self.true == self.predicted
        own = np.where(right, 2.0, 1.0)
        changed_true = _f1(hits[self.true] - right, involved[self.true] - own)
        changed_given = np.where(right, 0.0, _f1(hits[self.predicted], involved[self.predicted] - 1))
        sums = total - each[self.true] + changed_true - np.where(right, 0.0, each[self.predicted]) + changed_given
        gone = (involved[self.true] == own).astype(np.intp) + (~right & (involved[self.predicted] == 1))
        found: NDArray[np.float64] = sums / np.maximum(present - gone, 1)
        return found

    def _sparse(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> csr_array:
        from scipy.sparse import csr_array

        return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(self), self.labels))


def macro_f1(hits: NDArray[np.float64], involved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro F1 of hits H and parts in examples I by label: the mean of F1 = 2 H / I; shape (..., labels) to (...).

    Labels that occur neither as true nor as predicted do not count, and a label without a hit scores 0, as in
    scikit-learn's `f1_score(average="macro", zero_division=0)`.
    """
    found: NDArray[np.float64] = _f1(hits, involved).sum(axis=-1) / np.maximum(np.count_nonzero(involved, axis=-1), 1)
    return found


def _f1(hits: NDArray[np.float64], involved: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(2 * hits, involved, out=np.zeros(np.shape(hits)), where=involved > 0)


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of so many rows whose blocks of `width` floats stay within `FLOATS_AT_ONCE`."""
    step = max(1, FLOATS_AT_ONCE // max(1, width))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
