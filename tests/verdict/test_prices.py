"""Price lists: the built-in one, the user's own, and their faults."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.records import Comparison, Run
from advisor.verdict import decide
from advisor.verdict.prices import CorePrice, DevicePrice, Prices, load_prices

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
    for price in (*prices.devices, prices.core, *prices.hosted):
        assert "pricing" in price.source
        assert price.date is None or date(2025, 1, 1) < date.fromisoformat(price.date) <= date.fromisoformat(
            prices.date
        )
    hosted = prices.hosted_model("gpt-4o-mini")
    assert hosted is not None
    assert hosted.usd_per_million_prompt_tokens == 0.15
    assert prices.hosted_model("unheard-of") is None


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
        assert f"price of {day}" in load_prices(path).in_words(price)


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
