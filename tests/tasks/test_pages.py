"""Texts of pages, as readers of PDFs give them."""

from __future__ import annotations

import pytest

from advisor.tasks.pages import PageHeading, joined, tidy


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ("ﬁnd the oﬀice", "find the office"),
        ("Ｗｉｄｅ　ｓｉｇｎｓ", "Wide signs"),
        ("10² m², 1½ cups, ① Name™", "10² m², 1½ cups, ① Name™"),
        ("soft\u00adhyphen, zero\u200bwidth, bell\a", "softhyphen, zerowidth, bell"),
        ("one \r\ntwo\t\n\n\n\nthree", "one\ntwo\n\nthree"),
        ("e\u0301", "é"),
    ],
)
def test_characters(seen, wanted):
    assert tidy(seen) == wanted


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ("it is bro\x02ken", "it is broken"),
        ("it is bro-\nken", "it is broken"),
        ("a well-known fact is well-\nknown", "a well-known fact is well-known"),
        ("signed by Smith-\nJones", "signed by Smith-Jones"),
        ("from 10-\n20", "from 10-\n20"),
        ("a co\x02operation of cooperation", "a cooperation of cooperation"),
    ],
)
def test_hyphens_at_line_ends(seen, wanted):
    assert joined([seen]).text == wanted


def test_running_lines_are_left_out_and_told():
    pages = [
        f"{head}\nBody {body} of it.\n{n}" for n, (head, body) in enumerate(zip("ABABAB", "qwerty", strict=True), 1)
    ]
    found = joined([page.replace("A\n", "Left head\n").replace("B\n", "Right head\n") for page in pages])
    assert found.text == "\n\n".join(f"Body {body} of it." for body in "qwerty")
    assert found.running == ("1", "Left head", "Right head")


def test_numbered_headings_at_the_top_of_pages_stay():
    pages = [f"Step {n}\nDo {word}.\nThen rest." for n, word in ((1, "this"), (1, "that"), (3, "so"), (7, "more"))]
    assert "Step 7\nDo more." in joined(pages).text
    counted = [f"Step {n}\nDo {word}.\nAnd {word} again." for n, word in enumerate(("this", "that", "so", "more"), 1)]
    headings = [PageHeading(2, f"Step {n}") for n in range(1, 5)]
    assert joined(counted, headings).text.count("## Step") == 4


def test_few_pages_have_no_running_lines():
    assert joined(["Same.\nA.", "Same.\nB."]).text == "Same.\nA.\n\nSame.\nB."


def test_headings_over_several_lines_and_those_that_are_not_there():
    headings = [PageHeading(1, "A long heading over lines"), PageHeading(2, "Nowhere"), PageHeading(9, "2.1 x_y z")]
    found = joined(["A long heading\nover lines\nText.\n# a comment", "", "2.1 x y z\nMore."], headings)
    assert found.text == "# A long heading over lines\n\nText.\n\\# a comment\n\n###### 2.1 x y z\n\nMore."
    assert found.starts == (0, 47, 49)
    assert found.text[found.starts[2] :].startswith("###### 2.1")


def test_pages_without_text():
    assert joined(["", " \n"]).text == ""
    assert joined([]).starts == ()
