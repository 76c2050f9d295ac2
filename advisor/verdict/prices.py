"""Prices of computing and of hosted models, from a dated list: the built-in one or the user's own."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.errors import UserError
from advisor.intake import finite, read_bytes, shown, toml_of
from advisor.measuring.records import ModelFacts
from advisor.tasks.faults import short

_BUILT_IN = Path(__file__).with_name("prices.toml")
OLD_AFTER_DAYS = 183
"""Half a year, after which a price is said to be old."""
_DAYS_A_MONTH = 30.44
_HINT = "give it the shape of the built-in list, advisor/verdict/prices.toml"

_Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HourlyPrice:
    """The price of an hour of computing in US dollars, with its source and date."""

    name: str
    usd: float
    source: str
    date: str

    def outdated(self, today: datetime.date) -> str:
        """A sentence saying that the price is old; empty where it is not."""
        days = (today - datetime.date.fromisoformat(self.date)).days
        if days <= OLD_AFTER_DAYS:
            return ""
        months = f"{days / _DAYS_A_MONTH:.0f} months"
        return f"The price of {self.name} is {months} old (of {self.date}): --prices FILE takes one of your own."


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
class HostedPrice:
    """US dollars per million tokens of a hosted model; as of `date` if given."""

    model: str
    usd_per_million_prompt_tokens: float
    usd_per_million_completion_tokens: float
    source: str
    date: str | None = None


@dataclass(frozen=True)
class Prices:
    """A price list with its date (ISO), which holds for every price without a date of its own."""

    date: str
    devices: tuple[DevicePrice, ...] = ()
    core: CorePrice | None = None
    hosted: tuple[HostedPrice, ...] = ()

    def hourly(self, model: ModelFacts, hardware: Mapping[str, Any]) -> HourlyPrice | None:
        """The price of an hour on the recorded machine; None where unknown.

        The longest match with the device's name wins. A processor without a price of its own costs the price
        of a core times `hardware["cores"]`.
        """
        on_cpu = model.device.startswith("cpu")
        names = [model.device_name] if on_cpu else [model.device_name, str(hardware.get("device_name", ""))]
        found = [(len(word), d) for d in self.devices for word in d.match if any(_holds(n, word) for n in names)]
        if found:
            device = max(found, key=lambda pair: pair[0])[1]
            return HourlyPrice(device.name, device.usd_per_hour, device.source, device.date or self.date)
        cores = hardware.get("cores")
        if not on_cpu or self.core is None or not isinstance(cores, int | float) or cores <= 0:
            return None
        name = f"{cores:g} processor core{'' if cores == 1 else 's'}"
        return HourlyPrice(name, self.core.usd_per_hour * cores, self.core.source, self.core.date or self.date)

    def in_words(self, price: HourlyPrice | None) -> str:
        """The applied price and its list, for display."""
        if price is None:
            return f"no price known for this device in the price list of {self.date}"
        return f"{price.name}: {price.usd:.4g} USD an hour ({price.source}); price of {price.date}"

    def hosted_model(self, name: str) -> HostedPrice | None:
        """The token prices of a hosted model; None where unknown."""
        return next((price for price in self.hosted if price.model == name), None)


def load_prices(path: str | Path | None = None) -> Prices:
    """Read a price list, the built-in one without `path`; a user's list replaces the built-in one.

    Raises:
        UserError: the file cannot be read, lacks something, has something unknown or a price that is not a
            number of at least 0.
    """
    file = Path(path) if path is not None else _BUILT_IN
    try:
        table = toml_of(read_bytes(file).decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{shown(file)}: the price list cannot be read ({error.strerror})", _HINT) from error
    except ValueError as error:
        raise UserError(f"{file}: not a TOML file ({error})", _HINT) from error
    return _PriceTables(file).prices(table)


def _holds(name: str, word: str) -> bool:
    """Whether `word` is a whole word in `name`: "L4" is not in "L40S"."""
    return re.search(rf"(?<![0-9a-z]){re.escape(word)}(?![0-9a-z])", name, re.IGNORECASE) is not None


class _PriceTables:
    """Parses price tables, with faults that name the file and the place."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def prices(self, table: _Table) -> Prices:
        """The price list in a parsed file."""
        self._check(table, "the list", {"date"}, {"core", "device", "hosted"})
        core = table.get("core")
        return Prices(
            date=self._date(table, "the list"),
            devices=tuple(self._device(d, f"device {i}") for i, d in enumerate(self._rows(table, "device"), 1)),
            core=None if core is None else self._core(core),
            hosted=tuple(self._hosted(h, f"hosted {i}") for i, h in enumerate(self._rows(table, "hosted"), 1)),
        )

    def _rows(self, table: _Table, key: str) -> list[_Table]:
        rows = table.get(key, [])
        if not isinstance(rows, list):
            raise self._fault(f'"{key}" is not a list of tables', f"write [[{key}]] over each of them")
        return rows

    def _device(self, table: _Table, where: str) -> DevicePrice:
        self._check(table, where, {"name", "match", "usd_per_hour", "source"}, {"date"})
        match = table["match"]
        if not isinstance(match, list) or not match or not all(isinstance(m, str) and m for m in match):
            raise self._fault(f'{where}: "match" is not a list of words', 'write e.g. match = ["H100"]')
        name, source = self._text(table, "name", where), self._text(table, "source", where)
        price = self._price(table, "usd_per_hour", where)
        return DevicePrice(name, tuple(match), price, source, self._own_date(table, where))

    def _core(self, table: _Table) -> CorePrice:
        self._check(table, "core", {"usd_per_hour", "source"}, {"date"})
        price, source = self._price(table, "usd_per_hour", "core"), self._text(table, "source", "core")
        return CorePrice(price, source, self._own_date(table, "core"))

    def _hosted(self, table: _Table, where: str) -> HostedPrice:
        tokens = ("usd_per_million_prompt_tokens", "usd_per_million_completion_tokens")
        self._check(table, where, {"model", *tokens, "source"}, {"date"})
        prompt, completion = (self._price(table, key, where) for key in tokens)
        model, source = self._text(table, "model", where), self._text(table, "source", where)
        return HostedPrice(model, prompt, completion, source, self._own_date(table, where))

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
            raise self._fault(f"{where} is not a table", _HINT)
        for key in sorted(required):
            if key not in table:
                raise self._fault(f'{where}: "{key}" is missing', _HINT)
        for key in table:
            if key not in required and key not in optional:
                raise self._fault(f'{where}: "{key}" is unknown', "leave it out; " + _HINT)

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
