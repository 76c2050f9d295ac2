"""How label likelihoods become a choice, and how that way is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from advisor.approaches import Predictor, TrainingSet, Tuned, Tuner
from advisor.approaches.adapted import Adapted
from advisor.approaches.answering import LabelReading, blank_values
from advisor.approaches.shots import FewShot, ZeroShot
from advisor.models import LanguageModel, Merged, Prompt, Scores
from advisor.tasks import Example, Query, Task

BLANK = ("N/A", "[MASK]", "")


def scores(*totals: float, lengths: tuple[int, ...] = ()) -> Scores:
    return Scores(totals, lengths or (1,) * len(totals), 10, 0.0, 0, 0)


def logs(*shares: float) -> tuple[float, ...]:
    return tuple(math.log(s) for s in shares)


def test_by_token_a_long_label_is_not_punished_for_its_length() -> None:
    both = scores(-3.0, -2.0, lengths=(2, 1))
    assert LabelReading(normalised=True).choose(both, [])[0] == 0
    assert LabelReading(normalised=False).choose(both, [])[0] == 1


def test_confidence_is_the_share_among_the_labels() -> None:
    assert LabelReading().choose(scores(-3.0, -2.0, lengths=(2, 1)), [])[1] == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert LabelReading(normalised=False).choose(scores(*logs(0.2, 0.1, 0.1)), [])[1] == pytest.approx(0.5)


def test_the_models_liking_is_the_log_of_the_mean_share_over_blank_inputs() -> None:
    blanks = [scores(*logs(0.8, 0.2)), scores(*logs(0.6, 0.4)), scores(*logs(0.07, 0.03))]
    assert blank_values(blanks, LabelReading(unbiased=True)) == pytest.approx(logs(0.7, 0.3))


def test_bias_is_removed_as_zhao_et_al_do() -> None:
    """p = (0.6, 0.4), p on blank inputs = (0.7, 0.3): q = (6/7, 4/3), so the second wins with 14/23."""
    number, confidence = LabelReading(unbiased=True).choose(scores(*logs(0.6, 0.4)), logs(0.7, 0.3))
    assert number == 1
    assert confidence == pytest.approx(14 / 23)


def test_a_label_that_blank_inputs_never_give_does_not_break_the_arithmetic() -> None:
    blank = blank_values([scores(0.0, -1e4)], LabelReading(unbiased=True))
    number, confidence = LabelReading(unbiased=True).choose(scores(-1.0, -2.0), blank)
    assert number in (0, 1)
    assert math.isfinite(confidence)


def liking(bias: float) -> Callable[[Prompt, str], float]:
    """Likes "good" by `bias` whatever is asked, and the right label by 1 where something is."""

    def rule(prompt: Prompt, choice: str) -> float:
        return bias * (choice == "good") + 1.0 * (choice in prompt.input)

    return rule


@pytest.fixture
def reviews() -> Task:
    train = tuple(Example(f"t{i}", f"{label} film number {i}", label) for i, label in enumerate(["good", "bad"] * 10))
    return Task("reviews", "classification", "Judge.", "accuracy", ("good", "bad"), train)


def notes_and_answers(approach: Adapted, task: Task, model: Any) -> tuple[str, list[str]]:
    predictor = approach.fit(task, model, 0)
    asked = [Query("1", "good book"), Query("2", "bad book")]
    return " ".join(predictor.facts.notes), [p.text for p in predictor.predict(asked)]


def test_bias_is_removed_where_that_is_right_more_often(reviews: Task, make_model: Callable[..., Any]) -> None:
    note, answers = notes_and_answers(Adapted(ZeroShot()), reviews, make_model(scoring=liking(3.0)))
    assert answers == ["good", "bad"]
    assert "label bias removed (Zhao et al. 2021): right on 20 of 20 training examples, against 10" in note


def test_a_tie_keeps_the_plain_reading(reviews: Task, make_model: Callable[..., Any]) -> None:
    note, answers = notes_and_answers(Adapted(ZeroShot()), reviews, make_model(scoring=liking(0.1)))
    assert answers == ["good", "bad"]
    assert note.startswith("Labels were compared by likelihood per token: right on 20 of 20 training examples")


def test_the_reading_is_chosen_on_dev_where_there_is_one(reviews: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(scoring=liking(3.0))
    dev = (Example("d1", "bad play", "bad"), Example("d2", "good play", "good"))
    note, _ = notes_and_answers(Adapted(ZeroShot()), replace(reviews, dev=dev), model)
    assert "right on 2 of 2 dev examples, against 1" in note
    assert not any("film" in prompt.input for prompt in model.prompts)


def test_without_examples_labels_are_read_per_token(reviews: Task, make_model: Callable[..., Any]) -> None:
    note, answers = notes_and_answers(Adapted(ZeroShot()), replace(reviews, train=()), make_model(scoring=liking(3.0)))
    assert answers == ["good", "good"]
    assert "there were no examples to choose by" in note


def test_the_reading_is_not_chosen_on_examples_that_the_prompt_shows(
    reviews: Task, make_model: Callable[..., Any]
) -> None:
    model = make_model(scoring=liking(3.0))
    note, _ = notes_and_answers(Adapted(FewShot(k=6)), reviews, model)
    assert "of 14 training examples" in note
    shown = {shot.input for prompt in model.prompts for shot in prompt.context.shots}
    assert len(shown) == 6
    assert shown.isdisjoint({prompt.input for prompt in model.prompts})


def test_a_fixed_context_is_asked_with_all_three_blank_inputs_and_once(
    reviews: Task, make_model: Callable[..., Any]
) -> None:
    model = make_model(scoring=liking(3.0))
    predictor = Adapted(FewShot(k=2)).fit(reviews, model, 0)
    for number in range(3):
        predictor.predict([Query(str(number), "good book")])
    assert [p.input for p in model.prompts if p.input in BLANK] == list(BLANK)


def following(task: Task, make_model: Callable[..., Any]) -> tuple[Any, Predictor]:
    """A predictor whose context follows the query and whose label bias is removed; its model was not yet asked."""
    model = make_model(scoring=liking(3.0))
    predictor = Adapted(FewShot(k=2, select="nearest")).fit(task, model, 0)
    model.prompts.clear()
    return model, predictor


def test_a_context_that_follows_the_query_is_asked_with_one_blank_input_each(
    reviews: Task, make_model: Callable[..., Any]
) -> None:
    model, predictor = following(reviews, make_model)
    predictor.predict([Query("1", "good book"), Query("2", "bad film")])
    blanks = [p for p in model.prompts if p.input in BLANK]
    assert [p.input for p in blanks] == ["N/A", "N/A"]
    assert [p.context for p in blanks] == [p.context for p in model.prompts if p.input not in BLANK]


def test_many_queries_are_asked_in_parts_each_with_its_blank_inputs(
    reviews: Task, make_model: Callable[..., Any]
) -> None:
    model, predictor = following(reviews, make_model)
    queries = [Query(str(n), f"{word} book {n}") for n, word in enumerate(["good", "bad"] * 25)]
    assert [p.text for p in predictor.predict(queries)] == ["good", "bad"] * 25
    inputs = [p.input for p in model.prompts]
    part = model.can.rows_at_once // 2
    assert [text == "N/A" for text in inputs[: 2 * part]] == [False] * part + [True] * part
    assert inputs.count("N/A") == len(queries) == len(inputs) / 2
    assert predictor.predict([]) == []


class Learned(Tuned):
    adaptation = Merged("learned", {})

    def save(self, folder: Path) -> None:
        pass


@dataclass(frozen=True)
class Pretend(Tuner):
    """Changes nothing; `heard` keeps what it was taught."""

    name: ClassVar[str] = "pretend"
    heard: ClassVar[list[TrainingSet]] = []

    def tune(self, curriculum: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        self.heard.append(curriculum)
        return Learned()

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        return Learned()


def test_tuned_weights_choose_between_the_two_lengths_and_keep_their_bias(
    reviews: Task, make_model: Callable[..., Any]
) -> None:
    """Per token the longer label always wins here, as a whole the right one."""

    def rule(prompt: Prompt, choice: str) -> float:
        return -3.0 * len(choice.split()) + 2.0 * (choice in prompt.input)

    labels = {"good": "good", "bad": "very bad"}
    train = tuple(replace(e, input=e.input.replace("bad", "very bad"), target=labels[e.target]) for e in reviews.train)
    task = replace(reviews, labels=("good", "very bad"), train=train)
    note, _ = notes_and_answers(Adapted(ZeroShot(), Pretend()), task, make_model(scoring=rule))
    assert "by likelihood per token" in note
    assert "against" in note
    assert "by likelihood of the whole label" in note
    assert "Zhao" not in note


def test_a_tuner_learns_from_the_prompts_that_inference_brings(tickets: Task, model: Any) -> None:
    Pretend.heard.clear()
    Adapted(FewShot(k=2), Pretend()).fit(replace(tickets, dev=tickets.test), model, 0)
    curriculum = Pretend.heard[0]
    assert [lesson.answer for lesson in curriculum.examples] == [e.target for e in tickets.train]
    assert [lesson.prompt.input for lesson in curriculum.dev] == [e.input for e in tickets.test]
    assert {lesson.prompt.labels for lesson in curriculum.examples} == {tickets.labels}
    for lesson in curriculum.examples:
        assert lesson.prompt.input not in [shot.input for shot in lesson.prompt.context.shots]
