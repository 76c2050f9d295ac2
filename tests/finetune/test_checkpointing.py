"""Layers that are computed again on the way back: the same gradients, from less memory, where that is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from advisor.approaches import TrainingExample, TrainingSet
from advisor.models.local import shortage
from advisor.models.local.engine import LocalModel
from finetune import Lora
from finetune.candidate import Recipe, entered
from finetune.checkpointing import kept_bytes
from finetune.fused.packing import TokenRow
from finetune.trainer import Trainer

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]


@contextmanager
def kept_for_backward(model: LocalModel, most: float = float("inf")) -> Iterator[list[int]]:
    """Counts the bytes that are kept for a backward pass, now and at most; a device that has no more for the layers."""
    alive = [0, 0]

    class Kept:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor.detach()  # itself, it would keep alive what keeps it
            alive[0] += tensor.nbytes
            alive[1] = max(alive)

        def __del__(self) -> None:
            alive[0] -= self.tensor.nbytes

    def look(module: object, given: object, output: torch.Tensor) -> None:
        if alive[0] > most:
            raise torch.OutOfMemoryError(f"tried to allocate {alive[0]} bytes")

    base = model.module.base_model
    hook = (base.ln_f if hasattr(base, "ln_f") else base.norm).register_forward_hook(look)
    try:
        with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            yield alive
    finally:
        hook.remove()


def gradients(
    model: LocalModel, rows: Sequence[TokenRow], checkpointing: bool, dropout: float = 0.0
) -> tuple[list[torch.Tensor], int]:
    """Those of a second step, in which neither half of an adapter is zero, and the bytes that it kept."""
    recipe = Recipe(rank=4, alpha=8, lr=1e-3, epochs=1, batch=8, dropout=dropout)
    with entered(model, [recipe], seed=0) as (candidate,), candidate.active():
        trainer: Trainer = candidate.trainer
        trainer.total = 10
        trainer.update(trainer.gradients(rows), rows)
        trainer.history.checkpointing = checkpointing
        with kept_for_backward(model) as alive:
            trainer.gradients(rows)
        return [p.grad.clone() for p in trainer.working if p.grad is not None], alive[1]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_are_those_without_bit_for_bit_from_less_memory(
    any_model: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample], dropout: float
) -> None:
    """In layers read with and without their modules, packed and padded."""
    rows = rows_of(any_model, lessons)
    expected, kept = gradients(any_model, rows, checkpointing=False, dropout=dropout)
    found, less = gradients(any_model, rows, checkpointing=True, dropout=dropout)
    assert expected and all(bool(g.any()) for g in expected)
    assert all(torch.equal(f, e) for f, e in zip(found, expected, strict=True))
    assert less < kept / 2


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral"])
def test_an_example_that_does_not_fit_otherwise_is_trained_on(
    name: str, request: pytest.FixtureRequest, curriculum: TrainingSet, rows_of: RowsOf
) -> None:
    """Memory runs out at single examples, of which less is kept from there on."""
    model: LocalModel = request.getfixturevalue(name)
    rows = rows_of(model, curriculum.examples)
    kept, less = (max(gradients(model, [row], way)[1] for row in rows) for way in (False, True))
    lora = Lora(rank=4, alpha=8, epochs=1, batch=4)
    expected = lora.tune(curriculum, model, seed=0)
    with kept_for_backward(model, (kept + less) / 2):
        found = lora.tune(curriculum, model, seed=0)
    for mine, wanted in zip(found.state.values(), expected.state.values(), strict=True):  # type: ignore[attr-defined]
        torch.testing.assert_close(mine, wanted, atol=1e-4, rtol=1e-3)
    assert "gradient checkpointing" in " ".join(found.facts.notes)
    assert "gradient checkpointing" not in " ".join(expected.facts.notes)


def test_it_is_foreseen(
    llama: LocalModel, curriculum: TrainingSet, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is free: there, a CPU may end the process where memory runs out."""
    rows = rows_of(llama, curriculum.examples)
    longest = max(row.tokens for row in rows)
    needed = longest * kept_bytes(llama.module, longest, checkpointing=False)
    for free, checkpointing, at_once in [
        (4 * needed, False, 2 * longest),
        (needed, True, longest),
    ]:
        monkeypatch.setattr(shortage, "_of_process", lambda free=free: iter([(free, "here")]))
        with entered(llama, [Recipe(4, 8, 1e-3, 1, 8, 0.0)], seed=0) as (candidate,):
            candidate.trainer.begin(rows, [], seed=0)
            assert candidate.trainer.history.checkpointing == checkpointing
            assert at_once <= candidate.trainer.at_once < 4 * longest * (1 + 2 * checkpointing)
