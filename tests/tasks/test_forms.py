"""Which texts are the same answer, and which are not: in every script, by one rule for all that compares them."""

from __future__ import annotations

import unicodedata
from itertools import combinations

import pytest

from advisor.tasks import Kind
from advisor.tasks.forms import answer_form, answer_tokens, code_points, look, unicode_form

SAME = [
    ("crème brûlée", unicodedata.normalize("NFD", "crème brûlée")),
    ("Việt Nam", unicodedata.normalize("NFD", "Việt Nam")),
    ("がぎぐ", unicodedata.normalize("NFD", "がぎぐ")),
    ("한국어", unicodedata.normalize("NFD", "한국어")),
    ("Room 12B", "Ｒｏｏｍ　１２Ｂ"),
    ("コーヒー", "ｺｰﾋｰ"),
    ("we don't know", "we don’t know"),
    ('the "red" door', "the “red” door"),
    ("3-5", "3–5"),
    ("−7", "-7"),
    ("+7", "7"),
    ("blue lake", "blue\u00a0lake"),
    ("bluelake", "blue\u200blake"),
    ("שלום", "\u200fשלום\u200e"),
    ("می‌خواهم", "میخواهم"),
    ("العربية", "العـــربية"),
    ("ﻻ", "لا"),
    ("☀", "☀\ufe0f"),
    ("coöperation", "coöper\u00adation"),
    ("office", "oﬃce"),
    ("CO₂", "CO2"),
    ("下午三点。", "下午三点"),
    ("それです。", "それです"),
    ("यह सही है।", "यह सही है"),
    ("نعم؟", "نعم"),
    ("Paris.", "paris"),
    ("the north gate", "north gate"),
    ("A red apple", "red apple"),
    ("1,250", "1250"),
    ("12,34,567", "1234567"),
    ("٣٫٥", "3.5"),
    ("१२", "12"),
    ("U.S.", "us"),
    ("well-known", "wellknown"),
    ("**Bern**", "Bern"),
    ("今天 下雨", "今天下雨"),
    ("10–12", "10 - 12"),
]
APART = [
    ("-8", "8"),
    ("2.71", "271", "2,71"),
    ("1,250", "1.250", "1,2,50"),
    (".5", "5"),
    ("C", "C++", "C#", "C--"),
    ("F#", "F"),
    ("A", "A+", "A-"),
    ("<3", ">3", "3", "<=3", "!=3", "=3"),
    ("A", "the", "an", "", "B"),
    ("A, C", "C", "A, B"),
    ("A and C", "C"),
    ("vitamin A", "vitamin", "vitamin B"),
    ("x + 1", "x - 1", "x * 1", "x / 1", "x 1", "x1", "x^1"),
    ("5 %", "5", "5 ‰"),
    ("$5", "€5", "5"),
    ("10²", "102"),
    ("1/2", "12"),
    ("1990-1995", "19901995"),
    ("4:30", "430"),
    ("?", "!", "", "??"),
    ("😀", "😡", ""),
    ("🇩🇪", "🇫🇷"),
    ("👍🏽", "👍🏿"),
    ("दिन", "दीन", "दान"),
    ("é", "e"),
    ("ё", "е"),
    ("は", "ば", "ぱ"),
    ("ไม", "ไม่", "ไม้"),
    ("שׁ", "שׂ"),
    (".NET", "NET"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_only_looks_otherwise_is_the_same_answer(one: str, other: str) -> None:
    assert answer_tokens(one) == answer_tokens(other)
    assert answer_form("qa", one) == answer_form("generation", other)


@pytest.mark.parametrize("texts", APART)
def test_what_tells_answers_apart_stays(texts: tuple[str, ...]) -> None:
    for one, other in combinations(texts, 2):
        assert answer_tokens(one) != answer_tokens(other), (one, other)
        assert answer_form("qa", one) != answer_form("qa", other)


def test_only_an_empty_text_is_an_empty_answer() -> None:
    for text in ("a", "the", "An", ".", "。", "…", "-", "'", "`", "_", "😀", "ー", "་"):
        assert answer_tokens(text)
    for text in ("", " \n", "\u200b\u200f"):
        assert answer_tokens(text) == ()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("明日9時に", ["明", "日", "9", "時", "に"]),
        ("ตีสาม", ["ตี", "ส", "า", "ม"]),
        ("iPhone手机", ["iphone", "手", "机"]),
        ("ភាសាខ្មែរ", list(answer_tokens("ភាសា")) + list(answer_tokens("ខ្មែរ"))),
        ("Straße nach Genève", ["strasse", "nach", "genève"]),
        ("Ὀδυσσεύς", ["ὀδυσσεύσ"]),
        ("it's $1,000.50 (or 3 %)", ["its", "$", "1000.50", "or", "3", "%"]),
        ("COVID-19 on 2021-03-04 - 10 - 12 days", ["covid-19", "on", "2021-03-04-10-12", "days"]),
        ("read **this** and *that* at AT&T", ["read", "this", "and", "that", "at", "at&t"]),
        ("2 * 3 + x^2 / (y)", ["2*3", "+", "x^2", "/", "y"]),
    ],
)
def test_tokens_are_words_numbers_and_signs_or_characters_where_no_spaces_part_words(
    text: str, tokens: list[str]
) -> None:
    assert list(answer_tokens(text)) == tokens


@pytest.mark.parametrize(
    ("kind", "same", "other"),
    [
        ("classification", ("refund", " refund\u200b"), "Refund"),
        ("classification", ("naïve", "nai\u0308ve"), "naive"),
        ("qa", ("Refund.", "refund"), "refunds"),
        ("extraction", ('{"n": 5, "who": ["A", "B"]}', '{"who": ["b", "a"], "n": 5.0}'), '{"n": 5, "who": ["a", "c"]}'),
        ("extraction", ("[1, 2]", "[2.0, 1]"), "[1, 1, 2]"),
    ],
)
def test_the_form_goes_by_the_kind_of_task(kind: Kind, same: tuple[str, str], other: str) -> None:
    assert answer_form(kind, same[0]) == answer_form(kind, same[1]) != answer_form(kind, other)


def test_the_one_form_keeps_case_signs_and_accents_and_needs_no_second_pass() -> None:
    for text, expected in [("C++", "C++"), ("Élan  vital", "Élan vital"), ("“A”", '"A"'), ("①½ m²", "①½ m²")]:
        assert unicode_form(text) == expected
    for one, other in SAME:
        for text in (one, other):
            assert unicode_form(unicode_form(text)) == unicode_form(text)


def test_letters_that_look_alike_are_told_by_their_code_points() -> None:
    latin, cyrillic = "Cancel", "Саnсеl"
    assert unicode_form(latin) != unicode_form(cyrillic)
    assert look(latin) == look(cyrillic)
    assert code_points(cyrillic, latin) == "U+0421 U+0430 U+0441 U+0435"
