"""What other packages bring, found by entry point: the door by which Advisor's own parts enter too."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from advisor.errors import UserError

OWN = "adaptation-advisor"  # the distribution that brings what is Advisor's own
NOTHING: Mapping[str, Any] = {}
LONGEST = 60  # characters of a name as it is repeated in an error


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name, Advisor's own first, each part in the order of their names."""
    own, others = _installed(group, tuple(sys.path))
    return own | others


def is_own(group: str, name: str) -> bool:
    """Whether what is registered under a name comes with Advisor."""
    return name in _installed(group, tuple(sys.path))[0]


@cache
def _installed(group: str, path: tuple[str, ...]) -> tuple[dict[str, EntryPoint], dict[str, EntryPoint]]:
    """Advisor's own and the others; looked up once for each path of modules, since that takes longer than a report."""
    points = sorted(entry_points(group=group), key=lambda point: point.name)
    own = {point.name: point for point in points if point.dist is not None and point.dist.name == OWN}
    return own, {point.name: point for point in points if point.name not in own}


def plugin(group: str, name: str, what: str, own: Mapping[str, Any] = NOTHING) -> Any:
    """What is registered under a name.

    Args:
        what: it is called in an error, such as `approach`.
        own: what Advisor brings itself without an entry point; a name of these means nothing else.

    Raises:
        UserError: nothing is registered under that name, or it cannot be imported.
    """
    if name in own:
        return own[name]
    points = installed(group)
    if name not in points:
        raise unknown(what, name, [*own, *(other for other in points if other not in own)])
    point = points[name]
    try:
        return point.load()
    except Exception as error:  # whatever another package's import raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        seen = f"{what} {name!r} ({point.value}) cannot be loaded: {reason}"
        raise UserError(seen, "fix or uninstall the package that brings it") from error


def unknown(what: str, name: str, known: Sequence[str]) -> UserError:
    """The error for a name that is not among those known, with the nearest of them."""
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = name if len(name) <= LONGEST else name[:LONGEST] + "..."
    return UserError(f"{what} {shown!r} is unknown", f"{hint}installed are {', '.join(known) or 'none'}")
