"""Lessons on eight things, and the rows that they become."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingSet
from advisor.models import Prompt
from advisor.models.local.engine import LocalModel
from finetune.fused.packing import TokenRow
from finetune.trainer import Trainer

THINGS = {
    "the ripe tomato": "red",
    "the fresh grass": "green",
    "the clear sky": "dark blue",
    "a rose": "red",
    "a leaf in spring": "green",
    "the sea": "dark blue",
    "a fire engine": "red",
    "an old frog": "green",
}


class Killed(BaseException):
    """What a test does in place of the system."""


@pytest.fixture(scope="session")
def lessons() -> tuple[TrainingExample, ...]:
    instruction = "Say which colour the thing has."
    return tuple(TrainingExample(Prompt(instruction, thing), colour) for thing, colour in THINGS.items())


@pytest.fixture(scope="session")
def curriculum(lessons: tuple[TrainingExample, ...]) -> TrainingSet:
    return TrainingSet(lessons)


@pytest.fixture(scope="session")
def rows_of() -> Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]:
    def rows(model: LocalModel, lessons: Sequence[TrainingExample]) -> list[TokenRow]:
        found = []
        for lesson in lessons:
            answer = [*model.renderer.encode_answer(lesson.answer), model.renderer.end_id]
            found.append(TokenRow.of(model.renderer.encode(lesson.prompt, len(answer)), answer))
        return found

    return rows


@pytest.fixture(scope="session")
def bits_of() -> Callable[[LocalModel], dict[str, torch.Tensor]]:
    """All that a trainer could leave changed: parameters and buffers, by name."""

    def bits(model: LocalModel) -> dict[str, torch.Tensor]:
        module = model.module
        return {name: t.detach().clone() for name, t in (*module.named_parameters(), *module.named_buffers())}

    return bits


@pytest.fixture(scope="session")
def assert_untouched(
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
) -> Callable[[LocalModel, dict[str, torch.Tensor]], None]:
    """The model is bit for bit what it was, with nothing added, nothing to train and no hooks."""

    def check(model: LocalModel, before: dict[str, torch.Tensor]) -> None:
        model.activate(None)
        after = bits_of(model)
        assert list(after) == list(before)
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert not model.module.training
        assert not any(p.requires_grad or p.grad is not None for p in model.module.parameters())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())
        assert not hasattr(model.module, "peft_config")
        assert model.module.config._attn_implementation in {"sdpa", "eager"}

    return check


@pytest.fixture
def breaking_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """Inside, training is interrupted after three steps, and that is heard."""
    update = Trainer.update

    def breaking(self: Trainer, loss: float, batch: Sequence[TokenRow]) -> None:
        update(self, loss, batch)
        if self.steps == 3:
            raise KeyboardInterrupt

    @contextmanager
    def inside() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "update", breaking)
            with pytest.raises(KeyboardInterrupt):
                yield

    return inside


@pytest.fixture
def killing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """Inside, training ends behind so many steps, and that is heard."""
    update = Trainer.update

    @contextmanager
    def inside(after: int) -> Iterator[None]:
        taken = 0

        def dying(self: Trainer, loss: float, batch: Sequence[object]) -> None:
            nonlocal taken
            update(self, loss, batch)  # type: ignore[arg-type]
            taken += 1
            if taken > after:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "update", dying)
            with pytest.raises(Killed):
                yield

    return inside
