"""LoRA steps, against TRL's SFTTrainer with its defaults and as someone competent sets it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from peft import LoraConfig, set_peft_model_state_dict
from transformers.trainer_pt_utils import LengthGroupedSampler

from advisor.models import Prompt
from advisor.models.engine import LocalModel
from advisor.tasks import Task, load_task
from benchmarks.speed.gates import as_near, every, same_losses
from benchmarks.speed.harness import Job, Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, peer_model, row_of, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Record
from benchmarks.speed.stock import Lessons, losses, sft_trainer
from finetune import adapter
from finetune.packing import Row
from finetune.trainer import Schedule, Trainer
from rag import Rag

STEPS, LONG_STEPS, FEW_STEPS = 8, 3, 2
BATCH, LONG_BATCH = 8, 4  # of short rows, and of rows with retrieved passages
DOCUMENTS = 40  # among which the passages are looked for
RATE = 1e-3
SEED = 0


@dataclass(frozen=True)
class Course:
    """What both sides train: the same minibatches in the same order, from the same adapters.

    Attributes:
        rows: in the order in which they are trained.
        batch: rows a step.
        config, state: of the adapters; the tensors that both sides begin with.
    """

    rows: list[Row]
    batch: int
    config: LoraConfig
    state: adapter.State

    def lessons(self) -> list[Row]:
        """The rows in such an order that the trainer's own shuffle with `SEED` puts them in that of `rows`."""
        places = list(range(len(self.rows)))
        random.Random(SEED).shuffle(places)
        lessons = list(self.rows)
        for place, row in zip(places, self.rows, strict=True):
            lessons[place] = row
        return lessons


def run(options: Options, record: Record) -> None:
    """Short rows and rows with retrieved passages; each in the order of a shuffle, and in minibatches of similar
    length, as grouping by length makes them."""
    model = advisor_model(options, native_dtype())
    dtype = str(model.dtype).removeprefix("torch.")
    config = adapter.configuration(rank=16, alpha=32, dropout=0.0)
    state = _beginning(model, config)
    record.note(model=weights_facts(model), rate=RATE, rank=16, alpha=32)
    if dtype == "float32":
        record.note(dtype="float32, because this processor has no bfloat16 instructions")
    note = "logs every step to tell its loss; schedule, clipping and minibatches set as Advisor's"
    if dtype != "bfloat16":
        note += "; without its default bf16, for which this processor has no instructions"
    for what, rows, batch, goals in (
        ("LoRA steps", _short_rows(options, model), BATCH, (5.0, 2.5)),
        ("LoRA steps with retrieved passages", _long_rows(options, model), LONG_BATCH, (3.0, 1.8)),
    ):
        tokens = sum(row.tokens for row in rows)
        record.note(**{what: {"steps": len(rows) // batch, "batch": batch, "tokens": tokens}})
        for order, name, goal, checkpointing in (
            (_shuffled(rows), "TRL SFTTrainer, its defaults", goals[0], True),
            (_grouped(rows, batch), "TRL SFTTrainer, no checkpointing, grouped", goals[1], False),
        ):
            course = Course(order, batch, config, state)
            same = partial(as_near, _exact(options, course)) if dtype == "bfloat16" else same_losses
            ours = Side("advisor", _own(model, course))
            theirs = Side(name, _trl(options, model, course, checkpointing))
            case = what if checkpointing else f"{what}, grouped by length"
            compare(case, ours, [Peer(theirs, goal, every(same), note)], options, record)


def _exact(options: Options, course: Course) -> list[float]:
    """Losses of the course in float32, by which two ways of rounding are judged."""
    with _own(advisor_model(options, "float32"), course)() as job:
        losses: list[float] = job()
    return losses


def _own(model: LocalModel, course: Course) -> Callable[[], Any]:
    @contextmanager
    def session() -> Iterator[Job]:
        with adapter.inserted(model, course.config) as wrapped:
            set_peft_model_state_dict(wrapped, course.state)
            trainer = Trainer(model, wrapped, Schedule(RATE, epochs=1, batch=course.batch))
            lessons = course.lessons()
            yield lambda: trainer.train(lessons, (), SEED).losses

    return session


def _trl(options: Options, model: LocalModel, course: Course, checkpointing: bool) -> Callable[[], Any]:
    dtype = str(model.dtype).removeprefix("torch.")

    @contextmanager
    def session() -> Iterator[Job]:
        with tempfile.TemporaryDirectory() as folder:
            lessons = Lessons(
                course.rows,
                folder,
                RATE,
                epochs=1,
                batch=course.batch,
                checkpointing=checkpointing,
                sampling="sequential",  # the rows come in the order wanted
            )
            trainer = sft_trainer(peer_model(options, dtype), model.renderer.tokenizer, course.config, lessons)
            set_peft_model_state_dict(trainer.model, course.state)

            def job() -> list[float]:
                trainer.train()
                return losses(trainer)

            yield job

    return session


def _beginning(model: LocalModel, config: LoraConfig) -> adapter.State:
    torch.manual_seed(SEED)
    with adapter.inserted(model, config) as wrapped:
        return adapter.state_of(wrapped)


def _short_rows(options: Options, model: LocalModel) -> list[Row]:
    """Questions with a label."""
    task = load_task(options.task_folder("short labels"))
    examples = task.train[: BATCH * (FEW_STEPS if options.smoke else STEPS)]
    return [row_of(model, Prompt(task.instruction, e.input, task.labels), e.target) for e in examples]


def _long_rows(options: Options, model: LocalModel) -> list[Row]:
    """Questions behind the passages that `rag` would train on."""
    task = _small(
        load_task(options.task_folder("questions")), LONG_BATCH * (FEW_STEPS if options.smoke else LONG_STEPS)
    )
    contexts = Rag().build(task, model, SEED).training_contexts(task.train, SEED)
    prompts = [Prompt(task.instruction, e.input, (), c) for e, c in zip(task.train, contexts, strict=True)]
    return [row_of(model, prompt, e.target) for prompt, e in zip(prompts, task.train, strict=True)]


def _small(task: Task, examples: int) -> Task:
    """The first examples, and few documents beside those that hold their answers."""
    train = task.train[:examples]
    wanted = {source for example in train for source in example.evidence}
    documents = sorted(task.documents, key=lambda d: d.id not in wanted)[: max(DOCUMENTS, len(wanted))]
    return replace(task, train=train, documents=tuple(documents))


def _shuffled(rows: Sequence[Row]) -> list[Row]:
    order = list(rows)
    random.Random(SEED).shuffle(order)
    return order


def _grouped(rows: Sequence[Row], batch: int) -> list[Row]:
    """In the order that Transformers' `group_by_length` gives."""
    generator = torch.Generator().manual_seed(SEED)
    sampler = LengthGroupedSampler(batch, lengths=[row.tokens for row in rows], generator=generator)
    return [rows[place] for place in sampler]
