"""The page's own sums agree with `decide`: other settings give the same costs, the same choice, the same certainty."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from advisor.measuring.further_records import AfterChange
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import ChangeFacts, Comparison, Member, Run
from advisor.models.contention import Contention
from advisor.reporting.html.explorer import values
from advisor.tasks import Limits
from advisor.verdict import Decision, decide
from advisor.verdict.break_even import DAYS, QUERIES, UTILISATION
from advisor.verdict.cells import Flip
from advisor.verdict.exploring import MARGINS, exploration
from advisor.verdict.flips import NEVER, said
from advisor.verdict.price_file import DevicePrice
from advisor.verdict.prices import Prices
from advisor.verdict.token_prices import TokenPrice, TokenRates

CHROMIUM = Path("/usr/bin/chromium")
PRICES = Prices("2025-01-01", (DevicePrice("L4", ("L4",), 3.60, "a page"),))
N = 120
SETTINGS = 20
"""Settings tried of each situation."""


@pytest.fixture
def rivals(run: Callable[..., Run], answers: Callable[..., list[str]]) -> Callable[..., list[Run]]:
    """Four approaches whose costs cross each other."""

    def make(**of: Mapping[str, Any]) -> list[Run]:
        timings = {"q0": (0.1, 0.104), "q8": (0.1, 0.099), "q16": (0.1, 0.102)}
        shares = {"rag": 0.83, "lora": 0.8, "rag+lora": 0.85, "few-shot": 0.75}
        seconds = {"rag": 0.03, "lora": 0.006, "rag+lora": 0.035, "few-shot": 0.02}
        facts = {
            spec: {
                "fit_seconds": 900.0 if "lora" in spec else 0.0,
                "trains_model": False,  # else one seed leaves everything open
                "index_seconds": 60.0 if "rag" in spec else None,
                "seconds_per_query": seconds[spec],
                "latency": 5 * seconds[spec] + 0.01,
                "timings": timings,
                **of.get(spec, {}),
            }
            for spec in shares
        }
        return [run(spec, answers(N, share, 7), **facts[spec]) for spec, share in shares.items()]

    return make


def changed(whole: Comparison) -> Comparison:
    """Documents changed, and what was not fitted anew then lost a little."""
    right = {"rag": 1.0, "lora": 0.9, "rag+lora": 0.97}

    def after(one: Run) -> dict[str, AfterChange]:
        if one.spec not in right:
            return {}
        kept = [
            PredictionRecord(p.id, p.text if i < N * right[one.spec] else "no") for i, p in enumerate(one.predictions)
        ]
        return {"c": AfterChange(tuple(kept), ended=True, index_seconds=9.0 if "rag" in one.spec else None)}

    answers = {key: replace(answer, before=key) for key, answer in whole.answers.items()}
    runs = tuple(replace(one, after=after(one)) for one in whole.runs)
    return replace(whole, runs=runs, change=ChangeFacts("c", answers, 3))


def with_tokens(whole: Comparison) -> Comparison:
    """One of them is paid by the token, at a price or at none."""
    big = replace(whole.model, id="big-model", provider="elsewhere", place="network", device="elsewhere")
    members = (Member("", whole.model, whole.hardware, key="s"), Member("big", big, whole.hardware, key="b"))
    calls = {"predict": {"requests": N, "prompt": 300 * N, "completion": 5 * N}}
    runs = [
        replace(one, key="b", model="big", calls=calls) if one.spec == "few-shot" else replace(one, key="s")
        for one in whole.runs
    ]
    return replace(whole, runs=tuple(runs), members=members, several=True)


def settings(number: int, seed: int) -> list[dict[str, Any]]:
    """Settings of all that can be varied, over the whole of their ranges."""
    rng = random.Random(seed)
    pick = rng.choice
    return [
        {
            "queries": pick([None, *[10 ** rng.uniform(0, 6.5) for _ in range(12)]]),
            "horizon": pick([7.0, 90.0, 365.0, 1825.0]),
            "every": pick([None, 0.25, 3.0, 30.0, 365.0]),
            "margin": rng.randrange(len(MARGINS)),
        }
        for _ in range(number)
    ]


def by_script(data: Mapping[str, Any], at: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the page's script makes of them: with Node, or in the browser where that is at hand."""
    script = files("advisor.reporting.html").joinpath("choosing.js").read_text(encoding="utf-8")
    job = (
        f"const data = advisorChoice.read({json.dumps(data)});\n"
        "const all = (one, found) => ({ ...found, ...advisorChoice.breakEven(data, one, found.held) });\n"
        f"JSON.stringify({json.dumps(at)}.map((one) => all(one, advisorChoice.judge(data, one))))"
    )
    if node := shutil.which("node"):
        printed = f"process.stdout.write(eval({json.dumps(job)}));"
        done = subprocess.run([node, "-"], input=f"{script}\n{printed}", capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Node, or Playwright")
    if not CHROMIUM.exists():
        pytest.skip("needs Node, or Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.add_script_tag(content=script)
        return json.loads(page.evaluate(f"eval({json.dumps(job)})"))


def agrees(decision: Decision, found: Mapping[str, Any], specs: list[str]) -> None:
    """One setting: the same costs, choice, alternatives and certainty."""
    rows = {row.spec: row for row in decision.rows}
    for spec, spent in zip(specs, found["spent"], strict=True):
        cost = rows[spec].cost
        if spent is None:
            assert cost.fit is None
            continue
        told = {
            "fit": cost.fit,
            "total": cost.over_horizon,
            "machines": cost.machines,
            "always": cost.always_on_over_horizon,
            "per_1k": cost.per_1k_queries,
        }
        computed = {**spent, "per_1k": spent["per_1k"]["value"]}
        for name, usd in told.items():
            assert computed[name] is None if usd is None else computed[name] == pytest.approx(usd, rel=1e-9)
        if cost.over_horizon is not None:
            assert spent["fixed"] == pytest.approx(cost.fixed, rel=1e-9)
            ends = None if cost.over_horizon_low is None else [cost.over_horizon_low, cost.over_horizon_high]
            assert spent["ends"] is None if ends is None else spent["ends"] == pytest.approx(ends, rel=1e-9)
    choice, recommended = found["choice"], decision.recommendation
    assert (specs[choice["row"]] if choice else None) == recommended.approach
    assert [specs[i] for i in choice["alternatives"]] == list(recommended.alternatives) if choice else True
    assert found["decided"] == recommended.decided
    said = " ".join(recommended.reasons)
    for place in choice["cheaper"] if choice else ():
        assert f"It is cheaper than {specs[place]} ({choice['measure']} " in said
    for place in choice["better"] if choice else ():
        assert f"It is better than {specs[place]}:" in said
    for spec, held in zip(specs, found["held"], strict=True):
        assert held["broken"] == (not rows[spec].eligible)


BUSY = {"others": {step: Contention(10.0, 0.0, 40.0, 4.0, 10.0) for step in ("fit", "predict", "latency")}}
"""Others took two fifths of the GPU."""
SITUATIONS: dict[str, tuple[Limits, dict[str, Any], Callable[[Comparison], Comparison]]] = {
    "nothing else": (Limits(), {}, lambda whole: whole),
    "a budget": (Limits(budget_usd=4.0), {}, lambda whole: whole),
    "a least quality": (Limits(min_quality=0.82), {}, lambda whole: whole),
    "latency, utilisation and a busy machine": (
        Limits(p95_ms=150.0, utilisation=0.2),
        {"rag": BUSY, "lora": BUSY},
        lambda whole: whole,
    ),
    "a change that was measured": (Limits(budget_usd=40.0, min_quality=0.79), {}, changed),
    "tokens": (Limits(), {}, with_tokens),
}


def same_points(decision: Decision, found: Mapping[str, Any], specs: list[str]) -> None:
    """The break-even points are those of the report."""
    days = decision.limits.horizon_days or 0.0
    for name, axis, times in ((QUERIES, "queries", days), (DAYS, "every", 1.0), (UTILISATION, "utilisation", 1.0)):
        there = {(specs[one["below"]], specs[one["above"]]): times * one["x"] for one in found[axis]}
        here = {(one.below, one.above): one.at for one in decision.break_even if one.variable == name}
        assert there == pytest.approx(here, rel=1e-9)


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_script_decides_as_python_does(name: str, rivals: Any, comparison: Callable[..., Comparison]) -> None:
    limits, facts, made = SITUATIONS[name]
    whole = made(comparison(rivals(**facts)))
    priced = (TokenPrice("big-model", TokenRates(0.25, 2.0), "a page", "2025-01-01"),)
    prices = replace(PRICES, hosted=priced)
    first = decide(whole, limits, prices=prices)
    explored = exploration(first)
    assert explored is not None
    assert (explored.selection is not None) == (limits.min_quality is not None)
    tried = settings(SETTINGS, seed=len(name))
    specs = [candidate.spec for candidate in explored.candidates]
    seen = set()
    for at, found in zip(tried, by_script(values(explored), tried), strict=True):
        other = replace(
            limits,
            queries_per_day=at["queries"],
            horizon_days=at["horizon"],
            documents_change_every_days=at["every"],
        )
        decision = decide(whole, other, prices=prices, margin=explored.margins[at["margin"]])
        agrees(decision, found, specs)
        if at["queries"] is not None:
            same_points(decision, found, specs)
        seen.add((decision.recommendation.approach, decision.recommendation.decided))
    assert len(seen) > 1, "settings that change nothing test nothing"


FIELDS = {
    "queries a day": ("queries_per_day", "queries"),
    "horizon": ("horizon_days", "horizon"),
    "days between document changes": ("documents_change_every_days", "every"),
    "utilisation": ("utilisation", ""),
    "p95 limit": ("p95_ms", ""),
}


def around(flip: Flip, limits: Limits, margin: float) -> list[tuple[Limits, float]]:
    """The settings just before and just beyond a flip; a margin is tried at the slider's places alone."""
    if flip.setting == "margin":
        place = MARGINS.index(flip.at)
        return [(limits, MARGINS[place + (-1 if flip.rises else 1)]), (limits, flip.at)]
    name, off = FIELDS[flip.setting][0], 1.001 if flip.rises else 1 / 1.001
    return [(replace(limits, **{name: flip.at * by}), margin) for by in (1 / off, off)]


def as_setting(limits: Limits, margin: float) -> dict[str, Any]:
    every = limits.documents_change_every_days
    return {
        "queries": limits.queries_per_day,
        "horizon": limits.horizon_days or 365.0,
        "every": None if every is None or every >= NEVER else every,
        "margin": MARGINS.index(margin),
    }


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_flip_that_is_told_is_one_and_the_page_tells_the_same(
    name: str, rivals: Any, comparison: Callable[..., Comparison]
) -> None:
    limits, facts, made = SITUATIONS[name]
    whole = made(comparison(rivals(**facts)))
    prices = replace(PRICES, hosted=(TokenPrice("big-model", TokenRates(0.25, 2.0), "a page", "2025-01-01"),))
    explored = exploration(decide(whole, limits, prices=prices))
    assert explored is not None
    specs = [candidate.spec for candidate in explored.candidates]
    expected: list[str | None] = []
    tried, told = [], set()
    usual = {"queries": 500.0, "horizon": 365.0, "every": 90.0, "margin": MARGINS.index(0.05)}
    for setting in (usual, *settings(1, seed=len(name))):
        margin = MARGINS[setting["margin"]]
        here = replace(
            limits,
            queries_per_day=setting["queries"],
            horizon_days=setting["horizon"],
            documents_change_every_days=setting["every"],
        )
        choice = decide(whole, here, prices=prices, margin=margin).recommendation
        assert choice.flips_when[: len(choice.flips)] == tuple(said(flip, here) for flip in choice.flips)
        for flip in choice.flips:
            told.add(flip.setting)
            before, beyond = around(flip, here, margin)
            ahead = decide(whole, before[0], prices=prices, margin=before[1]).recommendation
            there = decide(whole, beyond[0], prices=prices, margin=beyond[1]).recommendation
            assert ahead.approach == choice.approach != there.approach, flip
            assert (there.approach, there.decided) == (flip.approach, flip.decided)
            if flip.setting not in ("utilisation", "p95 limit"):  # for which the page has no slider
                tried += [as_setting(*before), as_setting(*beyond)]
                expected += [choice.approach, flip.approach]
    found = by_script(values(explored), tried)
    assert [specs[one["choice"]["row"]] if one["choice"] else None for one in found] == expected
    assert told, "where nothing flips nothing is tested"
