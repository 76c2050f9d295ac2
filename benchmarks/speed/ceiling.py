"""How much of the device's measured matrix-product speed prefill and training reach, counting real tokens only.

The ceiling is the faster of a large square product and of the model's own shapes, measured in the same run. Prompts and
rows begin differently, so that nothing is shared and every token counted is one that was computed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from advisor.models import Prompt
from advisor.models.local.engine import LocalModel
from advisor.tasks import load_task
from benchmarks.speed.harness import repeat
from benchmarks.speed.machine import native_dtype, synchronise
from benchmarks.speed.material import ROOM, advisor_model, row_of, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Claim, Record
from finetune import adapter
from finetune.methods.contract import Inserted
from finetune.trainer import Trainer
from finetune.training import Schedule

SIDE, FEW_SIDE = 2048, 256  # of the square product
ROWS, GPU_ROWS, FEW_ROWS = 8, 64, 2
WORDS, FEW_WORDS = 360, 40  # a prompt: about 500 tokens
STEP_ROWS, GPU_STEP_ROWS = 4, 16
REPEATS = 3
RANK = 16


@dataclass(frozen=True)
class Shape:
    """The dimensions of a model that decide the operations per token.

    Attributes:
        products: (in, out) of every linear layer, once for each time it is applied.
        layers, attention: number of layers; heads times head size.
        head: (in, out) of the output head.
    """

    products: list[tuple[int, int]]
    layers: int
    attention: int
    head: tuple[int, int]

    @classmethod
    def of(cls, model: LocalModel) -> Shape:
        """Read the dimensions from the model's configuration: its modules may have been rearranged for speed."""
        config = model.module.config
        heads, size = config.num_attention_heads, config.hidden_size
        width = getattr(config, "head_dim", None) or size // heads
        inner, keys = config.intermediate_size, config.num_key_value_heads * width
        layer = [(size, heads * width), (size, keys), (size, keys), (heads * width, size)]
        layer += [(size, inner), (size, inner), (inner, size)]
        layers = config.num_hidden_layers
        return cls(layer * layers, layers, heads * width, (size, config.vocab_size))

    def reading(self, tokens: int) -> float:
        """Floating-point operations of a forward pass over one row, without the output head; attention is causal."""
        linear = sum(2.0 * size_in * size_out for size_in, size_out in self.products) * tokens
        return linear + self.layers * 2 * 2.0 * self.attention * tokens * (tokens + 1) / 2

    def training(self, tokens: int, answer: int) -> float:
        """Floating-point operations of a forward and a backward pass: twice the reading, since frozen weights get no
        gradient, attention's backward pass is twice its forward pass, and the adapters have all three products.
        """
        linear = sum(2.0 * size_in * size_out for size_in, size_out in self.products) * tokens
        attention = self.reading(tokens) - linear
        adapters = sum(2.0 * RANK * (size_in + size_out) for size_in, size_out in self.products) * tokens
        return 2 * linear + 3 * attention + 3 * adapters + 2 * self.logits(answer)

    def logits(self, rows: int) -> float:
        """Floating-point operations of the output head."""
        return 2.0 * self.head[0] * self.head[1] * rows


def run(options: Options, record: Record) -> None:
    """Measure prefill in float32 and in the machine's own format where that is another; training in the latter."""
    for dtype in dict.fromkeys(("float32", native_dtype())):
        model = advisor_model(options, dtype)
        record.note(model=weights_facts(model))
        measure(dtype, model, dtype == native_dtype(), options, record)


def measure(what: str, model: LocalModel, trains: bool, options: Options, record: Record) -> None:
    """Measure prefill with a model, and, where it `trains`, a training step."""
    gpu = model.device.type != "cpu"
    prompts = _prompts(options, GPU_ROWS if gpu else ROWS)
    record.note(**{f"tokens, {what}": _lengths(model, prompts)})
    _measure(f"prefill, {what}", 0.5, _Prefill(model, prompts), options, record)
    if trains:
        _measure(
            f"training, {what}", 0.3, _Training(model, prompts[: GPU_STEP_ROWS if gpu else STEP_ROWS]), options, record
        )


