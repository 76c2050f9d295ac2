"""The report of a profile, as blocks and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from advisor.cleaning import plain
from advisor.profiling import Profile
from advisor.reporting import statements
from advisor.reporting.blocks import (
    Block,
    Column,
    Detail,
    Details,
    Heading,
    Issue,
    Names,
    Paragraph,
    Report,
    Table,
    TableRow,
    Tone,
    listed,
    section,
)
from advisor.reporting.characters import shorten
from advisor.reporting.document import SCHEMA, clean
from advisor.tasks import Task
from advisor.tasks.description import Spread
from advisor.tasks.findings import Finding, Severity, Sight
from advisor.tasks.language import UNKNOWN
from advisor.tasks.versions import changes_between
from advisor.verdict import words

_LABELS = 12
_SHOWN = 3
"""Places of a finding that are shown; JSON has all."""
_LABEL_WIDTH, _MOST_LABELS = 40, 6
_TONES: dict[Severity, Tone] = {"high": "grave", "medium": "doubtful", "low": "quiet"}
_LENGTHS = Names(title="", least=18, wanted=18)


def profile_report(profile: Profile) -> Report:
    """The report of a profile: the task in numbers, and what may spoil a comparison on it."""
    return Report(
        f"Advisor: profile of {statements.named(profile.task.name)}",
        (
            Details(tuple(_head(profile)), _LABELS),
            Heading("Lengths"),
            *_lengths(profile),
            *section("Answers", _details(_answers(profile))),
            *section("Documents", _details(_documents(profile))),
            *section("What this test set can show", _details(_power(profile))),
            Heading("What may spoil a comparison"),
            *(map(_issue, profile.findings) if profile.findings else (Paragraph(("Nothing was found.",)),)),
            *listed("Not checked", (f"{check.what}: {check.hint}" for check in profile.unchecked)),
        ),
    )


def _details(details: Iterator[Detail]) -> Details | None:
    found = tuple(details)
    return Details(found, _LABELS) if found else None


def _head(profile: Profile) -> Iterator[Detail]:
    task, found = profile.task, profile.description
    sizes = [
        f"{found.train:,} training",
        *([f"{found.dev:,} dev"] if found.dev else []),
        f"{found.test:,} test examples",
    ]
    if found.documents:
        sizes.append(f"{found.documents:,} document{'s' * (found.documents > 1)}")
    yield Detail("task", f"{task.kind}, measured by {task.metric}")
    yield Detail("", words.listed(sizes))
    if pairs := len(task.preferences) + len(task.preferences_held_out):
        yield Detail("", f"{words.many(pairs, 'preference')}, of which {len(task.preferences_held_out):,} are held out")
    if task.test_after:
        yield Detail("", _change(task))
    yield from (Detail("", caveat, tone="warning") for caveat in profile.language_caveats)
    yield from (Detail("", caveat) for caveat in task.caveats)
    yield Detail("language", _languages(profile))


def _change(task: Task) -> str:
    """The sizes of what is known of a change."""
    questions = words.many(len(task.test_after), "test example")
    if not task.documents_after:
        return f"after a change: {questions}, the documents stay"
    each = changes_between(task.documents, task.documents_after).counts or ["none changed"]
    return f"after a change: {questions}, {words.many(len(task.documents_after), 'document')} ({words.listed(each)})"


def _languages(profile: Profile) -> str:
    found = profile.description
    if found.language == UNKNOWN:
        inputs = "that of the inputs is not clear"
    else:
        inputs = f"{found.language} ({_percent(found.language_share)} of the inputs whose language is clear)"
    written = "not clear" if found.document_language == UNKNOWN else found.document_language
    return inputs + (f"; documents {written}" if written else "")


def _lengths(profile: Profile) -> Iterator[Block]:
    found, tokens = profile.description, profile.tokens
    rows: list[tuple[str, Spread | None]] = [
        ("inputs, words", found.input_words),
        ("answers, words", found.target_words),
        ("documents, words", found.document_words),
    ]
    if tokens:
        rows += [
            ("inputs, tokens", tokens.inputs),
            ("answers, tokens", tokens.targets),
            ("documents, tokens", tokens.documents),
        ]
    spreads = {name: spread for name, spread in rows if spread}
    titles = {"median": "p50", "95 %": "p95", "longest": "largest", "mean": "mean", "5 %": "p5"}
    columns = (
        Column((title,), [_length(getattr(spread, field)) for spread in spreads.values()], rank=1, least=8)
        for title, field in titles.items()
    )
    yield Table(tuple(map(TableRow, spreads)), tuple(columns), _LENGTHS, ruled=False)
    if tokens:
        beside = f"{tokens.model}, {tokens.context_window:,} tokens"
        yield Paragraph((f"{_percent(tokens.too_long)} of the examples exceed the context window ({beside}) alone.",))
        if tokens.documents_too_long is not None:
            yield Paragraph((f"{_percent(tokens.documents_too_long)} of the documents do.",))


def _length(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 and value != int(value) else f"{value:,.0f}"


def _answers(profile: Profile) -> Iterator[Detail]:
    found, kind = profile.description, profile.task.kind
    if found.labels:
        yield Detail("labels", _labels(profile))
    if found.majority is not None:
        macro = "" if found.majority_macro_f1 is None else f", macro F1 {found.majority_macro_f1:.3f}"
        constant = words.constant_answer(kind)
        yield Detail("baseline", f"always giving {constant} is right on {_percent(found.majority)}{macro}")
    if kind != "classification":
        if found.distinct_answers is not None:
            yield Detail("variety", f"{_percent(found.distinct_answers)} of the answers in train are different ones")
        if found.answers_seen is not None:
            yield Detail("", f"{_percent(found.answers_seen)} of the test examples have an answer that occurs in train")
        yield Detail("form", _form(profile))
        if found.in_input is not None:
            yield Detail("in input", f"{_percent(found.in_input)} of the answers stand in their input word for word")
    for share, what in (
        (found.several_answers, "of the examples accept more than one answer"),
        (found.unanswerable, 'of the examples are "unanswerable"'),
    ):
        if share:
            yield Detail("", f"{_percent(share)} {what}")
    if profile.labels and profile.labels.capable:
        right = f"is right on {_percent(profile.labels.accuracy)}, out of sample"
        yield Detail("embedder", f"a linear classifier on {profile.labels.embedder} {right}")


def _labels(profile: Profile) -> str:
    counts = profile.description.label_counts
    named = [f"{shorten(plain(label), _LABEL_WIDTH)} {count:,}" for label, count in counts.items()]
    if len(named) > _MOST_LABELS:
        half = _MOST_LABELS // 2
        named = [*named[:half], "...", *named[-half:]]
    evenness = profile.description.label_entropy
    even = "" if evenness is None else f"; evenness {evenness:.2f} (1: all as frequent)"
    return f"{len(counts):,} in train: {', '.join(named)}{even}"


def _form(profile: Profile) -> str:
    found = profile.description
    kinds = [
        f"{_percent(share)} {what}"
        for share, what in (
            (found.numeric_answers, "numbers"),
            (found.code_answers, "code"),
            (found.json_answers, "JSON"),
            (found.digits_in_answers, "hold a digit"),
            (found.line_breaks, "hold a line break"),
        )
        if share
    ]
    return f"rigidity {found.rigidity:.2f} (0: free text, 1: all of one form)" + "".join(f"; {kind}" for kind in kinds)


def _documents(profile: Profile) -> Iterator[Detail]:
    found = profile.description
    if found.in_documents is not None:
        evidence = "" if found.in_evidence is None else f", {_percent(found.in_evidence)} in the evidence named"
        yield Detail("answers", f"{_percent(found.in_documents)} stand in the documents word for word{evidence}")
    if found.question_overlap is not None:
        share = _percent(found.question_overlap)
        yield Detail("overlap", f"the document nearest by words holds {share} of an input's words, by rarity")
    if found.evidence_first is not None:
        yield Detail("", f"for {_percent(found.evidence_first)} of the inputs that document is evidence")


def _power(profile: Profile) -> Iterator[Detail]:
    found = profile.description
    if found.detectable is not None:
        yield Detail(
            "",
            f"Differences in {profile.task.metric} of {found.detectable:.3f} or more between two approaches "
            f"(80 % power, 5 % level). {found.examples_to_halve:,} test examples would show half of that.",
        )


def _issue(finding: Finding) -> Issue:
    places = [_place(sight) for sight in finding.sights[:_SHOWN]]
    more = len(finding.sights) - len(places)
    tone = _TONES[finding.severity]
    return Issue(finding.severity, tone, finding.what, finding.meaning, finding.hint, places, more)


def _place(sight: Sight) -> tuple[str, str]:
    more = f" and {len(sight.places) - 2} more" if len(sight.places) > 2 else ""
    return ", ".join(map(str, sight.places[:2])) + more, sight.text


def _percent(share: float) -> str:
    """A share in per cent: `0 %`, `<1 %`, `34 %`, `>99 %`; 0 and 100 only where exact."""
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def profile_document(profile: Profile) -> dict[str, Any]:
    """The profile as plain JSON values with all places of all findings; what has no meaning is null."""
    task = profile.task
    tokens = dataclasses.asdict(profile.tokens) if profile.tokens else None
    if tokens:
        del tokens["examples"]
    labels = profile.labels
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "task": {
            "name": task.name,
            "fingerprint": task.fingerprint,
            "kind": task.kind,
            "metric": task.metric,
            "labels": task.labels,
            "origin": task.origin,
            "caveats": (*profile.language_caveats, *task.caveats),
        },
        "description": dataclasses.asdict(profile.description),
        "change": {"test": len(task.test_after), "documents": len(task.documents_after)} if task.changes else None,
        "preferences": {"train": len(task.preferences), "held_out": len(task.preferences_held_out)},
        "tokens": tokens,
        "label_check": labels and {key: getattr(labels, key) for key in ("embedder", "judged", "accuracy", "capable")},
        "findings": [_finding(finding) for finding in profile.findings],
        "unchecked": [{"what": check.what, "mend": check.hint} for check in profile.unchecked],
    }
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def _finding(finding: Finding) -> dict[str, object]:
    plain_fields = ("code", "severity", "count", "total", "share", "what", "meaning", "lines")
    return {
        **{name: getattr(finding, name) for name in plain_fields},
        "mend": finding.hint,  # the key keeps its first name, for whoever reads it
        "sights": [
            {"places": [dataclasses.asdict(place) for place in sight.places], "text": sight.text}
            for sight in finding.sights
        ],
    }
