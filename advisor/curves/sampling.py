"""Learning curves of a task: measured at a few sizes, fitted, and what more labels would buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from advisor.approaches import Adapted, Approach, ContextBuilder, Tuner, ZeroShot, named, suggested
from advisor.curves.growing import Sizes, grow
from advisor.errors import UserError
from advisor.models import LanguageModel
from advisor.tasks import Task
from advisor.verdict.curves import Curves, judge

SIZES = (8, 32, 128, 512)


def curve(
    task: Task,
    model: LanguageModel,
    approaches: Sequence[str | Approach | ContextBuilder | Tuner] | None = None,
    *,
    sizes: Sequence[int] = SIZES,
    out: str | Path | None = None,
    seeds: int = 1,
) -> Curves:
    """Measure quality against training set size, and find where one approach overtakes another.

    The same call goes on where it stopped.

    Args:
        approaches: see `compare`; None takes those that learn from training examples, and zero-shot beside them.
        sizes: numbers of training examples; what exceeds those that there are means all of them.
        out: the folder for records, `runs/<task name>/curve` by default.
        seeds: samples of the training examples that are drawn at each size; where all are used, seeds of the
            approaches.

    Raises:
        UserError: a size or a spec is wrong, nothing learns from examples, or another process works in the folder.
    """
    folder = Path(out) if out is not None else default_folder(task)
    chosen = named(approaches, task) if approaches else learners(task)
    return judge(grow(Sizes(folder, tuple(sizes), seeds), task, model, chosen))


def default_folder(task: Task) -> Path:
    """The folder where curves are recorded by default."""
    return Path("runs") / task.name / "curve"


def learners(task: Task) -> list[Approach]:
    """Zero-shot, and the approaches that need training examples among those the task names or those run by default.

    Raises:
        UserError: there is none.
    """
    bare = replace(task, train=(), dev=())
    pool = named(task.defaults.approaches, task) or suggested(task)
    found = [a for a in pool if not a.control and not a.unsuited(task) and a.unsuited(bare)]
    if not found:
        raise UserError(f"{task.name}: no approach learns from training examples here", "name one: --approach lora")
    return [Adapted(ZeroShot()), *found]
