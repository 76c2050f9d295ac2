"""What passages do for a row's own answers: their log-likelihood with the passages that were found less without.

An answer that was read in the passages is far likelier with them; one that the model knew is about as likely without
(pointwise information, as in Xu et al. 2020, "A Theory of Usable Information"). It needs no judge: the row's own prompt
and weights tell it, of the whole answer with the token that ends it, in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.approaches import Predictor
from advisor.errors import NotApplicable
from advisor.measuring.scored import AnsweredExample
from advisor.tasks import Query

LIFT = "lift"


@dataclass(frozen=True)
class Lift:
    """Measures it by the row's own predictor."""

    def values(self, given: Sequence[AnsweredExample], predictor: Predictor | None) -> list[float | None]:
        """In nats; nothing is said of an empty answer.

        Raises:
            NotApplicable: there is no predictor.
        """
        if predictor is None:
            raise NotApplicable("what was fitted is gone, so nobody tells likelihoods")
        return [_lift(predictor, one) if one.prediction.answer.strip() else None for one in given]


def _lift(predictor: Predictor, one: AnsweredExample) -> float:
    query, answer = Query(one.example.id, one.example.input), (one.prediction.answer,)
    (read,), (known,) = predictor.likelihoods(query, answer), predictor.likelihoods(query, answer, bare=True)
    return read - known
