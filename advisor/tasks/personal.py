"""Personal data in texts: e-mail addresses, telephone numbers, payment cards and bank accounts; names with Presidio.

Cards are checked by Luhn's sum and by the issuers' first digits, bank accounts by the remainder of ISO 13616, and
telephone numbers by the numbering plans of their countries (libphonenumber). Nothing here is shown in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

Sort = Literal["email", "phone", "card", "iban", "name"]

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_ROLES = frozenset(
    [
        "info",
        "contact",
        "support",
        "help",
        "helpdesk",
        "service",
        "sales",
        "office",
        "admin",
        "postmaster",
        "webmaster",
        "noreply",
        "no-reply",
        "press",
        "media",
        "privacy",
        "jobs",
        "careers",
        "hello",
        "mail",
        "team",
        "news",
        "newsletter",
        "billing",
        "feedback",
        "kontakt",
    ]
)
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w]|\.\d)")
_ISSUERS = re.compile(r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|3(?:0[0-5]|[689])|6(?:011|4[4-9]|5)|35|62")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_MAYBE_PHONE = re.compile(r"(?<![\w.,$€£+-])(?:\+|\(\+?)?\d(?:[ ().\-/]{0,3}\d){6,14}(?![\w%]|[.,]\d)")
_LIKE_A_PHONE = re.compile(r"\+|\(\d{2,5}\)[ -]?\d|(?:1[ .-])?\d{3}([.-])\d{3}\1\d{4}$|\d{3} \d{3}[ -]\d{4}$")
_CUE = re.compile(
    r"(?:call|phone|tel|mobile|cell|fax|text|txt|sms|ring|whatsapp|number|contact|anruf|ruf|fon|handy|appel|numéro|"
    r"llam|teléf|número)\w*\W*(?:\w+\W+){0,3}$",
    re.IGNORECASE,
)
_NEAR = 40  # characters before a bare number in which a word must say that it is a telephone's
_REGIONS = {
    "en": ("US", "GB"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH"),
    "es": ("ES", "MX"),
    "it": ("IT",),
    "nl": ("NL", "BE"),
    "pt": ("PT", "BR"),
    "pl": ("PL",),
    "sv": ("SE",),
    "da": ("DK",),
    "no": ("NO",),
    "fi": ("FI",),
    "cs": ("CZ",),
    "tr": ("TR",),
    "ja": ("JP",),
    "zh": ("CN",),
    "ko": ("KR",),
    "ru": ("RU",),
    "el": ("GR",),
}
_SPACY_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")


@dataclass(frozen=True, slots=True)
class Datum:
    """One piece of personal data: its kind and its span in the text."""

    sort: Sort
    start: int
    end: int


def personal_data(text: str, language: str = "en") -> list[Datum]:
    """Find e-mail addresses, cards, bank accounts and telephone numbers in a text, in order, without overlaps.

    Addresses of roles (`info@`), freephone and service numbers belong to nobody and are left out.

    Args:
        language: ISO 639 code; it says in which countries numbers without a country code are looked for.
    """
    found = [*_emails(text), *_cards(text), *_ibans(text)]
    taken = [(datum.start, datum.end) for datum in found]
    for datum in _phones(text, language):
        if not any(start < datum.end and datum.start < end for start, end in taken):
            taken.append((datum.start, datum.end))
            found.append(datum)
    return sorted(found, key=lambda datum: datum.start)


def masked(text: str, language: str = "en") -> str:
    """Mask the personal data of a text, keeping only what distinguishes one value from another."""
    for datum in reversed(personal_data(text, language)):
        text = text[: datum.start] + mask(datum.sort, text[datum.start : datum.end]) + text[datum.end :]
    return text


def mask(sort: Sort, value: str) -> str:
    """Mask one value: `j***@e***.com`, `+44 *** 21`, `**** 1111`, `DE** **** 00`, `J*** D***`."""
    match sort:
        case "email":
            name, _, domain = value.partition("@")
            return f"{name[:1]}***@{domain[:1]}***.{domain.rpartition('.')[2]}"
        case "phone":
            country = re.match(r"\+\d{1,2}", value)
            return f"{country[0] if country else ''} *** {_digits(value)[-2:]}".strip()
        case "card":
            return f"**** {_digits(value)[-4:]}"
        case "iban":
            return f"{value[:2]}** **** {value[-2:]}"
        case "name":
            return " ".join(f"{word[:1]}***" for word in value.split())


def names(texts: Sequence[str]) -> list[list[Datum]]:
    """Find names of persons in English texts with Presidio and a spaCy model; see `can_find_names`."""
    analyzer = _analyzer()
    found = []
    for text in texts:
        results = analyzer.analyze(text, language="en", entities=["PERSON"], score_threshold=0.8)
        found.append([Datum("name", result.start, result.end) for result in results])
    return found


def can_find_names() -> bool:
    """Whether Presidio and an English spaCy model are installed."""
    return find_spec("presidio_analyzer") is not None and _spacy_model() is not None


def _spacy_model() -> str | None:
    return next((name for name in _SPACY_MODELS if find_spec(name)), None)


@cache
def _analyzer() -> Any:
    """Presidio's analyzer with an installed spaCy model; nothing is downloaded."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": _spacy_model()}]}
    return AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=settings).create_engine())


def _emails(text: str) -> Iterator[Datum]:
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        if match[0].partition("@")[0].casefold() not in _ROLES:
            yield Datum("email", match.start(), match.end())


def _cards(text: str) -> Iterator[Datum]:
    for match in _DIGITS.finditer(text):
        digits = _digits(match[0])
        if _ISSUERS.match(digits) and len(set(digits)) > 1 and luhn(digits):
            yield Datum("card", match.start(), match.end())


def _digits(value: str) -> str:
    return re.sub(r"\D", "", value)


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def _ibans(text: str) -> Iterator[Datum]:
    for match in _IBAN.finditer(text):
        words = match[0].split(" ")
        while words and not iban("".join(words)):  # the pattern may have taken a word in capitals behind it
            words.pop()
        if words:
            yield Datum("iban", match.start(), match.start() + len(" ".join(words)))


def iban(value: str) -> bool:
    """Whether a text without spaces is a valid bank account number by its check digits (ISO 13616)."""
    if not 15 <= len(value) <= 34 or not value[:2].isalpha() or not value[2:4].isdigit():
        return False
    return int("".join(str(int(sign, 36)) for sign in value[4:] + value[:4])) % 97 == 1


def _phones(text: str, language: str) -> Iterator[Datum]:
    for match in _MAYBE_PHONE.finditer(text):
        raw = match[0]
        if not (_LIKE_A_PHONE.match(raw) or _CUE.search(text[max(0, match.start() - _NEAR) : match.start()])):
            continue
        regions = (None,) if raw[0] == "+" else _REGIONS.get(language, ())
        if any(_is_somebodys(raw, region) for region in regions):
            yield Datum("phone", match.start(), match.end())


def _is_somebodys(raw: str, region: str | None) -> bool:
    """Whether the numbering plan assigns the number to a person: no freephone or service number."""
    import phonenumbers  # on first use: it takes a fifth of a second

    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return False
    kinds = phonenumbers.PhoneNumberType
    persons = {kinds.MOBILE, kinds.FIXED_LINE, kinds.FIXED_LINE_OR_MOBILE, kinds.PERSONAL_NUMBER, kinds.VOIP}
    return phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in persons
