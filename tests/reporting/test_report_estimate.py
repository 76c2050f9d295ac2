"""Advice on a page, in Markdown and as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.cells import cell_len

from advisor.advice import Answers, Estimate, ask, recommend
from advisor.reporting import report, show
from advisor.tasks import Document, Example, Limits, Task


@pytest.fixture(scope="module")
def hostile() -> Estimate:
    """A task whose texts and name would break a page."""
    texts = ["\x1b[31mred\x1b[0m [bold]markup[/bold]", "line\nbreak\r\n\u202eturned", "漢字" * 30, "x" * 200]
    train = tuple(Example(str(n), f"{text} {n}", f"answer {n}") for n, text in enumerate(texts * 4))
    test = tuple(Example(f"t{n}", f"{text} t{n}", f"other {n}") for n, text in enumerate(texts))
    documents = (Document("d", "[red]", texts[0]),)
    limits = Limits(p95_ms=500, queries_per_day=10_000, documents_change_every_days=30)
    name = "n\x1b[2Jame " * 30
    return recommend(Task(name, "qa", "i", "token_f1", train=train, test=test, documents=documents, limits=limits))


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_no_line_is_wider_than_asked(hostile: Estimate, width: int) -> None:
    page = report(hostile, width=width)
    for line in page.splitlines():
        assert cell_len(line) <= width, line
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_page_says_what_to_begin_with_why_and_what_first(hostile: Estimate) -> None:
    page = report(hostile)
    assert f"Begin with {hostile.advised}" in " ".join(page.split())
    for title in ("Why", "What would change it", "What to do first", "Caveats"):
        assert f"\n{title}\n" in page
    assert "unknown until a model is named" in page
    assert "p95 latency at most 500 ms; 10,000 queries a day" in page


def test_json_has_null_where_nothing_is_known_and_ranges_where_something_is(hostile: Estimate) -> None:
    found = json.loads(report(hostile, "json"))
    assert found["model"] is found["probes"] is None
    for approach in found["approaches"]:
        assert set(approach["cost_usd"].values()) == {None}
        assert approach["quality"]["basis"] in ("measured", "learned", "rule")
        tokens = approach["extrapolated"]["prompt_tokens"]
        assert tokens["low"] <= approach["tokens_per_query"]["prompt"] <= tokens["high"]
        assert "tokens a word" in tokens["basis"]
        if approach["tokens_per_query"]["prompt"]:
            assert approach["latency_ms"] is approach["throughput_qps"] is None
    advice = found["advice"]
    assert advice["decided"] == (not advice["open"])
    assert len(advice["reasons"]) == 3
    assert all(change["circumstance"] for change in advice["changes"])
    assert all(step["what"] for step in advice["steps"])


def test_markdown_shows_everything_literally(hostile: Estimate) -> None:
    page = report(hostile, "markdown")
    assert page.startswith("# Advisor: what to expect of n")
    assert "| `rag+lora` |" in page
    assert "\x1b" not in page
    assert "`advisor compare TASK" in page


def test_a_judgement_without_data_shows_what_was_said() -> None:
    page = report(ask(Answers(output="label", classes=5, labelled=100)))
    assert "judgement without data" in page
    assert "How many labels are there? 5" in page
    found = json.loads(report(ask(Answers(output="label", classes=5, labelled=100)), "json"))
    assert {"question": "How many labels are there?", "answer": "5"} in found["answers"]


def test_where_nothing_respects_the_limits_it_says_what_comes_nearest(hostile: Estimate) -> None:
    none = replace(hostile, advised=None, open=(), nearest=hostile.options[0].spec)
    page = " ".join(report(none).split())
    assert "Nothing is expected to respect the limits" in page
    assert f"Nearest to them comes {hostile.options[0].spec}" in page


def test_what_cannot_be_written_is_replaced(hostile: Estimate) -> None:
    report(hostile, encoding="ascii").encode("ascii")
    written = report(hostile, "json", encoding="ascii")
    assert written.isascii()
    assert json.loads(written) == json.loads(report(hostile, "json"))


def test_a_stream_that_is_no_terminal_gets_a_plain_page(hostile: Estimate) -> None:
    stream = io.StringIO()
    show(hostile, stream)
    assert stream.getvalue() == report(hostile)
