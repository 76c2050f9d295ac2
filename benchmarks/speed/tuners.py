"""Steps of the tuners other than LoRA, on examples and raw text, against TRL's SFTTrainer from the same beginning."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import Any

import torch
from torch import nn

from advisor.models.local.engine import LocalModel
from advisor.tasks import load_task
from benchmarks.speed.gates import as_near, every, same_losses
from benchmarks.speed.harness import Job, Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, peer_model, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Record
from benchmarks.speed.stock import SftSettings, losses, sft_trainer
from benchmarks.speed.training import (
    BATCH,
    FEW_STEPS,
    LONG_BATCH,
    LONG_STEPS,
    SEED,
    before_shuffle,
    grouped_rows,
    short_rows,
)
from finetune import Bottleneck, ContinuedPretraining, Freeze, Full
from finetune.fused.packing import TokenRow
from finetune.gradient import GradientTuner
from finetune.methods.bottleneck import AdapterLayer, put_in
from finetune.raw_text import blocks, text_of
from finetune.trainer import Trainer

TUNERS: dict[str, GradientTuner] = {
    "all weights": Full(epochs=1, batch=BATCH),
    "the last four layers": Freeze(epochs=1, batch=BATCH),
    "adapter layers": Bottleneck(epochs=1, batch=BATCH),
}
READERS = {"all weights on raw text": ContinuedPretraining(lr=5e-5, epochs=1, batch=LONG_BATCH, budget=0)}
GOAL = 1.0
PEER = "TRL SFTTrainer, no checkpointing, grouped"
RowsOf = Callable[[int], list[TokenRow]]  # by the number of the pair


def run(options: Options, record: Record) -> None:
    """Time training on short rows, grouped by length, and on blocks of documents; every pair trains other rows."""
    model = advisor_model(options, native_dtype())
    mixed = model.dtype == torch.bfloat16
    rates = {name: one.lr for name, one in (TUNERS | READERS).items()}
    record.note(model=weights_facts(model), batch=BATCH, blocks=LONG_BATCH, rates=rates)
    note = "logs every step to tell its loss; schedule, clipping and minibatches set as Advisor's"
    if mixed:
        note += "; weights that are trained in float32, computing in bfloat16, as Advisor's masters are"

    @lru_cache(1)  # the pairs come one after the other
    def examples_of(pair: int) -> list[TokenRow]:
        return grouped_rows(short_rows(options, model, pair), BATCH, pair)

    @lru_cache(1)
    def blocks_of(pair: int) -> list[TokenRow]:
        return _blocks(options, model, pair)

    for name, tuner in (TUNERS | READERS).items():
        rows_of = blocks_of if name in READERS else examples_of
        ours = Side("advisor", _own(model, tuner, rows_of))
        theirs = Side(PEER, _trl(options, model, tuner, rows_of))
        gate = as_near(_exact(options, tuner, rows_of)) if mixed else every(same_losses)
        compare(f"Steps of {name}", ours, [Peer(theirs, GOAL, gate, note)], options, record)


def _blocks(options: Options, model: LocalModel, pair: int) -> list[TokenRow]:
    """Whole blocks of documents in an order of the pair's own; both sides learn all of their tokens."""
    steps = FEW_STEPS if options.smoke else LONG_STEPS
    documents = list(load_task(options.task_folder("questions")).documents)
    random.Random(pair).shuffle(documents)
    size = ContinuedPretraining().block
    return blocks(model.renderer, [text_of(document) for document in documents], size)[: LONG_BATCH * steps]


def _exact(options: Options, tuner: GradientTuner, rows_of: RowsOf) -> Callable[[int], list[float]]:
    """The losses of each pair in float32, as reference for rounding."""

    @lru_cache(None)
    def exact(pair: int) -> list[float]:
        with _own(advisor_model(options, "float32"), tuner, rows_of, first=pair)() as job:
            found: list[float] = job()
        return found

    return exact


def _own(model: LocalModel, tuner: GradientTuner, rows_of: RowsOf, first: int = 0) -> Callable[[], Any]:
    pairs = count(first)

    @contextmanager
    def session() -> Iterator[Job]:
        pair = next(pairs)
        torch.manual_seed(pair)
        with tuner.method().inserted(model) as inserted:
            trainer, rows = Trainer(model, inserted, tuner), before_shuffle(rows_of(pair))
            yield lambda: trainer.train(rows, (), SEED).losses

    return session


def _trl(options: Options, model: LocalModel, tuner: GradientTuner, rows_of: RowsOf) -> Callable[[], Any]:
    pairs = count()

    @contextmanager
    def session() -> Iterator[Job]:
        pair = next(pairs)
        with tempfile.TemporaryDirectory() as folder:
            settings = SftSettings(
                rows_of(pair),
                folder,
                tuner.lr,
                epochs=1,
                batch=tuner.batch,
                checkpointing=False,
                sampling="sequential",
                mixed=model.dtype == torch.bfloat16,
            )
            module = _same_trained(peer_model(options, "float32"), model, tuner, pair)
            trainer = sft_trainer(module, model.renderer.tokenizer, None, settings)

            def job() -> list[float]:
                trainer.train()
                return losses(trainer)

            yield job

    return session


def _same_trained(module: Any, model: LocalModel, tuner: GradientTuner, pair: int) -> Any:
    """The peer's module, of which what the tuner trains asks for gradients, with the values that it begins with."""
    torch.manual_seed(pair)
    with tuner.method().inserted(model) as inserted:
        beginning = {name: p.detach().float().clone() for name, p in inserted.named.items()}
    module.requires_grad_(False)
    if not isinstance(tuner, Bottleneck):
        for name in beginning:
            module.get_parameter(name).requires_grad_(True)
        return module
    layers: dict[str, nn.Module] = {}
    for name, weight in beginning.items():
        if name.endswith(".down.weight"):
            layers[name.removesuffix(".down.weight")] = AdapterLayer(weight.shape[1], tuner.width)
    put_in(module, layers)
    module.adapter_layers = nn.ModuleList(layers.values())  # where the peer's optimiser finds them
    for name, layer in layers.items():
        layer.load_state_dict({key: beginning[f"{name}.{key}"] for key in layer.state_dict()})
    return module
