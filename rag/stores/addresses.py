"""Which store is meant by a name, and where it is: in the environment or in `[stores]` of the task's `task.toml`, so
that no record, log or error says it.

What stands in the environment comes first, since it is this user's own; `task.toml` may be somebody else's. For the
same reason an address that is written there is sent the key beside it and none of the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from advisor.errors import UserError
from advisor.models.hosted.address import is_loopback, refuse_if_offline
from advisor.tasks.store_table import StoreEntry, declared_store
from rag.stores.contract import LOCAL
from rag.stores.failures import cause_of

Kind = Literal["qdrant", "chroma", "pgvector"]
URLS = {
    "qdrant": ("ADVISOR_QDRANT_URL", "QDRANT_URL"),
    "chroma": ("ADVISOR_CHROMA_URL", "CHROMA_URL"),
    "pgvector": ("ADVISOR_PGVECTOR_URL", "PGVECTOR_URL"),
}
KEYS = {
    "qdrant": ("ADVISOR_QDRANT_API_KEY", "QDRANT_API_KEY"),
    "chroma": ("ADVISOR_CHROMA_TOKEN", "CHROMA_TOKEN"),
    "pgvector": (),
}
IN_PROCESS = ("qdrant", "chroma")  # kinds that also live in this process, for as long as it does
SCHEMES = {
    "qdrant": ("http", "https"),
    "chroma": ("http", "https"),
    "pgvector": ("postgresql", "postgres", "postgresql+psycopg"),
}
EXAMPLES = {
    "qdrant": "qdrant+https://host:6333",
    "chroma": "chroma+http://host:8000",
    "pgvector": "postgresql://user:password@host/database",
}
PLAIN_NAME = re.compile(r"[\w.-]+")
NAMED = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A store that others run, or one of theirs in this process.

    Attributes:
        store: as the user named it.
        variable: of the environment, which holds the address; empty where none does.
        written: its name in `[stores]`, where the address is written there; else empty. Both are in this process.
    """

    store: str
    kind: Kind
    variable: str = ""
    written: str = ""

    @property
    def url(self) -> str:
        """The address, with what it may hold of secrets; empty in this process. Read when it is used, kept nowhere."""
        found = self._entry.url if self.written else os.environ.get(self.variable, "") if self.variable else ""
        return found.removeprefix(f"{self.kind}+")

    @property
    def secret(self) -> str:
        """The key that is sent along; empty where there is none."""
        return self._entry.key if self.written else _first_set(KEYS[self.kind])[1]

    @property
    def said_by(self) -> str:
        """What holds the address, for messages; empty in this process."""
        return f"{self.written} in [stores]" if self.written else self.variable and f"the variable {self.variable}"

    @property
    def _entry(self) -> StoreEntry:
        return declared_store(self.written) or StoreEntry(self.kind)

    @property
    def reach(self) -> str:
        """Where it is: `process`, `machine` or `network`."""
        if not self.said_by:
            return "process"
        parts = urlsplit(self.url)
        hosts = [unquote(host) for host in (parts.hostname or "", *parse_qs(parts.query).get("host", ())) if host]
        return "machine" if all(host.startswith("/") or is_loopback(host) for host in hosts) else "network"

    def check(self, offline: bool) -> None:
        """Whether texts may go there.

        Raises:
            UserError: they may not leave this machine, and would.
        """
        refuse_if_offline("store", self.store, self.reach, offline)


def place_of(store: str) -> StorePlace:
    """What a name means: a kind of store, or `$NAME`, an address in the environment or in `[stores]`.

    Raises:
        UserError: there is no such store, or its address is not set or none.
    """
    if store in get_args(Kind):
        kind: Kind = store  # type: ignore[assignment]  # mypy does not see that it is one of them
        variable, url = _first_set(URLS[kind])
        if not url and kind not in IN_PROCESS:
            raise UserError(f"store={store}: its address is not set", f"export {URLS[kind][0]}={EXAMPLES[kind]}")
        return _checked(StorePlace(store, kind, variable))
    found = NAMED.fullmatch(store)
    if found is None:
        raise _unknown(store)
    url = os.environ.get(found[1], "")
    if not url:
        return _declared(store, found[1])
    for kind in get_args(Kind):
        own = kind == "pgvector" and url.split(":")[0] in SCHEMES[kind]
        if own or url.startswith(f"{kind}+"):
            return _checked(StorePlace(store, kind, found[1]))
    what = f"store={store}: the variable {found[1]} holds no address of a store"
    raise UserError(what, f"write it as {_or(EXAMPLES.values())}")


def _unknown(store: str) -> UserError:
    """What to say of a name that is none; what is not plainly a name may be an address, and is not repeated."""
    if PLAIN_NAME.fullmatch(store):
        return UserError(f"store={store} is unknown", f"choose one of {', '.join((LOCAL, *get_args(Kind)))}, or $NAME")
    return UserError(
        "store= takes a name, and not an address, which would stand in every record",
        "export the address, e.g. as TEAM_STORE, and write store=$TEAM_STORE (in a shell in single quotes)",
    )


def _declared(store: str, name: str) -> StorePlace:
    """The place in `[stores]`."""
    entry = declared_store(name)
    if entry is None:
        sample = f'[stores] in task.toml and below it {name} = {{kind = "pgvector", url_env = "VARIABLE"}}'
        raise UserError(
            f"store={store}: there is no variable {name}, and no {name} in [stores] of the task's task.toml",
            f"export {name} as {_or(EXAMPLES.values())}, or write {sample}",
        )
    if entry.kind not in get_args(Kind):
        what = f"store={store}: {name} in [stores] is of no known kind"
        raise UserError(what, f"kind = one of {', '.join(get_args(Kind))}")
    kind: Kind = entry.kind  # type: ignore[assignment]  # mypy does not see that it is one of them
    if entry.url:
        return _checked(StorePlace(store, kind, written=name))
    if not os.environ.get(entry.url_env):
        what = f"store={store}: {name} in [stores] names the variable {entry.url_env}, which is not set"
        raise UserError(what, f"export {entry.url_env}={EXAMPLES[kind]}")
    return _checked(StorePlace(store, kind, entry.url_env))


def check_name(store: str) -> None:
    """Whether a name can be one of a store at all, whatever is set.

    Raises:
        UserError: it cannot.
    """
    if store not in (LOCAL, *get_args(Kind)) and not NAMED.fullmatch(store):
        raise _unknown(store)


@contextmanager
def telling(place: StorePlace, what: str) -> Iterator[None]:
    """Around whatever asks a store: its errors in a line of our own words, without what its client says.

    Args:
        what: is done, for the message.

    Raises:
        UserError: it failed.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever clients of stores raise; the cause may tell secrets
        hint = f"is it running where {place.said_by} says? is the key right?" if place.said_by else ""
        raise UserError(f"store={place.store}: {what} failed: {cause_of(error)}", hint) from None


def _checked(place: StorePlace) -> StorePlace:
    """Raises where an address is none; without telling it."""
    url = place.url
    if not place.said_by:
        return place
    try:
        parts = urlsplit(url)
        good = parts.scheme in SCHEMES[place.kind] and (place.kind == "pgvector" or bool(parts.hostname))
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        good = False
    if not good:
        what = f"store={place.store}: {place.said_by} holds no address of {place.kind}"
        raise UserError(what, f"write it as {EXAMPLES[place.kind]}")
    return place


def _first_set(variables: Sequence[str]) -> tuple[str, str]:
    return next(((name, os.environ[name]) for name in variables if os.environ.get(name)), ("", ""))


def _or(words: Any) -> str:
    return " or ".join(words)
