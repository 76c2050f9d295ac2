"""Numbers and lists in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from advisor.verdict.cells import Interval, Settling

_LEAST_USD = 1e-4
_LEAST_SECONDS = 0.05
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
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "bleu": "BLEU",
    "numeric": "right number",
    "json_valid": "valid JSON",
    "json_exact": "equal JSON",
    "python_valid": "valid Python",
    "python_exact": "equal Python",
    "sql_valid": "valid SQL",
    "sql_exact": "equal SQL",
    "embedding_similarity": "embedding similarity",
    "bertscore": "BERTScore by the embedder",
    "reference_perplexity": "perplexity of the reference",
    "distinct_n": "distinct n-grams",
    "self_bleu": "self-BLEU",
    "length_ratio": "length ratio",
    "refusals": "refusals",
    "format_failures": "format failures",
}


def metric(name: str) -> str:
    """The metric as people write it."""
    base, colon, values = name.partition(":")
    return f"{_METRICS.get(base, base)} ({values})" if colon else _METRICS.get(name, name)


def metric_of_answers(name: str) -> str:
    """What single answers are scored by, as people write it: of macro F1 whether they are right."""
    return metric("accuracy" if name == "macro_f1" else name)


def constant_answer(kind: str) -> str:
    """The name of what the control `majority` always gives, for tasks of this kind."""
    return "the majority class" if kind == "classification" else "the most frequent answer"


def value(number: float) -> str:
    """A quality or a difference, to three decimals; never a negative zero."""
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
    if amount < 0:
        return f"-{usd(-amount)}"
    if amount == 0:
        return "$0"
    if amount < _LEAST_USD:
        return f"<${_LEAST_USD:.4f}"
    rounded = float(f"{amount:.1e}")
    if rounded >= 0.1:
        return f"${amount:,.0f}" if amount >= 100 else f"${amount:.2f}"
    return f"${rounded:.{1 - math.floor(math.log10(rounded))}f}"


def number(amount: float) -> str:
    """A count or a span, to three significant digits with thousands separators."""
    if amount >= 100:
        digits = len(str(int(amount))) - 3
        return f"{round(amount, -digits):,.0f}"
    return f"{amount:.3g}"


def milliseconds(amount: float) -> str:
    """`0.03`, `8.1`, `412`, `1,240`: two significant digits at least, no fractions from ten on."""
    if amount < 0.01:
        return "<0.01" if amount > 0 else "0"
    if amount < 0.995:
        return f"{amount:.2f}"
    return f"{amount:.1f}" if amount < 9.95 else f"{amount:,.0f}"


def ms(amount: float) -> str:
    """`210 ms`."""
    return f"{milliseconds(amount)} ms"


def duration(seconds: float, compact: bool = False) -> str:
    """Seconds as a person says them: `3.2 s`, `1 min 40 s`, `2 h 5 min`; compact: `1.7 min`, `2.1 h`."""
    if seconds < _LEAST_SECONDS:
        return "<0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    units = ("d", 86400, "h", 3600) if whole >= 86400 else ("h", 3600, "min", 60)
    if whole < 3600:
        units = ("min", 60, "s", 1)
    large, size, small, part = units
    if compact:
        return f"{whole / size:.{1 if whole < 10 * size else 0}f} {large}"
    rest = whole % size // part
    return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")


def many(count: int, noun: str) -> str:
    """`1 test example`, `48 test examples`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def settling(found: Settling) -> list[str]:
    """What would settle an open choice, in sentences."""
    if found.even is None:
        sentences = [f"No number of test examples up to {number(found.most)} is likely to settle it."]
    elif found.likely is None:
        sentences = [
            f"About {number(found.even)} test examples in all would settle it with a chance of one half; no number up "
            f"to {number(found.most)} makes that 80 %."
        ]
    else:
        sentences = [
            f"About {number(found.even)} test examples in all would settle it with a chance of one half, about "
            f"{number(found.likely)} with one of 80 %."
        ]
    if found.seeds is not None:
        also = "More seeds would" if found.likely is None else "So would more seeds"
        instead = "Seeds are what is missing" if found.seeds_first else also
        sentences.append(
            f"{instead}: {found.seeds} of each trained approach (--seeds {found.seeds}) settle it with a chance of "
            "80 % at the test examples at hand."
        )
    elif found.seeds_first and found.more_seeds is not None:
        sentences.append(
            "Seeds are what is missing: most of the uncertainty is that of the training's seed, so run with --seeds "
            f"{found.more_seeds} before adding test examples."
        )
    elif found.seeds_first:
        sentences.append(
            "Most of the uncertainty is that of the training's seed: trainings lie farther apart than the approaches."
        )
    return sentences


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""
