"""What is wrong with the answers that are not fully right: exclusive kinds of errors, which add up to them."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.verdict.cells import Interval


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of error of a row.

    Attributes:
        name: "retrieval miss", "wrong despite the right passage", "format failure", "no answer", "wrong label", ...
        count: of the answers that are not fully right, the mean over seeds.
        share: of all answers.
        pairs: of a wrong label: the most frequent pairs of the true and the given one, with their mean count.
    """

    name: str
    count: float
    share: Interval
    pairs: tuple[tuple[str, str, float], ...] = ()
