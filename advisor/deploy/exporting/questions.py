"""What is asked of the measured predictor and of its export alike: the test queries, and inputs of dev and train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from advisor.errors import UserError
from advisor.measuring.records import Answer, Comparison
from advisor.tasks import Query, Task

ENOUGH = 200
"""Queries on which agreement is told; fewer test queries are filled up by inputs of dev and train."""


@dataclass(frozen=True)
class CertifiedQueries:
    """The queries.

    Attributes:
        test: of the record, in its order.
        more: inputs of dev and train, of which only agreement is told.
        answers: to those of test.
    """

    test: tuple[Query, ...]
    more: tuple[Query, ...]
    answers: Mapping[str, Answer]


def questions_of(comparison: Comparison, task: Task | None) -> CertifiedQueries:
    """The queries of a record.

    Args:
        task: the task that was measured, from which its inputs come where the record leaves them out, and more.

    Raises:
        UserError: the inputs are not in the record and there is no task, or the task is another one.
    """
    answers = comparison.answers
    if task is None and not comparison.texts:
        raise UserError(
            f"{comparison.folder}: its records hold no inputs (--no-texts), so there is nothing to compare on",
            "name the task folder: --task TASK",
        )
    if task is None:
        return CertifiedQueries(tuple(Query(key, answer.input) for key, answer in answers.items()), (), answers)
    own = {example.id: example for example in task.test}
    other = [key for key, answer in answers.items() if key not in own or own[key].answers != answer.targets]
    if other:
        raise UserError(
            f"{task.name}: its test example {other[0]!r} is not that of {comparison.folder}, or is gone",
            "name the task folder that was measured",
        )
    test = tuple(Query(key, own[key].input) for key in answers)
    room = max(ENOUGH - len(test), 0)
    more = [Query(f"more {n}", one.input) for n, one in enumerate(chain(task.dev, task.train), start=1)]
    return CertifiedQueries(test, tuple(more[:room]), answers)
