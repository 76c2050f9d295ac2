"""What is done to training examples before anything learns from them: duplicates, noise, paraphrases, balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.approaches import Approach, handing, owed, parse
from advisor.approaches.curation import MOST_TIMES, Curation
from advisor.approaches.second import SecondAnswer
from advisor.approaches.workload import Lengths
from advisor.errors import NotApplicable, UserError
from advisor.models import Prompt, Vectors
from advisor.racing.setaside import set_aside
from advisor.scratch import Scratch, lending
from advisor.tasks import Example, Outline, Task
from tests.models.axes import WordAxes

COLOURS = ("red", "green", "blue")


class Topics(WordAxes):
    words = COLOURS


class Chance(Topics):
    """An embedder that knows nothing."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.random.default_rng(0).normal(size=(len(texts), 5))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def examples(*pairs: tuple[str, str], split: str = "t") -> tuple[Example, ...]:
    return tuple(Example(f"{split}{n}", text, target) for n, (text, target) in enumerate(pairs))


def sorting(wrong: dict[int, str], each: int = 20) -> Task:
    """Things of three colours, some of them wrongly labelled; two of dev are as well."""
    train = [(f"thing number {n} is {COLOURS[n % 3]}", wrong.get(n, COLOURS[n % 3])) for n in range(3 * each)]
    dev = examples(("item a looks red", "blue"), ("item b looks blue", "blue"), split="d")
    return Task("t", "classification", "Name the colour.", "accuracy", COLOURS, examples(*train), dev)


def of_kind(kind: Any, *pairs: tuple[str, str]) -> Task:
    return Task("t", kind, "Do it.", "accuracy", ("a", "b", "c"), examples(*pairs))


def kept(task: Task, model: Any, **settings: Any) -> list[str]:
    return [e.id for e in Curation(**settings).curated(task, model).task.train]


def test_nothing_is_done_unless_it_is_asked_for(tickets: Task, model: Any) -> None:
    curated = Curation().curated(tickets, model)
    assert curated.task is tickets
    assert (set(curated.further), curated.notes, model.prompts) == ({()}, (), [])


def test_repeats_go_and_of_contradictions_what_is_commoner_stays(model: Any) -> None:
    task = of_kind(
        "classification",
        ("my card was stolen yesterday", "a"),
        ("My card was stolen yesterday!", "a"),
        ("my card was stolen on thursday", "a"),
        ("where is it now", "a"),
        ("where is it now", "b"),
        ("where is it now", "a"),
        ("whose is it", "a"),
        ("Whose  is it", "c"),
    )
    assert kept(task, model, duplicates="drop") == ["t0", "t2", "t3"]
    (note,) = Curation(duplicates="drop").curated(task, model).notes
    assert "5 of 8 training examples were dropped (the first at train:2)" in note
    assert kept(replace(task, kind="generation"), model, duplicates="drop") == ["t0", "t2", "t3", "t4", "t6", "t7"]


def test_where_nothing_would_be_left_it_does_not_apply(model: Any) -> None:
    with pytest.raises(NotApplicable, match=r"no training example is left.*2 of 2"):
        Curation(duplicates="drop").curated(of_kind("qa", ("who is it", "a"), ("who is it", "b")), model)


def test_wrong_labels_are_dropped_or_put_right_in_train_alone(model: Any) -> None:
    model.embedder = Topics()
    task = sorting({30: "green", 31: "blue"})
    dropped, relabelled = (Curation(noise=noise).curated(task, model) for noise in ("drop", "relabel"))
    assert {e.id for e in task.train} - {e.id for e in dropped.task.train} == {"t30", "t31"}
    assert [e.target for e in relabelled.task.train] == [e.target for e in sorting({}).train]
    assert dropped.task.dev == relabelled.task.dev == task.dev
    assert "2 of 60 training examples were dropped" in dropped.notes[0]
    assert "2 of 60 training examples were relabelled (the first at train:31)" in relabelled.notes[0]


def test_an_embedder_that_knows_too_little_changes_nothing_and_says_so(model: Any) -> None:
    model.embedder = Chance()
    curated = Curation(noise="drop").curated(sorting({3: "green"}), model)
    assert len(curated.task.train) == 60
    assert "60 % are needed to judge labels, so nothing was changed" in curated.notes[0]


def test_labels_are_judged_where_there_are_some_and_an_embedder(desk: Task, tickets: Task, model: Any) -> None:
    for spec in ("lora:noise=drop", "lora:balance=labels", "rag+lora:noise=relabel"):
        assert "is about labels, and the task has none" in parse(spec).unsuited(desk)
        assert not parse(spec).unsuited(replace(tickets, documents=desk.documents))
    model.embedder = None
    with pytest.raises(NotApplicable, match="scripted has none: name one, --embedder"):
        Curation(noise="drop").curated(tickets, model)
    with pytest.raises(NotApplicable, match="noise=drop is about labels"):
        Curation(noise="drop").curated(desk, model)


def test_rarer_labels_are_seen_as_often_but_none_too_often(model: Any) -> None:
    pairs = [*((f"thing {n}", "a") for n in range(40)), *((f"other {n}", "b") for n in range(15)), ("alone", "c")]
    curated = Curation(balance="labels").curated(of_kind("classification", *pairs), model)
    taught = curated.taught(curated.task.train)
    assert Counter(e.target for e in taught) == {"a": 40, "b": 40, "c": MOST_TIMES}
    assert set(Counter(e.input for e in taught if e.target == "b").values()) == {2, 3}
    assert {(e.input, e.target) for e in taught} == set(pairs)
    assert len({e.id for e in taught}) == len(taught)
    assert "labels have 10 to 40" in curated.notes[0]


