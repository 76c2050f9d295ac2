"""What approaches name outside of the task: found once for all of them, and its digests, as records hold them."""

from __future__ import annotations

from collections.abc import Mapping

from advisor.approaches import Approach
from advisor.tasks import Task, with_others


def with_outside(task: Task, chosen: Mapping[str, Approach]) -> Task:
    """The task with the other tasks that its approaches learn from, without what stands in its test set.

    Raises:
        UserError: an approach names a task that is not there.
    """
    return with_others(task, (name for approach in chosen.values() for name in approach.others))


def outside(task: Task, approach: Approach) -> dict[str, str]:
    """Digests of what an approach names outside of the task, by name."""
    return {one.named: one.fingerprint for one in with_others(task, approach.others).others}
