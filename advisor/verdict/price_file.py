"""Reading a price list from a TOML file, with faults that name the file and the place."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.errors import UserError
from advisor.intake import finite
from advisor.tasks.faults import short
from advisor.verdict.token_prices import TokenPrice, TokenRates

HINT = "give it the shape of the built-in list, advisor/verdict/prices.toml"

_Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DevicePrice:
    """The hourly price of a class of devices, found by whole words in the device's name; as of `date` if given."""

    name: str
    match: tuple[str, ...]
    usd_per_hour: float
    source: str
    date: str | None = None


@dataclass(frozen=True, slots=True)
class CorePrice:
    """US dollars for one hour of one processor core; as of `date` if given."""

    usd_per_hour: float
    source: str
    date: str | None = None


@dataclass(frozen=True, slots=True)
class ServedPrice:
    """The hourly price of a server of one's own elsewhere, found by whole words in the model's name or the server's.

    As of `date` if given.
    """

    name: str
    match: tuple[str, ...]
    usd_per_hour: float
    source: str
    date: str | None = None


class PriceTables:
    """Parses price tables, with faults that name the file and the place."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def fields(self, table: _Table) -> dict[str, Any]:
        """The fields of `Prices` in a parsed file."""
        self._check(table, "the list", {"date"}, {"core", "device", "hosted", "served"})
        core, date = table.get("core"), self._date(table, "the list")
        return {
            "date": date,
            "devices": tuple(self._device(d, f"device {i}") for i, d in self._rows(table, "device")),
            "core": None if core is None else self._core(core),
            "hosted": tuple(self._hosted(h, f"hosted {i}", date) for i, h in self._rows(table, "hosted")),
            "served": tuple(self._served(s, f"served {i}") for i, s in self._rows(table, "served")),
        }

    def _rows(self, table: _Table, key: str) -> list[tuple[int, _Table]]:
        """The tables of a kind with their numbers."""
        rows = table.get(key, [])
        if not isinstance(rows, list):
            raise self._fault(f'"{key}" is not a list of tables', f"write [[{key}]] over each of them")
        return list(enumerate(rows, 1))

    def _device(self, table: _Table, where: str) -> DevicePrice:
        return DevicePrice(*self._by_the_hour(table, where))

    def _served(self, table: _Table, where: str) -> ServedPrice:
        return ServedPrice(*self._by_the_hour(table, where))

    def _by_the_hour(self, table: _Table, where: str) -> tuple[str, tuple[str, ...], float, str, str | None]:
        self._check(table, where, {"name", "match", "usd_per_hour", "source"}, {"date"})
        match = table["match"]
        if not isinstance(match, list) or not match or not all(isinstance(m, str) and m for m in match):
            raise self._fault(f'{where}: "match" is not a list of words', 'write e.g. match = ["H100"]')
        name, source = self._text(table, "name", where), self._text(table, "source", where)
        price = self._price(table, "usd_per_hour", where)
        return name, tuple(match), price, source, self._own_date(table, where)

    def _core(self, table: _Table) -> CorePrice:
        self._check(table, "core", {"usd_per_hour", "source"}, {"date"})
        price, source = self._price(table, "usd_per_hour", "core"), self._text(table, "source", "core")
        return CorePrice(price, source, self._own_date(table, "core"))

    def _hosted(self, table: _Table, where: str, date: str) -> TokenPrice:
        prompt, completion = "usd_per_million_prompt_tokens", "usd_per_million_completion_tokens"
        cached, batch = "usd_per_million_cached_tokens", "batch_share"
        self._check(table, where, {"model", prompt, completion, "source"}, {"date", cached, batch})
        model, source = self._text(table, "model", where), self._text(table, "source", where)
        rates = TokenRates(
            self._price(table, prompt, where),
            self._price(table, completion, where),
            self._price(table, cached, where) if cached in table else None,
        )
        share = self._price(table, batch, where) if batch in table else None
        if share is not None and share > 1:
            raise self._fault(
                f'{where}: "{batch}" is {share:g}', f"a share of the usual price is at most 1: {share / 100:g}"
            )
        in_batches = None if share is None else rates.times(share)
        return TokenPrice(model, rates, source, self._own_date(table, where) or date, in_batches)

    def _own_date(self, table: _Table, where: str) -> str | None:
        return self._date(table, where) if "date" in table else None

    def _date(self, table: _Table, where: str) -> str:
        day = table["date"]
        try:
            return datetime.date.fromisoformat(str(day)).isoformat()
        except ValueError:
            raise self._fault(
                f'{where}: "date" is {short(repr(day))}, not a date', 'write date = "2026-11-09"'
            ) from None

    def _check(self, table: object, where: str, required: Collection[str], optional: Collection[str] = ()) -> None:
        if not isinstance(table, dict):
            raise self._fault(f"{where} is not a table", HINT)
        for key in sorted(required):
            if key not in table:
                raise self._fault(f'{where}: "{key}" is missing', HINT)
        for key in table:
            if key not in required and key not in optional:
                raise self._fault(f'{where}: "{key}" is unknown', "leave it out; " + HINT)

    def _text(self, table: _Table, key: str, where: str) -> str:
        value = table[key]
        if not isinstance(value, str) or not value:
            raise self._fault(f'{where}: "{key}" is not a text', f'write {key} = "..."')
        return value

    def _price(self, table: _Table, key: str, where: str) -> float:
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fault(f'{where}: "{key}" is not a number', "write the price in US dollars, e.g. 0.80")
        if not finite(value) or value < 0:
            raise self._fault(f'{where}: "{key}" is {short(repr(value))}', "a price is a number of at least 0")
        return float(value)

    def _fault(self, what: str, hint: str) -> UserError:
        return UserError(f"{self._file}: {short(what, 300)}", hint)
