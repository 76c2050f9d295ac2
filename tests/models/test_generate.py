"""Greedy generation against Hugging Face's own, one prompt at a time without padding or shared prefixes."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.models import Decoding, Prompt
from advisor.models.local.batches import Bounds
from advisor.models.local.engine import LocalModel
from tests.models.tiny import greedy, text_of

CAP, LONG = 12, 60


def reference(model: LocalModel, prompt: Prompt, most: int) -> list[int]:
    return greedy(model.module, model.renderer.encode(prompt, most).ids, most, model.renderer.stop_ids)


def test_batch_gives_the_tokens_that_each_prompt_gives_alone(any_model: LocalModel, prompts: list[Prompt]) -> None:
    answers = any_model.generate(prompts, Decoding(CAP))
    for prompt, answer in zip(prompts, answers, strict=True):
        expected = reference(any_model, prompt, CAP)
        assert (answer.completion_tokens, answer.text) == (len(expected), text_of(any_model, expected))


def test_every_token_is_the_references(any_model: LocalModel, prompts: list[Prompt]) -> None:
    tokens = [reference(any_model, prompt, CAP) for prompt in prompts[2:4]]
    for most in range(1, CAP):
        answers = any_model.generate(prompts[2:4], Decoding(most))
        assert [a.text for a in answers] == [text_of(any_model, expected[:most]) for expected in tokens]


def test_prefixes_kept_from_earlier_calls_change_nothing(any_model: LocalModel, prompts: list[Prompt]) -> None:
    any_model.forget()
    cold = [any_model.generate([prompt], Decoding(CAP))[0].text for prompt in prompts]
    warm = [any_model.generate([prompt], Decoding(CAP))[0].text for prompt in prompts]
    assert cold == warm == [a.text for a in any_model.generate(prompts, Decoding(CAP))]


def test_answers_come_in_the_order_of_the_prompts(any_model: LocalModel, prompts: list[Prompt]) -> None:
    forth = any_model.generate(prompts, Decoding(CAP))
    back = any_model.generate(prompts[::-1], Decoding(CAP))
    assert [(a.text, a.prompt_tokens) for a in forth] == [(a.text, a.prompt_tokens) for a in back[::-1]]


def test_more_prompts_than_a_batch_holds(
    llama: LocalModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [a.text for a in llama.generate(prompts, Decoding(CAP))]
    monkeypatch.setattr(llama, "bounds", Bounds(rows=3))
    assert [a.text for a in llama.generate(prompts, Decoding(CAP))] == whole
    monkeypatch.setattr(llama, "bounds", Bounds(tokens=1))  # one prompt is larger: it goes alone
    assert [a.text for a in llama.generate(prompts, Decoding(CAP))] == whole


def test_no_prompts_no_answers(llama: LocalModel) -> None:
    assert llama.generate([], Decoding(CAP)) == []


def test_rows_that_end_early_leave_the_others_as_they_were(llama: LocalModel, prompts: list[Prompt]) -> None:
    """With a stop at one letter the rows end at different times."""
    plain = llama.generate(prompts, Decoding(CAP))
    stopped = llama.generate(prompts, Decoding(CAP, ("d",)))
    assert len({a.completion_tokens for a in stopped}) > 1
    assert [a.text for a in stopped] == [a.text.split("d")[0].strip() for a in plain]


def test_cap_ends_an_answer(llama: LocalModel, prompts: list[Prompt]) -> None:
    assert {a.completion_tokens for a in llama.generate(prompts, Decoding(3))} == {3}


def test_stop_text_ends_an_answer_and_is_not_part_of_it(llama: LocalModel, prompts: list[Prompt]) -> None:
    whole = llama.generate(prompts[2:3], Decoding(CAP))[0]
    stop = whole.text[len(whole.text) // 2]
    stopped = llama.generate(prompts[2:3], Decoding(CAP, (stop,)))[0]
    assert stopped.text == whole.text.split(stop)[0].strip()
    assert stopped.completion_tokens < whole.completion_tokens


@pytest.mark.parametrize("length", [1, 3, 20])
def test_an_answer_ends_with_the_token_that_makes_a_stop_text_whole(
    any_model: LocalModel, prompts: list[Prompt], length: int
) -> None:
    """Wherever it stands, and however many tokens it is written with."""
    tokens = reference(any_model, prompts[2], LONG)
    written = [str(any_model.renderer.tokenizer.decode(tokens[: n + 1])).lstrip() for n in range(len(tokens))]
    for at in range(0, len(written[-1]) - length, 9):
        stop = written[-1][at : at + length]
        answer = any_model.generate(prompts[2:3], Decoding(LONG, (stop,)))[0]
        assert answer.completion_tokens == next((n for n, text in enumerate(written, 1) if stop in text), len(tokens))


def test_to_look_for_a_stop_text_takes_as_long_at_every_token(
    llama: LocalModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thoughts are thousands of tokens long."""
    seen = _Counting(llama.renderer.tokenizer)
    monkeypatch.setattr(llama.renderer, "tokenizer", seen)
    decoded = []
    for most in (LONG, 2 * LONG):
        seen.decoded = 0
        assert llama.generate(prompts[:1], Decoding(most, ("</never>",)))[0].completion_tokens == most
        decoded.append(seen.decoded)
    assert decoded[1] < 2.3 * decoded[0]


class _Counting:
    """A tokenizer that counts what it decodes."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self.decoded = tokenizer, 0

    def decode(self, tokens: Any, **settings: Any) -> Any:
        self.decoded += len(tokens)
        return self._tokenizer.decode(tokens, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def test_end_token_ends_an_answer_and_is_not_counted(
    llama: LocalModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = reference(llama, prompts[0], CAP)
    end = next(i for i, token in enumerate(tokens) if i > 1 and token not in tokens[:i])
    monkeypatch.setattr(llama.renderer, "stop_ids", frozenset({tokens[end]}))
    answer = llama.generate(prompts[:1], Decoding(CAP))[0]
    assert (answer.completion_tokens, answer.text) == (end, text_of(llama, tokens[:end]))


def test_an_end_token_at_once_is_an_empty_answer(
    llama: LocalModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reference(llama, prompts[0], 1)
    monkeypatch.setattr(llama.renderer, "stop_ids", frozenset(first))
    answer = llama.generate(prompts[:1], Decoding(CAP))[0]
    assert (answer.completion_tokens, answer.text) == (0, "")


def test_times_and_tokens_are_facts_of_the_call(llama: LocalModel, prompts: list[Prompt]) -> None:
    for prompt, answer in zip(prompts, llama.generate(prompts, Decoding(CAP)), strict=True):
        assert 0 < answer.ttft_seconds <= answer.seconds
        assert answer.prompt_tokens == len(llama.renderer.encode(prompt, CAP).ids)
        assert (answer.dropped, answer.cut) == (0, 0)


def test_an_answer_may_fill_the_context_window(gpt2: LocalModel) -> None:
    """Absolute positions end at the window: one token too many would be an index error."""
    long = Prompt("Go on.", "word " * 2 * gpt2.context_window)
    answer = gpt2.generate([long], Decoding(CAP))[0]
    assert answer.cut > 0
    assert answer.prompt_tokens + CAP <= gpt2.context_window
    assert answer.prompt_tokens + CAP > gpt2.context_window - 8
