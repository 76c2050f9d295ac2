"""Choice likelihoods against a log-softmax over the whole sequence, one prompt and one choice at a time."""

from __future__ import annotations

import pytest
import torch

from advisor.models import Prompt
from advisor.models.clock import clock
from advisor.models.local.batches import Bounds
from advisor.models.local.engine import LocalModel
from advisor.models.local.scoring import ChoiceTree
from tests.models.tiny import log_likelihoods

CHOICES = {
    "one token each": ["a", "b", "c"],
    "several tokens, beginnings in common": ["the handbook says", "the handbook said", "the sea", "grass"],
    "one begins another": ["dark", "dark blue", "dark blue sky", "green"],
    "a single choice": ["working days"],
    "not ASCII": ["größer", "größe", "日本"],
}


def reference(model: LocalModel, prompt: Prompt, choices: list[list[int]]) -> list[float]:
    ids = model.renderer.encode(prompt, max(map(len, choices))).ids
    return log_likelihoods(model.module, ids, choices)


def tokens_of(model: LocalModel, choices: list[str]) -> list[list[int]]:
    """As the model closes them: with the end of the answer where one begins another."""
    tokens = [model.renderer.encode_answer(choice) for choice in choices]
    nested = any(a != b and b[: len(a)] == a for a in tokens for b in tokens)
    return [[*t, model.renderer.end_id] for t in tokens] if nested else tokens


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES.keys())
def test_totals_are_those_of_the_whole_sequence(
    any_model: LocalModel, prompts: list[Prompt], choices: list[str]
) -> None:
    tokens = tokens_of(any_model, choices)
    for prompt, scores in zip(prompts, any_model.score(prompts, choices), strict=True):
        assert scores.totals == pytest.approx(reference(any_model, prompt, tokens), abs=1e-4)
        assert scores.lengths == tuple(map(len, tokens))


def test_passages_that_several_prompts_have_are_read_once(llama: LocalModel, prompts: list[Prompt]) -> None:
    tokens = []
    for asked in (prompts[-2:], prompts[-2:-1], prompts[-1:]):
        llama.forget()
        clock.drain()
        llama.score(asked, ["red", "blue"])
        tokens.append(clock.drain().spans["prefill"].tokens)
    both, *each = tokens
    assert max(each) < both < 0.7 * sum(each)


def test_nested_choices_are_closed_with_the_end_of_the_answer(llama: LocalModel) -> None:
    nested, apart = CHOICES["one begins another"], CHOICES["several tokens, beginnings in common"]
    prompt = Prompt("Label it.", "the sky")
    closed = [len(llama.renderer.encode_answer(choice)) + 1 for choice in nested]
    assert llama.score([prompt], nested)[0].lengths == tuple(closed)
    assert llama.score([prompt], apart)[0].lengths == tuple(len(llama.renderer.encode_answer(c)) for c in apart)


def test_the_probability_of_all_single_tokens_is_one() -> None:
    """The tree itself: every token of a vocabulary of seven as a choice."""
    tree = ChoiceTree.of([[token] for token in range(7)], end=0)
    hidden = torch.randn(2, 1, 5)
    head = torch.nn.Linear(5, 7)
    assert tree.totals(hidden, head).exp().sum(1).tolist() == pytest.approx([1, 1])


def test_a_tree_reads_a_common_beginning_once() -> None:
    tree = ChoiceTree.of([[1, 2, 3], [1, 2, 4], [1, 5]], end=0)
    assert tree.tokens.tolist() == [1, 2]
    assert tree.depths.tolist() == [0, 1]
    assert tree.ancestors.tolist() == [[True, False], [True, True]]


def test_an_empty_choice_is_closed_too() -> None:
    assert ChoiceTree.of([[], [3]], end=9).lengths == (1, 2)


def test_large_trees_are_read_in_parts(
    llama: LocalModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = CHOICES["several tokens, beginnings in common"]
    whole = [s.totals for s in llama.score(prompts, choices)]
    monkeypatch.setattr("advisor.models.local.scoring.LOGITS_AT_ONCE", 1)
    for scores, before in zip(llama.score(prompts, choices), whole, strict=True):
        assert scores.totals == pytest.approx(before, abs=1e-5)


def test_scores_do_not_depend_on_shared_prefixes(any_model: LocalModel, prompts: list[Prompt]) -> None:
    choices = CHOICES["one begins another"]
    together = any_model.score(prompts, choices)
    any_model.forget()
    for prompt, scores in zip(prompts, together, strict=True):
        assert any_model.score([prompt], choices)[0].totals == pytest.approx(scores.totals, abs=1e-4)


def test_scores_come_in_the_order_of_the_prompts_and_of_the_choices(llama: LocalModel, prompts: list[Prompt]) -> None:
    choices = CHOICES["several tokens, beginnings in common"]
    forth = llama.score(prompts, choices)
    back = llama.score(prompts[::-1], choices[::-1])
    for left, right in zip(forth, back[::-1], strict=True):
        assert left.totals == pytest.approx(right.totals[::-1], abs=1e-4)
        assert left.prompt_tokens == right.prompt_tokens


def test_many_prompts_in_small_batches(
    any_model: LocalModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [s.totals for s in any_model.score(prompts, CHOICES["one begins another"])]
    monkeypatch.setattr(any_model, "bounds", Bounds(rows=2))
    for scores, before in zip(any_model.score(prompts, CHOICES["one begins another"]), whole, strict=True):
        assert scores.totals == pytest.approx(before, abs=1e-4)


def test_no_prompts_no_scores(llama: LocalModel) -> None:
    assert llama.score([], ["a", "b"]) == []


def test_choices_fit_behind_a_prompt_that_fills_the_window(gpt2: LocalModel) -> None:
    long = Prompt("Label it.", "word " * 2 * gpt2.context_window)
    scores = gpt2.score([long], CHOICES["several tokens, beginnings in common"])[0]
    assert scores.cut > 0
    assert scores.prompt_tokens + max(scores.lengths) <= gpt2.context_window
