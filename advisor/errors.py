"""The errors that Advisor raises on purpose: what was seen, where, and a hint that fixes it.

This module lies below every room, so that each of them can raise the same kinds of error.
"""

from __future__ import annotations


class AdvisorError(Exception):
    """Base of every error that Advisor raises on purpose."""


class UserError(AdvisorError):
    """A mistake in the user's files, arguments or set-up; shown in two lines, never as a traceback.

    Args:
        what: what was seen, beginning with where (`train.jsonl:17: "target" is missing`).
        hint: what fixes it, as an instruction; may be empty.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"error: {self.what}" + (f"\n  try: {self.hint}" if self.hint else "")


class Interrupted(AdvisorError):
    """Work that cannot go on now, through no fault of its own: a server is gone, or what may be spent is spent.

    What was recorded stays, and the same command goes on from there. The message says what stopped it and what to do.
    """


class NotApplicable(AdvisorError):
    """An approach that was asked for cannot be used on this task; the message says why."""
