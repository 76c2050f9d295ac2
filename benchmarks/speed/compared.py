"""The tasks and sizes of the whole-comparison benchmarks."""

from __future__ import annotations

from dataclasses import replace

from advisor.tasks import Task, subset
from benchmarks.speed.options import Options

EPOCHS, BATCH = 2, 8
LORA = f"lora:epochs={EPOCHS},batch={BATCH}"
APPROACHES = ("zero-shot", "few-shot", "rag", LORA)
DEV = 20
FEW = 16  # of train; a quarter of test and dev


def small_task(task: Task, options: Options, pair: int) -> Task:
    """The task at the requested sizes, with a dev split; every pair draws other examples."""
    train, test, dev = (FEW, FEW // 4, FEW // 4) if options.smoke else (options.train, options.test, DEV)
    return _with_dev(task, subset(task, limit=test, train_limit=train, seed=pair), dev)


def _with_dev(task: Task, small: Task, size: int) -> Task:
    """`small` with a dev split, so that both sides train on the same examples and Advisor need not set some aside.

    Args:
        task: from which `small` was taken; its training examples outside of `small` serve, where it has no dev.
    """
    used = {example.id for example in small.train}
    spare = tuple(example for example in task.dev or task.train if example.id not in used)
    return (
        replace(small, dev=spare[:size])
        if spare
        else replace(small, train=small.train[:-size], dev=small.train[-size:])
    )
