"""Options of `advisor compare` for what tuning makes the language model forget."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from advisor.errors import UserError
from advisor.measuring.yardsticks import EXAMPLES
from advisor.tasks import Task, load_task


def add_forgetting(group: Any) -> None:
    """Whether it is measured, and on what."""
    group.add_argument(
        "--forgetting",
        action="store_true",
        help="measure what rows that train the model's weights make it forget: how much harder than before it finds a "
        "general text that comes with Advisor; a finished run folder is completed, and nothing is fitted anew",
    )
    group.add_argument(
        "--forgetting-on",
        action="append",
        default=[],
        metavar="TASK",
        help="the same, and what zero-shot scores on another task before and after, on up to "
        f"{EXAMPLES} of its test examples; may be repeated",
    )


def forgetting_of(options: argparse.Namespace) -> bool | Sequence[Task]:
    """Whether forgetting is to be measured, and the other tasks, as `advisor.compare` takes it.

    Raises:
        UserError: another task cannot be read, or another option does not go with it.
    """
    if not (options.forgetting or options.forgetting_on):
        return False
    for other, given in (("--budget", options.budget), ("--latency-again", options.latency_again)):
        if given:
            hint = "measure it afterwards in the same folder, of the rows named with --approach: nothing is fitted anew"
            raise UserError(f"--forgetting does not go with {other}", hint)
    return [load_task(folder) for folder in options.forgetting_on]
