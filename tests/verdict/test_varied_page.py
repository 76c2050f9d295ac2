"""What a reader of the page can vary and look through: in a browser, and by what stands in the page for it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.cleaning import unmarked
from advisor.measuring.records import Answer, Comparison, Run
from advisor.models import Passage
from advisor.reporting import report
from advisor.tasks import Limits
from advisor.verdict import Decision, decide
from advisor.verdict.price_file import DevicePrice
from advisor.verdict.prices import Prices

CHROMIUM = Path("/usr/bin/chromium")
PRICES = Prices("2025-01-01", (DevicePrice("L4", ("L4",), 3.60, "a page"),))
LIMITS = Limits(queries_per_day=1000, documents_change_every_days=30, budget_usd=10)
HOSTILE = "</script><img src=x onerror=alert(1)> \u202egnp.exe \u2028 " + "W" * 700
N = 40


@pytest.fixture
def judged(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Decision]:
    """Three approaches: the cheapest that keeps the budget depends on the traffic."""

    def make(limits: Limits = LIMITS, n: int = N, rows: int = 1, **facts: Any) -> Decision:
        def right(of: set[int]) -> list[str]:
            return ["yes" if i not in of else "no" for i in range(n)]

        each = [("zero-shot", set(range(0, n, 2)), 0.004), ("rag", {1, 3}, 0.03), ("lora", {0, 4}, 0.006)]
        each += [(f"rag:k={k}", {k, 2 * k}, 0.03) for k in range(2, rows + 1)]
        runs = [
            run(
                spec,
                right(wrong),
                trains_model=False,
                fit_seconds=900.0 if spec == "lora" else 0.0,
                index_seconds=60.0 if "rag" in spec else None,
                seconds_per_query=seconds,
            )
            for spec, wrong, seconds in each
        ]
        whole = comparison([with_passages(one) if "rag" in one.spec else one for one in runs])
        answers = {
            key: Answer(("yes",), ("d1",), input=f"question {key} {HOSTILE}", group="even" if i % 2 else "odd")
            for i, key in enumerate(whole.answers)
        }
        return decide(replace(whole, answers=answers, **facts), limits, prices=PRICES)

    return make


def with_passages(one: Run) -> Run:
    """Two passages for every question, the second one right, the same for each."""
    found = (Passage("d0", "", "a wrong passage"), Passage("d1", "", f"the right passage {HOSTILE}"))
    return replace(one, predictions=tuple(replace(p, passages=found, shown=2) for p in one.predictions))


def stored(page: str, name: str) -> Any:
    """The data in a page, by their id."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found, name
    return json.loads(found[1])


def test_data_hold_hostile_texts_as_data(judged: Callable[..., Decision]) -> None:
    page = report(judged(), "html")
    assert "<img" not in page
    assert "\u2028" not in page
    assert page.count("</script>") == len(re.findall(r"<script[ >]", page))
    data = stored(page, "examples-data")
    texts = [one if isinstance(one, str) else one[0] for one in data["texts"]]
    assert sum("the right passage" in one for one in texts) == 1
    assert any(unmarked(HOSTILE) in one for one in texts)  # without what turns or hides the text around it
    assert [row["spec"] for row in stored(page, "costs-data")["rows"]][:2] == ["rag", "lora"]


def test_a_page_of_many_examples_stays_small_and_says_what_it_lacks(judged: Callable[..., Decision]) -> None:
    long = judged(n=500, rows=10)
    runs = [
        replace(
            one,
            predictions=tuple(
                replace(p, text=f"{p.text} {one.spec}{i} " + "w" * 900) for i, p in enumerate(one.predictions)
            ),
        )
        for one in long.comparison.runs
    ]
    decision = replace(long, comparison=replace(long.comparison, runs=tuple(runs)))
    before = time.process_time()
    page = report(decision, "html")
    assert time.process_time() - before < 3
    assert len(decision.rows) == 12
    assert len(page.encode()) < 2_000_000
    data = stored(page, "examples-data")
    assert len(data["cards"]) == 500
    assert any(not isinstance(one, str) and one[1] > 0 for one in data["texts"])
    assert re.search(r"Ends of [\d,]+ longer texts are not in this page\.", page)


def test_without_texts_the_page_says_why_there_are_no_examples(judged: Callable[..., Decision]) -> None:
    page = report(judged(texts=False), "html")
    assert 'id="examples-data"' not in page
    assert "no examples to look through" in page
    assert "(--no-texts)" in page


def test_without_a_price_there_is_nothing_to_vary(judged: Callable[..., Decision]) -> None:
    decision = judged()
    unknown = decide(decision.comparison, LIMITS, prices=Prices("2025-01-01"))
    assert 'id="costs-data"' not in report(unknown, "html")
    assert 'id="costs-data"' in report(decision, "html")


