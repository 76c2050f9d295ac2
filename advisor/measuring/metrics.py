"""Quality: how well an answer matches the acceptable ones, per example and over a test set.

Failures never enter: callers pass the answers of complete runs only, so 0 always means a wrong answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UserError
from advisor.measuring import validity
from advisor.measuring.answers import code_tokens, longest_common, overlap, rouge_words, squad_form
from advisor.measuring.confusion import Confusion
from advisor.measuring.failings import format_failures, refusals
from advisor.measuring.json_values import json_value, leaves, shared
from advisor.measuring.numeric import numeric
from advisor.measuring.records import TaskFacts
from advisor.measuring.whole import EACH, WHOLES, distinct_n, sentence_bleu, sentence_chrf
from advisor.tasks import UNANSWERABLE, Metric, parse_metric, release_of
from advisor.tasks.faults import quoted, short
from advisor.tasks.forms import answer_tokens, is_sign, normalised, unicode_form
from advisor.tasks.metric_facts import Value
from advisor.tasks.metric_list import BUILT_IN
from advisor.tasks.metrics import other_metric


def score(metric: str, text: str, targets: Sequence[str]) -> float:
    """How well one answer matches the acceptable ones, between 0 and 1; 1 where it is one of them.

    `macro_f1` has no value for a single example; its per-example value is the accuracy.

    Args:
        metric: the spec of one that is built in or installed (`advisor.tasks.metric_names`), and decides.
        text: the answer as the approach gave it.
        targets: all acceptable answers, at least one; the best match counts.

    Raises:
        UserError: the metric is unknown or cannot be told from texts, there is no target, or a target of `json_f1` is
            no JSON object or list; or the metric of another package fails, or gives anything but a number from 0 to 1.
    """
    return value(metric, text, targets) or 0.0


def value(metric: str, text: str, targets: Sequence[str], task: TaskFacts | None = None) -> float | None:
    """The same of any metric by which every example has a value: from 0 to its `most`, None where it has none.

    Args:
        task: which is needed by metrics that go by its kind.
    """
    found = metric_of(metric)
    judge = found.score
    if judge is not None and found.by_kind:
        judge = partial(judge, kind=task.kind, labels=task.labels) if task else None
    if judge is None:
        raise UserError(
            f"{quoted(metric)} cannot be told from one answer and its targets alone", "name another metric here"
        )
    if not targets:
        raise UserError("an example without any target cannot be judged", 'give each line a "target"')
    return judge(text, targets)


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


def _exact_match(text: str, targets: Sequence[str], normalise: str = "answer") -> float:
    form = _FORMS[normalise]
    return float(form(text) in map(form, targets))


_FORMS: Mapping[str, Callable[[str], object]] = {
    "answer": answer_tokens,
    "none": str,
    "unicode": unicode_form,
    "case": normalised,
    "squad": squad_form,
}


def _token_f1(text: str, targets: Sequence[str]) -> float:
    """The same as `_squad_f1`, over the tokens of `advisor.tasks.forms.answer_tokens`.

    A sign that both have earns nothing ($5 and $7 have nothing in common), one that differs costs.
    """
    answer = answer_tokens(text)
    return max(_partly(*_without_common_signs(answer, answer_tokens(target))) for target in targets)


def _without_common_signs(answer: tuple[str, ...], target: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str]]:
    signs = set(filter(is_sign, set(answer).intersection(target)))
    if not signs:
        return answer, target
    common = Counter(filter(signs.__contains__, answer)) & Counter(filter(signs.__contains__, target))
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


def _rouge_n(text: str, targets: Sequence[str], n: int) -> float:
    """F1 of n-grams of words (Lin 2004), those of `rouge_words`; of texts that have none, whether they are the same."""
    words = rouge_words(text)
    return max(_ngrams_shared(words, rouge_words(target), n) for target in targets)


def _ngrams_shared(found: Sequence[str], wanted: Sequence[str], n: int) -> float:
    if len(found) < n and len(wanted) < n:
        return float(tuple(found) == tuple(wanted))
    return overlap(*(list(zip(*(words[at:] for at in range(n)), strict=False)) for words in (found, wanted)))


def _mean_of(name: str, texts: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    return float(EACH[name](texts, targets).mean())


def _in_order(found: Sequence[str], wanted: Sequence[str]) -> float:
    if not found or not wanted:
        return float(not found and not wanted)
    return 2 * longest_common(wanted, found) / (len(found) + len(wanted))


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


_JUDGES: Mapping[str, Callable[..., float]] = {
    "accuracy": _accuracy,
    "macro_f1": _accuracy,
    "exact_match": _exact_match,
    "token_f1": _token_f1,
    "squad_em": _squad_em,
    "squad_f1": _squad_f1,
    "rouge_l": _rouge_l,
    "rouge_1": partial(_rouge_n, n=1),
    "rouge_2": partial(_rouge_n, n=2),
    "chrf": sentence_chrf,
    "bleu": sentence_bleu,
    "numeric": numeric,
    "code_exact": _code_exact,
    "code_f1": _code_f1,
    "json_f1": _json_f1,
    "json_valid": validity.json_valid,
    "json_exact": validity.json_exact,
    "python_valid": validity.python_valid,
    "python_exact": validity.python_exact,
    "sql_valid": validity.sql_valid,
    "sql_exact": validity.sql_exact,
    "refusals": refusals,
    "format_failures": format_failures,
}
_CORPUS: Mapping[str, Callable[..., float]] = {
    "distinct_n": distinct_n,
    **{name: whole.of for name, whole in WHOLES.items()},
    **{name: partial(_mean_of, name) for name in EACH},
}
_FIX_IT = "fix or uninstall it, or name another metric"


@cache
def metric_of(spec: str) -> Metric:
    """The metric that a spec names, built in or of another package, with its parameters bound; what the latter gives is
    checked. One that asks a model has neither function: what it gave stands in the record of a run.

    Raises:
        UserError: as in `advisor.tasks.parse_metric`.
    """
    named = parse_metric(spec)
    name = named.facts.name
    if name in BUILT_IN:
        own = _bound(_JUDGES.get(name), named.values), _bound(_CORPUS.get(name), named.values)
        return Metric(**vars(named.facts), score=own[0], corpus=own[1])
    found = other_metric(name)
    score, corpus = _bound(found.score, named.values), _bound(found.corpus, named.values)
    judge, whole = _Checked(found, score), _Checked(found, corpus)
    return replace(found, score=score and judge.of_one, corpus=corpus and whole.of_all)


def _bound(function: Callable[..., Any] | None, values: Mapping[str, Value]) -> Callable[..., Any] | None:
    return partial(function, **values) if function is not None and values else function


@dataclass(frozen=True)
class _Checked:
    """A function of another package's metric, of which it is checked what it gives."""

    metric: Metric
    function: Callable[..., object] | None

    def of_one(self, text: str, targets: Sequence[str]) -> float | None:
        """The value of one answer."""
        what = f"the answer {quoted(text)}"
        value = self._called(what, text, targets)
        return None if value is None and not self.metric.decides else self._number(value, what)

    def of_all(self, texts: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
        """The value of all answers."""
        return self._number(self._called("all answers", texts, targets), "all answers")

    def _called(self, what: str, *given: object) -> object:
        assert self.function is not None
        try:
            return self.function(*given)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self._name} fails on {what}: {type(error).__name__}: {error}", _FIX_IT) from error

    def _number(self, value: object, what: str) -> float:
        most = self.metric.most
        if not isinstance(value, int | float | np.number) or not 0 <= float(value) <= most:
            range = "a number from 0 to 1" if most == 1 else f"a number from 0 to {most:g}"
            raise UserError(f"{self._name} gives {short(repr(value))} for {what}, not {range}", _FIX_IT)
        return float(value)

    @property
    def _name(self) -> str:
        return f'the metric "{self.metric.name}" of {release_of(self.metric.name)}'
