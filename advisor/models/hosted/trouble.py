"""What went wrong with a request, whatever library says so."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Kind = Literal[
    "busy", "down", "unreachable", "broken", "forbidden", "denied", "missing", "moved", "long", "spent", "wrong"
]
AGAIN = ("busy", "down", "unreachable", "broken")
"""What may pass: the request is sent again."""
_LONG = re.compile(
    r"context[ _-]?(length|size|window)|exceed_context|maximum context|prompt is too long|input is too long|"
    r"too many (input )?tokens|exceeds the (maximum|available)[^.]*tokens",
    re.IGNORECASE,
)
_SPENT = re.compile(r"insufficient_quota|credit balance", re.IGNORECASE)
_NO_CREDIT = re.compile(r"credit balance is too low", re.IGNORECASE)  # as Anthropic says it, with 400
_LATER = re.compile(
    r"(?:retry_?delay\W{1,6}(?:seconds\W{1,3})?|(?:retry|try again) (?:in|after) )"
    r"((?:\d+(?:\.\d+)?\s?(?:ms|milliseconds?|hours?|h|minutes?|min|m|seconds?|s)?(?![a-z]),?\s?)+)",
    re.IGNORECASE,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|mil|h|m|s|)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "mil": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_UNREACHED = ("ConnectError", "ConnectTimeout", "ConnectionRefusedError", "PoolTimeout", "NameResolutionError")


class Trouble(Exception):
    """A request without an answer.

    Args:
        kind: what is to be done about it.
        text: what the server or the library said, without keys.
        wait: seconds that the server asks to wait.
        paid: whether it may have to be paid for all the same.
        parameter: that the server names as the cause.
    """

    def __init__(
        self, kind: Kind, text: str, wait: float | None = None, paid: bool = False, parameter: str = ""
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.wait = wait
        self.paid = paid
        self.parameter = parameter


def trouble_of(error: Exception, scrub: Callable[[str], str]) -> Trouble:
    """An error of a client library as a `Trouble`: by the status of the answer, else by what failed underneath."""
    if isinstance(error, Trouble):
        return error
    status = _status(error)
    if status is None:
        return _without_status(error, scrub)
    said = scrub(_said(error))
    text = f"{status} {said}".strip()
    code = str(getattr(error, "code", "") or "")
    if status == 402 or (status == 429 and _SPENT.search(f"{code} {said}")) or _NO_CREDIT.search(said):
        return Trouble("spent", text)
    if status in (401, 403):
        return Trouble("forbidden" if status == 401 else "denied", text)
    if status in (408, 409, 425, 429):
        return Trouble("busy", text, _asked_to_wait(error))
    if _LONG.search(f"{code} {said}"):
        return Trouble("long", text)
    if status >= 500 and status != 501:
        return Trouble("down", text, _asked_to_wait(error))
    if 300 <= status < 400:
        where = scrub(_headers(error).get("location", "somewhere else"))
        return Trouble("moved", f"{status}: the server sends elsewhere, to {where}")
    parameter = str(getattr(error, "param", "") or "")
    return Trouble("missing" if status == 404 else "wrong", text, parameter=scrub(parameter))


def _without_status(error: Exception, scrub: Callable[[str], str]) -> Trouble:
    """There was no answer, or none that could be read."""
    causes = list(_causes(error))
    names = [type(one).__name__ for one in causes]
    deepest = next((str(one) for one in reversed(causes) if str(one)), names[-1])
    if any(name in _UNREACHED for name in names) or any("refused" in str(one).lower() for one in causes):
        return Trouble("unreachable", scrub(deepest))
    if any("timeout" in name.lower() for name in names):
        return Trouble("broken", "no answer in time", paid=True)
    if isinstance(error, (ValueError, EOFError)) and "validation" not in type(error).__name__.lower():
        return Trouble("broken", f"an answer that cannot be read ({scrub(str(error))})", paid=True)
    network = ("Connection", "Network", "Protocol", "ReadError", "WriteError", "SSL", "RemoteDisconnected")
    if any(part in name for name in names for part in network) or isinstance(error, OSError):
        return Trouble("broken", f"the connection broke ({scrub(deepest)})", paid=True)
    if type(error).__name__ == "APIError":  # what the openai client raises for an error inside a stream
        text = scrub(_said(error))
        return Trouble("long", text) if _LONG.search(text) else Trouble("broken", text, paid=True)
    return Trouble("wrong", scrub(f"{type(error).__name__}: {error}"))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what lies behind it."""
    found: BaseException | None = error
    for _ in range(10):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # as the clients of Amazon's services have it
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return found if isinstance(found, int) else None
    for value in (getattr(error, "status_code", None), getattr(response, "status_code", None)):
        if isinstance(value, int):
            return value
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) and 300 <= code < 600 else None


def _headers(error: Exception) -> Mapping[str, str]:
    found = getattr(getattr(error, "response", None), "headers", None)
    return {str(name).lower(): str(value) for name, value in found.items()} if found is not None else {}


def _said(error: Exception) -> str:
    """The server's own words."""
    body: Any = getattr(error, "body", None)
    for key in ("error", "message", "detail"):
        if isinstance(body, Mapping) and body.get(key):
            body = body[key]
    if isinstance(body, str) and body.strip():
        return body
    return str(getattr(error, "message", "") or error)


def _asked_to_wait(error: Exception) -> float | None:
    """Seconds, by the headers that say so, else by the words of the answer; a date counts from now."""
    headers = _headers(error)
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if value := headers.get(name):
            try:
                return max(0.0, float(value) * unit)
            except ValueError:
                try:
                    return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
                except (ValueError, TypeError):
                    continue
    return _wait_in(f"{getattr(error, 'body', None) or ''} {error}")


def _wait_in(text: str) -> float | None:
    """The longest time that a text names after which to come again: `"retryDelay": "34s"`, `try again in 1m2.5s`."""
    found = [
        sum(float(amount) * _SECONDS[unit.lower()] for amount, unit in _DURATION.findall(named))
        for named in _LATER.findall(text)
    ]
    return max(found, default=None)
