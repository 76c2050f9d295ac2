"""Parameters that do not fit, said as a user needs to hear it."""

from __future__ import annotations

from typing import Any, get_args

from advisor.errors import UserError


def one_of(name: str, field: str, value: object, choices: Any) -> None:
    """Parameter `field` of builder `name` has to be one of a `Literal`'s.

    Raises:
        UserError: it is not.
    """
    if value not in get_args(choices):
        known = ", ".join(map(str, get_args(choices)))
        raise UserError(f"{name}: {field}={value} is unknown", f"choose one of {known}")


def passages(name: str, k: int, chunk: int, overlap: int) -> None:
    """How many passages are shown, and how long they are.

    Raises:
        UserError: none would be, or they would overlap wholly.
    """
    if k < 1:
        raise UserError(f"{name}: k={k} shows no passage", f"choose k of at least 1, e.g. {name}:k=3")
    if chunk < 1 or not 0 <= overlap < chunk:
        raise UserError(
            f"{name}: passages of chunk={chunk} words cannot overlap by overlap={overlap}",
            f"choose an overlap from 0 to below chunk, e.g. {name}:chunk=160,overlap=30",
        )


def share(name: str, field: str, value: float, below: bool = False) -> None:
    """A number from 0 to 1.

    Args:
        below: whether 1 itself is too much.

    Raises:
        UserError: it is none.
    """
    if not 0 <= value <= 1 or (below and value == 1):
        end = "below 1" if below else "1"
        raise UserError(
            f"{name}: {field}={value} is no share", f"choose {field} from 0 to {end}, e.g. {name}:{field}=0.2"
        )
