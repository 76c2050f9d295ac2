"""Prices of computing and of tokens: dated lists, and what of them the work of a model is paid by."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from advisor.errors import UserError
from advisor.intake import read_bytes, shown, toml_of
from advisor.measuring.records import ModelFacts
from advisor.models.hosted.address import place_of
from advisor.verdict.price_file import HINT, CorePrice, DevicePrice, PriceTables, ServedPrice
from advisor.verdict.token_prices import PaidTokens, TokenPrice, list_date, list_name, listed

_BUILT_IN = Path(__file__).with_name("prices.toml")
OLD_AFTER_DAYS = 183
"""Half a year, after which a price is said to be old."""
_DAYS_A_MONTH = 30.44
_CARD = re.compile(r"cuda:\d+")  # as the record has a model's devices


@dataclass(frozen=True, slots=True)
class HourlyPrice:
    """The price of an hour of computing in US dollars, with its source and date."""

    name: str
    usd: float
    source: str
    date: str

    def in_words(self) -> str:
        """The price and where it comes from, for display."""
        return f"{self.name}: {self.usd:.4g} USD an hour ({self.source}); price of {self.date}"


@dataclass(frozen=True, slots=True)
class Tariff:
    """What the work of an approach is paid by: by the hours of a machine, or by the token.

    Attributes:
        hour: of the machine that the model runs on; None where that is not known, or tokens are paid.
        tokens: of the model; None where hours are paid.
        here: an hour of this machine, which indexes documents whatever the model is paid by; None where not known.
        embedding: tokens of the embedder, where they are paid; None where they are not, or the price is not known.
        embeds_here: whether the embedder is on this machine.
        asked: of the tokens of each other model that is asked before a fit; None where hours are paid, or no price is
            known.
        unknown: where nothing is known: of what there is no price, and what helps, in two sentences.
    """

    hour: HourlyPrice | None = None
    tokens: TokenPrice | None = None
    here: HourlyPrice | None = None
    unknown: str = ""
    embedding: TokenPrice | None = None
    embeds_here: bool = True
    asked: tuple[TokenPrice | None, ...] = ()

    @property
    def without_model(self) -> Tariff:
        """What an approach is paid by that leaves the model aside."""
        unknown = "" if self.here else self.unknown
        return replace(self, hour=self.here, tokens=None, unknown=unknown)

    @property
    def applied(self) -> HourlyPrice | TokenPrice | None:
        """The price that is applied; None where none is known."""
        return self.tokens or self.hour

    def in_words(self) -> str:
        """The price that is applied and its list, for display."""
        return self.applied.in_words() if self.applied else self.unknown

    def outdated(self, today: datetime.date) -> str:
        """A sentence saying that the price is old; empty where it is not."""
        price = self.applied
        days = (today - datetime.date.fromisoformat(price.date)).days if price else 0
        if price is None or days <= OLD_AFTER_DAYS:
            return ""
        name = price.model if isinstance(price, TokenPrice) else price.name
        months = f"{days / _DAYS_A_MONTH:.0f} months"
        return f"The price of {name} is {months} old (of {price.date}): --prices FILE takes one of your own."


@dataclass(frozen=True)
class Prices:
    """A price list with its date (ISO), which holds for every price without a date of its own.

    Attributes:
        hosted: token prices of one's own, which come before those of genai-prices.
        served: hourly prices of servers of one's own.
    """

    date: str
    devices: tuple[DevicePrice, ...] = ()
    core: CorePrice | None = None
    hosted: tuple[TokenPrice, ...] = ()
    served: tuple[ServedPrice, ...] = ()

    def tariff(self, model: ModelFacts, hardware: Mapping[str, Any], today: datetime.date | None = None) -> Tariff:
        """What a model's work is paid by.

        A price of one's own for the model's tokens or its server comes first. Else what runs on this machine is paid by
        the hour, and what runs elsewhere by the token, at the price of its provider.

        Args:
            today: the day whose prices hold; the machine's date by default.
        """
        name = model.embedder.rpartition("@")[0]
        here = place_of(name) != "network"
        embedding = self._embedding("" if here else urlsplit(name).hostname or name.partition(":")[0], name, today)
        return replace(self._of_model(model, hardware, today), embedding=embedding, embeds_here=here)

    def _embedding(self, provider: str, name: str, today: datetime.date | None) -> TokenPrice | None:
        """The price of an embedder's tokens; None where it is not known."""
        try:
            return self.tokens_of(provider, name, today) if name else None
        except UserError:
            return None

    def _of_model(self, model: ModelFacts, hardware: Mapping[str, Any], today: datetime.date | None) -> Tariff:
        here = self.hourly(model, hardware)
        served = self._server(model)
        try:
            tokens = self.tokens_of(model.provider if model.place == "network" else "", model.id, today)
        except UserError as error:
            missing = f"No price is known for {model.id}: {error.what}. What helps: {error.hint}"
            return Tariff(hour=served, here=here, unknown="" if served else missing)
        if tokens or served:
            return Tariff(hour=None if tokens else served, tokens=tokens, here=here)
        if model.place != "network":
            return Tariff(hour=here, here=here, unknown="" if here else self._no_price_of_device(model))
        return Tariff(here=here, unknown=_no_price_of_tokens(model))

    def usd(self, provider: str, model: str, tokens: Mapping[str, int]) -> float | None:
        """What a request costs, by its tokens (`prompt`, of them `cached`, `completion`, `reasoning`).

        None where no price is known.

        Args:
            provider: who is asked, empty where nobody sells it.

        Raises:
            UserError: genai-prices is not installed.
        """
        price = self.tokens_of(provider, model)
        return price.usd(PaidTokens.of(tokens)) if price else None

    def tokens_of(self, provider: str, model: str, today: datetime.date | None = None) -> TokenPrice | None:
        """The price of a model's tokens; None where unknown.

        Args:
            provider: by name, or the host that serves it; empty where nobody sells it.
            model: its name, with the address before it (`https://host/v1#NAME`) or without.

        Raises:
            UserError: it has a provider and is not in the list of one's own, and genai-prices is not installed.
        """
        name = model.rpartition("#")[2].removeprefix(f"{provider}:")
        own = next((price for price in self.hosted if price.model.lower() in (model.lower(), name.lower())), None)
        return own or (listed(provider, name, today or datetime.date.today()) if provider else None)

    def hourly(self, model: ModelFacts, hardware: Mapping[str, Any]) -> HourlyPrice | None:
        """The price of an hour on the recorded machine; None where unknown.

        The longest match with the device's name wins. A processor without a price of its own costs the price
        of a core times `hardware["cores"]`. Of a model that runs elsewhere it is the machine that asks; a server on
        this machine is taken to run on what its device is said to be, else on the processor.
        """
        on_cpu = model.device.startswith("cpu") or (model.place != "process" and not model.device.startswith("cuda"))
        names = [] if model.place == "network" else [model.device_name]
        if not on_cpu:
            names.append(str(hardware.get("device_name", "")))
        found = [(len(word), d) for d in self.devices for word in d.match if any(_holds(n, word) for n in names)]
        if found:
            device = max(found, key=lambda pair: pair[0])[1]
            count = max(1, len(_CARD.findall(model.device)))
            if count > 1 and model.device_name.count(", ") > model.device.count("cpu"):
                return None  # cards of several names, each with a price of its own
            name = f"{count} x {device.name}" if count > 1 else device.name
            return HourlyPrice(name, count * device.usd_per_hour, device.source, device.date or self.date)
        cores = hardware.get("cores")
        if not on_cpu or self.core is None or not isinstance(cores, int | float) or cores <= 0:
            return None
        name = f"{cores:g} processor core{'' if cores == 1 else 's'}"
        return HourlyPrice(name, self.core.usd_per_hour * cores, self.core.source, self.core.date or self.date)

    def _server(self, model: ModelFacts) -> HourlyPrice | None:
        """The price of an hour of the server that a model runs on, where the list has it; the longest match wins."""
        if model.place == "process":
            return None
        names = (model.id, model.device_name)
        found = [(len(word), s) for s in self.served for word in s.match if any(_holds(n, word) for n in names)]
        if not found:
            return None
        server = max(found, key=lambda pair: pair[0])[1]
        return HourlyPrice(server.name, server.usd_per_hour, server.source, server.date or self.date)

    def _no_price_of_device(self, model: ModelFacts) -> str:
        device = model.device_name or model.device or "this machine"
        return f"No price is known for {device} in the price list of {self.date}. --prices FILE takes one of your own."


