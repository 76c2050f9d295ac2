"""Models written as ONNX graphs, by Transformers' own exporter, in float32. The one home of what writes ONNX.

A language model's graph reads tokens behind the keys and values of those before them, and gives both logits and the
keys and values that come to stand behind: with none before them it reads a prompt, with some it goes on. An embedder's
graph holds pooling and length, and the linear map behind it.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import normalize
from transformers import AutoConfig, DynamicCache

from advisor.errors import UserError
from advisor.extras import needed
from advisor.models.embedder import Embedder, EmbedderBehind
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.hidden import layers_of
from advisor.models.local.loading import loader_of

EXTRA = "onnx"
GRAPH, READING = "model.onnx", "reading.json"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
PAST, TOKENS, ROWS = 4, 5, 2  # of the sample by which a graph is traced; each dimension is left open
FULL = ("DynamicLayer",)  # caches that hold every token; the graph would have to forget some of others
Facts = dict[str, Any]
Scored = Literal["probabilities", "similarities"]


@dataclass(frozen=True, eq=False)
class LinearMap:
    """What stands behind an embedder's vector.

    Attributes:
        labels: one a row of `weights`; several rows may have the same.
        weights: shape (rows, dimension).
        biases: shape (rows,).
        scored: what comes of it, probabilities by softmax, or similarities as they are.
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    scored: Scored


def no_causal_graph(config: Any) -> str:
    """Why a language model has no graph here, by its configuration; empty where it may have one."""
    text = config.get_text_config(decoder=True)
    kind = str(getattr(config, "model_type", "model"))
    if text is not config:
        return f"{kind} reads more than text, and only the language models that read text alone are written as graphs"
    if not getattr(config, "is_encoder_decoder", False):
        with contextlib.suppress(Exception):  # what a foreign configuration may raise: it has no such cache
            kinds = {type(layer).__name__ for layer in DynamicCache(config=config).layers}
            if kinds <= set(FULL):
                return ""
    return f"{kind} does not keep the keys and values of every token, which the graph of a language model passes on"


def write_causal(folder: Path) -> Facts:
    """Write the language model in a folder of Transformers as a graph in its place; tokenizer, chat template and
    configuration stay.

    Returns:
        The graph's opset, and what wrote it.

    Raises:
        UserError: a library is missing, or the exporter does not take the architecture.
    """
    module = _module_in(folder)
    with torch.no_grad():
        past = module(input_ids=torch.zeros(ROWS, PAST, dtype=torch.long), use_cache=True).past_key_values
    sample = {
        "input_ids": torch.zeros(ROWS, TOKENS, dtype=torch.long),
        "attention_mask": torch.ones(ROWS, PAST + TOKENS, dtype=torch.long),
        "past_key_values": past,
    }
    rows, before = torch.export.Dim("rows"), torch.export.Dim("past")
    open_ended = {
        "input_ids": {0: rows, 1: torch.export.Dim("tokens")},
        "attention_mask": {0: rows, 1: torch.export.Dim.DYNAMIC},
        "past_key_values": [{0: rows, 2: before}] * (2 * len(past.layers)),
    }
    return _write_over(module, sample, open_ended, folder)


def write_layer(folder: Path, layer: int, pool: str, behind: LinearMap) -> Facts:
    """Write the language model in a folder of Transformers up to a layer, with a linear map of that layer's states, as
    a graph in its place; tokenizer, chat template and configuration stay.

    Args:
        layer: counted from 1.
        pool: which states are read; written beside the graph, which is told how much each token counts.

    Returns, raises:
        As `write_causal`.
    """
    graph = _LayerGraph(_module_in(folder), layer, behind).eval()
    sample = {
        "input_ids": torch.zeros(ROWS, TOKENS, dtype=torch.long),
        "attention_mask": torch.ones(ROWS, TOKENS, dtype=torch.long),
        "counted": torch.full((ROWS, TOKENS), 1 / TOKENS),
    }
    rows = torch.export.Dim("rows")
    facts = _write_over(graph, sample, {name: {0: rows, 1: torch.export.Dim.DYNAMIC} for name in sample}, folder)
    _write_reading(folder, behind, pool=pool)
    return facts


def embedder_of(embedder: Embedder) -> SentenceEmbedder | None:
    """The embedder behind others whose modules are in this process; None where they are not."""
    while isinstance(embedder, EmbedderBehind):
        embedder = embedder.embedder
    return embedder if isinstance(embedder, SentenceEmbedder) else None


def write_sentence(embedder: Embedder, behind: LinearMap, folder: Path) -> Facts:
    """Write an embedder, pooling and length included, with a linear map behind it, as one graph; tokenizer and what
    stands before every text beside it.

    Returns:
        As `write_causal`.

    Raises:
        UserError: a library is missing, or the exporter does not take the modules.
    """
    own = embedder_of(embedder)
    assert own is not None
    model = own.once_more()
    graph = _SentenceGraph(model, _unit(embedder), behind).eval()
    found = model.preprocess(["A short text.", "A second one, which is somewhat longer than the first."])
    sample = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    rows = torch.export.Dim("rows")
    open_ended = {name: {0: rows, 1: torch.export.Dim.DYNAMIC} for name in sample}
    facts = _write(graph, sample, open_ended, folder, own.name)
    tokenizer: Any = model.tokenizer
    tokenizer.model_max_length = own.window or tokenizer.model_max_length
    tokenizer.save_pretrained(folder)
    _write_reading(folder, behind, before=own.before)
    return facts


