"""Price lists: the built-in one, the user's own, and their faults."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.records import Comparison, Run
from advisor.verdict import decide, token_prices
from advisor.verdict.price_file import CorePrice, DevicePrice
from advisor.verdict.prices import Prices, Tariff, load_prices
from advisor.verdict.token_prices import PaidTokens, TokenPrice, TokenRates

MINE = """
date = 2025-12-24
[core]
usd_per_hour = 0.05
source = "my provider"
[[device]]
name = "the box"
match = ["L4"]
usd_per_hour = 0
source = "paid for already"
"""


def hourly(
    comparison: Callable[..., Comparison], prices: Prices, hardware: dict[str, Any], **model: Any
) -> float | None:
    made = comparison([], hardware=hardware, **model)
    price = prices.hourly(made.model, made.hardware)
    return price.usd if price else None


def test_the_built_in_list_has_a_date_and_a_source_for_everything() -> None:
    prices = load_prices()
    assert date.fromisoformat(prices.date) >= date(2026, 11, 1)
    assert prices.core is not None
    assert prices.hosted == ()
    for price in (*prices.devices, prices.core):
        assert "pricing" in price.source
        assert price.date is None or date(2025, 1, 1) < date.fromisoformat(price.date) <= date.fromisoformat(
            prices.date
        )


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100"),
        ("NVIDIA H200", "NVIDIA H200"),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA A100-SXM4-40GB", "NVIDIA A100 40 GB"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 80 GB"),
        ("NVIDIA A100 80GB PCIe", "NVIDIA A100 80 GB"),
        ("NVIDIA L4", "NVIDIA L4"),
        ("NVIDIA L40S", "NVIDIA L40S"),
        ("Tesla T4", "NVIDIA T4"),
        ("NVIDIA A10G", "NVIDIA A10G"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA RTX 4090"),
        ("Apple M9", None),
    ],
)
def test_devices_are_found_by_whole_words(
    comparison: Callable[..., Comparison], device: str, expected: str | None
) -> None:
    made = comparison([], device="cuda:0", device_name=device)
    price = load_prices().hourly(made.model, {"cores": 8})
    assert (price.name if price else None) == expected


def test_a_processor_costs_its_cores(comparison: Callable[..., Comparison]) -> None:
    prices = Prices("2025-01-01", (DevicePrice("box", ("EPYC",), 3.0, "s"),), CorePrice(0.05, "s"))
    assert hourly(comparison, prices, {"cores": 8}, device="cpu", device_name="Xeon") == pytest.approx(0.4)
    assert hourly(comparison, prices, {"cores": 8}, device="cpu", device_name="AMD EPYC 7B13") == 3.0
    assert hourly(comparison, prices, {}, device="cpu", device_name="Xeon") is None
    assert hourly(comparison, prices, {"cores": 8}, device="cuda:0", device_name="Unheard-of") is None
    assert hourly(comparison, Prices("2025-01-01"), {"cores": 8}, device="cpu", device_name="Xeon") is None


def test_a_list_of_ones_own_replaces_the_built_in_one(tmp_path: Path, comparison: Callable[..., Comparison]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    prices = load_prices(path)
    assert prices.date == "2025-12-24"
    assert hourly(comparison, prices, {}) == 0
    assert hourly(comparison, prices, {}, device_name="NVIDIA H100") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("usd_per_hour = 0.05", "usd_per_hour = -0.05", 'core: "usd_per_hour" is -0.05'),
        ("usd_per_hour = 0\n", "usd_per_hour = nan\n", 'device 1: "usd_per_hour" is nan'),
        ("usd_per_hour = 0\n", 'usd_per_hour = "free"\n', "not a number"),
        ("usd_per_hour = 0\n", "usd_per_hour = true\n", "not a number"),
        ("usd_per_hour = 0\n", "", 'device 1: "usd_per_hour" is missing'),
        ('source = "my provider"\n', "", 'core: "source" is missing'),
        ('match = ["L4"]', "match = []", '"match" is not a list'),
        ("date = 2025-12-24", "date = 7", "not a date"),
        ("date = 2025-12-24", "", '"date" is missing'),
        ("[core]", '[core]\ndate = "spring"', "core: \"date\" is 'spring', not a date"),
        ("[core]", "[cores]", '"cores" is unknown'),
        ("[[device]]", "[device]", "not a list of tables"),
        ("[core]", "[core", "not a TOML file"),
    ],
)
def test_faults_name_the_file_and_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_prices(path)
    assert message in caught.value.what
    assert "mine.toml" in caught.value.what
    assert caught.value.hint


def test_a_missing_list_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_prices(tmp_path / "none.toml")


def test_a_price_has_the_date_of_its_entry_or_of_the_list(
    tmp_path: Path, comparison: Callable[..., Comparison]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace("[core]", '[core]\ndate = "2026-01-31"'))
    for device, day in (("cuda:0", "2025-12-24"), ("cpu", "2026-01-31")):
        made = comparison([], device=device, device_name="NVIDIA L4" if device != "cpu" else "Xeon")
        price = load_prices(path).hourly(made.model, {"cores": 1})
        assert price is not None
        assert price.date == day
        assert price.in_words().endswith(f"price of {day}")


@pytest.mark.parametrize(
    ("today", "old"), [("2025-12-24", ""), ("2026-06-25", ""), ("2026-06-26", "6 months"), ("2027-02-24", "14 months")]
)
def test_a_price_older_than_half_a_year_is_said_to_be_old(
    run: Callable[..., Run], comparison: Callable[..., Comparison], today: str, old: str
) -> None:
    prices = Prices("2025-12-24", (DevicePrice("my L4", ("L4",), 1.0, "a page"),))
    decision = decide(comparison([run("zero-shot", ["yes"])]), prices=prices, today=date.fromisoformat(today))
    said = [caveat for caveat in decision.recommendation.caveats if "old" in caveat]
    told = f"The price of my L4 is {old} old (of 2025-12-24): --prices FILE takes one of your own."
    assert said == ([told] if old else [])


TOKENS = """
date = 2026-11-01
[[hosted]]
model = "gpt-4o-mini"
usd_per_million_prompt_tokens = 1
usd_per_million_cached_tokens = 0.25
usd_per_million_completion_tokens = 4
batch_share = 0.5
source = "our contract"
[[served]]
name = "our box"
match = ["gpu1.example.com", "tiny"]
usd_per_hour = 2
source = "our accounts"
"""
THEN = date(2026, 11, 1)
HOSTED = {"id": "gpt-4o-mini", "provider": "openai", "place": "network", "device": "elsewhere", "device_name": ""}


@pytest.fixture
def mine(tmp_path: Path) -> Prices:
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    return load_prices(path)


@pytest.fixture
def tariff(comparison: Callable[..., Comparison]) -> Callable[..., Tariff]:
    def find(prices: Prices, **model: Any) -> Tariff:
        made = comparison([], **{**HOSTED, **model})
        return prices.tariff(made.model, made.hardware, THEN)

    return find


def test_tokens_cost_what_genai_prices_says(tariff: Callable[..., Tariff]) -> None:
    found = tariff(load_prices())
    assert found.tokens is not None
    assert found.hour is None
    assert found.tokens.rates == TokenRates(0.15, 0.6, cached=0.075)
    # 600 at 0.15, 400 at 0.075, and 100 + 50 at 0.6, a million
    assert found.tokens.usd(PaidTokens(1000, 400, 100, 50)) == pytest.approx(210e-6)
    assert found.tokens.batch_share == 0.5
    assert found.in_words().startswith("gpt-4o-mini: 0.15 USD per million prompt tokens (0.075 where they were cached)")
    assert "genai-prices 0." in found.in_words()
    assert date(2026, 1, 1) < date.fromisoformat(found.tokens.date) <= date(2026, 11, 30)
    assert found.here is not None  # documents are indexed on this machine


def test_long_prompts_cost_more_where_they_do() -> None:
    price = load_prices().tokens_of("openai", "gpt-6-luna", THEN)
    assert price is not None
    assert price.usd(PaidTokens(1_000_000, requests=10)) == pytest.approx(0.10)
    assert price.usd(PaidTokens(1_000_000, requests=2)) == pytest.approx(0.20)


def test_a_price_holds_from_the_day_on_that_it_names() -> None:
    old, new = (load_prices().tokens_of("mistral", "mistral-small-latest", day) for day in (date(2026, 3, 15), THEN))
    assert old is not None and new is not None
    assert (old.rates.prompt, new.rates.prompt) == (0.1, 0.15)


def test_ones_own_price_of_tokens_comes_first(mine: Prices, tariff: Callable[..., Tariff]) -> None:
    for more in ({}, {"place": "machine", "provider": ""}, {"provider": ""}):
        price = tariff(mine, **more).tokens
        assert price is not None
        assert (price.rates.prompt, price.source, price.date) == (1.0, "our contract", "2026-11-01")
        assert price.usd(PaidTokens(1000, 400, 100)) == pytest.approx((600 * 1 + 400 * 0.25 + 100 * 4) / 1e6)
        assert price.batch == TokenRates(0.5, 2.0, 0.125)
    other = tariff(mine, id="gpt-4.1-mini").tokens
    assert other is not None and other.source.startswith("genai-prices")


def test_a_server_of_ones_own_is_paid_by_the_hour(mine: Prices, tariff: Callable[..., Tariff]) -> None:
    for more in ({"device_name": "gpu1.example.com:8000"}, {"id": "tiny"}, {"id": "tiny", "place": "machine"}):
        found = tariff(mine, **{"id": "smollm2", "provider": "", **more})
        assert found.hour is not None
        assert (found.hour.name, found.hour.usd, found.tokens) == ("our box", 2.0, None)
    assert tariff(mine, id="tiny", provider="", place="process").applied is None


def test_a_server_on_this_machine_costs_this_machine(tariff: Callable[..., Tariff]) -> None:
    found = tariff(load_prices(), provider="", place="machine")
    assert found.hour is not None
    assert found.hour == found.here
    assert found.hour.name == "4 processor cores"


@pytest.mark.parametrize("place", ["process", "machine"])
def test_several_gpus_cost_several(place: str, tariff: Callable[..., Tariff]) -> None:
    one, two = (
        tariff(load_prices(), provider="", place=place, device=device, device_name=name).hour
        for device, name in (("cuda:0", "NVIDIA H100 80GB HBM3"), ("cuda:0, cuda:1", "2 x NVIDIA H100 80GB HBM3"))
    )
    assert one is not None and two is not None
    assert (two.usd, two.name) == (2 * one.usd, f"2 x {one.name}")


def test_gpus_of_several_names_have_no_price_in_common(tariff: Callable[..., Tariff]) -> None:
    both = {"device": "cuda:0, cuda:1", "device_name": "NVIDIA A100-SXM4-80GB, NVIDIA H100 80GB HBM3"}
    assert tariff(load_prices(), provider="", place="process", **both).hour is None
    beside = {"device": "cuda:0, cuda:1, cpu", "device_name": "2 x NVIDIA H100 80GB HBM3, Intel(R) Xeon(R)"}
    found = tariff(load_prices(), provider="", place="process", **beside).hour
    assert found is not None and found.name.startswith("2 x ")


def test_a_gpu_without_a_price_is_not_paid_as_a_processor(tariff: Callable[..., Tariff]) -> None:
    for place in ("process", "machine"):
        found = tariff(load_prices(), provider="", place=place, device="cuda:0", device_name="A card of tomorrow")
        assert found.hour is None
        assert "No price is known for A card of tomorrow" in found.unknown


def test_what_nobody_sells_has_no_price(tariff: Callable[..., Tariff]) -> None:
    for more, said in (
        ({"id": "unheard-of"}, "No price is known for unheard-of by openai, in genai-prices"),
        ({"provider": "a-stranger"}, "No price is known for gpt-4o-mini by a-stranger"),
        ({"provider": ""}, "No price is known for gpt-4o-mini, since nobody known sells it"),
    ):
        found = tariff(load_prices(), **more)
        assert found.applied is None
        assert found.unknown.startswith(said)
        assert "[[hosted]]" in found.unknown
    assert load_prices().usd("openai", "unheard-of", {"prompt": 1}) is None


def test_a_request_costs_its_tokens(mine: Prices) -> None:
    asked = {"prompt": 1000, "cached": 400, "completion": 100, "reasoning": 50}
    assert mine.usd("openai", "gpt-4o-mini", asked) == pytest.approx((600 + 100 + 150 * 4) / 1e6)
    assert load_prices().usd("anthropic", "claude-sonnet-5", {"prompt": 1000, "completion": 10}) == pytest.approx(
        2.1e-3
    )


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tariff: Callable[..., Tariff], mine: Prices
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    for remembered in (token_prices.listed, token_prices._snapshot):
        remembered.cache_clear()
    found = tariff(load_prices())
    assert found.applied is None
    assert found.unknown.startswith("No price is known for gpt-4o-mini: the price of a hosted model needs genai_prices")
    assert found.unknown.endswith("pip install 'adaptation-advisor[api]'")
    assert tariff(mine).tokens is not None  # one's own list does not need it


def test_an_old_price_of_tokens_is_said_to_be_old() -> None:
    price = TokenPrice("m", TokenRates(1, 2), "a page", "2025-12-24")
    assert Tariff(tokens=price).outdated(date(2026, 6, 25)) == ""
    assert Tariff(tokens=price).outdated(date(2026, 6, 26)).startswith("The price of m is 6 months old")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_share = 0.5", "batch_share = 50", 'hosted 1: "batch_share" is 50'),
        ("usd_per_million_prompt_tokens = 1\n", "", 'hosted 1: "usd_per_million_prompt_tokens" is missing'),
        ("usd_per_million_cached_tokens = 0.25", "cached = 1", 'hosted 1: "cached" is unknown'),
        ("usd_per_hour = 2", "usd_per_hour = -2", 'served 1: "usd_per_hour" is -2'),
    ],
)
def test_faults_of_token_prices_name_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOKENS.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_prices(path)
    assert message in caught.value.what
