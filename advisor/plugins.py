"""What other packages bring, found by entry point: the door by which Advisor's own parts enter too."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from advisor.errors import UserError

LONGEST = 60  # characters of a name as it is repeated in an error


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name, in the order of their names."""
    return _installed(group, tuple(sys.path))


@cache
def _installed(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Looked up once for each path of modules, since that takes longer than a report."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def plugin(group: str, name: str, what: str) -> Any:
    """What is registered under a name.

    Args:
        what: it is called in an error, such as `approach`.

    Raises:
        UserError: nothing is registered under that name, or it cannot be imported.
    """
    points = installed(group)
    if name not in points:
        raise unknown(what, name, list(points))
    point = points[name]
    try:
        return point.load()
    except Exception as error:  # whatever another package's import raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        seen = f"{what} {name!r} ({point.value}) cannot be loaded: {reason}"
        raise UserError(seen, "fix or uninstall the package that brings it") from error


def unknown(what: str, name: str, known: Sequence[str]) -> UserError:
    """The error for a name that is not among those known, with the nearest of them."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = name if len(name) <= LONGEST else name[:LONGEST] + "..."
    return UserError(f"{what} {shown!r} is unknown", f"{hint}installed are {', '.join(known) or 'none'}")
