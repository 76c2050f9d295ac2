"""What every request passes before anything is made of it: who sends it, how large it is, and whether it is JSON."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from advisor.deploy.serving.bounds import DOCUMENTS_BYTES, ServingBounds, TurnedAway
from advisor.tasks.jsonfile import parse_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/health", "/ready", "/metrics", "/openapi.json")
"""Routes that need no key; none of them holds a text."""
DOCUMENTS = "/documents"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Gatekeeper:
    """Stands before the application, by ASGI alone, so that nothing is read of what is refused.

    Args:
        key: that callers have to have; empty where none is asked for.
        refuse: tells a caller that the request is turned away.
    """

    def __init__(self, app: App, bounds: ServingBounds, key: str, refuse: Callable[[TurnedAway], App]) -> None:
        self.app = app
        self.bounds = bounds
        self._key = key.encode()
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request by, or turn it away."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            self._check(scope["path"], headers)
            if scope["method"] in ("POST", "PUT", "PATCH"):
                receive = _again(await self._body(scope["path"], headers, receive), receive)
        except TurnedAway as error:
            await self._refuse(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        if not self._key:
            # Without a key a page in a browser on this machine is kept out by the name that it came under.
            host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
            if host not in LOOPBACK and headers.get("host", "") not in LOOPBACK:
                raise TurnedAway(403, "unauthorised", "wrong_host", "the request is for another host than this one")
            if path == DOCUMENTS:
                said = "documents are changed by who has the key, and there is none: set ADVISOR_SERVE_KEY"
                raise TurnedAway(403, "unauthorised", "no_key", said)
            return
        if path in OPEN:
            return
        given = headers.get("authorization", "")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode("latin-1"), self._key):
            said = "no key, or a wrong one: send Authorization: Bearer KEY"
            raise TurnedAway(401, "unauthorised", "invalid_api_key", said)

    async def _body(self, path: str, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The body, which is JSON in UTF-8, of a bounded size and depth."""
        kind, _, rest = headers.get("content-type", "").partition(";")
        charset = rest.partition("charset=")[2].strip().strip('"').lower()
        if kind.strip().lower() != "application/json" or charset not in ("", "utf-8"):
            raise TurnedAway(415, "invalid", "unsupported_media_type", "send application/json in UTF-8")
        if headers.get("content-encoding", "identity") != "identity":
            raise TurnedAway(415, "invalid", "unsupported_media_type", "send the body uncompressed")
        most = max(DOCUMENTS_BYTES, self.bounds.max_body) if path == DOCUMENTS else self.bounds.max_body
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > most:
            raise _too_large(most)
        try:
            body = await asyncio.wait_for(_read(receive, most), self.bounds.timeout)
        except TimeoutError:
            raise TurnedAway(408, "invalid", "timeout", "the body did not come in time") from None
        try:
            parse_json(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise TurnedAway(400, "invalid", "invalid_encoding", "the body is not UTF-8") from None
        except ValueError as error:
            said = "the body is not JSON" if "deep" not in str(error) else "the body is nested too deeply"
            raise TurnedAway(400, "invalid", "invalid_json", said) from None
        return body


async def _read(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise TurnedAway(400, "invalid", "cancelled", "the caller left")
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(most: int) -> TurnedAway:
    return TurnedAway(413, "too_large", "too_large", f"the body has more than {most:,} bytes")


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body to the application, which has not read it."""
    given = False

    async def next_message() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
