"""A part of a low-rank adapter that belongs to each task alone, the rest being trained by all (MTLoRA, Agiza et al.
2024): while a task's examples are read its part lies in the adapter, which is no larger by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

from advisor.errors import NotApplicable
from finetune.methods.contract import Inserted


@dataclass(frozen=True)
class _Half:
    """One of an adapter's two matrices, whose last rows or columns are a task's own.

    Attributes:
        ranks: the dimension along which the rank lies.
    """

    name: str
    parameter: nn.Parameter
    ranks: int
    shared: int

    def own(self, tensor: torch.Tensor) -> torch.Tensor:
        """The task's part of a tensor that is shaped as the matrix is."""
        return tensor.narrow(self.ranks, self.shared, tensor.shape[self.ranks] - self.shared)


def modulated(inserted: Inserted, rank: int, own: int, tasks: int) -> Inserted:
    """The same with a part of its own for each task but the first, whose part is what lies in the adapter at rest.

    All parts begin as that one does.

    Args:
        own: of the rank, what belongs to each task.

    Raises:
        NotApplicable: an adapter lies on several matrices in one.
    """
    halves = [
        _Half(name, parameter, int(".lora_B." in name), rank - own)
        for name, parameter in inserted.named.items()
        if ".lora_A." in name or ".lora_B." in name
    ]
    if any(half.parameter.shape[half.ranks] != rank for half in halves):
        raise NotApplicable("modulation=task parts the rank of one matrix, and here an adapter lies on several in one")
    parts = [[nn.Parameter(half.own(half.parameter.data).clone()) for half in halves] for _ in range(1, tasks)]

    @contextmanager
    def of_task(task: int) -> Iterator[None]:
        if not task:
            yield
            return
        places = [half.own(half.parameter.data) for half in halves]
        resting = [place.clone() for place in places]
        torch._foreach_copy_(places, [part.data for part in parts[task - 1]])
        try:
            yield
        finally:
            torch._foreach_copy_(places, resting)
            for half, part in zip(halves, parts[task - 1], strict=True):
                if half.parameter.grad is not None:
                    found = half.own(half.parameter.grad)
                    part.grad = found.clone()
                    found.zero_()

    named = {
        f"task{number}/{half.name}": part
        for number, of in enumerate(parts, start=1)
        for half, part in zip(halves, of, strict=True)
    }
    return replace(inserted, named={**inserted.named, **named}, of_task=of_task)
