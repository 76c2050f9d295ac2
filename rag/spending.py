"""What the language model reads and writes while passages are looked for, told apart by the texts they are looked for.

Searchers that ask the model stand around others and between them, and give passages alone. What a search took is booked
beside it, by whoever asked, and whoever searched takes it up from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from advisor.models import Spent

NOTHING = Spent()


class SearchLedger:
    """What was spent on each text."""

    def __init__(self) -> None:
        self._booked: dict[str, Spent] = {}

    def book(self, text: str, spent: Spent) -> None:
        """Add what the model was asked for one text."""
        self._booked[text] = self._booked.get(text, NOTHING) + spent

    def each(self, texts: Sequence[str]) -> list[Spent]:
        """What was spent on each text of a search; those that are alike were asked alike, and share evenly."""
        times = Counter(texts)
        return [_share(self._booked.get(text, NOTHING), times[text]) for text in texts]


_open: ContextVar[SearchLedger | None] = ContextVar("open", default=None)


@contextmanager
def counting() -> Iterator[SearchLedger]:
    """While the block runs, what is spent is booked here, and nowhere around it."""
    ledger = SearchLedger()
    token = _open.set(ledger)
    try:
        yield ledger
    finally:
        _open.reset(token)


def book(text: str, spent: Spent) -> None:
    """Tell whoever counts what the model was asked for one text."""
    if (ledger := _open.get()) is not None:
        ledger.book(text, spent)


def _share(whole: Spent, among: int) -> Spent:
    if among == 1:
        return whole
    return Spent(
        whole.calls // among,
        whole.prompt_tokens // among,
        whole.completion_tokens // among,
        whole.cached_tokens // among,
        whole.reasoning_tokens // among,
        whole.estimated,
    )
