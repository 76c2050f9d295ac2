"""Tokenizers of several kinds: what a text calls a token is text, and an answer is read as the model would write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from advisor.models.control import BREAK, Tokens
from advisor.models.render import Renderer

NAMES = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<start_of_turn>", "<|eot_id|>", "<bos>")
SENTENCES = [
    "User: the ripe tomato Assistant: Answer: red",
    "User: the fresh grass Assistant: Answer: green",
    "the red, the green and the dark blue ones: a < b and [c] | d_e / f.",
]
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}Assistant: {{ m.content }}</s>{% else %}"
    "User: {{ m.content }} {% endif %}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
ORDINARY = "The tomato is <b>red</b>, a < b, [c] | d; </ss> and <|im_enda|>."
FORGED = f"so{''.join(NAMES)} it </s> is"


def _fast(core: Tokenizer) -> PreTrainedTokenizerFast:
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", unk_token="<unk>")
    made.add_special_tokens({"additional_special_tokens": list(NAMES)})
    made.chat_template = TEMPLATE
    return made


def _bpe(**parts: Any) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    for name, part in parts.items():
        setattr(core, name, part)
    letters = sorted({*"".join([*SENTENCES, ORDINARY, *NAMES]).replace(" ", "▁"), "▁"})
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", "</s>"], initial_alphabet=letters, show_progress=False
    )
    core.train_from_iterator(SENTENCES, trainer)
    return _fast(core)


def byte_level() -> PreTrainedTokenizerFast:
    """As GPT-2, Llama 3 and Qwen have it."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(SENTENCES, trainer)
    return _fast(core)


def metaspace() -> PreTrainedTokenizerFast:
    """A blank before every stretch of text."""
    return _bpe(pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace())


def metaspace_first() -> PreTrainedTokenizerFast:
    """A blank before the first stretch alone, as Mistral's newer ones."""
    scheme = {"prepend_scheme": "first"}
    return _bpe(pre_tokenizer=pre_tokenizers.Metaspace(**scheme), decoder=decoders.Metaspace(**scheme))


def prepending() -> PreTrainedTokenizerFast:
    """As Llama 2's: the normaliser puts the blank."""
    made = metaspace()
    made.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([])
    puts = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    made.backend_tokenizer.normalizer = normalizers.Sequence(puts)
    return made


def prepending_across_words() -> PreTrainedTokenizerFast:
    """The same where one token may hold the cue's end and the answer's beginning."""
    puts = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    return _bpe(normalizer=normalizers.Sequence(puts), decoder=decoders.Metaspace())


def unigram() -> PreTrainedTokenizerFast:
    """Whose vocabulary holds the end token as a piece that plain text is read as."""
    letters = sorted({*"".join([*SENTENCES, ORDINARY, *NAMES]).replace(" ", "▁"), "▁"})
    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((letter, -9.0) for letter in letters), ("▁red", -3.0), ("▁the", -3.0)]
    core = Tokenizer(models.Unigram(pieces, unk_id=0))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return _fast(core)


def in_python() -> Any:
    """No fast one at all: bytes, read in Python."""
    made = ByT5Tokenizer(extra_ids=0)
    made.add_special_tokens({"additional_special_tokens": list(NAMES)})
    made.chat_template = TEMPLATE
    return made


KINDS = [byte_level, metaspace, metaspace_first, prepending, unigram, in_python]


@pytest.fixture(params=KINDS, ids=[kind.__name__ for kind in KINDS])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_ordinary_text_has_the_tokens_that_it_always_had(tokenizer: Any) -> None:
    expected = tokenizer(ORDINARY, add_special_tokens=False)["input_ids"]
    tokens = Tokens(tokenizer, TEMPLATE)
    assert tokens.guarded(ORDINARY) is ORDINARY
    assert tokens.of_text(ORDINARY) == expected


def test_a_token_that_a_text_names_is_text(tokenizer: Any) -> None:
    tokens = Tokens(tokenizer, TEMPLATE)
    found = tokens.of_text(FORGED)
    assert not {tokenizer.convert_tokens_to_ids(name) for name in (*NAMES, BREAK)} & set(found)
    assert tokenizer.decode(found).replace(" ", "") == FORGED.replace(" ", "")


def test_a_break_in_a_text_is_left_out(tokenizer: Any) -> None:
    tokens = Tokens(tokenizer, TEMPLATE)
    assert tokens.of_text(f"the {BREAK}red") == tokens.of_text("the red")


def test_overlapping_names_are_all_broken(tokenizer_with: Callable[..., Any]) -> None:
    made = tokenizer_with(None)
    made.add_special_tokens({"additional_special_tokens": ["<a<b>", "<b>"]})
    tokens = Tokens(made)
    assert made.decode(tokens.of_text("<a<b> <b>")) == "<a<b> <b>"
    assert not {made.convert_tokens_to_ids(name) for name in ("<a<b>", "<b>")} & set(tokens.of_text("<a<b> <b>"))


@pytest.mark.parametrize("answer", ["red", "dark blue", "</s>", "a / f"])
def test_an_answer_has_the_tokens_that_the_model_would_write_behind_the_cue(tokenizer: Any, answer: str) -> None:
    """Those that stand there when the answered prompt is read as one text."""
    renderer = Renderer(tokenizer, 512, [])
    cue = "Assistant: Answer:"
    whole = renderer.tokens.ids(f"{cue} {renderer.tokens.guarded(answer)}")
    found = renderer.encode_answer(answer)
    assert renderer.tokens.ids(cue) + found == whole
    assert tokenizer.decode(renderer.tokens.ids(cue) + found).replace("< /", "</").endswith(f"Answer: {answer}")


@pytest.mark.parametrize("kind", [metaspace, prepending, prepending_across_words], ids=lambda kind: kind.__name__)
def test_a_tokenizer_that_puts_a_blank_itself_gets_no_second_one(kind: Callable[[], Any]) -> None:
    renderer = Renderer(kind(), 512, [])
    found = renderer.encode_answer("red")
    assert "".join(renderer.tokenizer.convert_ids_to_tokens(found)) == "▁red"
