"""Searchers by name: those of this package, and those that other packages bring."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from advisor.errors import UserError
from advisor.tasks.faults import short
from rag.bm25 import Bm25
from rag.dense import Dense
from rag.hybrid import Hybrid
from rag.searcher import Searcher

GROUP = "advisor.searchers"
OWN: dict[str, type[Searcher]] = {"dense": Dense, "bm25": Bm25, "hybrid": Hybrid}


@cache
def searcher(name: str) -> type[Searcher]:
    """The searcher that is called `name`; a name of this package's own means nothing else.

    Raises:
        UserError: there is none of that name, or what another package brings under it cannot be used.
    """
    if name in OWN:
        return OWN[name]
    brought = {point.name: point for point in entry_points(group=GROUP)}
    if name not in brought:
        names = [*OWN, *sorted(set(brought) - set(OWN))]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"retriever {short(name)!r} is unknown", f"{hint}installed are {', '.join(names)}")
    return _loaded(name, brought[name])


def _loaded(name: str, point: EntryPoint) -> type[Searcher]:
    try:
        found = point.load()
    except Exception as error:  # whatever another package's import raises
        reason = f"{type(error).__name__}: {error}"
        raise UserError(
            f"retriever {name!r} ({point.value}) cannot be loaded: {reason}", "fix or uninstall it"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Searcher)):
        raise UserError(f"{point.value} is registered as retriever {name!r} but is none", "derive it from rag.Searcher")
    return found
