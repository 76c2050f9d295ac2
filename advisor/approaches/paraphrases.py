"""Training inputs in other words, written by a language model, and which of them are trained on."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from advisor import progress
from advisor.approaches.second import SecondPass
from advisor.models import Decoding, Generation, LanguageModel, Prompt
from advisor.models.clock import clock
from advisor.scratch import Scratch, scratch
from advisor.tasks import Example, Task
from advisor.tasks.guard import LeakGuard
from advisor.tasks.minhash import squeezed

REUSED = "paraphrases of an interrupted run"  # as the report names what was not written again
LONGER = 1.5  # how much longer than its text a paraphrase may be, and a few tokens more
MORE = 12
_KEPT, _FILE = "paraphrases", "paraphrases.json"
_BULLET = re.compile(r"^\s*(?:[-*•]+|\(?\d{1,2}[.):]|query:|question:)\s*", re.IGNORECASE)

Refusal = Literal["lacking", "same", "known", "test", "answer"]
REFUSALS: dict[Refusal, str] = {
    "lacking": "{n} were not written",
    "same": "{n} were the same as their text",
    "known": "{n} nearly the same as an input of train or dev, or as one before",
    "test": "{n} nearly the same as a test input",
    "answer": "{n} gave an answer away",
}


def written_lines(text: str) -> list[str]:
    """The lines of what a model wrote, without bullets and quotation marks; each once, and only those with a letter or
    digit."""
    found = dict.fromkeys(_BULLET.sub("", line).strip().strip("\"'“”„«»").strip() for line in text.splitlines())
    return [line for line in found if any(map(str.isalnum, line))]


@dataclass(frozen=True)
class Writing:
    """What a model wrote when it was asked for other words.

    Attributes:
        answers: one for each text, whole; empty where the text did not fit.
        read, wrote: tokens of all calls.
        seconds: on the run's clock.
    """

    answers: tuple[str, ...]
    read: int
    wrote: int
    seconds: float


def write(texts: Sequence[str], model: LanguageModel, number: int) -> Writing:
    """Ask a model for each text in so many other ways, once for each text and greedily.

    What was written before a run was killed is not written again, where the run has lent room for it; answers that are
    paid are kept by the model itself.
    """
    keeper = _Keeper.of(texts, model, number)
    began, found = clock.now(), keeper.found()
    progress.step("write other words", len(texts))
    progress.advance(len(found))
    at_once = model.can.rows_at_once
    for start in range(len(found), len(texts), at_once):
        part = texts[start : start + at_once]
        found += model.generate([Prompt(_instruction(number), text) for text in part], _decoding(part, model, number))
        progress.advance(len(part))
        keeper.told(found, clock.now() - began, last=len(found) == len(texts))
    return Writing(
        tuple("" if one.cut else one.text for one in found),
        sum(one.prompt_tokens for one in found),
        sum(one.completion_tokens for one in found),
        clock.now() - began,
    )


@dataclass(frozen=True)
class Paraphrasing(SecondPass):
    """Another model of the comparison writes the paraphrases.

    Attributes:
        number: of each training input.
    """

    number: int

    parameter: ClassVar[str] = "writer"

    @property
    def request(self) -> str:
        """How many, and in which words they are asked for."""
        return f"{self.number} paraphrases: {_instruction(self.number)}"

    def ask(self, task: Task, model: LanguageModel) -> dict[str, Any]:
        """What it answers for each training input, in their order."""
        return asdict(write([example.input for example in task.train], model, self.number))


def _instruction(number: int) -> str:
    others = "another way" if number == 1 else f"{number} other ways"
    return f"Write {others} to say the text, with the same meaning, each on a line of its own."


def _decoding(texts: Sequence[str], model: LanguageModel, number: int) -> Decoding:
    longest = max(map(model.most_tokens, texts))
    return Decoding(min(number * math.ceil(LONGER * longest + MORE), model.context_window // 2))


@dataclass
class _Keeper:
    """Keeps what is written where a run has lent room for it.

    Attributes:
        identity: of all that decides it.
    """

    scratch: Scratch | None
    identity: str

    @classmethod
    def of(cls, texts: Sequence[str], model: LanguageModel, number: int) -> _Keeper:
        about = (model.name, model.revision, model.describe().get("dtype"), number, _instruction(number), *texts)
        identity = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        return cls(None if model.can.remote else scratch(), identity)

    def found(self) -> list[Generation]:
        """What was written before."""
        folder = self.scratch.kept(_KEPT) if self.scratch else None
        if folder is None:
            return []
        kept = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if kept["identity"] != self.identity:
            return []
        clock.credit(REUSED, kept["seconds"])
        return [Generation(**one) for one in kept["answers"]]

    def told(self, answers: Sequence[Generation], seconds: float, last: bool) -> None:
        """Some more are written."""
        if self.scratch is None or not (last or self.scratch.due):
            return
        kept = {"identity": self.identity, "seconds": seconds, "answers": [asdict(one) for one in answers]}

        def place(folder: Path) -> None:
            (folder / _FILE).write_text(json.dumps(kept), encoding="utf-8")

        self.scratch.keep(_KEPT, place)


@dataclass(frozen=True)
class Paraphrases:
    """Other words for the training inputs of a task.

    Attributes:
        of: for each example of train, in its order.
        refused: how many were not taken, by why.
    """

    of: tuple[tuple[str, ...], ...]
    refused: Counter[Refusal]

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(map(len, self.of))

    @property
    def note(self) -> str:
        """What came of it, for the report."""
        why = [REFUSALS[reason].format(n=self.refused[reason]) for reason in REFUSALS if self.refused[reason]]
        return f"{self.number} paraphrases were trained on beside them" + (f"; {', '.join(why)}" if why else "")


def chosen(answers: Sequence[str], task: Task, number: int) -> Paraphrases:
    """Up to so many paraphrases for each training example, from what a model answered.

    Left out is what is the same as its text, nearly the same as an input of train or dev or as an earlier one of its
    own, nearly the same as a test input (of which only the guard is there), and what gives away the answer, or names a
    label, that its text does not. Whether a paraphrase still has the label of its text nobody checks.

    Args:
        answers: one for each example of train.
        task: with the guard of its test split.
    """
    known = LeakGuard.of(example.input for example in (*task.train, *task.dev))
    refused: Counter[Refusal] = Counter()
    found: list[tuple[str, ...]] = []
    for example, answer in zip(task.train, answers, strict=True):
        taken: list[str] = []
        lines = written_lines(answer)[:number]
        refused["lacking"] += number - len(lines)
        for line in lines:
            if why := _refusal(line, example, task, known):
                refused[why] += 1
                continue
            if LeakGuard.of(taken).refuses(line):
                refused["known"] += 1
                continue
            taken.append(line)
        found.append(tuple(taken))
    return Paraphrases(tuple(found), refused)


def _refusal(line: str, example: Example, task: Task, known: LeakGuard) -> Refusal | None:
    """Why a paraphrase is not trained on; None where it is."""
    if squeezed(line) == squeezed(example.input):
        return "same"
    if task.guard.refuses(line):
        return "test"
    if known.refuses(line):
        return "known"
    answers = task.labels if task.kind == "classification" else example.answers
    return "answer" if any(_holds(line, answer) and not _holds(example.input, answer) for answer in answers) else None


def _holds(text: str, answer: str) -> bool:
    words = squeezed(answer)
    return bool(words) and f" {words} " in f" {squeezed(text)} "
