"""LoRA steps, against TRL's SFTTrainer with its defaults and as an expert sets it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Any

import torch
from peft import LoraConfig, set_peft_model_state_dict
from transformers.trainer_pt_utils import LengthGroupedSampler

from advisor.models import Prompt
from advisor.models.local.engine import LocalModel
from advisor.tasks import Task, load_task, subset
from benchmarks.speed.gates import as_near, every, same_losses
from benchmarks.speed.harness import Job, Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, peer_model, row_of, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Record
from benchmarks.speed.stock import SftSettings, losses, sft_trainer
from finetune import adapter
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.trainer import Trainer
from finetune.training import Schedule
from rag import Rag

STEPS, LONG_STEPS, FEW_STEPS = 8, 3, 2
BATCH, LONG_BATCH = 8, 4  # of short rows, and of rows with retrieved passages
DOCUMENTS = 40  # among which the passages are looked for
RATE = 1e-3
SEED = 0  # of the trainer's own shuffle


@dataclass(frozen=True)
class Minibatches:
    """The minibatches that both sides train on in a pair, in order, from the same initial adapters.

    Attributes:
        rows: in the order in which they are trained.
        batch: rows a step.
        config, state: of the adapters; the tensors that both sides begin with.
    """

    rows: list[TokenRow]
    batch: int
    config: LoraConfig
    state: adapter.State


MinibatchesOf = Callable[[int], Minibatches]  # by the number of the pair
RowsOf = Callable[[Options, LocalModel, int], list[TokenRow]]


def run(options: Options, record: Record) -> None:
    """Time training on short rows and on rows with retrieved passages; each shuffled, and grouped by length. Every pair
    trains other rows in another order, from other adapters, so that rounding differs by chance.
    """
    model = advisor_model(options, native_dtype())
    dtype = str(model.dtype).removeprefix("torch.")
    config = adapter.configuration(rank=16, alpha=32, dropout=0.0)
    record.note(model=weights_facts(model), rate=RATE, rank=16, alpha=32)
    if dtype == "float32":
        record.note(dtype="float32, because this processor has no bfloat16 instructions")
    note = "logs every step to tell its loss; schedule, clipping and minibatches set as Advisor's"
    if dtype != "bfloat16":
        note += "; without its default bf16, for which this processor has no instructions"
    for what, rows_of, batch, goals in (
        ("LoRA steps", short_rows, BATCH, (5.0, 2.5)),
        ("LoRA steps with retrieved passages", _long_rows, LONG_BATCH, (3.0, 1.8)),
    ):
        for grouped, name, goal in (
            (False, "TRL SFTTrainer, its defaults", goals[0]),
            (True, "TRL SFTTrainer, no checkpointing, grouped", goals[1]),
        ):
            minibatches = _minibatches(options, model, config, rows_of, batch, grouped)
            rows = minibatches(0).rows
            tokens = sum(row.tokens for row in rows)
            record.note(**{what: {"steps": len(rows) // batch, "batch": batch, "tokens of the first pair": tokens}})
            ours = Side("advisor", _own(model, minibatches))
            theirs = Side(name, _trl(options, model, minibatches, checkpointing=not grouped))
            gate = as_near(_exact(options, minibatches)) if dtype == "bfloat16" else every(same_losses)
            case = f"{what}, grouped by length" if grouped else what
            compare(case, ours, [Peer(theirs, goal, gate, note)], options, record)


def _minibatches(
    options: Options, model: LocalModel, config: LoraConfig, rows_of: RowsOf, batch: int, grouped: bool
) -> MinibatchesOf:
    """The minibatches of each pair."""

    @lru_cache(1)  # they come one after the other
    def minibatches(pair: int) -> Minibatches:
        rows = rows_of(options, model, pair)
        order = grouped_rows(rows, batch, pair) if grouped else _shuffled(rows, pair)
        return Minibatches(order, batch, config, _beginning(model, config, pair))

    return minibatches


def _exact(options: Options, minibatches_of: MinibatchesOf) -> Callable[[int], list[float]]:
    """The losses of each pair in float32, as reference for rounding."""

    @lru_cache(None)
    def exact(pair: int) -> list[float]:
        minibatches = minibatches_of(pair)
        with _own(advisor_model(options, "float32"), lambda _: minibatches)() as job:
            losses: list[float] = job()
        return losses

    return exact


def _own(model: LocalModel, minibatches_of: MinibatchesOf) -> Callable[[], Any]:
    upcoming = map(minibatches_of, count())

    @contextmanager
    def session() -> Iterator[Job]:
        minibatches = next(upcoming)
        with adapter.inserted(model, minibatches.config) as wrapped:
            set_peft_model_state_dict(wrapped, minibatches.state)
            trainer = Trainer(model, Inserted.of(wrapped), Schedule(lr=RATE, epochs=1, batch=minibatches.batch))
            rows = before_shuffle(minibatches.rows)
            yield lambda: trainer.train(rows, (), SEED).losses

    return session


def _trl(options: Options, model: LocalModel, minibatches_of: MinibatchesOf, checkpointing: bool) -> Callable[[], Any]:
    dtype = str(model.dtype).removeprefix("torch.")
    upcoming = map(minibatches_of, count())

    @contextmanager
    def session() -> Iterator[Job]:
        minibatches = next(upcoming)
        with tempfile.TemporaryDirectory() as folder:
            settings = SftSettings(
                minibatches.rows,
                folder,
                RATE,
                epochs=1,
                batch=minibatches.batch,
                checkpointing=checkpointing,
                sampling="sequential",  # the rows come in the order wanted
            )
            trainer = sft_trainer(peer_model(options, dtype), model.renderer.tokenizer, minibatches.config, settings)
            set_peft_model_state_dict(trainer.model, minibatches.state)

            def job() -> list[float]:
                trainer.train()
                return losses(trainer)

            yield job

    return session


def _beginning(model: LocalModel, config: LoraConfig, pair: int) -> adapter.State:
    torch.manual_seed(pair)
    with adapter.inserted(model, config) as wrapped:
        return adapter.state_of(wrapped)


def before_shuffle(wanted: Sequence[TokenRow]) -> list[TokenRow]:
    """The rows in the order that the trainer's own shuffle with `SEED` turns into that of `wanted`."""
    places = list(range(len(wanted)))
    random.Random(SEED).shuffle(places)
    rows = list(wanted)
    for place, row in zip(places, wanted, strict=True):
        rows[place] = row
    return rows


