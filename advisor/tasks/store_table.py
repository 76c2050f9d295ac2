"""`[stores]` of `task.toml`: where vector stores are, by name. It may hold secrets, which this process alone knows.

Neither records nor fingerprints have any of it. What restores a run knows no more of a task than its brief, so the
addresses are known by name to the whole process; a task that is sent to another process takes them along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from advisor.errors import UserError

_KEYS = ("kind", "url", "url_env", "key")
_SAMPLE = '{kind = "pgvector", url_env = "DOCS_DB_URL"}'
_declared: dict[str, Mapping[str, StoreEntry]] = {}


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """Where one store is.

    Attributes:
        kind: which kind of store; whoever asks it knows which there are.
        url: its address, where that is written down.
        url_env: else the variable of the environment that holds it.
        key: that is sent to the address that is written down; one in a variable gets keys of the environment.
    """

    kind: str
    url: str = field(default="", repr=False)
    url_env: str = ""
    key: str = field(default="", repr=False)


class StoreTable:
    """The stores of one task.

    Args:
        origin: where they were read from.
    """

    def __init__(self, origin: str = "", entries: Mapping[str, StoreEntry] | None = None) -> None:
        self.origin = origin
        self.entries = dict(entries or {})

    def __repr__(self) -> str:
        return f"StoreTable({', '.join(self.entries)})"

    def __reduce__(self) -> tuple[object, ...]:
        return declared_again, (self.origin, self.entries)

    def declare(self) -> StoreTable:
        """Make them known to this process, in place of what the same task said before."""
        if self.entries or self.origin in _declared:
            _declared[self.origin] = self.entries
        return self


def declared_again(origin: str, entries: Mapping[str, StoreEntry]) -> StoreTable:
    """The table in a process to which its task was sent."""
    return StoreTable(origin, entries).declare()


def declared_store(name: str) -> StoreEntry | None:
    """The store of that name in the tasks of this process; None where there is none.

    Raises:
        UserError: two tasks mean different stores by it.
    """
    found = {entries[name] for entries in _declared.values() if name in entries}
    if len(found) > 1:
        where = " and ".join(origin for origin, entries in _declared.items() if name in entries)
        raise UserError(f"[stores]: {where} say differently where {name} is", "give each a name of its own")
    return next(iter(found), None)


def read_stores(table: object, origin: str, add: Callable[[str, str, str], None]) -> StoreTable:
    """The table as it was parsed; what is wrong is told without any value, since these may be secrets.

    Args:
        add: takes the name of a store, what was seen and what fixes it.
    """
    if table is None:
        return StoreTable(origin)
    if not isinstance(table, dict):
        add("", '"stores" is not a table', f"write [stores] on a line of its own, and below it docs = {_SAMPLE}")
        return StoreTable(origin)
    entries = {name: entry for name, given in table.items() if (entry := _entry(name, given, add))}
    return StoreTable(origin, entries)


def _entry(name: str, given: object, add: Callable[[str, str, str], None]) -> StoreEntry | None:
    sample = f"{name} = {_SAMPLE}"
    if not isinstance(given, dict):
        add(name, f'"{name}" in [stores] is not a table', f"write {sample}")
        return None
    wrong = [key for key in given if key not in _KEYS]
    texts = all(isinstance(value, str) and value.strip() for value in given.values())
    if wrong:
        add(name, f'unknown key "{wrong[0]}" of "{name}" in [stores]', f"the keys: {', '.join(_KEYS)}")
    elif not texts:
        add(name, f'"{name}" in [stores] has a value that is empty or no text', f"write {sample}")
    elif "kind" not in given or ("url" in given) == ("url_env" in given):
        add(name, f'"{name}" in [stores] needs a kind, and either url or url_env', f"write {sample}")
    elif "key" in given and "url" not in given:
        add(
            name, f'"{name}" in [stores] has a key, but its address is in a variable', "put the key into a variable too"
        )
    else:
        return StoreEntry(**given)
    return None
