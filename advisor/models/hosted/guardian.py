"""Keeps a server from outliving whom it is for: `python -I guardian.py LOG PROGRAM ARGUMENT...`.

A process of its own between the two, since nothing else ends the server whatever happens to the process that asks it,
a kill included: it holds the other end of this one's standard input, which ends with it. The server is the head of a
group, so that the processes that it starts itself end with it. The group's number is printed at once, and the exit
status is the server's.

Nothing but the standard library is imported: it has to be there at once, and stays beside the model.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GRACE = 10.0  # seconds in which a server that is told to end has ended
CANNOT_RUN = 127  # the exit status that shells have for it
LOOK = 0.2  # seconds between looks at the server
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def main(log: str, *command: str) -> int:
    """Run the server until it ends or nobody needs it any more; returns its exit status. The log's folder goes with who
    started this, if that is gone."""
    parent = os.getppid()
    with Path(log).open("ab") as out:
        try:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_told_of_death(),
            )
        except OSError as error:  # the interpreter that its first line names may be gone
            out.write(f"{command[0]} cannot be run, or what its first line names: {error.strerror}\n".encode())
            return CANNOT_RUN
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        print(server.pid, flush=True)  # noqa: T201 - to who started this
        while server.poll() is None and not _ended():
            pass
    finally:
        _end(server)
        if os.getppid() != parent:
            shutil.rmtree(Path(log).parent, ignore_errors=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _ended() -> bool:
    """Whether who started this is gone; waits a little for it."""
    ready, _, _ = select.select([sys.stdin], [], [], LOOK)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server, and whatever of its group is left."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _told_of_death() -> Callable[[], object] | None:
    """What makes Linux tell a process to end when this one is killed."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)  # before the fork, behind which little may be done
    return lambda: library.prctl(_DEATH_SIGNAL, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
