"""What a method trains, in the model for as long as it is trained, and out of it while the model answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

import torch

from advisor.models.local.engine import LocalModel
from finetune.methods.contract import Inserted, Method


class Insertion:
    """A method's parameters in a model, as a seed draws them, while the block runs.

    Attributes:
        inserted: what lies in the model; another one behind each `taken_out`.
    """

    inserted: Inserted

    def __init__(self, method: Method, model: LocalModel, seed: int) -> None:
        self.method = method
        self.model = model
        self._seed = seed
        self._stack = ExitStack()

    def __enter__(self) -> Inserted:
        return self._put_in()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def taken_out(self) -> Iterator[None]:
        """The model is as it was without while the block runs. Behind it fresh parameters lie there, and whatever comes
        with them, drawn as the first time; what is drawn later is the same as if nothing had been taken out."""
        drawn = generators(self.model.device)
        self._stack.close()
        yield
        self._put_in()
        set_generators(self.model.device, drawn)

    def _put_in(self) -> Inserted:
        torch.manual_seed(self._seed)
        self.inserted = self._stack.enter_context(self.method.inserted(self.model))
        return self.inserted


def generators(device: torch.device) -> dict[str, torch.Tensor]:
    """States of the generators that training draws from, by kind of device."""
    found = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        found[device.type] = torch.get_device_module(device).get_rng_state(device)
    return found


def set_generators(device: torch.device, states: dict[str, torch.Tensor]) -> None:
    """Go on drawing from these."""
    torch.set_rng_state(states["cpu"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type], device)
