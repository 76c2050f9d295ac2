"""LoRA steps, against TRL's SFTTrainer with its defaults and as someone competent sets it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, set_peft_model_state_dict
from torch.optim.lr_scheduler import LambdaLR
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import SFTConfig, SFTTrainer

from advisor.models import Prompt
from advisor.models.engine import LocalModel
from advisor.tasks import load_task
from benchmarks.speed.harness import Job, Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, peer_model, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Gate, Record
from finetune import adapter
from finetune.packing import Row
from finetune.trainer import Schedule, Trainer

STEPS, FEW_STEPS = 10, 2
BATCH = 8
RATE = 1e-3
SEED = 0
CLOSE = 0.01  # of a step's loss


@dataclass(frozen=True)
class Course:
    """What both sides train: the same minibatches in the same order, from the same adapters.

    Attributes:
        rows: in the order in which they are trained.
        config, state: of the adapters; the tensors that both sides begin with.
    """

    rows: list[Row]
    config: LoraConfig
    state: adapter.State

    @property
    def steps(self) -> int:
        return len(self.rows) // BATCH

    def lessons(self) -> list[Row]:
        """The rows in such an order that the trainer's own shuffle with `SEED` puts them in that of `rows`."""
        places = list(range(len(self.rows)))
        random.Random(SEED).shuffle(places)
        lessons = list(self.rows)
        for place, row in zip(places, self.rows, strict=True):
            lessons[place] = row
        return lessons

    def dataset(self) -> Dataset:
        """The rows as TRL takes tokens: the completion alone has a loss."""
        ids = [[*row.prompt, *row.answer] for row in self.rows]
        masks = [[0] * len(row.prompt) + [1] * len(row.answer) for row in self.rows]
        return Dataset.from_dict({"input_ids": ids, "completion_mask": masks})


def run(options: Options, record: Record) -> None:
    """One case in the order of a shuffle, one in minibatches of similar length, as grouping by length makes them."""
    dtype = native_dtype()
    model = advisor_model(options, dtype)
    task = load_task(options.task_folder("trec6", "ticket-routing"))
    count = BATCH * (FEW_STEPS if options.smoke else STEPS)
    rows = [_row(model, Prompt(task.instruction, e.input, task.labels), e.target) for e in task.train[:count]]
    config = adapter.configuration(rank=16, alpha=32, dropout=0.0)
    state = _beginning(model, config)
    record.note(
        model=weights_facts(model),
        task=task.name,
        steps=count // BATCH,
        batch=BATCH,
        rate=RATE,
        rank=16,
        alpha=32,
        tokens=sum(row.tokens for row in rows),
        dtype=dtype if dtype == "bfloat16" else f"{dtype}, because this processor has no bfloat16 instructions",
    )
    note = "logs every step to tell its loss; schedule, clipping and minibatches set as Advisor's"
    if dtype != "bfloat16":
        note += "; without its default bf16, for which this processor has no instructions"
    for case, order, name, goal, checkpointing in (
        ("LoRA steps in shuffled order", _shuffled(rows), "TRL SFTTrainer, its defaults", 5.0, True),
        ("LoRA steps grouped by length", _grouped(rows), "TRL SFTTrainer, no checkpointing, grouped", 2.5, False),
    ):
        course = Course(order, config, state)
        ours = Side("advisor", _own(model, course))
        theirs = Side(name, _trl(options, model, course, checkpointing))
        compare(case, ours, [Peer(theirs, goal, same_losses, note)], options.pairs, record)


def same_losses(mine: Sequence[float], found: Sequence[float]) -> Gate:
    """Whether every step had the same loss."""
    apart = [abs(a - b) / b for a, b in zip(mine, found, strict=False)]
    holds = len(mine) == len(found) and max(apart) <= CLOSE
    seen = {"steps": [len(mine), len(found)], "largest": max(apart), "first": mine[0], "last": mine[-1]}
    return Gate(f"every step's loss within {CLOSE:.0%}", holds, seen)


def ramp(step: int, total: int) -> float:
    """Advisor's schedule (`finetune.trainer.Schedule`): up over the first tenth, then down to nought; `step` from 1."""
    warm = max(1, round(0.1 * total))
    return step / warm if step <= warm else max(0.0, (total - step + 1) / (total - warm + 1))


class _Scheduled(SFTTrainer):  # type: ignore[misc]
    """TRL with Advisor's schedule, which begins at a rate above nought."""

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None:
            rate = lambda done: ramp(done + 1, num_training_steps)  # noqa: E731
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, rate)
        return self.lr_scheduler


def _own(model: LocalModel, course: Course) -> Callable[[], Any]:
    @contextmanager
    def session() -> Iterator[Job]:
        with adapter.inserted(model, course.config) as wrapped:
            set_peft_model_state_dict(wrapped, course.state)
            trainer = Trainer(model, wrapped, Schedule(RATE, epochs=1, batch=BATCH))
            lessons = course.lessons()
            yield lambda: trainer.train(lessons, (), SEED).losses

    return session


def _trl(options: Options, model: LocalModel, course: Course, checkpointing: bool) -> Callable[[], Any]:
    dtype = str(model.dtype).removeprefix("torch.")
    disable_progress_bars()

    @contextmanager
    def session() -> Iterator[Job]:
        with tempfile.TemporaryDirectory() as folder:
            settings = SFTConfig(
                output_dir=folder,
                learning_rate=RATE,
                num_train_epochs=1,
                per_device_train_batch_size=BATCH,
                train_sampling_strategy="sequential",  # the rows come in the order wanted
                completion_only_loss=True,
                gradient_checkpointing=checkpointing,
                bf16=dtype == "bfloat16",
                logging_steps=1,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                use_cpu=model.device.type == "cpu",
            )
            trainer = _Scheduled(
                peer_model(options, dtype),
                args=settings,
                train_dataset=course.dataset(),
                processing_class=model.renderer.tokenizer,
                peft_config=course.config,
            )
            trainer.remove_callback(PrinterCallback)
            set_peft_model_state_dict(trainer.model, course.state)

            def job() -> list[float]:
                trainer.train()
                return [line["loss"] for line in trainer.state.log_history if "loss" in line]

            yield job

    return session


def _beginning(model: LocalModel, config: LoraConfig) -> adapter.State:
    torch.manual_seed(SEED)
    with adapter.inserted(model, config) as wrapped:
        return adapter.state_of(wrapped)


def _row(model: LocalModel, prompt: Prompt, target: str) -> Row:
    answer = [*model.renderer.encode_answer(target), model.renderer.end_id]
    return Row.of(model.renderer.encode(prompt, len(answer)), answer)


def _shuffled(rows: Sequence[Row]) -> list[Row]:
    order = list(rows)
    random.Random(SEED).shuffle(order)
    return order


def _grouped(rows: Sequence[Row]) -> list[Row]:
    """In the order that Transformers' `group_by_length` gives."""
    generator = torch.Generator().manual_seed(SEED)
    sampler = LengthGroupedSampler(BATCH, lengths=[row.tokens for row in rows], generator=generator)
    return [rows[place] for place in sampler]
