"""What stands in the prompt is chosen on examples that it does not show, and only by more than chance."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import parse
from advisor.approaches.instructions import candidates
from advisor.approaches.prompt_search import PromptSearch
from advisor.approaches.selection import PromptCandidate, likeness, select, tried
from advisor.approaches.workload import Lengths
from advisor.forecast.foresight import Work
from advisor.models import Context, Prompt
from advisor.tasks import Example, Outline, Query, Task

INSTRUCTION = "Sort the letter. It is one of many."
BETTER = "Say whether the letter is calm or cross."


def letters(train: int, dev: int = 0) -> Task:
    """Letters whose number is even are calm, the others cross."""

    def split(name: str, size: int) -> tuple[Example, ...]:
        return tuple(Example(f"{name}{i}", f"letter {name} {i}", ("calm", "cross")[i % 2]) for i in range(size))

    return Task(
        "letters", "classification", INSTRUCTION, "accuracy", ("calm", "cross"), split("t", train), split("d", dev)
    )


def number(prompt: Prompt) -> int:
    return int(prompt.input.split()[-1]) if prompt.input.startswith("letter ") else 0


def knows(prompt: Prompt, choice: str, told: bool) -> float:
    """Right where it was told how, else two times out of three."""
    right = ("calm", "cross")[number(prompt) % 2]
    wrong = ("cross", "calm")[number(prompt) % 2]
    return float(choice == (right if told or number(prompt) % 3 else wrong))


def by_instruction(prompt: Prompt, choice: str) -> float:
    return knows(prompt, choice, told=prompt.instruction == BETTER)


def writes_it(prompt: Prompt) -> str:
    """One good instruction among rubbish."""
    return f'Instruction: "{BETTER}"' if "short instruction" in prompt.input else "I I I I"


@pytest.mark.parametrize("dev", [0, 60])
def test_the_instruction_that_does_better_is_chosen_and_answers(dev: int, make_model: Callable[..., Any]) -> None:
    model = make_model(scoring=by_instruction, writing=writes_it)
    predictor = parse("prompt-search").fit(letters(96, dev), model, 0)
    facts = predictor.facts
    assert facts.resolved == {"prompt-search": {"instruction": BETTER}}
    assert any(
        "that the model wrote in place of the task's own instruction" in note and ": 1.00 against" in note
        for note in facts.notes
    )
    assert f"The instruction that was chosen: {BETTER}" in facts.notes
    answers = predictor.predict([Query(str(i), f"letter q {i}") for i in range(6)])
    assert [a.text for a in answers] == ["calm", "cross"] * 3
    assert {prompt.instruction for prompt in model.prompts[-6:]} == {BETTER}


def test_no_example_judges_an_instruction_that_shows_it(make_model: Callable[..., Any]) -> None:
    model = make_model(scoring=by_instruction, writing=writes_it)
    task = letters(80)
    PromptSearch(k=4).build(task, model, 0)
    inputs = {example.input for example in task.train}
    judged = {prompt.input for prompt in model.prompts} & inputs
    assert len(judged) == 40
    for prompt in model.prompts:
        shown = "\n".join([prompt.instruction, prompt.input if prompt.input not in inputs else ""])
        assert not any(f"{one}\n" in f"{shown}\n" or f"{one}'" in shown for one in judged)
        assert not judged & {shot.input for shot in prompt.context.shots}


def test_noise_alone_changes_nothing(make_model: Callable[..., Any]) -> None:
    """Every prompt is right by the toss of a coin of its own."""
    stayed = 0
    for seed in range(20):

        def tossed(prompt: Prompt, choice: str, seed: int = seed) -> float:
            coin = hashlib.md5(repr((seed, prompt.instruction, prompt.input)).encode()).digest()[0] % 2
            return float(choice == ("calm", "cross")[coin])

        predictor = PromptSearch().build(letters(96), make_model(scoring=tossed, writing=writes_it), seed)
        stayed += predictor.facts.resolved["prompt-search"]["instruction"] == INSTRUCTION
    assert stayed >= 16


def test_an_instruction_is_tried_once_and_never_empty(tickets: Task, make_model: Callable[..., Any]) -> None:
    found = candidates(tickets, make_model(writing=lambda prompt: " “Sort the TICKET.” "), tickets.train, 9)
    texts = [tickets.instruction, *(one.text for one in found)]
    assert len({text.casefold() for text in texts}) == len(texts)
    explained = next(one.text for one in found if "example of each label" in one.called)
    assert all(f"{label}: for example" in explained for label in tickets.labels)
    silent = candidates(tickets, make_model(writing=lambda prompt: ""), tickets.train, 9)
    assert all(one.text.strip() for one in silent)
    assert len(candidates(tickets, make_model(writing=writes_it), tickets.train, 2)) == 1


def test_an_instruction_that_would_fill_the_window_is_not_tried(tickets: Task, make_model: Callable[..., Any]) -> None:
    found = candidates(tickets, make_model(context_window=40), tickets.train, 9)
    assert [one.text for one in found if len(one.text.split()) > 12] == []


def test_few_shot_keeps_its_examples_where_others_do_no_better(make_model: Callable[..., Any]) -> None:
    task, plain = letters(96), parse("few-shot:k=4")
    model = make_model(scoring=lambda prompt, choice: knows(prompt, choice, told=False))
    searched = parse("few-shot:k=4,search=6").fit(task, model, 3)
    asked = Query("q", "letter q 1")
    first = plain.fit(task, make_model(), 3).source.contexts([asked])
    assert searched.source.contexts([asked]) == first
    assert "What was chosen is the examples as few-shot draws them, since" in searched.facts.notes[1]


def test_few_shot_finds_examples_that_help(make_model: Callable[..., Any]) -> None:
    """Whoever is shown fewer than four examples knows."""
    model = make_model(scoring=lambda p, choice: knows(p, choice, told=0 < len(p.context.shots) < 4))
    predictor = parse("few-shot:k=4,search=6").fit(letters(96), model, 3)
    assert predictor.facts.resolved == {"few-shot": {"k": 2}}
    assert (
        "What was chosen is set 2 (others, half as many) in place of the examples as few-shot draws them"
        in predictor.facts.notes[1]
    )
    assert predictor.predict([Query("q", "letter q 3")])[0].usage.shown == 2


def test_with_too_few_examples_nothing_is_searched(tickets: Task, model: Any) -> None:
    for spec in ("few-shot:k=3,search=4", "prompt-search"):
        predictor = parse(spec).fit(tickets.for_fitting(), model, 0)
        assert "Nothing was searched, since 4 examples were left" in predictor.facts.notes[0]
        assert len(predictor.predict([Query("q", "my card")])) == 1


def test_the_same_seed_chooses_the_same(make_model: Callable[..., Any]) -> None:
    built = [
        parse("few-shot:k=4,search=6").fit(letters(96), make_model(scoring=by_instruction), 5).facts for _ in range(2)
    ]
    assert built[0] == built[1]


def test_a_chosen_instruction_is_trained_on_and_comes_back_without_the_task(
    make_model: Callable[..., Any], tmp_path: Path
) -> None:
    task, builder = letters(96), PromptSearch()
    model = make_model(scoring=by_instruction, writing=writes_it)
    source = builder.build(task, model, 0)
    assert {context.instruction for context in source.training_contexts(task.train, 0)} == {BETTER}
    source.save(tmp_path)
    restored = builder.restore(tmp_path, task.brief, model)
    assert restored.contexts([Query("q", "x")]) == source.contexts([Query("q", "x")])


@pytest.mark.parametrize(
    ("answer", "expected", "worth"),
    [("the Red one", "red one", 1.0), ("red", "red one", 2 / 3), ("blue", "red", 0.0), ("", "red", 0.0)],
)
def test_a_text_is_worth_the_words_that_it_shares(answer: str, expected: str, worth: float) -> None:
    assert likeness("qa", answer, expected) == pytest.approx(worth)
    assert likeness("classification", answer, expected) == 0.0


def test_any_acceptable_answer_counts(desk: Task, make_model: Callable[..., Any]) -> None:
    examples = [Example(f"e{i}", f"question {i}", "no", targets=("no", "level two")) for i in range(8)]
    model = make_model(writing=lambda prompt: "level two")
    first, other = (PromptCandidate(Context(instruction=name), name) for name in ("own", "other"))
    chosen, _ = select([first, other], desk, model, examples, cot=False)
    assert chosen is first
    assert chosen.mean == 1.0


@pytest.mark.parametrize(("n", "train"), [(2, 30), (8, 96), (8, 400), (16, 400)])
def test_the_load_foresees_what_a_search_asks(n: int, train: int, make_model: Callable[..., Any]) -> None:
    task = letters(train)
    model = make_model(scoring=by_instruction, writing=lambda prompt: f"Do it {len(prompt.input)} times.")
    PromptSearch(n=n).build(task, model, 0)
    asked = sum(prompt.input.startswith("letter ") for prompt in model.prompts)
    assert asked == pytest.approx(tried(Outline.of(task), n), rel=0.25)
    plain, searched = (parse(s).load(Outline.of(task), Lengths.of(task, None)) for s in ("zero-shot", "prompt-search"))
    assert plain and searched
    assert Work.of(searched).to_fit > 3 * Work.of(plain).to_fit
    assert Work.of(searched).per_query == Work.of(plain).per_query
