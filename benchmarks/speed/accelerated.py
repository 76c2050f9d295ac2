"""The benchmarks of `python -m benchmarks.speed.gpu`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from advisor.models.local.shortage import give_back
from benchmarks.speed.ceiling import measure
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import random_model, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Record


def _shape(hidden: int, inner: int, layers: int, heads: int, key_heads: int) -> dict[str, int]:
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    return dict(zip(names, (hidden, inner, layers, heads, key_heads), strict=True))


BASE = {"max_position_embeddings": 32_768, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}
# As in the config.json of each model on the hub.
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen2.5-0.5B": {**BASE, **_shape(896, 4_864, 24, 14, 2), "vocab_size": 151_936, "tie_word_embeddings": True},
    "Qwen2.5-1.5B": {**BASE, **_shape(1_536, 8_960, 28, 12, 2), "vocab_size": 151_936, "tie_word_embeddings": True},
    "Qwen2.5-7B": {**BASE, **_shape(3_584, 18_944, 28, 28, 4), "vocab_size": 152_064, "tie_word_embeddings": False},
}
TINY: dict[str, dict[str, Any]] = {
    "tiny": {**BASE, **_shape(64, 96, 2, 4, 2), "vocab_size": 49_152, "tie_word_embeddings": True}
}


def training(options: Options, record: Record) -> None:
    """LoRA steps as on a CPU, on the default model."""
    import_module("benchmarks.speed.training").run(options, record)  # which needs TRL


def whole(options: Options, record: Record) -> None:
    """The whole comparison against the script with the libraries' defaults alone."""
    script = import_module("benchmarks.speed.script")  # which needs TRL and lm-evaluation-harness
    import_module("benchmarks.speed.whole").measure(options, record, (script.B0,))


def padded(options: Options, record: Record) -> None:
    """Rows padded and continued in place, against packed ones."""
    shape = TINY["tiny"] if options.smoke else SHAPES["Qwen2.5-7B"]
    import_module("benchmarks.speed.padded").run(options, record, shape)


def ceiling(options: Options, record: Record) -> None:
    """Share of the peak rate, shape by shape; each model is freed before the next is made."""
    for name, shape in (TINY if options.smoke else SHAPES).items():
        model = random_model(f"random weights in the shape of {name}", shape)
        record.note(**{name: weights_facts(model)})
        measure(f"shape of {name}, {native_dtype()}", model, True, options, record)
        del model
        give_back()


JOBS: dict[str, Callable[[Options, Record], None]] = {
    "padded": padded,
    "training": training,
    "ceiling": ceiling,
    "whole": whole,
}
