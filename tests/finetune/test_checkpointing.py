"""Layers that are computed again on the way back: the same gradients, from less memory, where that is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from advisor.approaches import TrainingExample, TrainingSet
from advisor.models.local import allocator
from advisor.models.local.allocator import LIMIT
from advisor.models.local.engine import LocalModel
from finetune import Lora
from finetune.checkpointing import kept_bytes
from finetune.fused.packing import TokenRow
from finetune.methods.lora import LoraMethod
from finetune.trainer import Trainer
from finetune.training import Schedule

LONGEST = 1000  # tokens of a row that is not read
SCHEDULE = Schedule(epochs=1, batch=8)
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
    torch.manual_seed(0)
    with LoraMethod(4, 8, dropout).inserted(model) as inserted:
        trainer = Trainer(model, inserted, SCHEDULE)
        trainer.total = 10
        trainer.update(trainer.gradients(rows), rows)
        trainer.history.checkpointing = checkpointing
        with kept_for_backward(model) as alive:
            trainer.gradients(rows)
        return [p.grad.clone() for p in trainer.weights.working if p.grad is not None], alive[1]


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


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral"])
def test_what_is_kept_is_foreseen(
    name: str, checkpointing: bool, request: pytest.FixtureRequest, curriculum: TrainingSet, rows_of: RowsOf
) -> None:
    model: LocalModel = request.getfixturevalue(name)
    longest = max(rows_of(model, curriculum.examples), key=lambda row: row.tokens)
    foreseen = longest.tokens * kept_bytes(model.module, longest.tokens, checkpointing)
    _, kept = gradients(model, [longest], checkpointing)
    assert foreseen / 2.5 < kept < 2.5 * foreseen


@pytest.mark.parametrize(("times", "checkpointing", "at_once"), [(4, False, 2), (1, True, 1)])
def test_a_shortage_is_foreseen(
    times: int, checkpointing: bool, at_once: int, llama: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is free: there, a CPU may end the process where memory runs out. Nothing is trained here, so that rows
    may be as long as is felt beside what the process has."""
    rows = [TokenRow((5,) * (length - 1), 0, (6,)) for length in (20, LONGEST)]
    needed = LONGEST * kept_bytes(llama.module, LONGEST, checkpointing=False)
    with LoraMethod(4, 8).inserted(llama) as inserted:
        trainer = Trainer(llama, inserted, SCHEDULE)
        monkeypatch.setenv(LIMIT, str((resident() + times * needed) / 1e9))
        trainer.begin(rows, [], seed=0)
    assert trainer.history.checkpointing == checkpointing
    assert at_once * LONGEST <= trainer.at_once < 4 * LONGEST * (1 + 2 * checkpointing)


def resident() -> int:
    """Bytes that this process has and uses, where the system tells."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS")) - allocator.kept()
