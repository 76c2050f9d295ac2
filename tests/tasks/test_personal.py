"""Personal data: what counts, what does not, and that it is never shown in full."""

from __future__ import annotations

import pytest

from advisor.tasks.personal import iban, luhn, mask, masked, personal_data


def sorts(text: str, language: str = "en") -> list[tuple[str, str]]:
    return [(datum.sort, text[datum.start : datum.end]) for datum in personal_data(text, language)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to ann.lee@posthut.org soon", [("email", "ann.lee@posthut.org")]),
        ("card 4111 1111 1111 1111 expired", [("card", "4111 1111 1111 1111")]),
        ("card 378282246310005", [("card", "378282246310005")]),
        ("from GB82 WEST 1234 5698 7654 32 TODAY", [("iban", "GB82 WEST 1234 5698 7654 32")]),
        ("to DE89370400440532013000.", [("iban", "DE89370400440532013000")]),
        ("dial +44 7400 123456 now", [("phone", "+44 7400 123456")]),
        ("call me on 07400 123456", [("phone", "07400 123456")]),
        ("(650) 253-0000", [("phone", "(650) 253-0000")]),
    ],
)
def test_it_is_found_where_it_stands(text: str, found: list[tuple[str, str]]) -> None:
    assert sorts(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "write to info@posthut.org",  # nobody's own
        "card 4111 1111 1111 1112",  # wrong check digit
        "card 0000 0000 0000 0000",
        "1234567812345670",  # Luhn's sum is right, but no issuer begins so
        "GB82 WEST 1234 5698 7654 33",
        "order 07400123456 is late",  # nothing says that it is a telephone's
        "call us on 0800 123 4567",  # freephone
        "on 2024-05-17 at 10:30, 1,250,000 people",
        "version 1.2.3.4 of 10.0.0.1",
        "",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert sorts(text) == []


def test_numbers_without_a_country_are_looked_for_in_those_of_the_language() -> None:
    assert sorts("Tel. 030 901820", "de") == [("phone", "030 901820")]
    assert sorts("Tel. 030 901820", "en") == []


@pytest.mark.parametrize(
    ("sort", "value", "hidden"),
    [
        ("email", "ann.lee@posthut.org", "a***@p***.org"),
        ("phone", "+44 7400 123456", "+44 *** 56"),
        ("phone", "07400 123456", "*** 56"),
        ("card", "4111 1111 1111 1111", "**** 1111"),
        ("iban", "DE89370400440532013000", "DE** **** 00"),
        ("name", "Ann Lee", "A*** L***"),
    ],
)
def test_a_value_is_hidden_but_for_what_tells_it_apart(sort, value: str, hidden: str) -> None:
    assert mask(sort, value) == hidden


def test_a_text_is_masked_as_a_whole() -> None:
    text = "ann.lee@posthut.org paid with 4111 1111 1111 1111, then bob@posthut.org did"
    assert masked(text) == "a***@p***.org paid with **** 1111, then b***@p***.org did"


def test_check_digits() -> None:
    assert luhn("4111111111111111") and not luhn("4111111111111112")
    assert iban("GB82WEST12345698765432") and not iban("GB82WEST12345698765433") and not iban("GB82")
