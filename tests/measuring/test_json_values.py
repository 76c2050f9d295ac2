"""Finding JSON in what a model wrote, whatever it wrote."""

from __future__ import annotations

import json
import time

import pytest

from advisor.measuring.json_values import json_value, leaves, shared


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Sure: {"a": [1, 2]} and {"b": 1}', {"a": [1, 2]}),
        ("{not json} [1]", [1]),
        ('{"a": [1, 2], "b": ', [1, 2]),
        ('{"a": {"b": [1]}, oops {"c": 2}', {"b": [1]}),
        ('["{}["', {}),
        ('{"a": "[1]" oops', [1]),
        ("[1, 2}", None),
        ("none", None),
        ("[" * 60 + "]" * 60, pytest.approx),
    ],
)
def test_the_first_whole_value_is_found(text: str, found: object) -> None:
    value = json_value(text)
    assert value == found if found is not pytest.approx else leaves(value) == 0


@pytest.mark.parametrize(
    "text",
    ["[" * 2_000 + "1" + "]" * 2_000, "[" * 500 + "1" + "]" * 499, '{"a":' * 300 + "1" + "}" * 300, "[" * 100_000],
)
def test_what_is_nested_too_deeply_is_no_value_and_neither_is_what_stands_in_it(text: str) -> None:
    assert json_value(text) is None
    if text.count("]") + text.count("}") == (text.count("[") + text.count("{")):
        assert json_value(text + ' {"b": 1}') == {"b": 1}


@pytest.mark.parametrize("unit", ["[", "[,", '{"a":[', '["', '["\\', "[[1],", '{"a": "'])
def test_the_time_does_not_grow_with_the_square(unit: str) -> None:
    """Twenty thousand brackets took 1.3 s when each was tried to the end of the text."""

    def seconds(times: int) -> float:
        begin = time.process_time()
        json_value(unit * times)
        return time.process_time() - begin

    assert min(seconds(40_000) for _ in range(3)) < 12 * max(min(seconds(10_000) for _ in range(3)), 0.01)


def test_numbers_of_thousands_of_digits_are_compared() -> None:
    long = "7" * 6_000
    value, other = json_value(f"[{long}]"), json_value(f"[{long[:-1]}8]")
    assert shared(value, value) == 1
    assert shared(value, other) == 0


@pytest.mark.parametrize("length", [200, 243, 250, 255, 256, 257, 1_020, 5_000])
def test_a_long_answer_is_found_whole(length: int) -> None:
    for text in ("a" * length, '"\\é€' * length, "9" * length):
        wanted = {"b": [text, {"c": True, "d": -1.5e300}], "e": None}
        for ascii_only in (False, True):
            assert json_value(f"so {json.dumps(wanted, ensure_ascii=ascii_only)}.") == wanted
