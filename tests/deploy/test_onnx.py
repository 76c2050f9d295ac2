"""Rows as ONNX graphs: what ONNX Runtime makes of them is what torch made of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import advisor
from advisor.approaches.head import Linear
from advisor.deploy.exporting.contract import FittedRow
from advisor.deploy.exporting.onnx import GraphClassifier, OnnxGraphs, classifier_of
from advisor.deploy.exporting.registry import exporter_of
from advisor.deploy.exporting.rows import fitted_row
from advisor.deploy.predictors import chosen
from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.graphs import embedder_of
from advisor.models.local.ort import OnnxModel
from advisor.tasks import Query, Task

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SPECS = ("majority", "nearest", "head", "probe:layer=1,pool=mean,c=0.1", "few-shot:k=1", "setfit:epochs=1")
THINGS = ("the red tomato", "a leaf", "the sea, which is wide and deep", "grass")


@pytest.fixture(scope="module")
def small(folder_of: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """A Llama of one layer with an embedder of one, in float32."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=400,
        initializer_range=0.2,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    embedder = _embedder(tmp_path_factory.mktemp("embedder"))
    model = advisor.load_model(str(folder_of("small", config)), embedder=str(embedder), device="cpu", dtype="float32")
    assert isinstance(model, LocalModel)
    return model


def _embedder(folder: Path) -> Path:
    """BERT of one layer, mean pooling."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    words = [w for thing in THINGS for w in thing.replace(",", "").split()]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(words)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=32)
    SentenceTransformer(modules=[transformer, Pooling(32, "mean")], device="cpu").save(str(folder / "whole"))
    return folder / "whole"


@pytest.fixture(scope="module")
def comparison(small: LocalModel, light_task: Task, tmp_path_factory: pytest.TempPathFactory) -> advisor.Comparison:
    return advisor.compare(light_task, small, [*SPECS], out=tmp_path_factory.mktemp("run") / "out")


@pytest.fixture(scope="module")
def row_of(comparison: advisor.Comparison, small: LocalModel) -> Callable[[str], FittedRow]:
    return lambda spec: fitted_row(comparison, chosen(comparison, spec), small)


@contextmanager
def exported(row: FittedRow, folder: Path) -> Iterator[Any]:
    """The row written, and loaded again."""
    exporter = exporter_of("onnx")
    assert isinstance(exporter, OnnxGraphs)
    assert exporter.refusal(row) == ""
    written = exporter.write(row, folder)
    assert set(written.files) == {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert written.facts["precision"] == "float32"
    assert not list(folder.glob("*.safetensors"))
    with exporter.reloaded(row, folder) as found:
        assert found.runtime.startswith("onnxruntime ")
        yield found


def queries(task: Task) -> list[Query]:
    return [e.query for e in (*task.train, *task.test)] + [Query(f"q{n}", text) for n, text in enumerate(THINGS)]


@pytest.mark.parametrize("spec", ["head", "probe:layer=1,pool=mean,c=0.1"])
def test_a_classifier_answers_as_it_was_measured(
    spec: str, row_of: Callable[[str], FittedRow], light_task: Task, tmp_path: Path
) -> None:
    row = row_of(spec)
    with exported(row, tmp_path) as found:
        assert isinstance(found.predictor, GraphClassifier)
        asked = queries(light_task)
        measured, now = row.predictor.predict(asked), found.predictor.predict(asked)
        assert [one.text for one in now] == [one.text for one in measured]
        assert [one.id for one in now] == [one.id for one in asked]
        sure = [(one.confidence, other.confidence) for one, other in zip(now, measured, strict=True)]
        assert all((one is None) == (other is None) for one, other in sure)
        assert max(abs((one or 0) - (other or 0)) for one, other in sure) < 1e-5
        if isinstance(row.predictor, Linear):
            texts = [query.input for query in asked] + ["the sea " * 40]  # beyond the window
            vectors, _ = found.predictor.graph.read(texts)
            assert np.abs(vectors - row.predictor.embedder.embed(texts)).max() < 1e-5
        assert found.predictor.predict([]) == []


@pytest.mark.parametrize("spec", ["nearest", "setfit:epochs=1"])
def test_the_map_behind_the_embedder_answers_as_the_row_does(
    spec: str, row_of: Callable[[str], FittedRow], light_task: Task
) -> None:
    """Of what was trained, too, since a graph is made of `once_more`."""
    row = row_of(spec)
    embedder, behind = classifier_of(row.predictor) or pytest.fail("it has a map")
    own = embedder_of(embedder)
    assert own is not None
    asked = queries(light_task)
    texts = [query.input for query in asked]
    vectors = own.once_more().encode(texts, normalize_embeddings=True)
    assert np.abs(vectors - embedder.embed(texts)).max() < 1e-5
    best = (vectors @ behind.weights.T + behind.biases).argmax(axis=1)
    assert [behind.labels[number] for number in best] == [one.text for one in row.predictor.predict(asked)]
    assert OnnxGraphs().refusal(row) == ""


def test_a_language_model_reads_and_writes_as_torch_does(
    row_of: Callable[[str], FittedRow], small: LocalModel, light_task: Task, prompts: list[Prompt], tmp_path: Path
) -> None:
    import torch

    row = row_of("few-shot:k=1")
    with exported(row, tmp_path) as found:
        asked = queries(light_task)
        measured = [one.text for one in row.predictor.predict(asked)]
        assert [one.text for one in found.predictor.predict(asked)] == measured
        assert {one.text for one in found.generated.predict(asked)} <= set(light_task.labels)
        model = found.predictor.asker.model
        assert isinstance(model, OnnxModel)
        ids = torch.randint(3, 400, (3, 17))
        with torch.no_grad():
            expected = small.module(input_ids=ids).logits.numpy()
        assert np.abs(model.logits(ids.tolist()) - expected).max() < 1e-3
        ending = Decoding(12, ("\n",))
        own, there = (one.generate(prompts, ending) for one in (small, model))
        assert [(g.text, g.prompt_tokens) for g in there] == [(g.text, g.prompt_tokens) for g in own]
        choices = ("red", "green", "blue", "dark blue")
        own_scores, scores = (one.score(prompts, choices) for one in (small, model))
        for one, other in zip(own_scores, scores, strict=True):
            assert one.lengths == other.lengths
            assert one.totals == pytest.approx(other.totals, abs=1e-3)
        assert {g.text for g in model.choose(prompts, choices)} <= set(choices)


def test_what_has_no_graph_is_refused_by_name(
    row_of: Callable[[str], FittedRow], comparison: advisor.Comparison, mistral: LocalModel
) -> None:
    exporter = OnnxGraphs()
    assert exporter.refusal(row_of("majority")).startswith("majority neither classifies")
    row = row_of("few-shot:k=1")
    other = FittedRow(row.comparison, row.run, row.place, row.brief, row.approach, mistral, row.predictor)
    assert "mistral does not keep the keys and values of every token" in exporter.refusal(other)
