"""Texts in one row without padding get the vectors that the library gives to each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch.nn.functional import cosine_similarity
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    EuroBertConfig,
    LlamaConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)
from transformers.models.bert.modeling_bert import BertEncoder

from advisor.models.local import encoder as reading
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.encoder import PackedEncoder, reads_packed
from advisor.models.local.packages import MINILM
from advisor.models.local.source import find
from tests.conftest import SHAPE

WINDOW = 200
ENCODER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": WINDOW + 2,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
    **SHAPE,
}
WORDS = ["the", "parcel", "came", "back", "from", "a", "wrong", "address", "after", "more", "than", "nine", "days"]
TEXTS = [
    *(" ".join(WORDS[i:]) for i in range(8)),  # of many lengths
    *(f"{word} parcel" for word in ("a", "the", "my")),  # of one length
    " ".join(WORDS * 4),
    " ".join(WORDS[::-1] * 4),
    " ".join(WORDS * 40),  # beyond the window
    "a",
]

Folder = Callable[[Any], Path]
RoomFor = Callable[[int, PackedEncoder], AbstractContextManager[list[int]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_with: Callable[..., PreTrainedTokenizerFast]) -> Folder:
    """Writes random weights of an encoder, and a tokenizer that can pad."""

    def write(config: Any) -> Path:
        path = tmp_path_factory.mktemp("encoders") / config.model_type
        torch.manual_seed(5)
        AutoModel.from_config(config, dtype=torch.float32).save_pretrained(path)
        tokenizer = tokenizer_with(None)
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.model_max_length = WINDOW
        tokenizer.save_pretrained(path)
        return path

    return write


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(BertConfig(**ENCODER), id="bert"),
        pytest.param(RobertaConfig(**ENCODER), id="positions from 1"),
        pytest.param(EuroBertConfig(**ENCODER, num_key_value_heads=2), id="shared keys"),
    ],
)
def test_vectors_are_the_librarys(folder: Folder, config: Any, dtype: torch.dtype) -> None:
    model = SentenceTransformer(str(folder(config)), device="cpu", model_kwargs={"dtype": dtype})
    assert reads_packed(model)
    found = PackedEncoder(model).encode(TEXTS).float()
    alone = torch.stack([model.encode(text, convert_to_tensor=True) for text in TEXTS]).float()
    assert found.shape == alone.shape == (len(TEXTS), 32)
    if dtype == torch.float32:
        assert found == pytest.approx(alone, abs=1e-5)
    else:
        assert cosine_similarity(found, alone).min() > 0.999


def test_a_text_too_long_for_all_its_logits_at_once_gets_the_librarys_vector(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST", 8)
    config = BertConfig(**ENCODER)
    model = SentenceTransformer(str(folder(config)), device="cpu", model_kwargs={"dtype": torch.bfloat16})
    alone = torch.stack([model.encode(text, convert_to_tensor=True) for text in TEXTS]).float()
    assert cosine_similarity(PackedEncoder(model).encode(TEXTS).float(), alone).min() > 0.999


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(MPNetConfig(**ENCODER), id="relative positions"),
        pytest.param(
            ModernBertConfig(**ENCODER | {"cls_token_id": 0, "sep_token_id": 0}, local_attention=8),
            id="local attention",
        ),
        pytest.param(LlamaConfig(**ENCODER), id="causal"),
    ],
)
def test_what_does_not_read_so_is_read_by_the_library(folder: Folder, config: Any) -> None:
    path = folder(config)
    model = SentenceTransformer(str(path), device="cpu")
    assert not reads_packed(model)
    found = SentenceEmbedder(find(str(path), MINILM), torch.device("cpu"), torch.float32).embed(TEXTS)
    assert found == pytest.approx(model.encode(TEXTS, normalize_embeddings=True), abs=1e-5)


def test_a_prompt_that_goes_before_every_text_is_left_to_the_library(folder: Folder) -> None:
    path = str(folder(BertConfig(**ENCODER)))
    model = SentenceTransformer(path, device="cpu", prompts={"query": "my"}, default_prompt_name="query")
    assert not reads_packed(model)


PROMPTS = {"prompts": {"query": "my address ", "document": "the parcel "}}


@pytest.mark.parametrize(
    ("said", "queries", "documents"),
    [
        ({}, "", ""),
        ({"prompts": {"query": "", "document": ""}}, "", ""),
        (PROMPTS, "my address ", "the parcel "),
        ({"prompts": {"query": "my address "}}, "my address ", ""),
        ({"prompts": {"passage": "the parcel "}}, "", "the parcel "),
        ({"prompts": {"query": "my address "}, "default_prompt_name": "query"}, "my address ", ""),
    ],
)
def test_queries_and_passages_stand_behind_their_instructions(
    folder: Folder, said: dict[str, Any], queries: str, documents: str
) -> None:
    path = folder(BertConfig(**ENCODER))
    saved = SentenceTransformer(str(path), device="cpu", **said)
    saved.save(str(path / "with prompts"))
    plain = SentenceTransformer(str(path), device="cpu", prompts={"query": "", "document": ""})
    plain.default_prompt_name = None
    embedder = SentenceEmbedder(find(str(path / "with prompts"), MINILM), torch.device("cpu"), torch.float32)
    for found, before in ((embedder.embed_queries(TEXTS), queries), (embedder.embed(TEXTS), documents)):
        expected = plain.encode([before + text for text in TEXTS], normalize_embeddings=True)
        assert found == pytest.approx(expected, abs=1e-5)
    assert embedder.has_own_queries == (queries != documents)
    alone = SentenceEmbedder(find(str(path), MINILM), torch.device("cpu"), torch.float32)
    assert embedder.count_tokens(TEXTS) == alone.count_tokens([documents + text for text in TEXTS])


def test_an_embedder_reads_its_texts_in_one_row(folder: Folder) -> None:
    path = str(folder(BertConfig(**ENCODER)))
    embedder = SentenceEmbedder(find(path, MINILM), torch.device("cpu"), torch.float32)
    embedder.embed(["loads it"])
    tokenizer = AutoTokenizer.from_pretrained(path)
    shapes = []

    def look(module: torch.nn.Module, given: Any) -> None:
        if isinstance(module, BertEncoder):
            shapes.append(tuple(given[0].shape[:2]))

    with register_module_forward_pre_hook(look):
        embedder.embed(TEXTS[:3])
    ((rows, tokens),) = shapes
    assert rows == 1
    assert tokens == sum(len(tokenizer(text)["input_ids"]) for text in TEXTS[:3])


def test_a_text_without_tokens_gets_a_vector_as_well(folder: Folder) -> None:
    encoder = PackedEncoder(SentenceTransformer(str(folder(BertConfig(**ENCODER))), device="cpu"))
    found = encoder.encode(["a parcel", "", *TEXTS[:3]])
    assert found.shape == (5, 32)
    assert torch.allclose(found[0], encoder.encode(["a parcel"])[0], atol=1e-5)


def test_texts_that_do_not_fit_at_once_are_read_in_parts(folder: Folder, room_for: RoomFor) -> None:
    encoder = PackedEncoder(SentenceTransformer(str(folder(BertConfig(**ENCODER))), device="cpu"))
    expected = encoder.encode(TEXTS).numpy()
    with room_for(WINDOW, encoder) as refused:
        found = encoder.encode(TEXTS).numpy()
    assert refused
    assert np.allclose(found, expected, atol=1e-5)


def test_tokens_are_counted_in_parts(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(folder(BertConfig(**ENCODER)))
    embedder = SentenceEmbedder(find(path, MINILM), torch.device("cpu"), torch.float32)
    texts = ["a thing " * n for n in range(7)]
    expected = embedder.count_tokens(texts)
    monkeypatch.setattr("advisor.models.local.embedder.TEXTS_AT_ONCE", 3)
    assert embedder.count_tokens(texts) == expected