def test_other_formats_show_none_of_it(judged: Callable[..., Decision]) -> None:
    for form in ("markdown", "terminal"):
        said = report(judged(), form)
        assert "Costs over time" not in said
        assert "look through" not in said


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=[*arguments, "--disable-sync", "--no-first-run"]
        )


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Callable[..., Any]:
    """Opens a decision's page from disk; nothing may be asked of a network, nor reported to the console."""

    def open_(decision: Decision, **options: Any) -> Any:
        path = tmp_path / "report.html"
        path.write_text(report(decision, "html"), encoding="utf-8")
        page = browser.new_page(**options)
        page.troubles = []
        page.on("console", lambda message: page.troubles.append(message.text))
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("request", lambda request: page.troubles.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        return page

    return open_


def set_to(page: Any, knob: str, value: float | None) -> None:
    """Move a slider to a value of its list."""
    names = {"queries": "queries", "horizon": "horizons", "every": "changes"}
    page.evaluate(
        """([knob, list, value]) => {
            const data = JSON.parse(document.getElementById("costs-data").textContent);
            const input = document.getElementById(`knob-${knob}`);
            input.value = value === null ? data[list].length : data[list].indexOf(value);
            input.dispatchEvent(new Event("input"));
        }""",
        [knob, names[knob], value],
    )


def test_sliders_give_what_the_program_decides(judged: Any, opened: Callable[..., Any]) -> None:
    decision = judged()
    page = opened(decision)
    answers = set()
    for queries, days, every in ((1000, 365, 30), (10, 365, 30), (1000, 30, None), (50_000, 365, 30), (2000, 90, 7)):
        for knob, value in (("queries", queries), ("horizon", days), ("every", every)):
            set_to(page, knob, value)
        limits = replace(LIMITS, queries_per_day=queries, horizon_days=days, documents_change_every_days=every)
        there = decide(decision.comparison, limits, prices=PRICES)
        said = page.locator(".outcome .answer").inner_text()
        chosen = there.recommendation.approach
        assert said == (
            "No approach keeps all limits at these settings."
            if chosen is None
            else f"{'Use' if there.recommendation.decided else 'Provisionally'} {chosen}."
        )
        answers.add(said)
    assert len(answers) > 2
    page.get_by_role("button", name="Back to the settings").click()
    assert page.locator("#knob-queries").get_attribute("aria-valuetext") == "1,000"
    page.locator("#knob-queries").press("ArrowRight")
    assert page.locator("#knob-queries").get_attribute("aria-valuetext") == "1,200"
    for name in ("By volume", "By document changes", "Over time"):
        page.get_by_role("button", name=name, exact=True).click()
        assert page.locator(".chart path").count() == 3
    assert page.locator(".explorer tbody tr").count() == 3
    assert page.troubles == []


def test_examples_are_filtered_by_who_was_right(judged: Any, opened: Callable[..., Any]) -> None:
    page = opened(judged())
    count = page.locator(".count")
    assert count.inner_text() == f"1 to 5 of {N} examples"
    page.get_by_label("rag", exact=True).select_option("right")
    page.get_by_label("lora", exact=True).select_option("wrong")
    assert count.inner_text() == f"1 to 2 of 2 that match, of {N}"
    assert {code.inner_text() for code in page.locator(".card h3 code").all()} == {"q0", "q4"}
    page.get_by_label("Part", exact=True).select_option(label="even (20)")
    assert count.inner_text() == f"None of {N} examples matches."
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Text", exact=True).fill("question q17 ")
    assert count.inner_text() == f"1 to 1 of 1 that match, of {N}"
    page.get_by_label("Text", exact=True).fill("")
    page.get_by_role("button", name="Next").press("Enter")
    assert count.inner_text() == f"6 to 10 of {N} examples"
    assert page.troubles == []


def test_a_card_shows_answers_and_passages_and_folds_what_is_long(judged: Any, opened: Callable[..., Any]) -> None:
    page = opened(judged())
    card = page.locator(".card").first
    assert card.locator("img").count() == 0
    assert len(card.locator(".asked .words").first.inner_text()) < 500
    more = card.get_by_role("button", name="show more").first
    more.press("Enter")
    assert HOSTILE[-700:] in card.locator(".asked .words").first.inner_text()
    summary = card.get_by_text("2 passages retrieved, 1 right")
    assert summary.count() == 1
    summary.press("Enter")
    right = card.locator("ol li.right .from")
    assert "d1" in right.inner_text()
    assert "holds the answer" in right.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.troubles == []


def test_the_page_tells_something_without_its_script_and_fits_a_phone(judged: Any, opened: Callable[..., Any]) -> None:
    still = opened(judged(), java_script_enabled=False)
    assert still.get_by_text("Costs over time at 1,000 queries a day").count() >= 1
    assert still.get_by_text("where this page may run its script").count() == 1
    phone = opened(judged(), viewport={"width": 390, "height": 800}, color_scheme="dark")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert phone.troubles == []
