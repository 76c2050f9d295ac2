"""Quality: how well an answer matches the acceptable ones, per example and over a test set.

Failures never enter: callers pass the answers of complete runs only, so 0 always means a wrong answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UserError
from advisor.measuring.answers import code_tokens, longest_common, overlap, rouge_words, squad_form
from advisor.measuring.confusion import Confusion
from advisor.measuring.json_values import json_value, leaves, shared
from advisor.tasks import UNANSWERABLE, Metric, release_of
from advisor.tasks.faults import quoted, short
from advisor.tasks.forms import answer_tokens, is_sign, unicode_form
from advisor.tasks.metrics import BUILT_IN, other_metric

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF


def score(metric: str, text: str, targets: Sequence[str]) -> float:
    """How well one answer matches the acceptable ones, between 0 and 1; 1 where it is one of them.

    `macro_f1` has no value for a single example; its per-example value is the accuracy.

    Args:
        metric: the name of one that is built in or installed (`advisor.tasks.metric_names`).
        text: the answer as the approach gave it.
        targets: all acceptable answers, at least one; the best match counts.

    Raises:
        UserError: the metric is unknown, there is no target, or a target of `json_f1` is no JSON object or list; or
            the metric of another package fails, or gives anything but a number from 0 to 1.
    """
    judge = metric_of(metric)
    if not targets:
        raise UserError("an example without any target cannot be judged", 'give each line a "target"')
    return judge.score(text, targets)


def scores(metric: str, texts: Sequence[str], targets: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """`score` of each answer; shape (examples,)."""
    judged = [score(metric, text, accepted) for text, accepted in zip(texts, targets, strict=True)]
    return np.array(judged, dtype=np.float64)


def label_set(texts: Sequence[str], targets: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """All labels that occur as the true or the predicted one, sorted."""
    seen = {unicode_form(text) for text in texts}
    seen.update(_true_label(text, accepted) for text, accepted in zip(texts, targets, strict=True))
    return tuple(sorted(seen))


def confusion(texts: Sequence[str], targets: Sequence[Sequence[str]], labels: Sequence[str]) -> Confusion:
    """The true and the predicted label of each answer, by their places in `labels`.

    Where several labels are acceptable, the true one is the predicted one if that is acceptable, else the
    first.
    """
    position = {label: i for i, label in enumerate(labels)}
    true = [position[_true_label(text, accepted)] for text, accepted in zip(texts, targets, strict=True)]
    predicted = [position[unicode_form(text)] for text in texts]
    return Confusion(np.array(true, dtype=np.intp), np.array(predicted, dtype=np.intp), len(labels))


def _true_label(text: str, accepted: Sequence[str]) -> str:
    predicted = unicode_form(text)
    labels = [unicode_form(target) for target in accepted]
    return predicted if predicted in labels else labels[0]


def _accuracy(text: str, targets: Sequence[str]) -> float:
    return float(unicode_form(text) in map(unicode_form, targets))


def _exact_match(text: str, targets: Sequence[str]) -> float:
    return float(answer_tokens(text) in map(answer_tokens, targets))


def _token_f1(text: str, targets: Sequence[str]) -> float:
    """The same as `_squad_f1`, over the tokens of `advisor.tasks.forms.answer_tokens`.

    A sign that both have earns nothing ($5 and $7 have nothing in common), one that differs costs.
    """
    answer = answer_tokens(text)
    return max(_partly(*_without_common_signs(answer, answer_tokens(target))) for target in targets)


def _without_common_signs(answer: tuple[str, ...], target: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str]]:
    common = Counter(filter(is_sign, answer)) & Counter(filter(is_sign, target))
    if not common:
        return answer, target
    left, right = Counter(answer) - common, Counter(target) - common
    return list(left.elements()), list(right.elements())


def _squad_em(text: str, targets: Sequence[str]) -> float:
    return float(squad_form(text) in _squad_targets(targets))


def _squad_f1(text: str, targets: Sequence[str]) -> float:
    """F1 of the words (`compute_f1` of SQuAD's official script, version 2.0)."""
    answer = squad_form(text).split()
    return max(_partly(answer, target.split()) for target in _squad_targets(targets))


def _squad_targets(targets: Sequence[str]) -> list[str]:
    """Targets that are empty once normalised count only where no other is left (SQuAD's `get_raw_scores`)."""
    return [target for target in map(squad_form, targets) if target] or [""]


def _partly(answer: Sequence[str], target: Sequence[str]) -> float:
    """F1 of the tokens; between "unanswerable" or an empty answer and anything else there is no partial match."""
    if [UNANSWERABLE] in (list(answer), list(target)):
        return float(list(answer) == list(target))
    return overlap(answer, target)


def _rouge_l(text: str, targets: Sequence[str]) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), those of `advisor.measuring.answers.rouge_words`."""
    words = rouge_words(text)
    return max(_in_order(words, rouge_words(target)) for target in targets)


def _in_order(found: Sequence[str], wanted: Sequence[str]) -> float:
    if not found or not wanted:
        return float(not found and not wanted)
    return 2 * longest_common(wanted, found) / (len(found) + len(wanted))


def _chrf(text: str, targets: Sequence[str]) -> float:
    """F2 of character n-grams (Popović 2015) by sacrebleu, of the texts in one Unicode form."""
    return (
        float(_chrf_scorer().sentence_score(unicode_form(text), [unicode_form(target) for target in targets]).score)
        / 100
    )


def corpus_chrf(texts: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    """chrF of all answers taken together, as translations are usually reported: between 0 and 1.

    The quality is the mean over the answers instead, of which differences can be tested.
    """
    most = max(map(len, targets))
    streams: Any = [[unicode_form(t[at]) if at < len(t) else None for t in targets] for at in range(most)]
    return float(_chrf_scorer().corpus_score([unicode_form(text) for text in texts], streams).score) / 100


def _code_exact(text: str, targets: Sequence[str]) -> float:
    return float(code_tokens(text) in map(code_tokens, targets))


def _code_f1(text: str, targets: Sequence[str]) -> float:
    answer = code_tokens(text)
    return max(overlap(answer, code_tokens(target)) for target in targets)


def _json_f1(text: str, targets: Sequence[str]) -> float:
    """F1 over the leaves of JSON values; an answer without any scores 0, two without a leaf score 1."""
    return max(_leaf_f1(text, _target_value(target)) for target in targets)


def _leaf_f1(text: str, wanted: Any) -> float:
    found = json_value(text, "{" if isinstance(wanted, dict) else "[")
    if found is None and isinstance(wanted, list):
        found = json_value(text)  # one record that is not in a list
    if found is None:
        return 0.0
    try:
        total = leaves(found) + leaves(wanted)
        return 2 * shared(found, wanted) / total if total else 1.0
    except RecursionError:
        return 0.0


@lru_cache(maxsize=8192)
def _target_value(target: str) -> Any:
    value = json_value(target)
    if value is None:
        raise UserError(
            f"the target {target[:60]!r} holds no JSON object or list, so json_f1 cannot judge answers by it",
            'write targets as JSON in a string, e.g. "{\\"city\\": \\"Bern\\"}"',
        )
    return value


@cache
def _chrf_scorer() -> CHRF:
    # Imported on first use: only one metric needs it.
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


_JUDGES: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "accuracy": _accuracy,
    "macro_f1": _accuracy,
    "exact_match": _exact_match,
    "token_f1": _token_f1,
    "squad_em": _squad_em,
    "squad_f1": _squad_f1,
    "rouge_l": _rouge_l,
    "chrf": _chrf,
    "code_exact": _code_exact,
    "code_f1": _code_f1,
    "json_f1": _json_f1,
}
_CORPUS = {"chrf": corpus_chrf}


@cache
def metric_of(name: str) -> Metric:
    """The metric of that name, built in or of another package; what the latter gives is checked.

    Raises:
        UserError: as in `advisor.tasks.metrics.other_metric`.
    """
    facts = BUILT_IN.get(name)
    if facts is not None:
        return Metric(**vars(facts), score=_JUDGES[name], corpus=_CORPUS.get(name))
    found = other_metric(name)
    score, corpus = found.score, found.corpus
    return replace(
        found,
        score=lambda text, targets: _checked(name, lambda: score(text, targets), f"the answer {quoted(text)}"),
        corpus=corpus and (lambda texts, targets: _checked(name, lambda: corpus(texts, targets), "all answers")),
    )


def _checked(name: str, judge: Callable[[], object], what: str) -> float:
    """What another package's metric gives, as a number from 0 to 1.

    Raises:
        UserError: it fails, or gives anything else.
    """
    called, hint = f'the metric "{name}" of {release_of(name)}', "fix or uninstall it, or name another metric"
    try:
        value = judge()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{called} fails on {what}: {type(error).__name__}: {error}", hint) from error
    if not isinstance(value, int | float | np.number) or not 0 <= float(value) <= 1:
        raise UserError(f"{called} gives {short(repr(value))} for {what}, not a number from 0 to 1", hint)
    return float(value)