def _unit(embedder: Embedder) -> bool:
    """Whether vectors have length 1, as logistic regression on an embedder reads them; seen by trying."""
    vectors = embedder.embed(["A short text.", "A second one, which is somewhat longer than the first."])
    return bool(np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3))


class _SentenceGraph(nn.Module):
    """Tokens to a vector, and to what a linear map makes of it."""

    weights: torch.Tensor
    biases: torch.Tensor

    def __init__(self, model: Any, unit: bool, behind: LinearMap) -> None:
        super().__init__()
        self.model, self.unit, self.scored = model, unit, behind.scored
        self.register_buffer("weights", torch.from_numpy(np.array(behind.weights, dtype=np.float32)))
        self.register_buffer("biases", torch.from_numpy(np.array(behind.biases, dtype=np.float32)))

    def forward(self, **features: torch.Tensor) -> dict[str, torch.Tensor]:
        """Vectors of shape (rows, dimension), and scores of shape (rows, labels)."""
        for part in self.model:
            features = part(features)
        vectors = features["sentence_embedding"]
        if self.unit:
            vectors = normalize(vectors, dim=-1)
        scores = vectors @ self.weights.T + self.biases
        return {
            "sentence_embedding": vectors,
            self.scored: torch.softmax(scores, -1) if self.scored == "probabilities" else scores,
        }


class _LayerGraph(nn.Module):
    """Tokens to the pooled states of a layer, and to what a linear map makes of them."""

    weights: torch.Tensor
    biases: torch.Tensor

    def __init__(self, module: Any, layer: int, behind: LinearMap) -> None:
        super().__init__()
        self.base, self.scored = module.base_model, behind.scored
        name, last = layers_of(module)[layer - 1]
        own, _, number = name.rpartition(".")
        layers = module.get_submodule(own)
        del layers[int(number) + 1 :]
        self.kept: list[Any] = []
        last.register_forward_hook(lambda _, given, output: self.kept.append(output))
        self.register_buffer("weights", torch.from_numpy(np.array(behind.weights, dtype=np.float32)))
        self.register_buffer("biases", torch.from_numpy(np.array(behind.biases, dtype=np.float32)))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, counted: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Vectors of shape (rows, size), and scores of shape (rows, labels); `counted` is how much each token counts in
        the mean, shape (rows, tokens)."""
        self.base(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        states = self.kept.pop()
        vectors = (counted[:, :, None] * (states[0] if isinstance(states, tuple) else states)).sum(1)
        return {"hidden_state": vectors, self.scored: torch.softmax(vectors @ self.weights.T + self.biases, -1)}


def _module_in(folder: Path) -> Any:
    """The language model in a folder, in float32."""
    config = AutoConfig.from_pretrained(folder)
    module: Any = loader_of(config).from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return module.eval()


def _write_reading(folder: Path, behind: LinearMap, **more: str) -> None:
    reading = {**more, "labels": behind.labels, "scored": behind.scored}
    (folder / READING).write_text(json.dumps(reading, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_over(module: nn.Module, sample: Mapping[str, Any], shapes: Mapping[str, Any], folder: Path) -> Facts:
    """Write a graph in place of the weights that it was made of."""
    before = (folder / "config.json").read_text(encoding="utf-8")
    facts = _write(module, sample, shapes, folder, str(json.loads(before)["model_type"]))
    (folder / "config.json").write_text(before, encoding="utf-8")
    for pattern in WEIGHTS:
        for file in folder.glob(pattern):
            file.unlink()
    return facts


def _write(module: nn.Module, sample: Mapping[str, Any], shapes: Mapping[str, Any], folder: Path, name: str) -> Facts:
    """Trace a module and write its graph."""
    with needed("advisor export --as onnx", EXTRA):
        import onnx  # noqa: F401 - Transformers asks for it
        import onnxscript  # noqa: F401
        from transformers.exporters.configs import OnnxConfig
        from transformers.exporters.exporter_onnx import OnnxExporter
    try:
        with _quiet(), torch.no_grad():
            whole: Any = module
            found = OnnxExporter().export(whole, dict(sample), config=OnnxConfig(dynamic_shapes=dict(shapes)))
            found.save_pretrained(folder)
    except Exception as error:  # whatever tracing foreign code may raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"{name}: Transformers' ONNX exporter does not take it: {reason}", "export it as merged or bundle"
        ) from error
    return {
        "opset": int(found.program.opset_imports.get("", 0)),
        "exporter": f"transformers {transformers.__version__}, torch {torch.__version__}",
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says to developers."""
    loud: Sequence[str] = ("transformers", "torch.onnx", "torch", "onnxscript", "onnx_ir")
    before = {name: logging.getLogger(name).level for name in loud}
    try:
        for name in loud:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
