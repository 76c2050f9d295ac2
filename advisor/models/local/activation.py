"""What a model computes with: its own weights, or adaptations of them, one upon the other, and where its rows begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from advisor.errors import NotApplicable, UserError
from advisor.models.adaptation import Adaptation, Attached, Merged, Prefixed, levels
from advisor.models.local.originals import Originals
from advisor.models.local.reader import Reader
from advisor.models.local.start import Start

Level = Merged | Attached | Prefixed


class Activation:
    """Puts adaptations into a module and its reader, and takes them out again.

    Args:
        window: tokens that a prompt and an answer may take together.
    """

    def __init__(self, module: Any, reader: Reader, window: int) -> None:
        self._module = module
        self._reader = reader
        self._window = window
        self._standing: tuple[Level, ...] = ()  # what passes for the model's own weights
        self._placed: list[tuple[Level, Callable[[], None]]] = []  # from the ground up, with what takes each out again
        self._originals = [Originals(module)]  # of each level that is placed, and of the next one
        self._placing = False
        self._asked: Adaptation | None = None  # the last one

    @property
    def adapted(self) -> bool:
        """Whether it computes with other weights than the model's own, or behind a learnt beginning."""
        return bool(self._placed)

    @property
    def originals(self) -> Originals:
        """What passes for the model's own weights, while others stand in their place; to an adaptation that is being
        placed, what it is placed upon."""
        return self._originals[-1 if self._placing else len(self._standing)]

    def activate(self, adaptation: Adaptation | None) -> None:
        """As of `LocalModel`."""
        self._asked = adaptation
        goal = (*self._standing, *levels(adaptation))
        kept = 0
        while kept < min(len(goal), len(self._placed)) and goal[kept].key == self._placed[kept][0].key:
            kept += 1
        while len(self._placed) > kept:
            self._take_out()
        for level in goal[kept:]:
            self._place(level)

    def restoring(self) -> Callable[[], None]:
        """As of `LocalModel`."""
        now = self._asked
        return lambda: self.activate(now)

    @contextmanager
    def standing_on(self, ground: Adaptation) -> Iterator[None]:
        """As of `LocalModel`."""
        before = self._standing
        self._standing = (*before, *levels(ground))
        try:
            self.activate(None)
            yield
        finally:
            self._standing = before
            self.activate(None)

    def _place(self, level: Level) -> None:
        start = self._start(level) if isinstance(level, Prefixed) else Start()
        weights = level.over if isinstance(level, Prefixed) else level
        own = self._originals[-1]
        undo = own.put_back
        self._placing = True
        try:
            if isinstance(weights, Attached):
                undo = weights.attach(self._module)
            elif weights:
                own.replace(weights.tensors)
        finally:
            self._placing = False
        self._placed.append((level, undo))
        self._originals.append(Originals(self._module))
        own.above = self._originals[-1]
        self._tell(start)

    def _take_out(self) -> None:
        _, undo = self._placed.pop()
        undo()
        self._originals.pop()
        self._originals[-1].above = None
        self._tell(Start())

    def _tell(self, start: Start) -> None:
        self._reader.key, self._reader.start = ">".join(level.key for level, _ in self._placed), start

    def _start(self, adaptation: Prefixed) -> Start:
        if not self._reader.takes_start:
            raise NotApplicable("the model takes no keys and values before its prompts: its cache holds other things")
        start = Start.of(self._module, adaptation.layers, cached=not self._reader.packs_all)
        if start.length >= self._window:
            seen = f"a learnt beginning of {start.length:,} tokens fills the context window of {self._window:,} tokens"
            raise UserError(seen, "learn fewer, or take a model with a larger context window")
        return start
