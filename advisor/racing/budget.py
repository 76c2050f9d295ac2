"""The budget of a comparison: time, or the price of time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from advisor.errors import UserError
from advisor.verdict.prices import HourlyPrice

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TIME = re.compile(r"(?:\d+(?:\.\d+)?(?:min|h|m|s))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(min|h|m|s)")
_MONEY = re.compile(r"\$(\d*\.?\d+)|(\d*\.?\d+)usd")
_HINT = "give a time or its price: --budget 90s, 10m, 2h, 1h30m, or 0.5usd"


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget in seconds of wall time, or in US dollars at the machine's hourly price; exactly one is given."""

    seconds: float | None = None
    usd: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Parse `90s`, `10m`, `1h30m`, `0.5usd` or `$0.50`.

        Raises:
            UserError: it is none of these, or nothing at all.
        """
        plain = text.strip().lower().replace(" ", "")
        if money := _MONEY.fullmatch(plain):
            found = cls(usd=float(money[1] or money[2]))
        elif _TIME.fullmatch(plain):
            found = cls(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(plain)))
        else:
            raise UserError(f"--budget is {text!r}", _HINT)
        amount = found.seconds if found.usd is None else found.usd
        if amount is None or not 0 < amount < math.inf:
            raise UserError(f"--budget is {text!r}", _HINT)
        return found

    def in_seconds(self, price: HourlyPrice | None) -> float:
        """The budget in seconds of wall time.

        Raises:
            UserError: dollars were given and the price of the machine is unknown.
        """
        if self.usd is None:
            return math.inf if self.seconds is None else self.seconds
        if price is None or not price.usd:
            raise UserError(
                f"a budget of {self.usd:g} USD was given, and no price is known for an hour of this machine",
                "give a time (--budget 10m), or a price list of your own (--prices FILE); what is paid by the token is "
                "held by --max-spend",
            )
        return self.usd / price.usd * 3600
