"""Learning curves on a page, in Markdown and as JSON, and each thing that can be said of two of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.cells import cell_len

from advisor.reporting import curve_statements, report
from advisor.reporting.curves import curves_document
from advisor.verdict.cells import Interval
from advisor.verdict.crossings import Crossing
from advisor.verdict.curves import Curve, Curves, Gain, Leader, Point
from advisor.verdict.decision import Decision
from advisor.verdict.growth import Growth

SIZES = (8, 32, 128, 512)
LONG = "few-shot:k=8,select=nearest+lora:rank=16,lr=0.0002"
CROSSING = Crossing("lora", "nearest", 243.2, 151.0, 412.4, 8.0, 512, False)


def curve(spec: str, values: tuple[float | None, ...], **facts: object) -> Curve:
    points = tuple(
        Point(size, None, 0, "failed: out of [bold]memory[/bold]")
        if value is None
        else Point(size, Interval(value, value - 0.083, value + 0.0791), 1)
        for size, value in zip(SIZES, values, strict=True)
    )
    line = tuple((float(p.size), p.quality) for p in points if p.quality)
    known: dict[str, object] = {
        "families": {"logistic": 0.75, "power law": 0.25},
        "line": line,
        "more": Gain(512, 612, Interval(0.0381, 0.01, 0.0904)),
        "doubling": Gain(512, 1024, Interval(0.08, 0.02, 0.17)),
    }
    return Curve(spec, False, points, **{**known, **facts})  # type: ignore[arg-type]


@pytest.fixture
def curves(full: Decision) -> Curves:
    comparison = full.comparison
    task = replace(comparison.task, train=300, dev=20, test=60)
    growth = Growth("runs/desk/curve", task, SIZES, SIZES, 1, ("lora", LONG), {512: (comparison,)})
    found = (
        curve("lora", (0.21, 0.34, 0.71, 0.85)),
        curve(LONG, (None, 0.55, 0.6, 0.61), flat_from=130.4, falls=((32, 128),), misses=(32, 128)),
    )
    leaders = (Leader(LONG, 8.0, 90.0), Leader("lora", 93.0, 512.0))
    return Curves(growth, 60, found, leaders, (CROSSING,), 2048)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_no_line_is_wider_than_asked(curves: Curves, width: int) -> None:
    for line in report(curves, width=width).splitlines():
        assert cell_len(line) <= width, line


def test_intervals_stand_beside_their_value_or_below_it_or_not_at_all(curves: Curves) -> None:
    assert "0.210 [0.13, 0.29]" in report(curves, width=130)
    below = report(curves, width=90)
    assert "0.210 [" not in below and "[0.13, 0.29]" in below
    alone = report(curves, width=46)
    assert "0.210" in alone and "[0.13, 0.29]" not in alone


def test_the_page_says_what_issue_and_reader_ask(curves: Curves) -> None:
    page = " ".join(report(curves).split())
    for words in (
        "lora passes nearest at about 240 labels, 95 % between 150 and 410.",
        "up to about 91 labels and lora from there to 512",
        "What more labels would buy: 100 more labels than 512, and twice as many",
        "+0.038 [+0.010, +0.090]",
        "still rising",
        "from 130",
        f"{LONG} with 8: failed: out of [bold]memory[/bold]",
        "512 training examples were asked for; there are 300: all were used.",
        "The 20 dev examples were at hand at every size",
        "--seeds 3 measures it",
        "3 sizes do not settle how a curve bends",
        "is shown to be worse with 128 examples than with 32",
        "the fitted curve leaves the interval measured at 32 and 128",
        "never to fall",
        "runs/desk/curve",
    ):
        assert words in page, words


def test_the_picture_shows_the_measured_points_at_their_sizes(curves: Curves) -> None:
    lines = report(curves).splitlines()
    (top,) = [line for line in lines if line.startswith("  0.850 ┤")]
    (bottom,) = [line for line in lines if line.startswith("  0.210 ┤")]
    assert top.rstrip().endswith("1")
    assert bottom.split("┤ ")[1].startswith("1")
    (ticks,) = [line for line in lines if line.split() == ["8", "32", "128", "512"]]
    assert ticks.rindex("512") > ticks.index("8") + 50


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "lora passes nearest at about 240 labels, 95 % between 150 and 410."),
        ({"low": None}, "95 % up to 410: that nearest is ahead at 8, the fewest, is not shown."),
        ({"high": None}, "95 % from 150 on: that it is ahead at 512, the most measured, is not shown."),
        ({"low": None, "high": None}, "lora and nearest cannot be told apart with these test examples."),
        ({"at": None, "low": None, "high": 8.0}, "lora is ahead of nearest at every number of labels from 8 to 512."),
        ({"at": None, "low": None, "high": 33.0}, "ahead of nearest; that is shown from about 33 labels on."),
        ({"at": None, "low": None, "high": None}, "cannot be told apart"),
        (
            {"at": 930.0, "low": 604.0, "high": None, "end": 2048, "extrapolated": True},
            "lora may pass nearest at about 930 labels, beyond what was measured; "
            "95 % between 600 and more than 2,048, or never.",
        ),
        (
            {"at": 930.0, "low": None, "high": 1288.0, "end": 2048, "extrapolated": True},
            "95 % between less than 8 and 1,300.",
        ),
    ],
)
def test_what_is_said_of_two_curves(changes: dict[str, object], sentence: str) -> None:
    assert sentence in curve_statements.crossing(replace(CROSSING, **changes))  # type: ignore[arg-type]


def test_pairs_that_cannot_be_told_apart_are_named_together(curves: Curves) -> None:
    open_ended = replace(CROSSING, low=None, high=None)
    many = replace(curves, crossings=(open_ended, replace(open_ended, later="head"), CROSSING))
    first, rest = curve_statements.crossings(many)
    assert first.startswith("lora passes")
    assert rest == "Cannot be told apart with these test examples: lora and nearest; head and nearest."
    assert any("3 pairs were looked at" in caveat for caveat in curve_statements.caveats(many))


def test_one_that_is_ahead_of_several_throughout_is_named_once(curves: Curves) -> None:
    ahead = replace(CROSSING, at=None, low=None, high=8.0)
    many = replace(curves, crossings=(ahead, replace(ahead, earlier="head"), CROSSING))
    assert curve_statements.crossings(many) == [
        curve_statements.crossing(CROSSING),
        "lora is ahead of nearest and head at every number of labels from 8 to 512.",
    ]


def test_who_leads_among_what_was_measured_in_part_is_said_so(curves: Curves) -> None:
    assert curve_statements.leaders(curves).startswith("Ahead among those measured there, by the fitted curves: ")
    alike = replace(curves, curves=curves.curves[:1])
    assert curve_statements.leaders(alike).startswith("Ahead, by the fitted curves: ")


def test_json_is_plain_and_complete(curves: Curves) -> None:
    text = report(curves, "json")
    found = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert found == curves_document(curves)
    assert found["schema"] == 1
    assert (found["sizes"], found["test"], found["draws"], found["farthest"]) == ([8, 32, 128, 512], 60, 1, 2048)
    first, second = found["curves"]
    assert first["points"][0]["quality"] == {"value": 0.21, "low": 0.127, "high": 0.2891}
    assert first["more"] == {"start": 512, "end": 612, "gain": {"value": 0.0381, "low": 0.01, "high": 0.0904}}
    assert second["points"][0]["quality"] is None
    assert (first["flat_from"], second["flat_from"]) == (None, 130.4)
    assert found["crossings"][0]["at"] == 243.2
    assert found["crossings"][0]["meaning"] == curve_statements.crossing(CROSSING)


def test_markdown_escapes_and_holds_the_same(curves: Curves) -> None:
    text = report(curves, "markdown")
    assert text.startswith("# Advisor: learning curves of ")
    assert "| 1 | `lora` | 0.210 [0.13, 0.29] | 0.340" in text
    assert "- lora passes nearest at about 240 labels, 95 % between 150 and 410." in text
    assert "\\[bold\\]memory" in text
    assert "```text" in text


def test_nothing_fitted_is_no_error(curves: Curves) -> None:
    bare = replace(
        curves,
        curves=(curve("lora", (0.2, None, None, None), families={}, line=(), more=None, doubling=None),),
        leaders=(),
        crossings=(),
    )
    page = report(bare)
    assert "What more labels" not in page and "overtakes" not in page
    assert report(bare, "markdown") and report(bare, "json")