def short_rows(options: Options, model: LocalModel, pair: int) -> list[TokenRow]:
    """Training rows of questions with a label."""
    examples = BATCH * (FEW_STEPS if options.smoke else STEPS)
    task = subset(load_task(options.task_folder("short labels")), train_limit=examples, seed=pair)
    return [row_of(model, Prompt(task.instruction, e.input, task.labels), e.target) for e in task.train]


def _long_rows(options: Options, model: LocalModel, pair: int) -> list[TokenRow]:
    """Training rows of questions with the passages that `rag` would train on."""
    examples = LONG_BATCH * (FEW_STEPS if options.smoke else LONG_STEPS)
    task = _few_documents(subset(load_task(options.task_folder("questions")), train_limit=examples, seed=pair))
    contexts = Rag().build(task, model, pair).training_contexts(task.train, pair)
    prompts = [Prompt(task.instruction, e.input, (), c) for e, c in zip(task.train, contexts, strict=True)]
    return [row_of(model, prompt, e.target) for prompt, e in zip(prompts, task.train, strict=True)]


def _few_documents(task: Task) -> Task:
    """The task with few documents beside those that hold the examples' answers."""
    wanted = {source for example in task.train for source in example.evidence}
    documents = sorted(task.documents, key=lambda d: d.id not in wanted)[: max(DOCUMENTS, len(wanted))]
    return replace(task, documents=tuple(documents))


def _shuffled(rows: Sequence[TokenRow], pair: int) -> list[TokenRow]:
    order = list(rows)
    random.Random(pair).shuffle(order)
    return order


def grouped_rows(rows: Sequence[TokenRow], batch: int, pair: int) -> list[TokenRow]:
    """The rows in the order of Transformers' `group_by_length`."""
    generator = torch.Generator().manual_seed(pair)
    sampler = LengthGroupedSampler(batch, lengths=[row.tokens for row in rows], generator=generator)
    return [rows[place] for place in sampler]
