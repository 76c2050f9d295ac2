"""Language identification with `py3langid`: 140 languages, NumPy alone, and a probability for each guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from advisor.tasks.power import SLICE
from advisor.tasks.words import unspaced

UNKNOWN = "und"
_NO_LANGUAGE = "zxx"  # what codes and numbers are in
_NAMES = (
    "af Afrikaans, am Amharic, ar Arabic, az Azerbaijani, be Belarusian, bg Bulgarian, bn Bengali, bs Bosnian, ca "
    "Catalan, cs Czech, cy Welsh, da Danish, de German, el Greek, en English, eo Esperanto, es Spanish, et "
    "Estonian, eu Basque, fa Persian, fi Finnish, fr French, ga Irish, gl Galician, gu Gujarati, he Hebrew, hi "
    "Hindi, hr Croatian, hu Hungarian, hy Armenian, id Indonesian, is Icelandic, it Italian, ja Japanese, ka "
    "Georgian, kk Kazakh, km Khmer, kn Kannada, ko Korean, ku Kurdish, ky Kyrgyz, lo Lao, lt Lithuanian, lv "
    "Latvian, mk Macedonian, ml Malayalam, mn Mongolian, mr Marathi, ms Malay, my Burmese, nb Norwegian, ne "
    "Nepali, nl Dutch, nn Norwegian, no Norwegian, or Odia, pa Punjabi, pl Polish, ps Pashto, pt Portuguese, ro "
    "Romanian, ru Russian, si Sinhala, sk Slovak, sl Slovenian, sq Albanian, sr Serbian, sv Swedish, sw Swahili, "
    "ta Tamil, te Telugu, th Thai, tl Tagalog, tr Turkish, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, vi "
    "Vietnamese, xh Xhosa, zh Chinese, zu Zulu"
)
CHARACTERS = 200  # of a text that are looked at
_SURE = 0.6
_FOREIGN = 0.95
_LONG_ENOUGH = 25  # letters


@dataclass(frozen=True, slots=True)
class Guess:
    """The likeliest language of a text as its ISO 639 code, with its probability between 0 and 1."""

    language: str
    probability: float
    letters: int

    @property
    def sure(self) -> bool:
        """Whether the guess is confident enough to be counted."""
        return self.language != _NO_LANGUAGE and self.probability >= _SURE


def guess(texts: Sequence[str]) -> list[Guess]:
    """Identify the language of each text from its first 200 characters."""
    identifier = _identifier() if texts else None
    found = []
    for text in texts:
        beginning = text[:CHARACTERS]
        language, probability = identifier.classify(beginning) if identifier else (UNKNOWN, 0.0)
        found.append(Guess(language, float(probability), sum(map(str.isalpha, beginning))))
    return found


def main_language(guesses: Sequence[Guess]) -> tuple[str, float]:
    """The most frequent language among the confident guesses and its share; `und` and 0 without any."""
    counts = Counter(found.language for found in guesses if found.sure)
    if not counts:
        return UNKNOWN, 0.0
    language, count = counts.most_common(1)[0]
    return language, count / counts.total()


def told_apart(texts: Sequence[str]) -> list[str]:
    """The language of each text, as its ISO 639 code and "" where it is not clear; nothing unless at least two
    languages have enough texts to be looked at alone (`advisor.tasks.power.SLICE`).

    Short texts are often taken for another language, so that one which is not the main one has to be clearly so.
    """
    guesses = guess(texts) if len(texts) >= 2 * SLICE else []
    main, _ = main_language(guesses)
    if main == UNKNOWN:
        return []
    told = [_clear(one, text, main) for one, text in zip(guesses, texts, strict=False)]
    enough = [language for language, count in Counter(filter(None, told)).items() if count >= SLICE]
    return told if len(enough) > 1 else []


def _clear(found: Guess, text: str, main: str) -> str:
    """The language of a text that is clearly in the main one or in another; "" else."""
    if found.language == main:
        return main if found.sure else ""
    other = foreign(found, main) or (found.probability >= _FOREIGN and unspaced(text))
    return found.language if other and found.sure else ""


def name_of(language: str) -> str:
    """The English name of a language; its code where the name is not known here."""
    known = dict(pair.split() for pair in _NAMES.split(", "))
    return known.get(language, f"the language of code {language!r}")


def foreign(found: Guess, main: str) -> bool:
    """Whether a text is clearly in another language than the main one."""
    return found.language != main and found.probability >= _FOREIGN and found.letters >= _LONG_ENOUGH


@cache
def _identifier() -> Any:
    """The language identifier, or None where disk or memory is too full to unpack its model: it is optional."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # on first use: reading the model takes a second

    try:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    except (OSError, MemoryError):
        return None
