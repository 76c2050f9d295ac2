"""The process in which files of other programs are read: it may crash, hang or eat memory, and one file is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Timer
from typing import Any

from advisor.tasks.office import KINDS, Unreadable

_SECONDS = 120.0  # for one file
_MEMORY = 4 << 30  # bytes of address space, where the system can bound it
_SERVE = """
import os, sys
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # what native code prints is no answer
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
from advisor.tasks.office import serve
try:
    serve(sys.stdin.buffer, answers)
except KeyboardInterrupt:
    pass
"""


def library_for(ending: str) -> str:
    """The installed library that reads files of an ending; empty where there is none."""
    if ending not in KINDS:
        return ""
    libraries = ("kreuzberg", "pypdfium2") if ending == ".pdf" else ("kreuzberg",)
    return next((name for name in libraries if _is_there(name)), "")


@cache
def _is_there(name: str) -> bool:
    return find_spec(name) is not None


class ReaderProcess:
    """Reads one file after the other in a process of its own, which is started when the first one comes."""

    def __init__(self, seconds: float = _SECONDS, memory: int = _MEMORY) -> None:
        self._seconds, self._memory = seconds, memory
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, data: bytes, ending: str, longest: int) -> dict[str, Any]:
        """The title, text, pages and running lines of a file of at most so many characters, as `office.extract` has it.

        Raises:
            Unreadable: it holds no text that can be read, or reading it failed or took too long.
        """
        process = self._process = self._process or self._start()
        assert process.stdin and process.stdout
        asked = {"size": len(data), "ending": ending, "by": library_for(ending), "longest": longest}
        late = Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = Timer(self._seconds, stop)
        timer.start()
        try:
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.write(data)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:  # it ended before it had read all
            line = b""
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            self.close()
            what = (
                f"reading it took more than {self._seconds:g} seconds"
                if late.is_set()
                else "the library that reads it crashed on it"
            )
            raise Unreadable(what, "write it again by another program, or take it away")
        answer: dict[str, Any] = json.loads(line)
        if "seen" in answer:
            raise Unreadable(answer["seen"], answer["hint"])
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE.format(memory=self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def close(self) -> None:
        """End the process, if one was started."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close() if pipe else None
        process.wait()
