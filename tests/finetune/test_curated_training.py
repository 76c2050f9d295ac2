"""Training on examples that were cared for: what is trained on beside an example is never held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from advisor.approaches import TrainingExample, TrainingSet, parse
from advisor.models import Prompt
from advisor.models.local.engine import LocalModel
from advisor.tasks import Example, Task
from finetune import Lora

LORA = Lora(rank=4, alpha=8, lr=1e-2, epochs=2, batch=8)
INSTRUCTION = "Say which colour the thing has."


def lessons_of(number: int, times: int) -> tuple[TrainingExample, ...]:
    return tuple(
        TrainingExample(
            Prompt(INSTRUCTION, f"thing {n}"),
            "red" if n % 2 else "green",
            again=tuple(Prompt(INSTRUCTION, f"thing {n} in words {time}") for time in range(times)),
        )
        for n in range(number)
    )


def seen_in(notes: Sequence[str]) -> str:
    return next(note for note in notes if note.startswith("Trained"))


@pytest.mark.parametrize(
    ("epochs", "dev", "told"),
    [
        (2, 0, "on 108 examples"),  # 4 of 40 are held out, with what stands beside them
        (2, 3, "on 120 examples"),
        (1, 0, "on 120 examples"),  # nothing is held out of a single pass
    ],
)
def test_what_stands_beside_an_example_is_trained_on_with_it(
    epochs: int, dev: int, told: str, llama: LocalModel
) -> None:
    training = TrainingSet(lessons_of(40, 2), lessons_of(dev, 0))
    tuned = replace(LORA, epochs=epochs).tune(training, llama, seed=0)
    assert told in seen_in(tuned.facts.notes)


def test_it_is_as_if_the_examples_had_been_written_so(llama: LocalModel) -> None:
    short = lessons_of(6, 1)
    long = tuple(one for lesson in short for one in lesson.taught)
    assert [one.prompt.input for one in long[:2]] == ["thing 0", "thing 0 in words 0"]
    assert not any(one.again for one in long)
    found = [LORA.tune(TrainingSet(rows), llama, seed=0).facts for rows in (short, long)]
    assert found[0].tokens_seen == found[1].tokens_seen
    assert seen_in(found[0].notes) == seen_in(found[1].notes)


def labelled(counts: dict[str, int]) -> Task:
    pairs = [(f"the {label} thing number {n}", label) for label, number in counts.items() for n in range(number)]
    train = tuple(Example(f"t{n}", text, label) for n, (text, label) in enumerate(pairs))
    test = (Example("q", "the red thing", "red"),)
    return Task("t", "classification", INSTRUCTION, "accuracy", tuple(counts), train, (), test)


@pytest.mark.parametrize("spec", ["few-shot:k=2+lora:{}", "probe:{}", "probe:unfreeze=1,{}", "freeze:last=1,{}"])
def test_every_way_of_training_takes_them(spec: str, llama: LocalModel) -> None:
    asked = spec.format("epochs=1,balance=labels")
    predictor = parse(asked).fit(labelled({"red": 8, "blue": 3}).for_fitting(), llama, 0)
    assert (
        predictor.facts.notes.count(
            "balance=labels: 5 repetitions of examples of rarer labels were trained on; each label has 8 then."
        )
        == 1
    )


def test_a_repetition_is_shown_what_its_example_is(llama: LocalModel) -> None:
    """Among shots an example's own answer is hidden from what repeats it, too."""
    heard: list[TrainingSet] = []

    class Listening(Lora):
        def tune(self, training: TrainingSet, model: Any, seed: int) -> Any:
            heard.append(training)
            return super().tune(training, model, seed)

    approach = parse("few-shot:k=3+lora:epochs=1,balance=labels")
    tuner = Listening(epochs=1, batch=8, rank=4, balance="labels")
    replace(approach, tuner=tuner).fit(labelled({"red": 5, "blue": 2}).for_fitting(), llama, 0)  # type: ignore[type-var]
    repeated = [(example, prompt) for example in heard[0].examples for prompt in example.again]
    assert len(repeated) == 3
    for example, prompt in repeated:
        assert prompt.context == example.prompt.context
        assert prompt.input not in [shot.input for shot in prompt.context.shots]
