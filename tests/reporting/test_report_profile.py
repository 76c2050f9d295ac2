"""The profile on a page and as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.cells import cell_len

from advisor.profiling import Profile, profile
from advisor.reporting import report, show
from advisor.reporting.profile import profile_document
from advisor.tasks import Document, Example, Task


@pytest.fixture(scope="module")
def hostile() -> Profile:
    """Texts that would break a page, and many findings."""
    texts = ["\x1b[31mred\x1b[0m [bold]markup[/bold]", "line\nbreak\r\n\u202eturned", "漢字" * 300, "x" * 500]
    train = tuple(Example(str(n), text, f"answer [i]{n}[/i]") for n, text in enumerate(texts * 2))
    test = tuple(Example(f"t{n}", text, f"other\n{n}") for n, text in enumerate(texts))
    documents = (Document("d", "[red]", texts[0]), Document("e", "", texts[0]))
    return profile(Task("n\x1b[2Jame " * 30, "qa", "i", "token_f1", train=train, test=test, documents=documents))


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_line_is_wider_than_asked(hostile: Profile, width: int) -> None:
    page = report(hostile, width=width)
    for line in page.splitlines():
        assert cell_len(line) <= width, line
    assert "\x1b" not in page and "\u202e" not in page


def test_a_page_shows_some_places_and_counts_the_rest(hostile: Profile) -> None:
    page = report(hostile)
    assert "test:1, train:1 and 1 more  red [bold]markup[/bold]" in page
    assert "and 1 more (--json lists all)" in page
    assert "Not checked" in page


def test_what_cannot_be_written_is_replaced(hostile: Profile) -> None:
    report(hostile, encoding="ascii").encode("ascii")
    written = report(hostile, "json", encoding="ascii")
    assert written.isascii()
    assert json.loads(written) == json.loads(report(hostile, "json"))


def test_json_holds_every_place(hostile: Profile) -> None:
    found = json.loads(report(hostile, "json"))
    assert found == profile_document(hostile)
    assert found["schema"] == 1
    assert found["tokens"] is found["label_check"] is None
    (leak,) = [finding for finding in found["findings"] if finding["code"] == "test-input-in-train"]
    assert leak["lines"] == {"test": [1, 2, 3, 4]}
    assert leak["sights"][0]["places"] == [
        {"file": "test", "line": 1},
        {"file": "train", "line": 1},
        {"file": "train", "line": 5},
    ]
    assert found["description"]["test"] == 4


def test_a_task_without_faults_says_so(hostile: Profile) -> None:
    assert "Nothing was found." in report(replace(hostile, findings=()))


def test_a_stream_that_is_no_terminal_gets_a_plain_page(hostile: Profile) -> None:
    stream = io.StringIO()
    show(hostile, stream)
    assert stream.getvalue() == report(hostile)