class _Prefill:
    """Scores two single-token labels, so that prompts are read and one row of logits each is computed."""

    def __init__(self, model: LocalModel, prompts: list[Prompt]) -> None:
        self.model = model
        self.prompts = prompts
        shape = Shape.of(model)
        self.work = sum(map(shape.reading, _lengths(model, prompts))) + shape.logits(len(prompts))

    def seconds(self) -> float:
        """Seconds of one pass over the prompts."""
        self.model.forget()
        return _seconds(lambda: self.model.score(self.prompts, ["A", "B"]))


class _Training:
    """One step of LoRA on rows of some 500 tokens with a short answer."""

    def __init__(self, model: LocalModel, prompts: list[Prompt]) -> None:
        self.model = model
        self.rows = [row_of(model, prompt, "an answer of a few words") for prompt in prompts]
        shape = Shape.of(model)
        self.work = sum(shape.training(row.tokens - 1, len(row.answer)) for row in self.rows)

    def seconds(self) -> float:
        """Seconds of one step, without inserting the adapters."""
        with adapter.inserted(self.model, adapter.configuration(RANK, 2 * RANK, 0.0)) as wrapped:
            trainer = Trainer(self.model, Inserted.of(wrapped), Schedule(lr=1e-3, epochs=1, batch=len(self.rows)))
            return _seconds(lambda: trainer.train(self.rows, (), 0))


def _measure(case: str, goal: float, job: _Prefill | _Training, options: Options, record: Record) -> None:
    side = FEW_SIDE if options.smoke else SIDE
    shape = Shape.of(job.model)
    rows = sum(_lengths(job.model, job.prompts)) if isinstance(job, _Prefill) else sum(r.tokens for r in job.rows)

    def share() -> list[tuple[float, dict[str, Any]]]:
        square = _product_speed(side, side, side, job.model)
        own = _shapes_speed(shape, rows, job.model)
        speed = job.work / job.seconds()
        seen = {"square": square / 1e9, "own_shapes": own / 1e9, "reached": speed / 1e9}
        return [(speed / max(square, own), {f"gflops_{name}": value for name, value in seen.items()})]

    job.seconds()
    against = "the faster of a square matrix product and of the model's own shapes"
    repeat([Claim(case, against, "share", goal, None, [])], share, options, record)


def _shapes_speed(shape: Shape, rows: int, model: LocalModel) -> float:
    """Operations per second over one layer's products at `rows` tokens, weighted by work."""
    layer = shape.products[: len(shape.products) // shape.layers]
    work = [2.0 * rows * size_in * size_out for size_in, size_out in layer]
    seconds = [w / _product_speed(rows, *sizes, model) for w, sizes in zip(work, layer, strict=True)]
    return sum(work) / sum(seconds)


def _product_speed(rows: int, size_in: int, size_out: int, model: LocalModel) -> float:
    """Operations per second of the product of (rows, size_in) with a linear layer's weight, the best of a few."""
    left = torch.randn(rows, size_in).to(model.device, model.dtype)
    weight = torch.randn(size_out, size_in).to(model.device, model.dtype)
    with torch.inference_mode():
        torch.nn.functional.linear(left, weight)
        best = min(_seconds(lambda: torch.nn.functional.linear(left, weight)) for _ in range(REPEATS))
    return 2.0 * rows * size_in * size_out / best


def _seconds(job: Callable[[], object]) -> float:
    synchronise()
    began = time.perf_counter()
    job()
    synchronise()
    return time.perf_counter() - began


def _prompts(options: Options, rows: int) -> list[Prompt]:
    """Prompts of real words that begin differently, the instruction included."""
    task = load_task(options.task_folder("questions"))
    words = " ".join(document.text for document in task.documents).split()
    count, size = (FEW_ROWS, FEW_WORDS) if options.smoke else (rows, WORDS)
    words *= math.ceil(count * size / len(words))
    parts = [words[i * size : (i + 1) * size] for i in range(count)]
    return [Prompt(f"{number} texts.", " ".join(part)) for number, part in enumerate(parts)]


def _lengths(model: LocalModel, prompts: Sequence[Prompt]) -> list[int]:
    return [len(model.renderer.encode(prompt, ROOM).ids) for prompt in prompts]
