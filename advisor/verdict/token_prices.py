"""Prices of tokens: what a request to a hosted model costs, by a list of one's own or by that of genai-prices.

genai-prices carries its list with it; it is read as it was installed, and nothing is looked up anywhere.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from advisor.extras import needed

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

MILLION = 1e6
EXTRA = "api"
_BATCH = {"processing": "batch"}
_CHECKED = re.compile(r"(?:verified|checked|seen|as of)\D{0,20}(20\d\d-\d\d-\d\d)", re.IGNORECASE)
_NOON = datetime.time(12, tzinfo=datetime.UTC)  # some sell the night cheaper


@dataclass(frozen=True, slots=True)
class PaidTokens:
    """PaidTokens of one request or of several; means need not be whole.

    Attributes:
        prompt: that were read; `cached` of them had been read before, and are charged less.
        completion: that were written as the answer.
        reasoning: that were written before it, in thought, and are paid as if they were of the answer.
        requests: that they belong to, which decides by how long prompts are where long ones cost more.
    """

    prompt: float = 0.0
    cached: float = 0.0
    completion: float = 0.0
    reasoning: float = 0.0
    requests: float = 1.0

    @classmethod
    def of(cls, amounts: Mapping[str, float]) -> PaidTokens:
        """Those of a ledger of calls; what else it counts is left out."""
        return cls(**{one.name: amounts[one.name] for one in fields(cls) if one.name in amounts})

    def __add__(self, other: PaidTokens) -> PaidTokens:
        return PaidTokens(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def times(self, number: float) -> PaidTokens:
        """So many times as many."""
        return PaidTokens(*(number * amount for amount in astuple(self)))


@dataclass(frozen=True, slots=True)
class TokenRates:
    """US dollars per million tokens.

    Attributes:
        cached: of tokens of the prompt that had been read before; None where they cost what all others do.
    """

    prompt: float
    completion: float
    cached: float | None = None

    def usd(self, tokens: PaidTokens) -> float:
        """What so many tokens cost."""
        again = self.prompt if self.cached is None else self.cached
        read = (tokens.prompt - tokens.cached) * self.prompt + tokens.cached * again
        return (read + (tokens.completion + tokens.reasoning) * self.completion) / MILLION

    def times(self, share: float) -> TokenRates:
        """That share of each."""
        return TokenRates(
            share * self.prompt, share * self.completion, None if self.cached is None else share * self.cached
        )


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """What the tokens of a model cost, with source and date (ISO).

    Attributes:
        batch: the rates of requests that may be answered within a day; None where none are known.
        tiers: rates that hold for all tokens of a request whose prompt is longer than this, the longest last.
    """

    model: str
    rates: TokenRates
    source: str
    date: str
    batch: TokenRates | None = None
    tiers: tuple[tuple[int, TokenRates], ...] = ()

    def usd(self, tokens: PaidTokens) -> float:
        """What requests with so many tokens in all cost."""
        long = tokens.prompt / tokens.requests if tokens.requests else 0.0
        applied = [rates for start, rates in self.tiers if long > start]
        return (applied[-1] if applied else self.rates).usd(tokens)

    @property
    def batch_share(self) -> float | None:
        """What prompt tokens cost in batches, of what they usually do; None where that is not known."""
        return self.batch.prompt / self.rates.prompt if self.batch and self.rates.prompt else None

    def in_words(self) -> str:
        """The price and where it comes from, for display."""
        rates = self.rates
        cached = "" if rates.cached is None else f" ({rates.cached:.4g} where they were cached)"
        return (
            f"{self.model}: {rates.prompt:.4g} USD per million prompt tokens{cached} and {rates.completion:.4g} per "
            f"million written ones ({self.source}); price of {self.date}"
        )


@cache
def listed(provider: str, model: str, day: datetime.date) -> TokenPrice | None:
    """The price of a provider's model in the list of genai-prices, as it holds on that day; None where it has none.

    A provider is known by its name, or by its host.

    Its date is the day on which the entry says that it was checked, else that of the newest check in the list.

    Raises:
        UserError: genai-prices is not installed.
    """
    snapshot = _snapshot()
    known_by = (None, f"https://{provider}/") if "." in provider else (provider, None)
    try:
        sold_by, found = snapshot.find_provider_model(model, None, *known_by)
    except LookupError:
        return None
    moment = datetime.datetime.combine(day, _NOON)
    usual = found.get_prices(moment)
    rates = _rates(usual)
    if rates is None:
        return None
    own = any(found is one for one in sold_by.models)  # else it is another's model, whose batches are not sold here
    batch = found.get_prices(moment, _BATCH) if own else usual
    starts = sorted({tier.start for _, price in _priced(usual) for tier in getattr(price, "tiers", ())})
    return TokenPrice(
        model=model,
        rates=rates,
        source=list_name(),
        date=max(_CHECKED.findall(found.price_comments or ""), default=list_date()),
        batch=None if batch == usual else _rates(batch),
        tiers=tuple((start, tier) for start in starts if (tier := _rates(usual, start)) is not None),
    )


def list_name() -> str:
    """The list's name with its version."""
    with needed("the price of a hosted model", EXTRA):
        from genai_prices import __version__
    return f"genai-prices {__version__}"


@cache
def list_date() -> str:
    """The day of the newest check that the list speaks of."""
    comments = [c for one in _snapshot().providers for c in (one.price_comments, *_comments(one.models))]
    days: list[str] = [day for comment in comments for day in _CHECKED.findall(comment or "")]
    return max(days)


@cache
def _snapshot() -> DataSnapshot:
    """The list as it was installed, whatever another library may have fetched in its place."""
    with needed("the price of a hosted model", EXTRA):
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot
    return DataSnapshot(providers, from_auto_update=False)


def _comments(models: list[Any]) -> Iterator[str | None]:
    return (model.price_comments for model in models)


def _priced(price: Any) -> list[tuple[str, Any]]:
    """What is charged for text, by our names for it; audio, searches and what is kept in caches are left out."""
    names = {"prompt": "input_mtok", "completion": "output_mtok", "cached": "cache_read_mtok"}
    return [(ours, getattr(price, theirs)) for ours, theirs in names.items() if getattr(price, theirs) is not None]


def _rates(price: Any, longer_than: int = -1) -> TokenRates | None:
    """The rates of requests whose prompt is longer than that; None where what is read has no price."""
    found = {name: _at(value, longer_than) for name, value in _priced(price)}
    return TokenRates(**{"completion": 0.0, **found}) if "prompt" in found else None


def _at(value: Any, longer_than: int) -> float:
    if isinstance(value, Decimal):
        return float(value)
    reached = [tier.price for tier in value.tiers if tier.start <= longer_than]
    return float(reached[-1] if reached else value.base)
