"""The search: what is sampled, who goes on, and that the winner is what training it alone gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MixtralConfig

from advisor.approaches import TrainingExample, TrainingSet
from advisor.approaches.registry import parse, spec_of
from advisor.errors import NotApplicable, UserError
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from finetune import Lora
from finetune.candidate import Recipe, entered
from finetune.fused.packing import TokenRow
from finetune.halving import shares_for, staying, trainings
from finetune.search import described, halved, sampled

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
GIVEN = Recipe(rank=16, alpha=32, lr=1e-3, epochs=4, batch=4, dropout=0.0)
LORA = Lora(rank=8, alpha=16, epochs=1, search=3)


@pytest.fixture(scope="session")
def many(lessons: tuple[TrainingExample, ...]) -> TrainingSet:
    """Enough to hold some out, and no dev split."""
    return TrainingSet(lessons * 5)


def test_the_given_configuration_comes_first_and_the_others_differ() -> None:
    recipes = sampled(GIVEN, (), 9, seed=0)
    assert recipes[0] == GIVEN
    assert len(set(recipes)) == len({r.lr for r in recipes}) == 9
    assert all(2e-4 <= r.lr <= 5e-3 for r in recipes)
    assert {r.epochs for r in recipes} == {4}
    assert {r.alpha / r.rank for r in recipes} == {2}
    for name in ("rank", "batch", "dropout"):
        assert len({getattr(r, name) for r in recipes}) > 2


def test_rates_lie_on_both_sides_of_the_middle_even_where_there_are_few() -> None:
    for seed in range(5):
        rates = [r.lr for r in sampled(GIVEN, (), 5, seed)[1:]]
        assert min(rates) < 1e-3 < max(rates)


def test_the_seed_decides_what_is_sampled() -> None:
    first, again, other = (sampled(GIVEN, (), 5, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_what_is_named_is_kept() -> None:
    recipes = sampled(replace(GIVEN, rank=4, lr=3e-4), ("rank", "lr"), 6, seed=0)
    assert {(r.rank, r.lr, r.alpha) for r in recipes} == {(4, 3e-4, 32)}
    assert len({(r.batch, r.dropout) for r in recipes}) > 2
    assert {r.alpha for r in sampled(replace(GIVEN, alpha=8), ("alpha",), 6, seed=0)} == {8}


@pytest.mark.parametrize(
    ("count", "shares", "cost"),
    [(2, [1 / 2], 1.5), (3, [1 / 4, 1 / 2], 1.75), (4, [1 / 4, 1 / 2], 2), (8, [1 / 8, 1 / 4, 1 / 2], 2.5)],
)
def test_halving_costs_half_a_training_more_for_each_doubling(count: int, shares: list[float], cost: float) -> None:
    assert shares_for(count) == shares
    assert trainings(count) == cost


def test_the_first_look_is_never_before_an_eighth_of_the_training() -> None:
    assert shares_for(100) == shares_for(8)
    assert [staying(share) for share in shares_for(100)] == [4, 2, 1]


def test_the_better_go_on_and_the_winner_is_as_if_alone(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    rows = rows_of(llama, lessons) * 2
    recipes = [replace(GIVEN, lr=lr) for lr in (1e-6, 2e-3, 1e-5, 1e-2)] + [replace(GIVEN, lr=5e-3, dropout=0.2)]
    with entered(llama, recipes, seed=5) as candidates:
        winner, rungs = halved(candidates, rows, rows[:4], seed=7)
        assert candidates == [winner]
        found = winner.state()
    assert [len(rung.recipes) for rung in rungs] == [5, 4, 2]
    assert [set(rung.steps) for rung in rungs] == [{2}, {4}, {8}]
    for rung, later in pairwise(rungs):
        order = sorted(zip(rung.losses, rung.recipes, strict=True), key=lambda pair: pair[0])
        assert set(later.recipes) == {recipe for _, recipe in order[: len(later.recipes)]}
    assert winner.recipe == rungs[-1].recipes[rungs[-1].losses.index(min(rungs[-1].losses))]
    assert winner.recipe.lr > 1e-3
    with entered(llama, [winner.recipe], seed=5) as (alone,), alone.active():
        course = alone.trainer.train(rows, rows[:4], seed=7)
        expected = alone.state()
    assert winner.trainer.history == course
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_a_candidate_that_breaks_down_falls_out(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    rows = rows_of(llama, lessons)
    with entered(llama, [replace(GIVEN, lr=1e30), GIVEN], seed=0) as candidates:
        winner, (rung,) = halved(candidates, rows, rows[:3], seed=0)
    assert winner.recipe == GIVEN
    assert rung.losses[0] > rung.losses[1]


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_a_search_without_dev_judges_on_held_out_training_examples(
    name: str, request: pytest.FixtureRequest, many: TrainingSet, tmp_path: Path
) -> None:
    """Packed and padded; what is saved is the winner."""
    model = request.getfixturevalue(name)
    tuned = LORA.tune(many, model, seed=1)
    searched, won, trained = tuned.facts.notes
    assert searched.startswith("Searched 3 configurations by successive halving on 4 held-out training examples: 3 ")
    assert "1 to the end" in searched
    chosen = tuned.facts.resolved["lora"]
    assert set(chosen) == {"rank", "alpha", "lr", "epochs", "batch", "dropout", "dora"}
    assert (chosen["rank"], chosen["alpha"], chosen["epochs"]) == (8, 16, 1)  # what differs from the default is kept
    assert described(Recipe(**chosen)) in won
    assert "on 36 examples" in trained
    tuned.save(tmp_path)
    assert LORA.restore(tmp_path, model).adaptation.key == tuned.adaptation.key


def test_a_search_with_dev_judges_on_dev(llama: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    tuned = replace(LORA, search=2).tune(TrainingSet(tuple(lessons), tuple(lessons[:3])), llama, seed=0)
    assert "on 3 held-out dev examples: 2 took" in tuned.facts.notes[0]
    assert tuned.facts.notes[1].startswith("What won was ")
    assert "the configuration as given (lora:rank=8,alpha=16,lr=0.001,epochs=1," in tuned.facts.notes[1]


def test_the_seed_decides_the_search_and_its_winner_alone_gives_the_same_weights(
    llama: LocalModel, many: TrainingSet
) -> None:
    lora = replace(LORA, epochs=2)  # after a single epoch there is nothing to hold lessons out for, but in a search
    tuned, again = (lora.tune(many, llama, seed=2) for _ in range(2))
    alone = Lora(**tuned.facts.resolved["lora"]).tune(many, llama, seed=2)
    assert tuned.adaptation.key == again.adaptation.key == alone.adaptation.key
    assert tuned.facts == again.facts


def test_too_few_examples_to_judge_on_are_no_search(llama: LocalModel, curriculum: TrainingSet) -> None:
    with pytest.raises(NotApplicable, match=r"8 examples are too few .* no dev split"):
        LORA.tune(curriculum, llama, seed=0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning:peft")
def test_experts_are_refused_with_the_way_out(
    folder_of: Callable[..., Path],
    loaded: Callable[..., LocalModel],
    many: TrainingSet,
    bits_of: Callable[[LocalModel], Any],
    assert_untouched: Callable[[LocalModel, Any], None],
) -> None:
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MixtralConfig(**small, num_key_value_heads=2, num_local_experts=4, vocab_size=400)
    model = loaded(folder_of("model", config))
    before = bits_of(model)
    with pytest.raises(NotApplicable, match=r"experts.*one by one"):
        LORA.tune(many, model, seed=0)
    assert_untouched(model, before)


def test_the_model_is_untouched_afterwards_and_where_a_search_breaks_off(
    llama: LocalModel,
    many: TrainingSet,
    bits_of: Callable[[LocalModel], Any],
    assert_untouched: Callable[[LocalModel, Any], None],
    breaking_off: Callable[[], AbstractContextManager[None]],
) -> None:
    before = bits_of(llama)
    lora = replace(LORA, search=2)
    lora.tune(many, llama, seed=0)
    assert_untouched(llama, before)
    with breaking_off():
        lora.tune(many, llama, seed=0)
    assert_untouched(llama, before)


def test_the_clock_counts_all_of_the_search(llama: LocalModel, many: TrainingSet) -> None:
    tokens = []
    for lora in (replace(LORA, search=0, batch=4, epochs=2), replace(LORA, batch=4, epochs=2)):
        clock.drain()
        lora.tune(many, llama, seed=0)
        tokens.append(clock.drain().spans["train"].tokens)
    assert tokens[1] == pytest.approx(trainings(3) * tokens[0], rel=0.1)


def test_a_search_is_asked_for_like_any_parameter() -> None:
    assert spec_of(parse("rag+lora:search=4")) == "rag+lora:search=4"
    with pytest.raises(UserError, match="at least 2"):
        parse("lora:search=1")
