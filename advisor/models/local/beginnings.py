"""What rows began with in the last calls."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from advisor.models.clock import clock
from advisor.models.local.packed import Prefix
from advisor.models.local.padded import Beginning

KEPT = 4

Key = tuple[str, bool, tuple[int, ...]]


class Beginnings:
    """Keys and values of common beginnings, the last few that were read.

    A key is that of the adaptation, whether the rows are packed, and the tokens.
    """

    def __init__(self) -> None:
        self._found: OrderedDict[Key, Prefix | Beginning] = OrderedDict()

    def of(self, key: Key, read: Callable[[], Prefix | Beginning]) -> Prefix | Beginning:
        """What was read of these tokens, now or in one of the last calls."""
        if key not in self._found:
            with clock.span("prefill", tokens=len(key[-1])):
                self._found[key] = read()
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        return self._found[key]

    def forget(self) -> None:
        """Drop them all."""
        self._found.clear()
