"""How hard each example is, by which a curriculum orders them, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn.functional import cross_entropy

from advisor import progress
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from finetune.fused.packing import TokenRow
from finetune.passes import passes
from finetune.training import Order


def with_difficulty(rows: Sequence[TokenRow], order: Order, model: LocalModel) -> list[TokenRow]:
    """The rows with what a curriculum orders them by: tokens of prompt and answer, or the untrained model's mean loss
    for each token of the answer.

    Each is read alone, so that its loss does not depend on what is read beside it.
    """
    if order == "none":
        return list(rows)
    if order == "length":
        return [replace(row, difficulty=float(row.tokens)) for row in rows]
    progress.step("train", len(rows))
    with model.own_weights(), torch.no_grad():
        return [replace(row, difficulty=_loss(row, model)) for row in rows]


def _loss(row: TokenRow, model: LocalModel) -> float:
    with clock.span("prefill", row.tokens - 1):
        found = [
            cross_entropy(model.head(hidden).float(), targets, reduction="sum")
            for _, hidden, targets in passes(model, [row], None, again=False)
        ]
    progress.advance()
    return float(torch.stack(found).sum()) / len(row.answer)
