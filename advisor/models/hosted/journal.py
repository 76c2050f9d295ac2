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
from dataclasses import asdict
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
        self._read()
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def take(self, digest: str) -> tuple[Reply | None, bool]:
        """The answer to a request that was asked before, each answer once; else None, and whether it was asked."""
        with self._lock:
            replies, number = self._replies[digest], self._taken[digest]
            if number < len(replies):
                self._taken[digest] += 1
                return replies[number], False
            again = self._unanswered[digest] > 0
            self._unanswered[digest] -= again
            return None, again

    def asked(self, digest: str) -> None:
        """A request is sent."""
        self._add({"type": ASKED, "request": digest})

    def answered(self, digest: str, reply: Reply) -> None:
        """Its answer is in."""
        self._add({"type": ANSWERED, "request": digest, **asdict(reply)})

    def nothing(self, digest: str) -> None:
        """There will be no answer to it, and the server did no work for it."""
        self._add({"type": NOTHING, "request": digest})

    def close(self) -> None:
        """What still comes is not kept."""
        with self._lock:
            self._file.close()

    def _add(self, line: dict[str, Any]) -> None:
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
                self._replies[digest].append(Reply(**{**line, **several}))


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    """The lines that can be read."""
    for raw in data.splitlines():
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and isinstance(line.get("request"), str) and "type" in line:
            yield line
