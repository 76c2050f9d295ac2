"""Searchers by name: those of this package, and those that other packages bring."""

from __future__ import annotations

from functools import cache

from advisor.errors import UserError
from advisor.plugins import installed, plugin
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
    found = plugin(GROUP, name, "retriever", OWN)
    if not (isinstance(found, type) and issubclass(found, Searcher)):
        where = installed(GROUP)[name].value
        raise UserError(f"{where} is registered as retriever {name!r} but is none", "derive it from rag.Searcher")
    return found
