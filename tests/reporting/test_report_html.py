"""The page: what a parser finds in it; nothing of the user's acts as markup, and no colour is too pale to read."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from advisor.reporting import report
from advisor.reporting.blocks import Conclusion, Heading, Only, Paragraph, Report, section
from advisor.reporting.html.markup import data
from advisor.reporting.html.page import html
from advisor.reporting.html.palette import DARK, GROUNDS, LIGHT, SHAPES, TEXTS
from advisor.reporting.html.sections import sections
from advisor.verdict.calibration import Calibration
from advisor.verdict.cells import Interval
from advisor.verdict.coverage import Coverage
from advisor.verdict.decision import Decision
from tests.reporting import pages
from tests.reporting.pages import Parsed


@pytest.fixture(params=["full", "single", "nothing_eligible", "twelve", "hostile"])
def decision(request: pytest.FixtureRequest, full: Decision) -> Decision:
    match request.param:
        case "twelve":
            return pages.twelve(full)
        case "hostile":
            return pages.hostile(full)
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Decision)
    return found


def test_it_is_well_formed_and_headings_are_in_order(decision: Decision) -> None:
    page = Parsed(report(decision, "html"))
    levels = [int(heading.name[1]) for heading in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [len(page.all(name)) for name in ("main", "header", "style")] == [1, 1, 1]
    names = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(names) == len(set(names))


def test_what_names_another_element_finds_it(decision: Decision) -> None:
    page = Parsed(report(decision, "html"))
    names = {element.attributes.get("id") for element in page.elements}
    asked = [
        name
        for e in page.elements
        for key in ("aria-labelledby", "aria-describedby")
        for name in e.attributes.get(key, "").split()
    ]
    asked += [a.attributes["href"].removeprefix("#") for a in page.all("a")]
    assert asked and not set(asked) - names


def test_pictures_say_what_they_show_and_others_are_hidden_from_readers(decision: Decision) -> None:
    page = Parsed(report(decision, "html"))
    for picture in page.all("svg"):
        if picture.attributes.get("role") == "img":
            assert picture.children[:2] == ["title", "desc"]
        else:
            assert picture.attributes["aria-hidden"] == "true"


def test_tables_have_captions_and_scopes(decision: Decision) -> None:
    page = Parsed(report(decision, "html"))
    for table in page.all("table"):
        assert table.children[0] == "caption"
    assert all(head.attributes["scope"] in ("col", "row") for head in page.all("th"))


def test_nothing_of_the_users_acts(full: Decision) -> None:
    text = report(pages.hostile(full), "html")
    page = Parsed(text)
    assert len(page.all("script")) == 1 and not page.all("img")
    assert "alert(1)" in page.all("h1")[0].text
    assert not [e for e in page.elements if any(key.startswith("on") or key == "style" for key in e.attributes)]
    assert not re.search("[\x00-\x08\x1b\u202a-\u202e\u2066-\u2069]", text)
    assert text.encode("utf-8")


def test_it_asks_nothing_of_any_network_and_runs_only_its_own_script(decision: Decision) -> None:
    page = Parsed(report(decision, "html"))
    policy = page.all("meta")[1].attributes["content"]
    assert policy.startswith("default-src 'none'")
    for name in ("style", "script"):
        (element,) = page.all(name)
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    places = [value for e in page.elements for key, value in e.attributes.items() if key in ("src", "href", "action")]
    assert all(place.startswith("#") for place in places)


def test_json_in_a_script_cannot_end_it() -> None:
    found = data({"text": "</script><!-- \u2028 & é"}, "facts")
    (script,) = Parsed(found).all("script")
    assert "<" not in script.text and "\u2028" not in script.text and script.text.isascii()


def test_the_same_bytes_and_the_same_page_in_any_encoding(full: Decision) -> None:
    decision = pages.hostile(full)
    page = report(decision, "html")
    assert page == report(decision, "html")
    ascii_only = report(decision, "html", encoding="cp1252")
    assert ascii_only.isascii()
    assert [e.text for e in Parsed(ascii_only).all("h1", "p", "style", "script")] == [
        e.text for e in Parsed(page).all("h1", "p", "style", "script")
    ]


def test_sections_stand_in_the_order_of_a_page(full: Decision) -> None:
    page = Parsed(report(pages.twelve(full), "html"))
    titles = [heading.text for heading in page.all("h2")]
    assert titles == [
        *("Recommendation", "Results", "Quality against cost", "Quality against latency", "Differences to the best"),
        *("Costs", "Diagnosis", "Race", "Caveats", "Method", "Setup"),
    ]


def test_sections_of_other_parts_land_where_they_belong() -> None:
    said = Paragraph(("said",))
    names = ("Caveats", "Judge", "Errors", "Further metrics", "Costs", "Slices", "Results", "Calibration", "Elsewhere")
    blocks = [block for name in names for block in section(name, said)]
    conclusion = Conclusion("Recommendation", "Use it.", "good", "", ())
    found = sections([*blocks, Heading("Empty"), conclusion, *section("Slices", said)])
    assert [part.title for part in found] == [
        *("Recommendation", "Results", "Further metrics", "Costs", "Slices", "Errors", "Calibration", "Elsewhere"),
        *("Judge", "Caveats"),
    ]
    assert len(found[4].blocks) == 2


def test_another_subject_keeps_its_order_and_what_stands_before_a_heading() -> None:
    said = Paragraph(("said",))
    found = sections([said, *section("Lengths", said), *section("Answers", said), *section("Documents", said)])
    assert [part.title for part in found] == ["", "Lengths", "Answers", "Documents"]


def test_a_table_says_everything_in_words_and_draws_intervals_on_one_scale(full: Decision) -> None:
    page = Parsed(report(full, "html"))
    results = page.all("table")[0]
    for words in ("0.709", "[0.63, 0.79]", "provisional", "control", "failed: OutOfMemoryError", "-0.041"):
        assert words in results.text
    ends = re.findall(r'class="whisker" x1="([\d.]+)" x2="([\d.]+)"', report(full, "html"))
    assert ends and all(0 <= float(low) < float(high) <= 72 for low, high in ends)


def test_the_front_is_what_nothing_beats_in_both(full: Decision) -> None:
    page = report(full, "html")
    said = next(e for e in Parsed(page).all("desc") if "on the front" in e.text).text
    assert said.split(", on the front")[:-1] == [
        "zero-shot: 0.310 [0.23, 0.39] at $0.0019",
        ". rag:k=3: 0.668 [0.59, 0.75] at $0.0045",
        ". rag:k=3+lora:rank=16: 0.709 [0.63, 0.79] at $0.0047",
    ]
    assert "Left out, answers without the model: majority." in page


def test_labels_of_twelve_points_do_not_cover_each_other(full: Decision) -> None:
    """Their boxes, by the widths that the program itself reckons with, which a browser keeps."""
    page = report(pages.twelve(full), "html")
    picture = page[
        page.index('<svg class="picture wide"') : page.index("</svg>", page.index('<svg class="picture wide"'))
    ]
    found = re.findall(
        r'<text x="([\d.-]+)" y="([\d.-]+)"(?: text-anchor="(\w+)")? class="label[^>]*>([^<]*)<', picture
    )
    assert len(found) == 11  # majority is left out
    boxes = []
    for x, y, anchor, words in found:
        width = 7.3 * len(words)
        left = float(x) - {"": 0.0, "end": width}.get(anchor, width / 2)
        boxes.append((left, float(y) - 11, left + width, float(y) + 3))
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_calibration_is_drawn_for_each_row_that_has_confidences(full: Decision) -> None:
    one = Interval(0.05, 0.01, 0.09)
    known = Calibration(one, 0.06, 0.02, one, one, one, ((0.4, 0.35, 20), (0.9, 0.95, 20)), 40)
    curve = Coverage(((0.5, 0.9), (1.0, 0.7)), 1.0, one, 0.8, one, True)
    rows = [replace(row, calibration=known, coverage=curve) if row.spec.startswith("rag") else row for row in full.rows]
    page = Parsed(report(replace(full, rows=tuple(rows)), "html"))
    titles = [title.text for title in page.all("title")]
    assert "Reliability of rag:k=3" in titles and "Quality at coverage" in titles
    said = [desc.text for desc in page.all("desc")]
    assert "rag:k=3: 0.350 [0.35, 0.35] at 0.4, 0.950 [0.95, 0.95] at 0.9." in said
    assert "## Calibration" not in report(replace(full, rows=tuple(rows)), "markdown")


def test_a_race_is_drawn_by_how_long_each_stayed(full: Decision) -> None:
    page = Parsed(report(pages.twelve(full), "html"))
    (said,) = {desc.text for desc in page.all("desc") if "beaten by" in desc.text}
    assert "zero-shot: beaten by" in said and "prefix" not in said


def test_blocks_for_a_screen_alone_are_left_out() -> None:
    page = html(
        Report("Title", (Only("screen", (Paragraph(("for a screen",)),)), Paragraph(("for a page",)))),
        width=80,
        color=True,
    )
    assert "for a page" in page and "for a screen" not in page


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrasts_are_those_of_wcag_aa(palette: dict[str, str]) -> None:
    """4.5 for words, 3 for shapes (WCAG 2.2, 1.4.3 and 1.4.11)."""
    for ground in GROUNDS:
        for ink in TEXTS:
            assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)
        for shape in SHAPES:
            assert contrast(palette[shape], palette[ground]) >= 3, (shape, ground)


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(color[place : place + 2], 16) / 255) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
