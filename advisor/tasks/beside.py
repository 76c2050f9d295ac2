"""Other tasks whose training examples are learned from too: found, read, and without what stands in the test set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from advisor.errors import UserError
from advisor.tasks.loading import load_task
from advisor.tasks.minhash import near_pairs, reworded, squeezed
from advisor.tasks.task import OtherTask, Task
from advisor.tasks.textfile import near_path


def with_others(task: Task, names: Iterable[str]) -> Task:
    """The task with others beside it, whose training examples are learned from too.

    What stands in this task's test set, word for word or nearly (MinHash, whatever its answer there), is left out of
    theirs. So this is asked for while the task has a test set: what is fitted never sees one.

    Args:
        names: folders, relative to the task's own; a task without a folder has them from where it was started.

    Raises:
        UserError: no task lies there, or it is this one.
    """
    known = {one.named: one for one in task.others}
    found = tuple(known.get(name) or _other(task, name) for name in dict.fromkeys(names))
    return task if found == task.others else replace(task, others=found)


def _other(task: Task, named: str) -> OtherTask:
    home = Path(task.origin)
    folder = (home if home.is_dir() else home.parent) / named
    if not folder.is_dir():
        near = near_path(folder)
        raise UserError(
            f"{named}: there is no folder {folder}", near or "a task folder, named as seen from this task's"
        )
    if task.origin and folder.resolve() == home.resolve():
        raise UserError(f"{named} is this task itself", "name another task's folder")
    whole = load_task(folder)
    held_out = [example.input for example in (*task.test, *task.test_after)]
    copies = copies_of(held_out, [example.input for example in whole.train])
    kept = tuple(example for at, example in enumerate(whole.train) if at not in copies)
    return OtherTask(named, whole.brief, kept, len(copies))


def copies_of(texts: Sequence[str], among: Sequence[str]) -> set[int]:
    """Positions of those among others that say the same as one of the texts, but for spelling or a word."""
    known = dict.fromkeys(squeezed(text) for text in texts)
    words = [squeezed(text) for text in among]
    distinct = list(dict.fromkeys([*known, *words]))
    copied = {text for text in words if text and text in known}
    for pair in near_pairs(distinct, lambda a, b: (a < len(known)) != (b < len(known))):
        if reworded(distinct[pair.first], distinct[pair.second]):
            copied.add(distinct[pair.second])
    return {at for at, text in enumerate(words) if text in copied}
