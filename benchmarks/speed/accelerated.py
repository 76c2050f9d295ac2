"""The benchmarks of `python -m benchmarks.speed.gpu`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from advisor.models import Prompt
from advisor.models.local.shortage import give_back
from advisor.tasks import load_task
from benchmarks.speed.ceiling import measure
from benchmarks.speed.gates import every, same_losses
from benchmarks.speed.harness import Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, random_model, row_of, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Claim, Gate, Record


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
RANKS = (4, 8, 16, 32)  # of the configurations trained together, each with each rate
RATES = (5e-4, 1e-3)
STEPS, FEW_STEPS = 20, 2
BATCH = 8
SEED = 0

Losses = list[list[float]]  # of every step, by configuration


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


def together(options: Options, record: Record) -> None:
    """Several configurations in one pass; every one has to have the losses that it has alone."""
    case, against = f"{len(RANKS) * len(RATES)} LoRA configurations together", "advisor, one by one"
    if find_spec("finetune.together") is None:
        note = "not measured: this version trains one configuration at a time"
        record.put(Claim(case, against, "times", 1.0, None, [], note=note))
        return
    model = advisor_model(options, native_dtype())
    task = load_task(options.task_folder("short labels"))
    examples = task.train[: BATCH * (FEW_STEPS if options.smoke else STEPS)]
    rows = [row_of(model, Prompt(task.instruction, e.input, task.labels), e.target) for e in examples]
    record.note(model=weights_facts(model), task=task.name, rows=len(rows), batch=BATCH, epochs=1)
    make = import_module("finetune.candidate").Recipe
    recipe = make(rank=16, alpha=32, lr=1e-3, epochs=1, batch=BATCH, dropout=0.0)
    recipes = [replace(recipe, rank=rank, alpha=2 * rank, lr=rate) for rank in RANKS for rate in RATES]
    ours = Side.of("advisor", partial(_joined, model, recipes, rows))
    theirs = Side.of(against, partial(_single, model, recipes, rows))
    compare(case, ours, [Peer(theirs, 1.0, every(_same))], options, record)


def _joined(model: Any, recipes: Sequence[Any], rows: Sequence[Any]) -> Losses:
    """Train all in one forward pass, or as many as memory holds."""
    joint = import_module("finetune.together")
    with import_module("finetune.candidate").entered(model, recipes, SEED) as candidates:
        for one in candidates:
            one.trainer.begin(rows, (), SEED)
        joint.Together(candidates, len(candidates)).go_on({c: c.trainer.total for c in candidates})
        return [one.trainer.history.losses for one in candidates]


def _single(model: Any, recipes: Sequence[Any], rows: Sequence[Any]) -> Losses:
    """Train each by itself, as `lora` does."""
    losses = []
    for recipe in recipes:
        with import_module("finetune.candidate").entered(model, [recipe], SEED) as (one,), one.active():
            losses.append(one.trainer.train(rows, (), SEED).losses)
    return losses


def _same(mine: Losses, found: Losses) -> Gate:
    return same_losses([loss for row in mine for loss in row], [loss for row in found for loss in row])


JOBS: dict[str, Callable[[Options, Record], None]] = {
    "padded": padded,
    "training": training,
    "ceiling": ceiling,
    "together": together,
    "whole": whole,
}
