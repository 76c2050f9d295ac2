"""Why a store failed, in words of our own: what its client says may name host, user, database and password, and is
never passed on."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

REFUSED = "the connection was refused"
UNRESOLVED = "the host's name cannot be resolved"
DENIED = "authentication failed"
NO_DATABASE = "there is no such database"
LATE = "it did not answer in time"

_TYPES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, REFUSED),
    (socket.gaierror, UNRESOLVED),
    (TimeoutError, LATE),
)
_STATES = {"28": DENIED, "3D": NO_DATABASE}  # classes of SQLSTATE
_STATUSES = {401: DENIED, 403: DENIED}
# PostgreSQL's client has no code for what fails while it connects; in its message only these words are looked for.
_WORDS = (
    (re.compile(r"connection refused|failed: no such file", re.IGNORECASE), REFUSED),
    (re.compile(r"failed to resolve host|could not translate host name", re.IGNORECASE), UNRESOLVED),
    (re.compile(r"authentication failed|no password supplied|pg_hba\.conf|role .* does not exist"), DENIED),
    (re.compile(r"database .* does not exist"), NO_DATABASE),
    (re.compile(r"timeout expired|timed out"), LATE),
)


def cause_of(error: BaseException) -> str:
    """What is known of an error, and of what caused it: one of the phrases above, the status of an answer, or no more
    than the error's type."""
    for one in _causes(error):
        if found := _named(one):
            return found
    return type(error).__name__


def _named(error: BaseException) -> str:
    """The phrase for one error by its type or code, else by its words; empty where none fits."""
    for kind, phrase in _TYPES:
        if isinstance(error, kind):
            return phrase
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and state[:2] in _STATES:
        return _STATES[state[:2]]
    status = getattr(getattr(error, "response", error), "status_code", None)
    if isinstance(status, int):
        return _STATUSES.get(status, f"it answered with status {status}")
    if "Timeout" in type(error).__name__:
        return LATE
    return next((phrase for words, phrase in _WORDS if words.search(str(error))), "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came of, the innermost first."""
    found: list[BaseException] = []
    left: object = error
    while isinstance(left, BaseException) and left not in found:
        found.append(left)
        left = left.__cause__ or left.__context__ or getattr(left, "source", None)
    return reversed(found)
