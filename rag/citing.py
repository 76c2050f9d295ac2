"""Citations: answers that name the passages that hold them, by the numbers that the prompt gives these."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from advisor.approaches import Citation, Prediction
from advisor.models import Context, Decoding, LanguageModel
from advisor.tasks import Example
from advisor.tasks.forms import answer_tokens
from rag.abstaining import is_unanswerable

ASKED = (
    "Behind the answer, on the same line, write the numbers of the passages that hold it in square brackets, "
    'for example "the answer [2]".'
)
_NUMBER = r"(?:(?:passages?|documents?|docs?\.?|sources?)\s*+:?\s*+|#\s*+)?\d{1,3}"
_DASH = "[-\u2010-\u2015\u2212]"  # hyphens, dashes and the minus
_BETWEEN = rf"\s*+(?:[,;]\s*+and\b|[,;&]|and\b|to\b|{_DASH})\s*+"
_INSIDE = rf"\s*{_NUMBER}(?:{_BETWEEN}{_NUMBER})*\s*"
_BRACKET = rf"(?:\[{_INSIDE}\]|【{_INSIDE}】)"
# Letters and digits, but of scripts that put no space between words, where a citation stands right behind one: Thai,
# Lao, Burmese, Khmer, kana, Han. Others next to a square bracket say that it belongs to the word: `list[1]`.
_LETTER = r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
_FREE = rf"(?<!\s)\s++|(?=【)|(?<!{_LETTER})(?<!\])"
_CITED = re.compile(rf"(?:{_FREE})({_BRACKET}(?:\s*{_BRACKET})*)(?:(?<=】)|(?!{_LETTER})(?!\[))", re.IGNORECASE)
_FEW = 3  # passages that one answer may name without being cut short


def cited(text: str, most: int) -> tuple[str, list[int]]:
    """An answer without its citations, and the numbers that these name, each once, in order.

    A citation is a number in square brackets, or several: `[2]`, `[1][3]`, `[1, 3]`, `[1-3]`, `[passage 2]`,
    `[source: 2]`, `[#2]`. Brackets at a letter are none (`list[1]`).

    Args:
        most: the highest number that there is; of a range beyond it only the end is named.
    """
    numbers: list[int] = []
    for found in _CITED.finditer(text):
        for part in re.split(r"[][【】,;&]|and", found[1].lower()):
            numbers += _numbers(part, most)
    return _CITED.sub("", text).strip(), list(dict.fromkeys(numbers))


def with_numbers(context: Context, instruction: str) -> Context:
    """The context with its passages numbered, and the instruction that asks for numbers."""
    return replace(context, numbered=True, instruction=f"{context.instruction or instruction}\n{ASKED}")


def to_learn(example: Example, context: Context, answer: str) -> str:
    """The answer with the numbers of the passages that hold it: of each document of the evidence those in which an
    acceptable answer stands, else its best one. Nothing is named where none of the evidence is shown."""
    if is_unanswerable(answer):
        return answer
    named: list[int] = []
    for source in dict.fromkeys(example.evidence):
        own = [(n, p.text) for n, p in enumerate(context.passages, start=1) if p.source == source]
        holding = [number for number, text in own if any(_stands_in(one, text) for one in example.answers)]
        named += holding or [number for number, _ in own[:1]]
    return " ".join(filter(None, [answer, _written(sorted(named))]))


def with_room(usual: Decoding, model: LanguageModel, k: int) -> Decoding:
    """The decoding with room for the numbers of a few of `k` passages behind the answer. A line break still ends an
    answer where it did: the numbers are asked for on its line."""
    most = model.most_tokens(" " + _written(range(k, max(k - _FEW, 0), -1)))
    return replace(usual, max_tokens=min(usual.max_tokens + most, max(usual.max_tokens, model.context_window // 2)))


def read(answer: Prediction, context: Context) -> Prediction:
    """An answer with its citations apart from its text; of numbers that no passage of the prompt had only how many."""
    shown = context.passages[: max(len(context.passages) - answer.usage.dropped, 0)]
    text, numbers = cited(answer.text, len(shown))
    known = tuple(Citation(n, shown[n - 1].source) for n in numbers if 1 <= n <= len(shown))
    return replace(answer, text=text, citations=known, miscited=len(numbers) - len(known))


def _numbers(written: str, most: int) -> list[int]:
    """`3-5` as 3, 4, 5, and `passage 2` as 2."""
    ends = [int(number) for number in re.findall(r"\d+", written)]
    return [ends[0], *range(ends[0], min(ends[-1], most) + 1), ends[-1]] if ends else []


def _written(numbers: Iterable[int]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def _stands_in(answer: str, text: str) -> bool:
    words, said = answer_tokens(answer), answer_tokens(text)
    return any(said[at : at + len(words)] == words for at in range(len(said) - len(words) + 1)) if words else False
