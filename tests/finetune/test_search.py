"""The search: what is drawn, who goes on, and that the winner is what training it alone gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingSet
from advisor.approaches.adapted import Adapted
from advisor.approaches.registry import parse, spec_of
from advisor.approaches.shots import ZeroShot
from advisor.errors import NotApplicable, UserError
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from finetune import Lora
from finetune.fused.packing import TokenRow
from finetune.search import searched, varied
from finetune.session import SplitRows
from finetune.trainer import Trainer
from finetune.training import SearchRange, trainings

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
GIVEN = Lora(lr=1e-3, epochs=4, batch=4, search=8)
LORA = Lora(rank=8, alpha=16, epochs=1, search=3)


@pytest.fixture(scope="session")
def many(lessons: tuple[TrainingExample, ...]) -> TrainingSet:
    """Enough to hold some out, and no dev split."""
    return TrainingSet(lessons * 5)


def test_what_the_user_named_is_kept_and_the_rest_is_varied() -> None:
    assert set(varied(GIVEN, Lora(search=8))) == {"lr", "rank", "dropout", "batch"}
    assert set(varied(GIVEN, Lora(rank=4, batch=4, search=8))) == {"lr", "dropout"}
    assert varied(GIVEN, Lora())["batch"] == SearchRange((2, 4, 8))


def test_what_was_given_lies_in_what_is_searched() -> None:
    found = varied(replace(GIVEN, lr=0.5, rank=3), Lora(search=8))
    assert found["lr"] == SearchRange((2e-4, 0.5), between=True)
    assert 3 in found["rank"].values


def test_the_strength_of_an_update_does_not_depend_on_its_rank() -> None:
    assert GIVEN.tried(rank=64) == {"rank": 64, "alpha": 128}
    assert replace(GIVEN, alpha=8).tried(rank=64) == {"rank": 64}


def test_the_better_go_on_and_the_winner_is_as_if_alone(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    rows = rows_of(llama, lessons) * 2
    given = replace(GIVEN, search=6, epochs=2)
    found = searched(given, varied(given, Lora()), SplitRows(rows, rows[:4]), llama, seed=5)
    assert len(found.trials) == 6
    assert found.trials[0].recipe == given
    assert len({trial.recipe for trial in found.trials}) > 3
    assert all(2e-4 <= trial.recipe.lr <= 5e-3 for trial in found.trials)
    ended = [trial for trial in found.trials if trial.stage == 8]
    assert 1 <= len(ended) < 6
    best = min(ended, key=lambda trial: trial.loss)
    assert found.recipe == best.recipe
    for trial in found.trials:
        assert trial.steps == max(1, round(trial.stage / 8 * 2 * 16 / trial.recipe.batch))  # of two passes over 16
    torch.manual_seed(5)
    with found.recipe.method().inserted(llama) as inserted:
        alone = Trainer(llama, inserted, found.recipe)
        history = alone.train(rows, rows[:4], seed=5)
        expected = alone.learned().state
    assert found.history == history
    assert found.learned.state.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.learned.state.items())


def test_a_configuration_that_breaks_down_falls_out(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    rows = rows_of(llama, lessons)
    given = replace(GIVEN, lr=1e30, search=3)
    ranges = {"lr": SearchRange((1e-4, 1e-3, 1e30))}
    found = searched(given, ranges, SplitRows(rows, rows[:3]), llama, seed=1)
    assert math.isinf(found.trials[0].loss)
    assert found.recipe.lr < 1
    with pytest.raises(UserError, match="diverged"):
        searched(given, {"lr": SearchRange((1e30,))}, SplitRows(rows, rows[:3]), llama, seed=1)


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_a_search_without_dev_judges_on_held_out_training_examples(
    name: str, request: pytest.FixtureRequest, many: TrainingSet, tmp_path: Path
) -> None:
    """Packed and padded; what is saved is the winner."""
    model = request.getfixturevalue(name)
    tuned = LORA.tune(many, model, seed=1)
    tried, won, trained = tuned.facts.notes
    assert tried.startswith("Searched 3 configurations with Optuna")
    assert "on 4 held-out training examples" in tried
    assert "to the end" in tried
    chosen = tuned.facts.resolved["lora"]
    assert set(chosen) == {"lr", "epochs", "batch", "dropout"}  # what differs from the default is kept
    assert spec_of(Adapted(ZeroShot(), replace(LORA, **chosen, search=0))) in won
    assert "on 36 examples" in trained
    tuned.save(tmp_path)
    assert LORA.restore(tmp_path, model).adaptation.key == tuned.adaptation.key


def test_a_search_with_dev_judges_on_dev(llama: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    tuned = replace(LORA, search=2).tune(TrainingSet(tuple(lessons), tuple(lessons[:3])), llama, seed=0)
    assert "on 3 held-out dev examples: " in tuned.facts.notes[0]
    assert tuned.facts.notes[1].startswith("What won was ")
    assert "the configuration as given (lora:rank=8,alpha=16,epochs=1," in tuned.facts.notes[1]


def test_the_seed_decides_the_search_and_its_winner_alone_gives_the_same_weights(
    llama: LocalModel, many: TrainingSet
) -> None:
    lora = replace(LORA, epochs=2)  # after a single epoch there is nothing to hold lessons out for, but in a search
    tuned, again = (lora.tune(many, llama, seed=2) for _ in range(2))
    alone = replace(lora, **tuned.facts.resolved["lora"], search=0).tune(many, llama, seed=2)
    assert tuned.adaptation.key == again.adaptation.key == alone.adaptation.key
    assert tuned.facts == again.facts


def test_too_few_examples_to_judge_on_are_no_search(llama: LocalModel, curriculum: TrainingSet) -> None:
    with pytest.raises(NotApplicable, match=r"8 examples are too few .* no dev split"):
        LORA.tune(curriculum, llama, seed=0)


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
    """Of which one training is the least, and as many as there are configurations the most."""
    tokens = []
    for lora in (replace(LORA, search=0, batch=4, epochs=2), replace(LORA, batch=4, epochs=2)):
        clock.drain()
        lora.tune(many, llama, seed=0)
        tokens.append(clock.drain().spans["train"].tokens)
    assert tokens[0] < tokens[1] <= 3 * tokens[0]
    assert 1 < trainings(3) < 3


def test_a_search_is_asked_for_like_any_parameter() -> None:
    assert spec_of(parse("rag+lora:search=4")) == "rag+lora:search=4"
    with pytest.raises(UserError, match="at least 2"):
        parse("lora:search=1")
