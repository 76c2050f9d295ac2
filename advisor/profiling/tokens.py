"""Token counts of a task's texts, and texts that exceed the context window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from advisor.models import LanguageModel
from advisor.tasks.description import Spread
from advisor.tasks.findings import Finding, counted, sights
from advisor.tasks.material import Material

_FEW = 0.01


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """Lengths in tokens, without the chat template and special tokens.

    Attributes:
        model: name of the model whose tokens they are.
        context_window: tokens that prompt and answer may take together.
        instruction: tokens of the instruction.
        inputs, targets, documents: the distributions of their lengths; None where there are none.
        examples: tokens of instruction, input and target together, for each example in the order of `Material.entries`.
        answers: tokens of the target of each, in the same order.
        too_long: share of the examples of which these exceed the window, before any context is added.
        documents_too_long: share of the documents that exceed the window alone, so that no prompt holds one whole.
    """

    model: str
    context_window: int
    instruction: int
    inputs: Spread | None
    targets: Spread | None
    documents: Spread | None
    examples: tuple[int, ...]
    answers: tuple[int, ...]
    too_long: float
    documents_too_long: float | None


def count_tokens(material: Material, model: LanguageModel) -> TokenLengths:
    """Count the tokens of every text of a task once."""
    counts: dict[str, int] = {}

    def count(text: str) -> int:
        if text not in counts:  # labels repeat
            counts[text] = model.count_tokens(text)
        return counts[text]

    window = model.context_window
    instruction = count(material.task.instruction)
    inputs = [count(entry.example.input) for entry in material.entries]
    targets = [count(entry.example.target) for entry in material.entries]
    documents = [model.count_tokens(document.text) for document in material.task.documents]
    examples = tuple(instruction + given + wanted for given, wanted in zip(inputs, targets, strict=True))
    return TokenLengths(
        model=model.name,
        context_window=window,
        instruction=instruction,
        inputs=Spread.of(inputs),
        targets=Spread.of(targets),
        documents=Spread.of(documents),
        examples=examples,
        answers=tuple(targets),
        too_long=sum(length > window for length in examples) / len(examples) if examples else 0.0,
        documents_too_long=sum(length > window for length in documents) / len(documents) if documents else None,
    )


def answers_too_long(material: Material, tokens: TokenLengths) -> Iterator[Finding]:
    """Find answers that exceed the context window after the instruction alone."""
    room = tokens.context_window - tokens.instruction
    places = [
        ([entry.place], f"{length:,} tokens: {entry.example.target}")
        for entry, length in zip(material.entries, tokens.answers, strict=True)
        if length > room
    ]
    if places:
        total = len(tokens.answers)
        yield Finding(
            code="answer-exceeds-window",
            severity="medium",
            count=len(places),
            total=total,
            what=f"{counted(len(places), total, 'answers')} longer than the context window of {tokens.model} leaves "
            f"behind the instruction ({max(room, 0):,} of {tokens.context_window:,} tokens).",
            meaning="No approach can give them whole, and lora is skipped while train or dev holds any.",
            hint="Take a model with a larger window, or shorten or leave out these answers.",
            sights=sights(places),
        )


def too_long(material: Material, tokens: TokenLengths) -> Iterator[Finding]:
    """Find examples that exceed the context window before any context is added."""
    window = tokens.context_window
    room = window - tokens.instruction
    found = [
        ([entry.place], f"{length:,} tokens: {entry.example.input}")
        for entry, length, answer in zip(material.entries, tokens.examples, tokens.answers, strict=True)
        if length > window and answer <= room
    ]
    if found:
        yield Finding(
            code="example-exceeds-window",
            severity="low" if len(found) < _FEW * len(tokens.examples) else "medium",
            count=len(found),
            total=len(tokens.examples),
            what=f"{counted(len(found), len(tokens.examples), 'examples')} longer than the context window of "
            f"{tokens.model} ({window:,} tokens).",
            meaning="Their inputs are cut, and there is no room for shots or passages beside them.",
            hint="Take a model with a larger window, or shorten these inputs.",
            sights=sights(found),
        )
