"""A server of a model that is started here: waited for, told of while it is, and ended with whoever asks it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from advisor.cleaning import plain
from advisor.errors import UserError
from advisor.models.hosted import guardian
from advisor.models.hosted.keys import Scrubber

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
LOOK = 0.25  # seconds between questions whether it is ready
ENDING = 2.0  # seconds from its last connection to its end
TELL = 20.0  # seconds between words on how far it is
LAST = 64 * 1024  # bytes of its log that are read
SHOWN = 3  # lines of it
_ERROR = re.compile(r"\b\w*(Error|Exception|error): .+")
_BEFORE = re.compile(r"^\(\w+[^)]*\) |^(INFO|WARNING|ERROR|CRITICAL) [\d:. -]+|^\[[^]]*\] ")


class HeldPort:
    """A port of this machine that nobody else gets until it is let go.

    Attributes:
        number: of the port.
    """

    def __init__(self) -> None:
        held = socket.socket()
        self._release = weakref.finalize(self, held.close)
        held.bind((LOOPBACK, 0))
        self.number = int(held.getsockname()[1])

    def let_go(self) -> None:
        """Give it to whoever takes it next."""
        self._release()


@dataclass(frozen=True)
class Startup:
    """How a server is started.

    Attributes:
        called: the program, as messages call it.
        command: the program and its arguments.
        environment: of its process.
        port: that it listens on.
        ready_seconds: in which it has to be ready.
        hint: what helps where it does not come up.
    """

    called: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    port: HeldPort
    ready_seconds: float
    hint: str


class OwnServer:
    """A server in a process of its own. Nothing runs before it is needed.

    It ends with `stop`, with this object, and with this process, however that ends.

    Args:
        scrub: takes its key out of what it says.
        is_ready: whether it can be asked, and is no other server on its port.
    """

    def __init__(self, recipe: Startup, scrub: Scrubber, is_ready: Callable[[], bool]) -> None:
        self._recipe = recipe
        self._scrub = scrub
        self._is_ready = is_ready
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: Path | None = None
        self._ends: weakref.finalize[..., OwnServer] | None = None

    @property
    def started(self) -> bool:
        """Whether it was started, and neither stopped nor given up since."""
        return self._process is not None

    def start(self, name: str) -> None:
        """See that it is there, ready to be asked; it is waited for the first time.

        Args:
            name: of the model, as messages call it.

        Raises:
            UserError: it does not come up.
        """
        with self._lock:
            if self._process is None:
                self._begin()
                try:
                    self._wait(name)
                except BaseException as error:
                    self._give_up(tidy=not isinstance(error, UserError))  # which names the log
                    raise

    def ended(self, seconds: float) -> str:
        """With which words it ended by itself; empty while it runs.

        Args:
            seconds: that one which is just ending is waited for.
        """
        with self._lock:
            if self._process is None:
                return ""
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return ""
            return self._last_words()

    def stop(self) -> None:
        """End it; the next `start` begins another."""
        with self._lock:
            self._give_up(tidy=True)

    def _begin(self) -> None:
        recipe = self._recipe
        self._log = Path(tempfile.mkdtemp(prefix="advisor-server-")) / "log.txt"
        keeper = [sys.executable, "-I", guardian.__file__, str(self._log)]
        recipe.port.let_go()
        process = subprocess.Popen(
            [*keeper, *recipe.command],
            env=dict(recipe.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process, which ends the other
        )
        assert process.stdin is not None and process.stdout is not None
        group = process.stdout.readline().strip()
        process.stdout.close()
        self._process = process
        self._ends = weakref.finalize(self, _end, process, process.stdin, int(group or 0), self._log.parent)

    def _give_up(self, tidy: bool) -> None:
        if self._ends is not None and (found := self._ends.detach()):
            _, _, (process, line, group, folder), _ = found
            _end(process, line, group, folder if tidy else None)
        self._process = self._ends = self._log = None

    def _wait(self, name: str) -> None:
        """Wait until it is ready.

        Raises:
            UserError: it ended, or takes too long.
        """
        recipe, began = self._recipe, time.monotonic()
        told = began
        log.warning("note: %s: %s is being started, which takes a minute or two", name, recipe.called)
        while True:
            assert self._process is not None
            now = time.monotonic()
            if self._process.poll() is not None:
                raise UserError(f"{name}: {recipe.called} did not start: {self._last_words()}", self._hint())
            if self._is_ready():
                return
            if now - began > recipe.ready_seconds:
                what = f"{recipe.called} was not ready after {now - began:.0f} s"
                raise UserError(f"{name}: {what}: {self._last_words()}", self._hint())
            if now - told > TELL:
                told = now
                log.warning("note: %s is still starting after %.0f s: %s", recipe.called, now - began, self._stage())
            time.sleep(LOOK)

    def _hint(self) -> str:
        return f"its log is {self._log}; {self._recipe.hint}"

    def _lines(self) -> list[str]:
        """What it said last, each line without what its logger puts before it."""
        if self._log is None:
            return []
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST))
            lines = [plain(line) for line in file.read().decode("utf-8", "replace").splitlines()]
            return [text for line in lines if (text := _bare(line))]
        return []

    def _stage(self) -> str:
        return self._scrub(next(reversed(self._lines()), ""))[:100]

    def _last_words(self) -> str:
        """Its first error, which is what the others follow from, and its last lines."""
        lines = self._lines()
        errors = [found[0] for line in lines if (found := _ERROR.search(line))]
        shown = list(dict.fromkeys([*errors[:1], *(errors or lines)[-SHOWN:]]))
        return self._scrub("; ".join(shown)) or "it said nothing"


def _bare(line: str) -> str:
    before = None
    while before != line:
        before, line = line, _BEFORE.sub("", line).strip()
    return line


def _end(process: subprocess.Popen[bytes], line: IO[bytes], group: int, folder: Path | None) -> None:
    """Let the guardian end the server; where it was killed itself, end the server's group here. The folder of its log
    goes too, unless it is kept."""
    with suppress(OSError):
        line.close()
    try:
        process.wait(2 * guardian.GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode < 0 and group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
