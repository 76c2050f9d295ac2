"""ONNX graphs in float32, as ONNX Runtime loads them: of rows that rest on the embedder, and of a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from advisor.approaches import Prediction, Predictor, Usage
from advisor.approaches.adapted import AdaptedPredictor
from advisor.approaches.asking import prompt_of
from advisor.approaches.controls import Copy
from advisor.approaches.head import Linear
from advisor.approaches.linear import LinearClassifier, ReadsLayer
from advisor.deploy.exporting.asked import asked_through
from advisor.deploy.exporting.contract import ExportedFiles, Exporter, FittedRow, Reloaded
from advisor.deploy.exporting.merged import beside_weights, files_in, weights_refusal, write_weights
from advisor.errors import NotApplicable
from advisor.models import Context, Decoding, Embedder, Vectors
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.models.local.graphs import (
    LinearMap,
    embedder_of,
    no_causal_graph,
    write_causal,
    write_layer,
    write_sentence,
)
from advisor.models.local.ort import LayerGraph, OnnxModel, SentenceGraph, runtime
from advisor.models.local.saving import cannot_save, save_whole
from advisor.tasks import Query, TaskBrief

PRECISION = "float32"


class OnnxGraphs(Exporter):
    """One graph: embedder, pooling and classifier, or a language model that passes on its keys and values.

    Numbers are rounded otherwise than they were measured wherever that was in bfloat16, so how well it answers is
    judged by the margin.
    """

    name: ClassVar[str] = "onnx"
    library: ClassVar[str] = "onnx"
    lossy: ClassVar[bool] = True

    def refusal(self, row: FittedRow) -> str:
        """Where the row is neither a classifier on the embedder nor weights alone, or no graph is written of these."""
        if (found := classifier_of(row.predictor)) is not None:
            embedder, _ = found
            return "" if embedder_of(embedder) else f"the embedder {embedder.name} is not in this process"
        if isinstance(row.predictor, ReadsLayer):
            reason = cannot_save(row.model, row.predictor.adaptation)
        elif isinstance(row.predictor, AdaptedPredictor):
            reason = weights_refusal(row)
        else:
            reason = f"{row.run.spec} neither classifies what a model makes of a query nor asks one by prompts"
        if reason:
            return reason
        assert isinstance(row.model, LocalModel)
        if (row.model.loaded_from or {}).get("trust_remote_code"):
            return f"{row.model.name} runs code of its own, which no graph is written of"
        return no_causal_graph(row.model.module.config)

    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        """The graph, its tokenizer, and what else is needed to ask it."""
        facts: dict[str, Any] = {"format": "ONNX", "precision": PRECISION, "runtime": "ONNX Runtime"}
        if (found := classifier_of(row.predictor)) is not None:
            facts |= write_sentence(*found, folder)
            return ExportedFiles(files_in(folder), (), facts)
        if isinstance(row.predictor, ReadsLayer):
            assert isinstance(row.model, LocalModel)
            save_whole(row.model, row.predictor.adaptation, Decoding(1), folder)
            reads = row.predictor.reads
            facts |= write_layer(folder, reads.layer, reads.pool, behind(reads.classifier))
        else:
            write_weights(row, folder)
            facts |= write_causal(folder)
        measured = str(row.model.describe()["dtype"])
        notes = beside_weights(row)
        if measured != PRECISION:
            notes += (f"It was measured in {measured}; the graph computes in {PRECISION}.",)
        return ExportedFiles(files_in(folder), notes, {**facts, "measured_in": measured})

    @contextmanager
    def reloaded(self, row: FittedRow, folder: Path) -> Iterator[Reloaded]:
        """By ONNX Runtime on the processor, with the exported tokenizer and chat template."""
        if classifier_of(row.predictor) is not None:
            yield Reloaded(GraphClassifier(SentenceGraph.load(folder)), runtime())
        elif isinstance(row.predictor, ReadsLayer):
            yield Reloaded(GraphClassifier(_Asked(LayerGraph(folder), row.brief)), runtime())
        else:
            yield asked_through(row, OnnxModel(folder, row.model.embedder), runtime())


class _Scoring(Protocol):
    """Scores of labels for texts."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def probable(self) -> bool: ...

    def read(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Vectors and scores."""
        ...


class _Asked:
    """A layer's graph, asked of a task's inputs."""

    def __init__(self, graph: LayerGraph, task: TaskBrief) -> None:
        self.graph, self.task = graph, task
        self.labels, self.probable = graph.labels, graph.probable

    def read(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Of their prompts."""
        return self.graph.read([prompt_of(self.task, text, Context()) for text in texts])


class GraphClassifier(Predictor):
    """Answers with the label that scores highest; of several that do, with the first."""

    def __init__(self, graph: _Scoring) -> None:
        self.graph = graph

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """A label for each query, with its probability where the graph gives one."""
        if not queries:
            return []
        started = clock.now()
        _, scores = self.graph.read([query.input for query in queries])
        usage = Usage(ttft_seconds=clock.now() - started)
        best = scores.argmax(axis=1)
        sure = [float(row.max()) if self.graph.probable else None for row in scores]
        return [
            Prediction(query.id, self.graph.labels[int(number)], (), confidence, usage)
            for query, number, confidence in zip(queries, best, sure, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """It lies in a folder of its own already.

        Raises:
            NotApplicable: always.
        """
        raise NotApplicable("what was exported is not fitted, and not saved again")


def behind(classifier: LinearClassifier) -> LinearMap:
    """A classifier as the map at a graph's end."""
    return LinearMap(classifier.labels, classifier.weights, classifier.biases, "probabilities")


def classifier_of(predictor: Predictor) -> tuple[Embedder, LinearMap] | None:
    """The embedder that a predictor reads by, and the linear map that it answers by; None where it has none.

    The nearest example is the row with the largest product, so that its map are the examples' vectors.
    """
    if isinstance(predictor, Linear):
        return predictor.embedder, behind(predictor.classifier)
    if isinstance(predictor, Copy):
        near = predictor.neighbours
        targets, none = tuple(one.target for one in near.examples), np.zeros(len(near.examples), dtype=np.float32)
        return near.embedder, LinearMap(targets, near.vectors, none, "similarities")
    return None
