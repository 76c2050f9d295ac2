"""What calls cost, added up as they are made, and a cap that none of them passes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from advisor.errors import Interrupted, UserError

Price = Callable[[str, str, Mapping[str, int]], float | None]
"""What tokens of a provider's model cost, in dollars; the tokens are called as in `advisor.models.clock.Ledger.calls`:
`prompt`, of them `cached`, `completion`, `reasoning`. None where the price is not known."""

_open: ContextVar[Purse | None] = ContextVar("purse", default=None)


class Purse:
    """Spends on calls to other machines, of all threads together.

    Before a request is sent, the most that it can cost is set aside; when its answer is in, what it did cost is booked.

    Args:
        cap_usd: dollars that may be spent; None for a purse that adds up and no more.
        usd: what tokens cost.
    """

    def __init__(self, cap_usd: float | None, usd: Price) -> None:
        self.cap_usd = cap_usd
        self._usd = usd
        self._spent = 0.0
        self._reserved = 0.0
        self._settled = threading.Condition()

    @property
    def spent(self) -> float:
        """Dollars so far, of the calls whose price is known."""
        with self._settled:
            return self._spent

    @contextmanager
    def open(self) -> Iterator[Purse]:
        """While the block runs, models pay from this purse."""
        token = _open.set(self)
        try:
            yield self
        finally:
            _open.reset(token)

    def reserve(self, provider: str, model: str, most: Mapping[str, int]) -> float:
        """Set aside what a request costs at most; returns the dollars, for `book`.

        Where only what others have set aside stands in the way, it waits until they are done.

        Raises:
            Interrupted: the cap would be passed.
            UserError: there is a cap, and the price is not known.
        """
        usd = self._usd(provider, model, most)
        if usd is None:
            if self.cap_usd is None or not provider:  # a server on this machine that nobody has put a price on
                return 0.0
            raise UserError(
                f"--max-spend: the price of {model} at {provider} is not known, so that nothing was sent",
                "name a file with --prices that has a [[hosted]] entry for it, of 0 where nothing is paid; or leave "
                "out --max-spend",
            )
        with self._settled:
            while self.cap_usd is not None and self._spent + self._reserved + usd > self.cap_usd:
                if self._reserved <= 0.0:
                    raise Interrupted(
                        f"{self._spent:.4f} of {self.cap_usd:g} dollars are spent, and the next request may cost "
                        f"{usd:.4f}: --max-spend allows no more; the same command with a higher --max-spend goes on "
                        "from there"
                    )
                self._settled.wait(1.0)
            self._reserved += usd
        return usd

    def book(self, reserved: float, provider: str, model: str, tokens: Mapping[str, int] | None) -> None:
        """Book what a request did cost.

        Args:
            reserved: what `reserve` gave.
            tokens: that it took; None where that is not known, and it may have cost all that was set aside.
        """
        usd = reserved if tokens is None else (self._usd(provider, model, tokens) or 0.0)
        with self._settled:
            self._reserved = max(0.0, self._reserved - reserved)
            if self._reserved < 1e-12:
                self._reserved = 0.0
            self._spent += usd
            self._settled.notify_all()


def open_purse() -> Purse | None:
    """The purse that calls are paid from; asked in the thread that the model was called in."""
    return _open.get()
