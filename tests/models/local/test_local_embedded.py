"""The default model and the default embedder, as users get them. Few tests: loading takes seconds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from advisor.models import Context, Decoding, Prompt, Shot, cut_by
from advisor.models.local.device import choose_dtype
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.engine import LocalModel
from advisor.models.local.gguf import converted
from advisor.models.local.packages import MINILM, SMOLLM2
from advisor.models.local.source import find

SCRIPTS = (
    "Where is the key? ",
    "Где лежит ключ? ",
    "钥匙在哪里？",
    "चाबी कहाँ है? ",
    "أين المفتاح؟ ",
    "กุญแจอยู่ที่ไหน ",
    "열쇠는 어디에? ",
)


@pytest.fixture(scope="module")
def minilm() -> SentenceEmbedder:
    return SentenceEmbedder(find("embedded", MINILM), torch.device("cpu"), torch.float32)


def test_the_default_model_is_what_it_says(embedded: LocalModel) -> None:
    facts = embedded.describe()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["id"], facts["quantisation"], facts["source"]) == (SMOLLM2.id, "Q4_1", "package")
    assert facts["revision"] == SMOLLM2.sha256[:16]
    assert facts["parameters"] == 134_515_008
    assert facts["embedder"] == f"{MINILM.id}@{MINILM.sha256[:16]}"


def test_the_default_model_is_converted_once_and_rounded_once(embedded: LocalModel) -> None:
    folder = converted(embedded.source.path)
    before = folder.stat().st_mtime_ns, (folder / "config.json").stat().st_mtime_ns
    assert converted(embedded.source.path) == folder
    assert (folder.stat().st_mtime_ns, (folder / "config.json").stat().st_mtime_ns) == before
    assert embedded.dtype == choose_dtype(None, torch.device("cpu"))
    parameters = dict(embedded.module.named_parameters())
    with safe_open(folder / "model.safetensors", framework="pt") as stored:
        for name in ("model.embed_tokens.weight", "model.layers.17.mlp.down_proj.weight"):
            tensor = stored.get_tensor(name)
            assert tensor.dtype == torch.float32
            assert torch.equal(parameters[name], tensor.to(embedded.dtype))


def test_the_default_model_knows_the_world(embedded: LocalModel) -> None:
    """Wrong weights, a wrong template or wrong positions would not."""
    shots = (Shot("France", "Paris"), Shot("Japan", "Tokyo"))
    countries = ["Italy", "Germany", "Russia"]
    prompts = [Prompt("Name the capital of the country.", c, context=Context(shots)) for c in countries]
    answers = embedded.generate(prompts, Decoding(6, ("\n",)))
    assert [a.text.rstrip(".") for a in answers] == ["Rome", "Berlin", "Moscow"]
    capitals = ["Paris", "Rome", "Berlin", "Moscow"]
    best = [max(zip(s.totals, capitals, strict=True))[1] for s in embedded.score(prompts, capitals)]
    assert best == ["Rome", "Berlin", "Moscow"]


def test_vectors_are_unit_float32(minilm: SentenceEmbedder) -> None:
    vectors = minilm.embed(["a cat sits on the mat", "", "the budget of the ministry " * 200])
    assert vectors.shape == (3, minilm.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_no_texts_give_no_vectors_of_the_right_size(minilm: SentenceEmbedder) -> None:
    vectors = minilm.embed([])
    assert vectors.shape == (0, minilm.dimension) == (0, 384)
    assert vectors.dtype == np.float32


def test_similar_texts_lie_closer(minilm: SentenceEmbedder) -> None:
    cat, kitten, budget = minilm.embed(["a cat sits on the mat", "a kitten lies on the rug", "the state's budget"])
    assert cat @ kitten > cat @ budget + 0.2


def test_vectors_do_not_depend_on_what_else_is_embedded(minilm: SentenceEmbedder) -> None:
    texts = ["short", "a somewhat longer text about parcels and refunds", "middling text"]
    together = minilm.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert minilm.embed([text])[0] == pytest.approx(vector, abs=1e-5)


@pytest.mark.parametrize("sentence", SCRIPTS)
def test_the_default_embedder_counts_the_tokens_that_it_would_read(minilm: SentenceEmbedder, sentence: str) -> None:
    assert minilm.window == 256
    fits, long = sentence * 4, sentence * 300  # a word of a script that it does not know is one token
    assert minilm.count_tokens([fits])[0] <= 256 < minilm.count_tokens([long])[0]
    assert cut_by(minilm, [fits, long]) == [False, True]
    end = minilm.embed([long, long + "Something else altogether stands at the end."])
    assert np.array_equal(end[0], end[1])
