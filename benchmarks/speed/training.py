"""LoRA steps, against TRL's SFTTrainer with its defaults and as someone competent sets it."""

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
from benchmarks.speed.stock import Lessons, losses, sft_trainer
from finetune import adapter
from finetune.fused.packing import TokenRow
from finetune.trainer import Schedule, Trainer
from rag import Rag

STEPS, LONG_STEPS, FEW_STEPS = 8, 3, 2
BATCH, LONG_BATCH = 8, 4  # of short rows, and of rows with retrieved passages
DOCUMENTS = 40  # among which the passages are looked for
RATE = 1e-3
SEED = 0  # of the trainer's own shuffle


@dataclass(frozen=True)
class Course:
    """What both sides train in a pair: the same minibatches in the same order, from the same adapters.

    Attributes:
        rows: in the order in which they are trained.
        batch: rows a step.
        config, state: of the adapters; the tensors that both sides begin with.
    """

    rows: list[TokenRow]
    batch: int
    config: LoraConfig
    state: adapter.State

    def lessons(self) -> list[TokenRow]:
        """The rows in such an order that the trainer's own shuffle with `SEED` puts them in that of `rows`."""
        places = list(range(len(self.rows)))
        random.Random(SEED).shuffle(places)
        lessons = list(self.rows)
        for place, row in zip(places, self.rows, strict=True):
            lessons[place] = row
        return lessons


CourseOf = Callable[[int], Course]  # by the number of the pair
RowsOf = Callable[[Options, LocalModel, int], list[TokenRow]]


def run(options: Options, record: Record) -> None:
    """Short rows and rows with retrieved passages; each in the order of a shuffle, and in minibatches of similar
    length, as grouping by length makes them. Every pair trains other rows in another order, from other adapters: how
    rounding falls out is chance in each of them."""
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
        ("LoRA steps", _short_rows, BATCH, (5.0, 2.5)),
        ("LoRA steps with retrieved passages", _long_rows, LONG_BATCH, (3.0, 1.8)),
    ):
        for grouped, name, goal in (
            (False, "TRL SFTTrainer, its defaults", goals[0]),
            (True, "TRL SFTTrainer, no checkpointing, grouped", goals[1]),
        ):
            course = _courses(options, model, config, rows_of, batch, grouped)
            rows = course(0).rows
            tokens = sum(row.tokens for row in rows)
            record.note(**{what: {"steps": len(rows) // batch, "batch": batch, "tokens of the first pair": tokens}})
            ours = Side("advisor", _own(model, course))
            theirs = Side(name, _trl(options, model, course, checkpointing=not grouped))
            gate = as_near(_exact(options, course)) if dtype == "bfloat16" else every(same_losses)
            case = f"{what}, grouped by length" if grouped else what
            compare(case, ours, [Peer(theirs, goal, gate, note)], options, record)


def _courses(
    options: Options, model: LocalModel, config: LoraConfig, rows_of: RowsOf, batch: int, grouped: bool
) -> CourseOf:
    """What the sides train in each pair."""

    @lru_cache(1)  # they come one after the other
    def course(pair: int) -> Course:
        rows = rows_of(options, model, pair)
        order = _grouped(rows, batch, pair) if grouped else _shuffled(rows, pair)
        return Course(order, batch, config, _beginning(model, config, pair))

    return course


def _exact(options: Options, course_of: CourseOf) -> Callable[[int], list[float]]:
    """Losses of each pair in float32, by which two ways of rounding are judged."""

    @lru_cache(None)
    def exact(pair: int) -> list[float]:
        course = course_of(pair)
        with _own(advisor_model(options, "float32"), lambda _: course)() as job:
            losses: list[float] = job()
        return losses

    return exact


def _own(model: LocalModel, course_of: CourseOf) -> Callable[[], Any]:
    upcoming = map(course_of, count())

    @contextmanager
    def session() -> Iterator[Job]:
        course = next(upcoming)
        with adapter.inserted(model, course.config) as wrapped:
            set_peft_model_state_dict(wrapped, course.state)
            trainer = Trainer(model, wrapped, Schedule(RATE, epochs=1, batch=course.batch))
            lessons = course.lessons()
            yield lambda: trainer.train(lessons, (), SEED).losses

    return session


def _trl(options: Options, model: LocalModel, course_of: CourseOf, checkpointing: bool) -> Callable[[], Any]:
    dtype = str(model.dtype).removeprefix("torch.")
    upcoming = map(course_of, count())

    @contextmanager
    def session() -> Iterator[Job]:
        course = next(upcoming)
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


def _beginning(model: LocalModel, config: LoraConfig, pair: int) -> adapter.State:
    torch.manual_seed(pair)
    with adapter.inserted(model, config) as wrapped:
        return adapter.state_of(wrapped)


def _short_rows(options: Options, model: LocalModel, pair: int) -> list[TokenRow]:
    """Questions with a label."""
    examples = BATCH * (FEW_STEPS if options.smoke else STEPS)
    task = subset(load_task(options.task_folder("short labels")), train_limit=examples, seed=pair)
    return [row_of(model, Prompt(task.instruction, e.input, task.labels), e.target) for e in task.train]


def _long_rows(options: Options, model: LocalModel, pair: int) -> list[TokenRow]:
    """Questions behind the passages that `rag` would train on."""
    examples = LONG_BATCH * (FEW_STEPS if options.smoke else LONG_STEPS)
    task = _few_documents(subset(load_task(options.task_folder("questions")), train_limit=examples, seed=pair))
    contexts = Rag().build(task, model, pair).training_contexts(task.train, pair)
    prompts = [Prompt(task.instruction, e.input, (), c) for e, c in zip(task.train, contexts, strict=True)]
    return [row_of(model, prompt, e.target) for prompt, e in zip(prompts, task.train, strict=True)]


def _few_documents(task: Task) -> Task:
    """Few documents beside those that hold the examples' answers."""
    wanted = {source for example in task.train for source in example.evidence}
    documents = sorted(task.documents, key=lambda d: d.id not in wanted)[: max(DOCUMENTS, len(wanted))]
    return replace(task, documents=tuple(documents))


def _shuffled(rows: Sequence[TokenRow], pair: int) -> list[TokenRow]:
    order = list(rows)
    random.Random(pair).shuffle(order)
    return order


def _grouped(rows: Sequence[TokenRow], batch: int, pair: int) -> list[TokenRow]:
    """In the order that Transformers' `group_by_length` gives."""
    generator = torch.Generator().manual_seed(pair)
    sampler = LengthGroupedSampler(batch, lengths=[row.tokens for row in rows], generator=generator)
    return [rows[place] for place in sampler]
