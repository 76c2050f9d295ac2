"""What a model computes with: its own weights, or an adaptation of them and of where its rows begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from advisor.errors import NotApplicable, UserError
from advisor.models.adaptation import Adaptation, Attached, Prefixed
from advisor.models.local.originals import Originals
from advisor.models.local.reader import Reader
from advisor.models.local.start import Start


class Activation:
    """Puts adaptations into a module and its reader, one at a time, and takes them out again.

    Args:
        window: tokens that a prompt and an answer may take together.

    Attributes:
        active: the adaptation; None for the model's own weights.
        originals: these, while others stand in their place.
    """

    def __init__(self, module: Any, reader: Reader, window: int) -> None:
        self._module = module
        self._reader = reader
        self._window = window
        self.active: Adaptation | None = None
        self.originals = Originals(module)
        self._detach: Callable[[], None] = _nothing

    def activate(self, adaptation: Adaptation | None) -> None:
        """As of `LocalModel`."""
        if (adaptation.key if adaptation else None) == (self.active.key if self.active else None):
            return
        self._detach()
        self._detach = _nothing
        self.originals.put_back()
        self.active, self._reader.key, self._reader.start = None, "", Start()
        start = self._start(adaptation) if isinstance(adaptation, Prefixed) else Start()
        weights = adaptation.over if isinstance(adaptation, Prefixed) else adaptation
        if isinstance(weights, Attached):
            self._detach = weights.attach(self._module)
        elif weights:
            self.originals.replace(weights.tensors)
        if adaptation:
            self.active, self._reader.key, self._reader.start = adaptation, adaptation.key, start

    def _start(self, adaptation: Prefixed) -> Start:
        if not self._reader.takes_start:
            raise NotApplicable("the model takes no keys and values before its prompts: its cache holds other things")
        start = Start.of(self._module, adaptation.layers, cached=not self._reader.packs_all)
        if start.length >= self._window:
            seen = f"a learnt beginning of {start.length:,} tokens fills the context window of {self._window:,} tokens"
            raise UserError(seen, "learn fewer, or take a model with a larger context window")
        return start


def _nothing() -> None:
    """Nothing is attached."""