WRITTEN = (
    "1. please block {0} right now\n- {0}\n3) {0}!\nthe shop has lost a blue parcel for good\n"
    "somebody else took away what I own\nsix lines are more than asked for"
)


def test_paraphrases_are_kept_from_train_from_test_and_from_answers(make_model: Callable[..., Any]) -> None:
    model = make_model(writing=lambda p: WRITTEN.format(p.input))
    train = examples(("my bag is gone for ever", "card"), ("I have moved house", "address"))
    test = examples(("somebody else took away what I own!", "card"), split="q")
    task = Task("t", "classification", "Sort.", "accuracy", ("card", "address", "parcel"), train, (), test)
    curated = Curation(augment=5).curated(task.for_fitting(), model)
    assert curated.further == (
        ("please block my bag is gone for ever right now",),
        ("please block I have moved house right now",),
    )
    (note,) = curated.notes
    assert "of 2 training inputs 2 paraphrases were trained on" in note
    assert "4 were the same as their text, 2 nearly the same as a test input, 2 gave an answer away" in note
    assert "was not checked" in note
    assert [p.input for p in model.prompts] == [e.input for e in train]
    assert all("5 other ways" in p.instruction for p in model.prompts)
    unguarded = Curation(augment=5).curated(replace(task, test=()), model)
    assert all("somebody else took away what I own" in texts for texts in unguarded.further)


def test_what_was_not_written_is_counted(tickets: Task, make_model: Callable[..., Any]) -> None:
    curated = Curation(augment=2).curated(tickets, make_model(writing=lambda p: " ... "))
    assert set(curated.further) == {()}
    assert "0 paraphrases were trained on beside them; 18 were not written" in curated.notes[0]


def test_a_race_keeps_away_from_the_test_and_from_what_it_is_raced_on() -> None:
    train = examples(*((f"number {n * 7919} of the long list", "a") for n in range(80)))
    test = examples(("nobody has ever seen this question before", "a"), split="q")
    aside = set_aside(Task("t", "qa", "Answer.", "token_f1", (), train, (), test))
    guard = replace(aside.task, test=aside.pool).for_fitting().guard
    assert guard.refuses("Nobody has ever seen this question before?")
    assert all(guard.refuses(example.input) for example in aside.pool)


def again(prompt: Prompt) -> str:
    return f"to put it in some other way: {prompt.input}\nor said the other way round, {prompt.input} it is"


@pytest.mark.parametrize("writes", ["itself", "another model"])
def test_what_was_written_before_a_kill_is_not_written_again(
    writes: str, tickets: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    tickets = replace(tickets, train=tuple(replace(e, id=f"{e.id}.{n}") for n in range(5) for e in tickets.train))
    approach = parse("head:augment=2" + (",writer=big" if writes == "another model" else ""))

    def writing(model: Any) -> tuple[str, ...]:
        if writes == "itself":
            return approach.curated(tickets, model).notes  # type: ignore[attr-defined]
        ((part, asked),) = owed(approach, 0)
        told = SecondAnswer(part, asked.parameter, asked.alias, asked.ask(tickets, model))
        with handing([told]):
            return approach.curated(tickets, make_model()).notes  # type: ignore[attr-defined]

    whole = writing(make_model(writing=again))
    dying = make_model(writing=again)
    dying.told = lambda call, inputs, size: (_ for _ in ()).throw(KeyboardInterrupt) if len(inputs) < 32 else None
    with pytest.raises(KeyboardInterrupt), lending(Scratch(tmp_path, 0.0)):
        writing(dying)
    for rest in (13, 0):
        later = make_model(writing=again)
        with lending(Scratch(tmp_path, 0.0)):
            assert writing(later)[0].split(" in ")[0] == whole[0].split(" in ")[0]
        assert len(later.prompts) == rest


def test_a_writer_is_told_by_the_comparison(tickets: Task, model: Any) -> None:
    approach = parse("rag+lora:augment=2,writer=big")
    ((part, asked),) = owed(approach, 0)
    assert (asked.alias, asked.parameter) == ("big", "writer")
    assert not owed(parse("lora:augment=2"), 0)
    with pytest.raises(UserError, match="lora:writer=big rests on another model"):
        part.curated(tickets, model)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("lora:augment=-1", "at least 1 paraphrase"),
        ("lora:writer=big", "augment=2 says how many"),
        ("head:noise=some", "keep, drop, relabel"),
        ("prompt:noise=drop+lora", "give noise to lora"),
    ],
)
def test_what_makes_no_sense_is_refused(spec: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        parse(spec)


def test_what_it_takes_is_foreseen(tickets: Task) -> None:
    outline, lengths = Outline.of(tickets), Lengths.of(tickets, None)
    plain, more = (
        parse(spec).load(outline, lengths) for spec in ("lora:epochs=2", "lora:epochs=2,augment=2,noise=drop")
    )
    assert plain and more
    assert more.trained_on > 2 * plain.trained_on
    assert more.tried_written > plain.tried_written
    assert more.tried > plain.tried
    assert more.embedded_to_fit == plain.embedded_to_fit + outline.train.total


def notes_of(approach: Approach, task: Task, model: Any) -> tuple[str, ...]:
    return approach.fit(task.for_fitting(), model, 0).facts.notes


def test_the_linear_head_learns_from_them(tickets: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(writing=again)
    heard: list[list[str]] = []
    model.told = lambda call, inputs, size: heard.append(inputs) if call == "embed" else None
    notes = notes_of(parse("head:augment=1,balance=labels"), tickets, model)
    assert [note.split(":")[0] for note in notes] == ["augment=1", "balance=labels"]
    assert len(heard[-1]) == 3 * 8
