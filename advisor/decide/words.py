"""Numbers and lists as they stand in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.decide.decision import Interval

_METRICS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "exact_match": "exact match",
    "token_f1": "token F1",
    "rouge_l": "ROUGE-L",
    "chrf": "chrF",
    "squad_em": "exact match (SQuAD)",
    "squad_f1": "token F1 (SQuAD)",
    "code_exact": "exact match of code",
    "code_f1": "token F1 of code",
    "json_f1": "JSON F1",
}


def metric(name: str) -> str:
    """The metric as people write it."""
    return _METRICS.get(name, name)


def value(number: float) -> str:
    """A quality or a difference, to three decimals; never a minus nought."""
    text = f"{number:.3f}"
    return "0.000" if text == "-0.000" else text


def interval(i: Interval) -> str:
    """`0.812 (0.740 to 0.870)`."""
    return f"{value(i.value)} ({value(i.low)} to {value(i.high)})"


def probability(p: float) -> str:
    """`p = 0.012`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def usd(amount: float) -> str:
    """`$1,234`, `$12.30`, `$0.0042`: whole dollars from 100 on, two significant digits below ten cents."""
    if amount >= 100:
        return f"${amount:,.0f}"
    if amount >= 0.1 or amount == 0:
        return f"${amount:.2f}"
    return f"${amount:.2g}" if amount >= 1e-4 else f"${amount:.1e}"


def number(amount: float) -> str:
    """A count or a span, to three significant digits with thousands separators."""
    if amount >= 100:
        digits = len(str(int(amount))) - 3
        return f"{round(amount, -digits):,.0f}"
    return f"{amount:.3g}"


def ms(milliseconds: float) -> str:
    """`210 ms`, to three significant digits."""
    return f"{number(milliseconds)} ms"


def many(count: int, noun: str) -> str:
    """`1 test example`, `48 test examples`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""
