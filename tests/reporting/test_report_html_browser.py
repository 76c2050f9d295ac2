"""The page in a browser: it complains of nothing, asks for nothing, fits a phone, sorts, and prints all it folds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.reporting import report
from advisor.verdict.decision import Decision
from tests.reporting import pages
from tests.reporting.browsing import browser, opened

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LABELS = """() => {
  const boxes = [...document.querySelectorAll("svg.wide .label")].filter(e => e.closest("svg").checkVisibility())
    .map(e => [e.closest("svg"), e.getBoundingClientRect(), e.textContent]);
  const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const others = (i) => boxes.slice(i + 1).filter(([of, box]) => of === boxes[i][0] && meets(boxes[i][1], box));
  return boxes.flatMap((one, i) => others(i).map(other => [one[2], other[2]]));
}"""


STRUCK = """() => [...document.querySelectorAll("svg")].filter(svg => svg.checkVisibility()).flatMap(svg => {
  const lines = [...svg.querySelectorAll(".whisker")].map(e => e.getBoundingClientRect());
  const meets = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const labels = [...svg.querySelectorAll(".label")].map(e => [e.textContent, e.getBoundingClientRect()]);
  return labels.filter(([, box]) => lines.some(line => meets(line, box))).map(([words]) => words);
})"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture
def twelve(full: Decision, tmp_path: Path) -> Path:
    return written(pages.twelve(full), tmp_path)


@pytest.fixture
def hostile(full: Decision, tmp_path: Path) -> Path:
    return written(pages.hostile(full), tmp_path)


def written(decision: Decision, folder: Path) -> Path:
    file = folder / "report.html"
    file.write_text(report(decision, "html"), encoding="utf-8")
    return file


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("of", ["twelve", "hostile"])
def test_it_complains_of_nothing_asks_for_nothing_and_fits(
    chromium: Any, request: pytest.FixtureRequest, of: str, width: int, theme: str
) -> None:
    file = request.getfixturevalue(of)
    with opened(chromium, file, width, theme) as visit:
        assert visit.complaints == [] and visit.asked == [file.as_uri()]
        assert visit.page.evaluate(WIDER) <= 0
        dark = visit.page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark is (theme == "dark")
        shown = [one for one in ("wide", "narrow") if visit.page.locator(f"svg.{one}").first.is_visible()]
        assert shown == ["narrow" if width == 390 else "wide"]


def test_labels_do_not_cover_each_other(chromium: Any, twelve: Path) -> None:
    with opened(chromium, twelve) as visit:
        assert visit.page.evaluate(LABELS) == []


def test_a_table_is_sorted_by_its_titles_and_by_keyboard(chromium: Any, full: Decision, tmp_path: Path) -> None:
    with opened(chromium, written(full, tmp_path)) as visit:
        table = visit.page.locator("table").first
        head = table.locator("th", has_text="cost of 1,000 queries")
        specs = "rows => rows.map(row => row.querySelector('th').textContent.split(' ')[0])"
        before = table.locator("tbody tr").evaluate_all(specs)
        assert head.get_attribute("aria-sort") == "none"
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        falling = table.locator("tbody tr").evaluate_all(specs)
        head.locator("button").focus()
        visit.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        rising = table.locator("tbody tr").evaluate_all(specs)
        assert falling[:3] == ["few-shot:k=8,select=nearest+lora:rank=16,lr=0.0002", "rag:k=3+lora:rank=16", "rag:k=3"]
        assert rising[:2] == ["majority", "zero-shot"]
        assert falling[-4:] == rising[-4:] == ["few-shot:k=4", *before[-3:]]  # without a cost, then without a result
        assert sorted(rising) == sorted(before)
        table.locator("th", has_text="token_f1").locator("button").click()
        assert head.get_attribute("aria-sort") == "none"


def test_the_theme_is_chosen_and_kept(chromium: Any, twelve: Path) -> None:
    with opened(chromium, twelve) as visit:
        button = visit.page.get_by_role("button", name="Theme")
        colors = []
        for _ in range(3):
            button.click()
            colors.append((button.inner_text(), visit.page.evaluate("getComputedStyle(document.body).color")))
        assert [name for name, _ in colors] == ["Theme: light", "Theme: dark", "Theme: auto"]
        assert colors[0][1] == colors[2][1] != colors[1][1]
        button.click()
        button.click()
        visit.page.reload()
        assert visit.page.locator("html").get_attribute("data-theme") == "dark"


def test_it_prints_everything_on_white(chromium: Any, full: Decision, tmp_path: Path) -> None:
    reasons = tuple(f"Reason {number}." for number in range(9))
    choice = pages.with_reasons(full, reasons)
    with opened(chromium, written(choice, tmp_path), theme="dark") as visit:
        assert not visit.page.get_by_text("Reason 8.").is_visible()
        visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        visit.page.emulate_media(media="print")
        assert visit.page.get_by_text("Reason 8.").is_visible()
        assert not visit.page.get_by_role("navigation").is_visible()
        visit.page.set_viewport_size({"width": 690, "height": 1000})  # A4 less its margins
        assert visit.page.evaluate(WIDER) <= 0
        assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert visit.page.pdf(format="A4").startswith(b"%PDF")
        visit.page.emulate_media(media="screen")
        visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert not visit.page.get_by_text("Reason 8.").is_visible()


def test_the_report_is_reached_without_the_links_before_it(chromium: Any, twelve: Path) -> None:
    with opened(chromium, twelve) as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.textContent") == "Skip to the report"
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("width", [390, 1400])
def test_no_bar_of_an_interval_strikes_a_label_where_there_is_room(
    chromium: Any, full: Decision, tmp_path: Path, width: int
) -> None:
    """Of twelve rows in a crowd, and of ten that lie apart."""
    for decision in (pages.twelve(full), full):
        with opened(chromium, written(decision, tmp_path), width) as visit:
            assert visit.page.locator("svg.wide .label, svg.narrow .label").count() > 10
            assert visit.page.evaluate(STRUCK) == []
