"""What is done to the training examples before a tuner, or a classifier, learns from them.

All of it is off unless it is asked for, and none of it touches dev or test. It comes before anything is built of the
examples, so that shots, retrieval and the trial of how labels are read see the same train as the weights do.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from advisor.approaches.contract import ContextBuilder
from advisor.approaches.mislabelled import LEAST_ACCURACY, check_labels
from advisor.approaches.paraphrases import Paraphrasing, Writing, chosen, write
from advisor.approaches.second import SecondPass, told_to
from advisor.approaches.workload import Lengths, Load
from advisor.errors import NotApplicable
from advisor.models import Embedder, LanguageModel
from advisor.tasks import Example, Outline, Task, TaskShape
from advisor.tasks.forms import answer_form
from advisor.tasks.material import Material
from advisor.tasks.repeats import ExampleChange, without_repeats

MOST_TIMES = 10
"""How often one example is seen in a pass at most, for the balance of labels: more would be learnt by heart."""
ASKED_AROUND = 40  # tokens of a prompt that asks for other words, beside the text

Noise = Literal["keep", "drop", "relabel"]


@dataclass(frozen=True)
class Curated:
    """Training examples as they are learned from.

    Attributes:
        task: with train as it is after examples were dropped or relabelled.
        further: for each example of train, inputs that are trained on beside it, with the same answer: itself in other
            words, or once more. They stand in no prompt, and are not held out.
        notes: what was done, in full sentences.
    """

    task: Task
    further: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def taught(self, examples: Sequence[Example]) -> tuple[Example, ...]:
        """Examples of train, each followed by what is trained on beside it."""
        beside = dict(zip((one.id for one in self.task.train), self.further, strict=True))
        found: list[Example] = []
        for example in examples:
            found.append(example)
            again = enumerate(beside[example.id], start=1)
            found += [replace(example, id=f"{example.id}~{number}", input=text) for number, text in again]
        return tuple(found)


@dataclass(frozen=True)
class Curation:
    """What is done to the training examples, in this order; dev and test stay as they are.

    Attributes:
        duplicates: `drop` takes out of train what repeats an earlier example, word for word or nearly, and inputs whose
            answers contradict each other; of these the commonest answer stays.
        noise: what is done about labels that are probably wrong (confident learning, Northcutt et al. 2021, on the
            embedder's vectors, as `advisor profile --embedder` names them): such examples are dropped, or get the label
            that the others suggest. Of classifications.
        augment: so many paraphrases of each training input, written by the model, are trained on beside it; those that
            are nearly a test input, or give an answer away, are not.
        writer: alias of another model of the comparison that writes them in the model's place.
        balance: `labels` shows the examples of rarer labels more often, up to ten times, until each label is as
            frequent as the commonest (random oversampling; Buda, Maki and Mazurowski 2018). Of classifications.
    """

    duplicates: Literal["keep", "drop"] = field(default="keep", kw_only=True)
    noise: Noise = field(default="keep", kw_only=True)
    augment: int = field(default=0, kw_only=True)
    writer: str = field(default="", kw_only=True)
    balance: Literal["none", "labels"] = field(default="none", kw_only=True)

    def __post_init__(self) -> None:
        if self.augment < 0:
            raise ValueError("augment must be at least 1 paraphrase, or 0 for none")
        if self.writer and not self.augment:
            raise ValueError("a writer writes paraphrases: augment=2 says how many of each training input")

    @property
    def asked(self) -> Curation:
        """These settings alone, of whatever has them."""
        return Curation(**{name: getattr(self, name) for name in NAMES})

    def improper(self, task: TaskShape) -> str:
        """Why this cannot be done to the examples of `task`; empty where it can."""
        if task.kind == "classification":
            return ""
        named = [f"{name}={getattr(self, name)}" for name in ("noise", "balance") if getattr(self, name) != _OFF[name]]
        return f"{named[0]} is about labels, and the task has none" if named else ""

    def curated(self, task: Task, model: LanguageModel) -> Curated:
        """The training examples of a task as they are learned from.

        Args:
            model: whose embedder judges labels, and which writes paraphrases.

        Raises:
            NotApplicable: it cannot be done to this task, there is no embedder or nobody to write, or nothing is left.
        """
        if why := self.improper(task):
            raise NotApplicable(why)
        notes: list[str] = []
        given, before = task, len(task.train)
        if self.duplicates == "drop":
            task, changes = without_repeats(task)
            notes.append(f"duplicates=drop: {_of(len(changes), before)} dropped{_first(changes)}.")
        if self.noise != "keep":
            task, _, note = without_noise(task, embedder_of(model), self.noise)
            notes.append(note)
        if before and not task.train:
            raise NotApplicable(f"no training example is left. {' '.join(notes)}")
        further: list[tuple[str, ...]] = [()] * len(task.train)
        if self.augment:
            further, note = self._augmented(task, given, model)
            notes.append(note)
        if self.balance == "labels":
            further, note = balanced(task, further)
            notes.append(note)
        return Curated(task, tuple(further), tuple(notes))

    def second_passes(self, builder: ContextBuilder | None, seed: int) -> tuple[SecondPass, ...]:
        """The writer is asked for paraphrases of all training inputs, before any of them is dropped."""
        return (Paraphrasing(self.writer, self.augment),) if self.writer else ()

    def _augmented(self, task: Task, given: Task, model: LanguageModel) -> tuple[list[tuple[str, ...]], str]:
        """Paraphrases for each example of `task`, whose train is what is left of that of `given`, and a sentence."""
        if self.writer:
            written = Writing(**told_to(self, "writer").what)
            of = dict(zip((example.id for example in given.train), written.answers, strict=True))
            answers = [of[example.id] for example in task.train]
        else:
            written = write([example.input for example in task.train], model, self.augment)
            answers = list(written.answers)
        found = chosen(answers, task, self.augment)
        note = (
            f"augment={self.augment}: of {len(task.train)} training inputs {found.note}. "
            f"Writing them{f' by {self.writer}' if self.writer else ''} read "
            f"{written.read:,} tokens and wrote {written.wrote:,} in {written.seconds:.1f} s. Whether each still has "
            "the answer of its text was not checked."
        )
        return list(found.of), note

    def with_curation(self, load: Load, task: Outline, lengths: Lengths) -> Load:
        """What an approach takes that trains on so many more rows, and curates them first; roughly."""
        rows = len(task.train)
        judged = task.train.total if self.noise != "keep" else 0.0
        if not self.augment or self.writer:
            return replace(load, embedded_to_fit=load.embedded_to_fit + judged)
        asked = rows * (ASKED_AROUND + lengths.input)
        return replace(
            load,
            embedded_to_fit=load.embedded_to_fit + judged,
            tried=load.tried + (asked / load.prompt if load.prompt else 0.0),
            tried_written=load.tried_written + rows * self.augment * lengths.input,
        )


NAMES = ("duplicates", "noise", "augment", "writer", "balance")
_OFF = {"noise": "keep", "balance": "none"}
AS_IT_IS = Curation()


def embedder_of(model: LanguageModel) -> Embedder:
    """The embedder that goes with a model.

    Raises:
        NotApplicable: it has none.
    """
    found: Embedder | None = getattr(model, "embedder", None)
    if found is None:
        raise NotApplicable(f"noise: labels are judged by an embedder, and {model.name} has none: name one, --embedder")
    return found


def without_noise(task: Task, embedder: Embedder, noise: Noise) -> tuple[Task, tuple[ExampleChange, ...], str]:
    """The task without training labels that are probably wrong, what was changed, and a sentence on it.

    Examples of train and dev are judged together, and those of train changed. Where a classifier on the embedder knows
    too little of the task to suspect anything, nothing is.
    """
    check = check_labels(Material(replace(task, test=())), embedder)
    if not check.judged:
        return task, (), f"noise={noise}: no label has enough examples to be judged, so nothing was changed."
    right = f"a classifier on {embedder.name} is right on {100 * check.accuracy:.0f} % of {check.judged:,} examples"
    if not check.capable:
        needed = f"{100 * LEAST_ACCURACY:.0f} % are needed to judge labels"
        return task, (), f"noise={noise}: {right}, out of sample, and {needed}, so nothing was changed."
    spelt = {answer_form(task.kind, label): label for label in (*task.labels, *(e.target for e in task.train))}
    changes: dict[str, ExampleChange] = {}
    for suspect in check.suspects:
        if suspect.entry.split == "train":
            entry, label = suspect.entry, spelt[suspect.likely]
            why = f"its label is {entry.example.target!r}, and the examples around it say {label!r}"
            changes[entry.example.id] = ExampleChange(
                entry.place, why, entry.example, label if noise == "relabel" else None
            )
    train = tuple(_changed(example, changes.get(example.id)) for example in task.train)
    done = replace(task, train=tuple(example for example in train if example is not None))
    found = tuple(sorted(changes.values(), key=lambda change: change.place))
    did = "relabelled" if noise == "relabel" else "dropped"
    note = f"noise={noise}: {_of(len(found), len(task.train))} {did}{_first(found)}; {right}, out of sample."
    return done, found, note


def _changed(example: Example, change: ExampleChange | None) -> Example | None:
    if change is None:
        return example
    return None if change.target is None else replace(example, target=change.target, targets=())


def balanced(task: Task, further: Sequence[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], str]:
    """What is trained on beside each example so that labels are equally frequent, and a sentence on it.

    Args:
        further: what is trained on beside each example already, which is repeated like the examples themselves.
    """
    of_label: dict[str, list[int]] = defaultdict(list)
    for at, example in enumerate(task.train):
        of_label[example.target].append(at)
    counts = {label: sum(1 + len(further[at]) for at in places) for label, places in of_label.items()}
    most, added, found = max(counts.values(), default=0), 0, list(further)
    for label, places in of_label.items():
        own = [(at, text) for at in places for text in (task.train[at].input, *further[at])]
        random.Random(0).shuffle(own)
        lacking = min(most, MOST_TIMES * len(own)) - len(own)
        for number in range(lacking):
            at, text = own[number % len(own)]
            found[at] = (*found[at], text)
        added += lacking
        counts[label] += lacking
    least = min(counts.values(), default=0)
    note = f"balance=labels: {added:,} repetitions of examples of rarer labels were trained on"
    note += f"; each label has {most:,} then." if least == most else f"; labels have {least:,} to {most:,} then."
    return found, note


def curation_of(parts: Sequence[object]) -> Curation:
    """What the parts of an approach ask to be done to the training examples, which all of them share."""
    return next(iter(asked_of(parts)), AS_IT_IS)


def asked_of(parts: Sequence[object]) -> list[Curation]:
    """The parts that ask for something to be done to the training examples, but one of those that ask for the same."""
    asked = {part.asked: part for part in parts if isinstance(part, Curation) and part.asked != AS_IT_IS}
    return list(asked.values())


def _of(number: int, among: int) -> str:
    return f"{number:,} of {among:,} training examples {'was' if number == 1 else 'were'}"


def _first(changes: Sequence[ExampleChange]) -> str:
    return f" (the first at {changes[0].place})" if changes else ""
