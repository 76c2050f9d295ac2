"""The stock libraries, called as in their own documentation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig
from torch.optim.lr_scheduler import LambdaLR
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from advisor.models.local.device import choose_device
from finetune.fused.packing import TokenRow

disable_progress_bars()


@dataclass(frozen=True)
class SftSettings:
    """The settings of an SFTTrainer run.

    Attributes:
        folder: which it asks for, though nothing is saved.
        sampling: `random`, `sequential` or `group_by_length`, as Transformers calls them.
        mixed: whether float32 weights compute in bfloat16, its default.
    """

    rows: Sequence[TokenRow]
    folder: str
    rate: float
    epochs: int
    batch: int
    checkpointing: bool
    sampling: str
    mixed: bool = False


def sft_trainer(module: Any, tokenizer: Any, config: LoraConfig | None, settings: SftSettings) -> SFTTrainer:
    """TRL's trainer with its defaults, but for what `settings` says and Advisor's schedule; without a configuration it
    trains what asks for gradients.

    Its default bf16 goes where the model is not in bfloat16.
    """
    device = choose_device(None)
    arguments = SFTConfig(
        output_dir=settings.folder,
        learning_rate=settings.rate,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        train_sampling_strategy=settings.sampling,
        completion_only_loss=True,
        max_length=None,  # by default it would cut what is longer than 1,024 tokens, the answer first
        gradient_checkpointing=settings.checkpointing,
        bf16=settings.mixed or module.dtype == torch.bfloat16,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=device.type == "cpu",
    )
    trainer = _Scheduled(
        module,
        args=arguments,
        train_dataset=dataset(settings.rows),
        processing_class=tokenizer,
        peft_config=config,
    )
    with suppress(ValueError):
        trainer.remove_callback(PrinterCallback)
    return trainer


def losses(trainer: SFTTrainer) -> list[float]:
    """The loss of every step so far."""
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


def dataset(rows: Sequence[TokenRow]) -> Dataset:
    """The rows as TRL takes tokens: only the completion has a loss."""
    ids = [[*row.prompt, *row.answer] for row in rows]
    masks = [[0] * len(row.prompt) + [1] * len(row.answer) for row in rows]
    return Dataset.from_dict({"input_ids": ids, "completion_mask": masks})


def ramp(step: int, total: int) -> float:
    """Advisor's schedule (`finetune.trainer.Schedule`): linear warm-up over the first tenth, then linear decay to zero;
    `step` from 1.
    """
    warm = max(1, round(0.1 * total))
    return step / warm if step <= warm else max(0.0, (total - step + 1) / (total - warm + 1))


class _Scheduled(SFTTrainer):  # type: ignore[misc]
    """TRL with Advisor's schedule, which begins at a rate above zero."""

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The scheduler of Advisor's schedule."""
        if self.lr_scheduler is None:
            rate = lambda done: ramp(done + 1, num_training_steps)  # noqa: E731
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, rate)
        return self.lr_scheduler
