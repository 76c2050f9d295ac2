"""What was forgotten, from records made by hand: the ratio of perplexities, its interval, other tasks' scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from advisor.measuring.recall import ForgettingFacts, OtherFacts, Recalled
from advisor.measuring.records import Comparison, Run
from advisor.verdict import decide
from advisor.verdict.cells import Forgotten

N = 40
OTHER = OtherFacts("o", "other desk", "accuracy")
TARGETS = {f"e{i}": ("yes",) for i in range(N)}


def text(losses: Sequence[float], tokens: int = 100) -> Recalled:
    """Passages of so many tokens with these losses each."""
    return Recalled(tuple(-loss * tokens for loss in losses), (tokens,) * len(losses), ended=True)


def answers(wrong: int) -> Recalled:
    given = {id: "no" if number < wrong else "yes" for number, id in enumerate(TARGETS)}
    return Recalled(answers=given, targets=TARGETS, ended=True)


@pytest.fixture
def forgetting(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Comparison]:
    """Two approaches, of which `lora` trains: what each seed of it knows, and what the untuned model does."""

    def make(before: dict[str, Recalled], *seeds: dict[str, Recalled]) -> Comparison:
        trained = [run("lora", ["yes"] * 50, seed=seed, forgetting=known) for seed, known in enumerate(seeds)]
        whole = comparison([run("zero-shot", ["yes"] * 40 + ["no"] * 10), *trained])
        facts = ForgettingFacts("t", frozenset({"lora"}), (OTHER,), {"": before})
        return replace(whole, forgetting=facts)

    return make


def known(comparison: Comparison) -> Forgotten | None:
    return {row.spec: row.forgotten for row in decide(comparison).rows}["lora"]


def test_the_ratio_is_of_the_mean_loss_of_a_token_with_an_interval_over_passages(forgetting):
    rng = np.random.default_rng(1)
    before = rng.uniform(2, 4, N)
    gained = rng.normal(0.2, 0.1, N)
    found = known(forgetting({"t": text(before)}, {"t": text(before + gained)}))
    assert found.perplexity_before == pytest.approx(math.exp(before.mean()))
    assert found.ratio.value == pytest.approx(math.exp(gained.mean()))
    half = 2.0227 * gained.std(ddof=1) / math.sqrt(N)  # Student's t of 39 degrees
    assert found.ratio.low == pytest.approx(math.exp(gained.mean() - half), rel=1e-4)
    assert found.ratio.high == pytest.approx(math.exp(gained.mean() + half), rel=1e-4)
    assert (found.passages, found.others) == (N, ())


def test_long_passages_count_for_more_and_seeds_are_averaged(forgetting):
    before = Recalled((-100.0, -20.0), (100, 10), ended=True)
    seeds = [Recalled((-100.0 - more, -20.0), (100, 10), ended=True) for more in (10.0, 30.0)]
    found = known(forgetting({"t": before}, *({"t": one} for one in seeds)))
    assert found.perplexity_before == pytest.approx(math.exp(120 / 110))
    assert found.ratio.value == pytest.approx(math.exp(20 / 110))
    assert found.ratio.low < 1 < found.ratio.high  # two passages say little


def test_a_model_that_fell_apart_is_told_as_well(forgetting):
    found = known(forgetting({"t": text([3.0] * 5)}, {"t": text([900.0] * 5)}))
    assert found.ratio.value > 1e100
    assert math.isfinite(found.ratio.high)


def test_another_task_is_compared_by_example(forgetting):
    found = known(forgetting({"t": text([3.0] * 5), "o": answers(4)}, {"t": text([3.0] * 5), "o": answers(16)}))
    (other,) = found.others
    assert (other.before, other.after, other.n) == (0.9, 0.6, N)
    assert other.difference.value == pytest.approx(-0.3)
    assert other.difference.low < -0.3 < other.difference.high < 0


def test_macro_f1_is_judged_over_the_labels_of_both(forgetting):
    whole = forgetting({"o": answers(0)}, {"o": answers(20)})
    whole = replace(whole, forgetting=replace(whole.forgetting, others=(replace(OTHER, metric="macro_f1"),)))
    (other,) = known(whole).others
    assert other.before == pytest.approx(1.0)
    assert other.after < 0.5  # less than the share that is right, since "no" is a label that is never right
    assert other.difference.high < 0


def test_what_is_missing_is_said_with_its_reason_and_the_rest_is_kept(forgetting):
    gone = Recalled(error="what was fitted is gone")
    whole = forgetting({"t": text([3.0] * 5), "o": answers(4)}, {"t": text([3.1] * 5), "o": gone})
    assert known(whole).others == ()
    assert known(whole).ratio.value > 1
    said = decide(whole).recommendation.caveats
    assert "What lora knows of other desk was not measured: what was fitted is gone." in said
    whole = forgetting({"t": text([3.0] * 5), "o": gone}, {})
    said = decide(whole).recommendation.caveats
    assert "What the untuned model knows of other desk was not measured: what was fitted is gone." in said
    assert "What lora knows of the general text was not measured: the same command goes on with it." in said
    assert known(whole) is None


def test_nothing_is_said_where_nothing_was_asked_for(run, comparison):
    decision = decide(comparison([run("lora", ["yes"] * 50)]))
    assert decision.rows[0].forgotten is None
    assert not any("was not measured" in caveat for caveat in decision.recommendation.caveats)
