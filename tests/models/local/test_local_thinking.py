"""Models that think before they answer: not by default, and within a budget where they are asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.models import Decoding, Prompt
from advisor.models.language_model import CUT_OFF
from advisor.models.load import load_model
from advisor.models.local.engine import LocalModel
from advisor.models.render import Renderer

WINDOW, CAP = 256, 6
QWEN3 = (
    "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|turn_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
ALWAYS = QWEN3.replace(
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n", "<think>\n{% if false %}"
)
ASKED = [Prompt("Say which colour.", given, ("red", "green")) for given in ("the ripe tomato", "grass", "the sky")]


@pytest.fixture(scope="module")
def weights(folder_of: Callable[..., Path]) -> Callable[..., Path]:
    """Folders of random models of Qwen3's kind that write no end by themselves."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config

    def write(name: str, template: str, closes: bool) -> Path:
        config = Qwen3Config(
            vocab_size=420,
            initializer_range=0.2,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=WINDOW,
            tie_word_embeddings=False,
        )
        folder = folder_of(name, config, template)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens(["<think>", "</think>"])
        tokenizer.save_pretrained(folder)
        module = AutoModelForCausalLM.from_pretrained(folder)
        head = module.lm_head.weight.data
        close = tokenizer.convert_tokens_to_ids("</think>")
        for token in (close, *range(3)):
            head[token] = 0
        if closes:
            head[close] = _wanted_after_a_while(module, Renderer(tokenizer, WINDOW, [0]))
        module.save_pretrained(folder)
        return folder

    return write


def _wanted_after_a_while(module: Any, renderer: Renderer) -> torch.Tensor:
    """The output weights of a token that is by far the likeliest once a first thought is twelve tokens long."""
    thinking = renderer.for_thinking()
    assert thinking
    ids = torch.tensor([thinking.encode(ASKED[0], 32).ids])
    with torch.inference_mode():
        thought = module.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0)
        hidden: torch.Tensor = module.model(thought).last_hidden_state[0, -1]
    return 50 * hidden / hidden.norm() ** 2


@pytest.fixture(scope="module")
def closing(weights: Callable[..., Path], hashing_embedder: Any) -> LocalModel:
    return load(weights("closing", QWEN3, closes=True), hashing_embedder, reasoning=True)


def load(folder: Path, embedder: Any, **options: Any) -> LocalModel:
    model = load_model(str(folder), embedder=str(folder), device="cpu", dtype="float32", **options)
    assert isinstance(model, LocalModel)
    model.embedder = embedder
    return model


def test_no_thought_by_default(weights: Callable[..., Path], hashing_embedder: Any) -> None:
    model = load(weights("plain", QWEN3, closes=True), hashing_embedder)
    text = model.renderer.tokenizer.decode(model.renderer.encode(ASKED[0], 8).ids)
    assert text.endswith("<think>\n\n</think>\n\nAnswer:")
    assert model.describe()["reasoning"] is False
    assert model.tells_labels_by(("red", "green")) == "likelihood"
    assert all(answer.reasoning_tokens == 0 for answer in model.generate(ASKED, Decoding(CAP)))


def test_an_answer_stands_behind_its_thought(closing: LocalModel) -> None:
    """The thought is the reference's, up to where it closes, and so is the answer behind it, which has its own cap."""
    assert closing.thinking
    answer = closing.generate(ASKED[:1], Decoding(CAP))[0]
    tokenizer = closing.renderer.tokenizer
    opened = closing.thinking.encode(ASKED[0], 32)
    assert tokenizer.decode(opened.ids).endswith("<|turn|>assistant\n<think>\n")
    assert (answer.failure, answer.prompt_tokens) == ("", len(opened.ids))
    assert 0 < answer.reasoning_tokens <= 13
    thought = generated(closing, opened.ids, answer.reasoning_tokens)
    assert tokenizer.decode(thought).endswith("</think>")
    ids = closing.thinking.thought(opened, tokenizer.decode(thought[:-1]).strip(), ASKED[0]).ids
    assert tokenizer.decode(ids).endswith("\n</think>\n\nAnswer:")
    expected = generated(closing, ids, CAP)
    assert answer.text == tokenizer.decode(expected, skip_special_tokens=True).strip()
    assert answer.completion_tokens <= CAP


def generated(model: LocalModel, ids: tuple[int, ...], most: int) -> list[int]:
    given = torch.tensor([ids])
    with torch.inference_mode():
        output = model.module.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=most, do_sample=False, pad_token_id=0
        )
    tokens: list[int] = output[0, given.shape[1] :].tolist()
    return tokens


def test_together_as_alone(closing: LocalModel) -> None:
    together = closing.generate(ASKED, Decoding(CAP))
    alone = [closing.generate([prompt], Decoding(CAP))[0] for prompt in ASKED]
    assert [(a.text, a.reasoning_tokens, a.failure) for a in together] == [
        (a.text, a.reasoning_tokens, a.failure) for a in alone
    ]


def test_labels_are_told_by_what_is_written(closing: LocalModel) -> None:
    assert closing.describe()["reasoning"] is True
    assert closing.tells_labels_by(("red", "green")) == "text"


def test_a_model_that_starts_cold_has_no_text_read_for_its_thoughts(
    closing: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert closing.thinking
    seen: list[str] = []
    monkeypatch.setattr(closing.thinking.tokens, "tokenizer", _Noting(closing.thinking.tokens.tokenizer, seen))
    noted = []
    for cold in (True, False, True):
        if cold:
            closing.forget()
        seen.clear()
        closing.generate(ASKED[:1], Decoding(CAP))
        noted.append(list(seen))
    assert noted[0] == noted[2] and len(noted[1]) < len(noted[0])


class _Noting:
    """A tokenizer that notes what it is given."""

    def __init__(self, tokenizer: Any, seen: list[str]) -> None:
        self._tokenizer, self._seen = tokenizer, seen

    def __call__(self, text: str, **settings: Any) -> Any:
        self._seen.append(text)
        return self._tokenizer(text, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


@pytest.mark.parametrize("template", [QWEN3, ALWAYS], ids=["asked for a thought", "always opens one"])
def test_a_thought_that_does_not_end_is_a_failure_by_name(
    weights: Callable[..., Path], hashing_embedder: Any, template: str
) -> None:
    model = load(weights(f"endless{len(template)}", template, closes=False), hashing_embedder, reasoning=True)
    for answer in model.generate(ASKED[:2], Decoding(CAP)):
        assert (answer.text, answer.failure, answer.completion_tokens) == ("", CUT_OFF, 0)
        assert answer.reasoning_tokens == WINDOW // 2


def test_a_template_without_thoughts_answers_without_and_says_so(llama_folder: Path, hashing_embedder: Any) -> None:
    model = load(llama_folder, hashing_embedder, reasoning=True)
    assert model.describe()["reasoning"] is False
    assert any("knows of no thoughts" in caveat for caveat in model.describe()["caveats"])
    assert model.can.score
