"""What a model was asked and has answered, kept as it comes: after a kill, nothing that was answered is asked again.

A line is one JSON object: `asked` when a request is sent, `answered` when its answer is in, `nothing` when none will
come. A request is named by a digest of all that decides its answer; what was asked does not stand there.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from advisor.disk import writing
from advisor.models.hosted.reply import Reply

ASKED, ANSWERED, NOTHING = "asked", "answered", "nothing"


class Journal:
    """Requests and answers in a file. Threads may use it at once.

    What is added outlives the process, not a power cut.

    Args:
        path: the file; a torn last line, as a kill leaves it, is cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._replies: dict[str, list[Reply]] = defaultdict(list)
        self._unanswered: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()
        self._versions: dict[str, None] = {}
        self._read()
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def versions(self) -> list[str]:
        """Of the answers that were there, in their order."""
        return list(self._versions)

    def take(self, digest: str) -> tuple[Reply | None, JournalEntry]:
        """The answer to a request that was asked before, each answer once; None where it has to be asked."""
        with self._lock:
            replies, number = self._replies[digest], self._taken[digest]
            if number < len(replies):
                self._taken[digest] += 1
                return replies[number], JournalEntry(self, digest)
            again = self._unanswered[digest] > 0
            self._unanswered[digest] -= again
            return None, JournalEntry(self, digest, again)

    def close(self) -> None:
        """What still comes is not kept."""
        with self._lock:
            self._file.close()

    def add(self, line: dict[str, Any]) -> None:
        """Write a line of what was asked."""
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode(errors="surrogatepass")
        with self._lock:
            if self._file.closed:  # an answer that comes after its question was given up
                return
            with writing(self._path.parent):
                while data:
                    data = data[self._file.write(data) :]

    def _read(self) -> None:
        with suppress(FileNotFoundError):
            whole = self._path.read_bytes()
            kept = whole.rfind(b"\n") + 1
            if kept < len(whole):
                with writing(self._path.parent):
                    os.truncate(self._path, kept)
            for line in _lines(whole[:kept]):
                self._remember(line)

    def _remember(self, line: dict[str, Any]) -> None:
        kind, digest = line.pop("type"), line.pop("request")
        if kind == ASKED:
            self._unanswered[digest] += 1
            return
        self._unanswered[digest] = max(0, self._unanswered[digest] - 1)
        if kind == ANSWERED:
            with suppress(TypeError):  # another version's
                several = {name: tuple(line.get(name, ())) for name in ("values", "listed")}
                reply = Reply(**{**line, **several})
                self._replies[digest].append(reply)
                if reply.version:
                    self._versions[reply.version] = None


class JournalEntry:
    """A request that is written into a journal, however often it is tried.

    Attributes:
        again: whether it was asked before, by a process that did not live to hear the answer.
    """

    def __init__(self, journal: Journal, digest: str, again: bool = False) -> None:
        self.again = again
        self._journal = journal
        self._digest = digest
        self._open = False

    def asked(self) -> None:
        """It is sent."""
        if not self._open:
            self._add(ASKED)
        self._open = True

    def nothing(self) -> None:
        """There will be no answer to what was sent, and the server did no work for it."""
        if self._open:
            self._add(NOTHING)
        self._open = False

    def answered(self, reply: Reply) -> None:
        """Its answer is in; nobody waits for the one that was lost any more."""
        if self.again:
            self._add(NOTHING)
        # Not as `asdict` has it, which copies each number of a vector.
        self._add(ANSWERED, **{one.name: getattr(reply, one.name) for one in fields(reply)})

    def _add(self, kind: str, **more: Any) -> None:
        self._journal.add({"type": kind, "request": self._digest, **more})


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    """The lines that can be read."""
    for raw in data.splitlines():
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and isinstance(line.get("request"), str) and "type" in line:
            yield line
