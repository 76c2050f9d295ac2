"""The profile of a task, for a terminal and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, TextIO

from advisor.cleaning import plain
from advisor.disk import put
from advisor.profiling import Profile
from advisor.reporting.document import SCHEMA, as_json, clean
from advisor.reporting.page import Page, pad, shorten
from advisor.reporting.render import WIDTH, surface
from advisor.tasks.description import Spread
from advisor.tasks.findings import Finding, Sight
from advisor.tasks.language import UNKNOWN
from advisor.verdict import words

ProfileFormat = Literal["terminal", "json"]

_LEAD = 12
_SHOWN = 3
"""Places of a finding that the terminal shows; JSON has all."""
_LABEL_WIDTH = 40
_LABELS = 6
_NAMES, _FIGURES = 20, 10
"""Columns of the table of lengths."""
_STYLES = {"high": "bold red", "medium": "yellow", "low": "dim"}


def render_profile(
    profile: Profile,
    format: ProfileFormat = "terminal",
    *,
    width: int = WIDTH,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """The profile as a string that ends with a line break; the same input gives the same bytes.

    Args:
        width: columns of the terminal's form.
        color: whether that holds ANSI codes.
        encoding: what the string will be written in; what it cannot write is replaced.
    """
    if format == "json":
        return as_json(profile_document(profile), encoding)
    page = Page(width)
    _head(page, profile)
    _lengths(page, profile)
    for title, rows in (
        ("Answers", _answers(profile)),
        ("Documents", _documents(profile)),
        ("What this test set can show", _power(profile)),
    ):
        found = list(rows)
        if found:
            page.heading(title)
        for lead, text in found:
            page.item(text, lead, _LEAD)
    _findings(page, profile)
    return page.render(color, encoding)


def show_profile(profile: Profile, stream: TextIO, format: ProfileFormat = "terminal") -> None:
    """Writes the profile to a stream, in its width, with colour only on a terminal that wants it."""
    width, color, encoding = surface(stream)
    put(stream, render_profile(profile, format, width=width, color=color, encoding=encoding))


def profile_document(profile: Profile) -> dict[str, Any]:
    """The profile as plain JSON values; all places of all findings. What has no meaning for the task is null."""
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
        "tokens": tokens,
        "label_check": labels and {key: getattr(labels, key) for key in ("embedder", "judged", "accuracy", "capable")},
        "findings": [_finding(finding) for finding in profile.findings],
        "unchecked": [dataclasses.asdict(check) for check in profile.unchecked],
    }
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def _finding(finding: Finding) -> dict[str, object]:
    plain_fields = ("code", "severity", "count", "total", "share", "what", "meaning", "mend", "lines")
    return {
        **{name: getattr(finding, name) for name in plain_fields},
        "sights": [
            {"places": [dataclasses.asdict(place) for place in sight.places], "text": sight.text}
            for sight in finding.sights
        ],
    }


def _head(page: Page, profile: Profile) -> None:
    task, found = profile.task, profile.description
    page.add(shorten(f"Advisor: profile of {plain(task.name) or 'unnamed task'}", page.width), style="bold")
    sizes = [
        f"{found.train:,} training",
        *([f"{found.dev:,} dev"] if found.dev else []),
        f"{found.test:,} test examples",
    ]
    if found.documents:
        sizes.append(f"{found.documents:,} document{'s' * (found.documents > 1)}")
    page.item(f"{task.kind}, measured by {task.metric}", "task", _LEAD)
    page.item(words.listed(sizes), "", _LEAD)
    for caveat in profile.language_caveats:
        page.item(caveat, "", _LEAD, style="bold yellow")
    for caveat in task.caveats:
        page.item(caveat, "", _LEAD)
    page.item(_languages(profile), "language", _LEAD)


def _languages(profile: Profile) -> str:
    found = profile.description
    if found.language == UNKNOWN:
        inputs = "that of the inputs is not clear"
    else:
        inputs = f"{found.language} ({_percent(found.language_share)} of the inputs whose language is clear)"
    written = "not clear" if found.document_language == UNKNOWN else found.document_language
    return inputs + (f"; documents {written}" if written else "")


def _lengths(page: Page, profile: Profile) -> None:
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
    page.heading("Lengths")
    room = (page.width - _NAMES) // _FIGURES  # a narrow page shows the first of these
    titles = ("median", "95 %", "longest", "mean", "5 %")[:room]
    page.add(" " * _NAMES + "".join(pad(title, _FIGURES, right=True) for title in titles))
    for name, spread in rows:
        if spread:
            values = (spread.p50, spread.p95, spread.largest, spread.mean, spread.p5)[:room]
            page.add(pad(f"  {name}", _NAMES) + "".join(pad(_length(value), _FIGURES, right=True) for value in values))
    if tokens:
        beside = f"{tokens.model}, {tokens.context_window:,} tokens"
        page.item(f"{_percent(tokens.too_long)} of the examples exceed the context window ({beside}) alone.")
        if tokens.documents_too_long is not None:
            page.item(f"{_percent(tokens.documents_too_long)} of the documents do.")


def _length(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 and value != int(value) else f"{value:,.0f}"


def _answers(profile: Profile) -> Iterator[tuple[str, str]]:
    found, kind = profile.description, profile.task.kind
    if found.labels:
        yield "labels", _labels(profile)
    if found.majority is not None:
        macro = "" if found.majority_macro_f1 is None else f", macro F1 {found.majority_macro_f1:.3f}"
        yield "baseline", f"always giving the most frequent answer is right on {_percent(found.majority)}{macro}"
    if kind != "classification":
        if found.distinct_answers is not None:
            yield "variety", f"{_percent(found.distinct_answers)} of the answers in train are different ones"
        if found.answers_seen is not None:
            yield "", f"{_percent(found.answers_seen)} of the test examples have an answer that occurs in train"
        yield "form", _form(profile)
        if found.in_input is not None:
            yield "in input", f"{_percent(found.in_input)} of the answers stand in their input word for word"
    for share, what in (
        (found.several_answers, "of the examples accept more than one answer"),
        (found.unanswerable, 'of the examples are "unanswerable"'),
    ):
        if share:
            yield "", f"{_percent(share)} {what}"
    if profile.labels and profile.labels.capable:
        accuracy = _percent(profile.labels.accuracy)
        yield "embedder", f"a linear classifier on {profile.labels.embedder} is right on {accuracy}, out of sample"


def _labels(profile: Profile) -> str:
    counts = profile.description.label_counts
    named = [f"{shorten(plain(label), _LABEL_WIDTH)} {count:,}" for label, count in counts.items()]
    if len(named) > _LABELS:
        half = _LABELS // 2
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


def _documents(profile: Profile) -> Iterator[tuple[str, str]]:
    found = profile.description
    if found.in_documents is not None:
        evidence = "" if found.in_evidence is None else f", {_percent(found.in_evidence)} in the evidence named"
        yield "answers", f"{_percent(found.in_documents)} stand in the documents word for word{evidence}"
    if found.question_overlap is not None:
        yield (
            "overlap",
            f"the document nearest by words holds {_percent(found.question_overlap)} of an input's words, by rarity",
        )
    if found.evidence_first is not None:
        yield "", f"for {_percent(found.evidence_first)} of the inputs that document is evidence"


def _power(profile: Profile) -> Iterator[tuple[str, str]]:
    found = profile.description
    if found.detectable is not None:
        yield (
            "",
            f"Differences in {profile.task.metric} of {found.detectable:.3f} or more between two approaches "
            f"(80 % power, 5 % level). {found.examples_to_halve:,} test examples would show half of that.",
        )


def _findings(page: Page, profile: Profile) -> None:
    page.heading("What may spoil a comparison")
    if not profile.findings:
        page.item("Nothing was found.")
    for finding in profile.findings:
        style = _STYLES[finding.severity]
        page.item(finding.what, finding.severity, _LEAD - 4, style=style)
        indent = " " * (_LEAD - 4)
        page.item(finding.meaning, indent)
        page.item(finding.mend, f"{indent}try: ")
        for sight in finding.sights[:_SHOWN]:
            page.add(shorten(f"  {indent}{_sight(sight)}", page.width))
        if len(finding.sights) > _SHOWN:
            page.item(f"and {len(finding.sights) - _SHOWN:,} more (--json lists all)", indent)
        page.blank()
    if profile.unchecked:
        page.heading("Not checked")
        for check in profile.unchecked:
            page.item(f"{check.what}: {check.mend}", "- ")


def _sight(sight: Sight) -> str:
    places = ", ".join(map(str, sight.places[:2]))
    more = f" and {len(sight.places) - 2} more" if len(sight.places) > 2 else ""
    return plain(f"{places}{more}") + (f"  {plain(sight.text)}" if sight.text else "")


def _percent(share: float) -> str:
    """A share in per cent: `0 %`, `<1 %`, `34 %`, `>99 %`; never 0 or 100 where it is not."""
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"
