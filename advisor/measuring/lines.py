"""Records: append-only JSON lines, one file a run, flushed and synced per prediction batch.

A line is one JSON object with a `type`:

- `run`: begins an attempt: spec, resolved configuration, seed, and the program and machine that do it;
- `reused`: what follows was measured for another comparison and copied;
- `resumed`: a killed attempt goes on;
- `fitted`: what fitting took and left behind;
- `predictions`: one batch of test examples, with the seconds that it took;
- `repeated`: a batch that was answered again for its time, by the id of its first query;
- `latency`: one request sent alone;
- `interrupted`: it could not go on (a server was gone), says why and in which step; what follows goes on from there;
- `finished`, `failed` or `skipped`: ends the attempt;
- `after`: of a finished attempt, by `change`, what it answered after the documents had changed: that it begins, with
  the seconds of indexing, a batch, answers that stay the `same`, that it `ended`, or an `error`;
- `forgetting`: of a finished attempt whose model was tuned, `on` a general text or another task, by its digest: how
  likely the text's passages are now, a batch of answers, that it `ended`, or an `error`;
- `preferred`: of a finished attempt, how likely it found both answers of so many `pairs` of the preferences that are
  held out, or an `error`;
- `scored`: of a finished attempt, by `metric`, what a model that was asked gave for the answers to some test examples
  (`values` by their ids), or an `error`; `by` is a digest of what gave it;
- `again`: a step of a finished attempt, `predict` or `latency`, whose times were measured anew: the newest stand.

All but the first two carry the ledger of the clock since the one before: `reused`, seconds that were not spent because
a result was found ready made, `spans`, where the time went, `others`, what other processes took of the machine
meanwhile, and `calls`, what models elsewhere were asked. Every other figure of time is cold.

A later `run` line starts the attempt anew (after a failure). A torn last line, as a kill leaves it, is not a
fact: readers ignore it and the next writer cuts it off. A line that is no record (a damaged disk, another hand) is
named by file and line, and costs no more than the attempt that it is a part of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from advisor.disk import writing
from advisor.models.clock import Ledger
from advisor.models.contention import Contention

REPEATABLE = ("latency",)


def append(path: Path, *rows: Mapping[str, Any]) -> None:
    """Add lines; a torn last line left by a kill is cut off first.

    What is added outlives the process. Latencies are left to the operating system to put on the disk, since syncing a
    line takes as long as a short answer, and a power cut costs no more than measuring them again; all else is synced.
    """
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(errors="surrogatepass")
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+", buffering=0) as file:
            _cut_torn_line(file.fileno())
            while data:
                data = data[file.write(data) :]
            if any(row.get("type") not in REPEATABLE for row in rows):
                os.fsync(file.fileno())


def _cut_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - 65536)
        block = os.pread(descriptor, end - start, start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that is no record.

    Attributes:
        place: file and line.
    """

    place: str


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records in a file, in order; a torn last line and lines that are none are left out."""
    return (line for line in every_line(path) if not isinstance(line, Damaged))


def every_line(path: Path) -> Iterator[dict[str, Any] | Damaged]:
    """The complete lines of a file, in order, those that are no record too; a torn last line is left out."""
    try:
        rows = path.read_bytes().split(b"\n")[:-1]
    except (FileNotFoundError, NotADirectoryError):
        return
    for number, raw in enumerate(rows, start=1):
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            line = None
        yield line if isinstance(line, dict) and isinstance(line.get("type"), str) else Damaged(f"{path}:{number}")


def counted(ledger: Ledger) -> dict[str, Any]:
    """A ledger as a line of a record carries it: what is empty is left out."""
    others = {name: round(amount, 4) for name, amount in asdict(ledger.others).items() if amount}
    found = {
        "reused": dict(ledger.reused),
        "spans": {name: asdict(span) for name, span in ledger.spans.items()},
        "others": others,
        "calls": dict(ledger.calls),
    }
    return {key: value for key, value in found.items() if value}


def count(line: dict[str, Any], *ledgers: Ledger) -> None:
    """Add what a line carries of the clock's ledger to each of these, and take it off the line."""
    reused, spans = line.pop("reused", {}), line.pop("spans", {})
    others, calls = Contention(**line.pop("others", {})), line.pop("calls", {})
    for ledger in ledgers:
        for what, seconds in reused.items():
            ledger.reused[what] += seconds
        for name, span in spans.items():
            ledger.spans[name].seconds += span["seconds"]
            ledger.spans[name].tokens += span["tokens"]
        for what, amount in calls.items():
            ledger.calls[what] += amount
        ledger.others.add(others)
