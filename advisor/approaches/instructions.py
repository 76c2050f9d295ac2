"""Candidates for an instruction: the task's own, others made of it by rule, others that the model writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from advisor.models import Decoding, LanguageModel, Prompt
from advisor.tasks import Example, Task
from advisor.tasks.forms import unicode_form
from advisor.tasks.words import first_words

OWN = "the task's own instruction"
WRITER = "You write instructions for a language model."
WISHES = (
    "Write an instruction that gives these outputs for these inputs.",
    "Write a short instruction of one sentence for this task.",
    "Write a precise instruction for this task that says how to decide between similar cases.",
    "Write the present instruction in other words, as you would explain it to a new colleague.",
)
SHOWN = 4  # examples that the writer sees
WRITTEN_TOKENS = 120  # of a written instruction at most
WORDS = 24  # of an example's text that an instruction quotes
SHARE = 4  # an instruction may take this fraction of the context window
_SENTENCE = re.compile(r"(?<=[.!?。!?])\s+|\n+")
_NAMED = re.compile(r"^\W*(?:(?:the |new )*instruction|answer)\W*:\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Instruction:
    """A candidate, and what it is called in the report."""

    text: str
    called: str


def candidates(task: Task, model: LanguageModel, examples: Sequence[Example], most: int) -> list[Instruction]:
    """Up to `most` instructions with the task's own, which is left out: by rule and written in turn, each another, none
    empty.

    Args:
        examples: may be shown, in instructions and to the model that writes some.
    """
    found: list[Instruction] = []
    seen = {unicode_form(task.instruction).casefold()}
    longest = model.context_window // SHARE
    for one in _in_turn(_by_rule(task, examples), islice(_written(task, model, examples), most)):
        form = unicode_form(one.text).casefold()
        if not form or form in seen or model.count_tokens(one.text) > longest:
            continue
        if len(found) + 1 == most:
            break
        seen.add(form)
        found.append(one)
    return found


def _in_turn(first: Iterator[Instruction], second: Iterator[Instruction]) -> Iterator[Instruction]:
    return (one for one in chain.from_iterable(zip_longest(first, second)) if one is not None)


def _by_rule(task: Task, examples: Sequence[Example]) -> Iterator[Instruction]:
    own = task.instruction.strip()
    example = examples[0]
    if task.kind == "classification":
        yield Instruction("\n".join([own, *_explained(examples)]), "the instruction with an example of each label")
    yield Instruction(_SENTENCE.split(own)[0], "the first sentence of the instruction")
    shown = f"Input: {first_words(example.input, WORDS)}\nAnswer: {first_words(example.target, WORDS)}"
    yield Instruction(f"{own}\nThe form of an answer:\n{shown}", "the instruction with the form of an answer")
    alone = "the label" if task.kind == "classification" else "the answer"
    yield Instruction(f"{own}\nGive {alone} alone, without explanation.", "the instruction asking for the answer alone")


def _explained(examples: Sequence[Example]) -> list[str]:
    """One example of each label, in the order in which they come."""
    of_label = {example.target: example for example in reversed(examples)}
    return [f"{label}: for example {first_words(one.input, WORDS)!r}" for label, one in reversed(of_label.items())]


def _written(task: Task, model: LanguageModel, examples: Sequence[Example]) -> Iterator[Instruction]:
    """What the model writes, asked in turn with other wishes and other examples, since its answers are greedy."""
    for number in range(len(WISHES) * max(1, len(examples) // SHOWN)):
        start = SHOWN * number % len(examples)
        shown = [*examples[start:], *examples[:start]][:SHOWN]
        pairs = [f"Input: {first_words(e.input, 4 * WORDS)}\nOutput: {first_words(e.target, 4 * WORDS)}" for e in shown]
        asked = "\n\n".join([f"Present instruction: {task.instruction}", *pairs, WISHES[number % len(WISHES)]])
        (answer,) = model.generate([Prompt(WRITER, asked)], Decoding(WRITTEN_TOKENS))
        text = _NAMED.sub("", answer.text).strip().strip("\"'“”").strip()
        yield Instruction(text, f"instruction {number + 1} that the model wrote")
