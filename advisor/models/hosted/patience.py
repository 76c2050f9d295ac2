"""How long a server is waited for, how often a request is sent again, and when it is taken to be gone."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """What a server is allowed.

    Attributes:
        request_seconds: for an answer.
        connect_seconds: for a connection, and for what it says of itself.
        tries: of one request.
        first_wait: seconds before the second try; each further wait is twice as long, with chance in it, so that
            requests that failed together do not come back together.
        longest_wait: seconds, even where the server asks for more.
        in_a_row, gone_seconds: it is gone when so many tries failed one after the other, over at least that time.
    """

    request_seconds: float = 300.0
    connect_seconds: float = 10.0
    tries: int = 8
    first_wait: float = 0.5
    longest_wait: float = 120.0
    in_a_row: int = 5
    gone_seconds: float = 15.0

    def wait(self, tries: int, asked: float | None) -> float:
        """Seconds before the next try.

        Args:
            tries: so far.
            asked: by the server (Retry-After).
        """
        own: float = self.first_wait * 2 ** (tries - 1) * random.uniform(0.75, 1.25)
        return min(self.longest_wait, max(own, asked or 0.0))


STANDARD = Patience()


class Breaker:
    """Tells when a server is gone: nothing but failures for a while, on whatever request."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._failures = 0
        self._since = 0.0

    def answered(self) -> None:
        """It is there."""
        with self._lock:
            self._failures = 0

    def failed(self) -> bool:
        """A try failed; whether the server is gone."""
        now = time.monotonic()
        with self._lock:
            if not self._failures:
                self._since = now
            self._failures += 1
            return self._failures >= self._patience.in_a_row and now - self._since >= self._patience.gone_seconds