def _no_price_of_tokens(model: ModelFacts) -> str:
    name = f"{model.id} by {model.provider}" if model.provider else model.id
    where = f"in {list_name()} (checked on {list_date()})" if model.provider else "since nobody known sells it"
    return (
        f"No price is known for {name}, {where}. --prices FILE takes one of its tokens ([[hosted]]) or of an hour "
        "of its server ([[served]])."
    )


def load_prices(path: str | Path | None = None) -> Prices:
    """Read a price list, the built-in one without `path`; a user's list replaces the built-in one.

    Token prices that the list lacks are those of genai-prices, whichever list it is.

    Raises:
        UserError: the file cannot be read, lacks something, has something unknown or a price that is not a
            number of at least 0.
    """
    file = Path(path) if path is not None else _BUILT_IN
    try:
        table = toml_of(read_bytes(file).decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{shown(file)}: the price list cannot be read ({error.strerror})", HINT) from error
    except ValueError as error:
        raise UserError(f"{file}: not a TOML file ({error})", HINT) from error
    return Prices(**PriceTables(file).fields(table))


def _holds(name: str, word: str) -> bool:
    """Whether `word` is a whole word in `name`: "L4" is not in "L40S"."""
    return re.search(rf"(?<![0-9a-z]){re.escape(word)}(?![0-9a-z])", name, re.IGNORECASE) is not None
