"""Where work that takes long keeps how far it came, so that a killed run goes on from there.

A run lends a folder, and takes it away once it is recorded; who works asks for it. Where none was lent, nothing is
kept.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from advisor.disk import clear, intact, no_room, place_whole

log = logging.getLogger(__name__)

EVERY = 60.0  # seconds; what takes less is done again
SHARE = 0.05  # of the time, for keeping at most


class Scratch:
    """A folder that outlives the process.

    What is kept under a name is whole or not there, whenever the process is killed. A disk without room ends the
    keeping and nothing else.

    Args:
        every: seconds between two times that something is kept as it goes on; 0 keeps it always, whatever that takes.
        program: digest of the program that works; another one's work is not taken over.
    """

    def __init__(self, folder: Path, every: float = EVERY, program: str = "") -> None:
        self.program = program
        self._folder = folder
        self._every = every
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether enough work was done since it began, or something was kept, to keep something again."""
        return time.monotonic() - self._last >= self._every

    def worth(self, seconds: float) -> bool:
        """Whether something that took so long is to be kept as soon as it is done."""
        return seconds >= self._every

    def keep(self, name: str, write: Callable[[Path], None]) -> None:
        """Keep what `write` writes into an empty folder, in place of what was kept under that name."""
        if math.isinf(self._every):
            return
        began = time.monotonic()
        work, before = self._folder / f"{name}.writing", self._places(name)
        number = int(before[-1].suffix[1:]) + 1 if before else 0
        try:
            clear(work)
            work.mkdir(parents=True)
            write(work)
            place_whole(work, self._folder / f"{name}.{number}")
        except Exception as error:
            if (found := no_room(error, self._folder)) is None:
                raise
            log.warning("a killed run will not go on from here: %s", found.what)
            self._every = math.inf
            clear(work)
            return
        clear(*before)
        self._last = time.monotonic()
        if self._every:
            self._every = max(self._every, (self._last - began) / SHARE)

    def kept(self, name: str) -> Path | None:
        """The folder with what was kept last under a name; None where nothing was."""
        return next((folder for folder in reversed(self._places(name)) if intact(folder)), None)

    def beside(self) -> list[Path]:
        """The folders that are beside it, in which other runs of the comparison keep what they fitted."""
        return sorted(path for path in self._folder.parent.glob("*.seed*") if path.is_dir() and path != self._folder)

    def _places(self, name: str) -> list[Path]:
        found = [path for path in self._folder.glob(f"{name}.*") if path.suffix[1:].isdecimal()]
        return sorted(found, key=lambda path: int(path.suffix[1:]))


_lent: ContextVar[Scratch | None] = ContextVar("scratch", default=None)


@contextmanager
def lending(scratch: Scratch) -> Iterator[None]:
    """While the block runs, what takes long may keep there how far it came."""
    token = _lent.set(scratch)
    try:
        yield
    finally:
        _lent.reset(token)


def scratch() -> Scratch | None:
    """What was lent; None where nothing was."""
    return _lent.get()
