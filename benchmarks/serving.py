"""What `advisor serve` gives under load, beside llama.cpp's server with the same weights.

    python -m benchmarks.serving RUN_FOLDER [--spec zero-shot] [--callers 1,4,16] [--seconds 60] [--requests 2000]

Callers ask, each one request after the other, by streams of `/v1/chat/completions`, the test queries of the run folder
in turn; the row has to be one without examples or passages, so that llama.cpp can be given the very same messages, end
of answer and cap. Measured are answers a second, latencies, the time to the first piece, requests that failed, and the
resident memory of the server over as many requests as asked for. Both servers run one after the other, each on all
cores, which it shares with the callers. Writes `benchmarks/results/serving.md`.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from advisor.deploy.predictors import brief_of, chosen
from advisor.measuring.reading import read_comparison, run_place
from advisor.models import Prompt
from advisor.models.prompt import CUE
from benchmarks.comparisons import RESULTS
from benchmarks.servers.llama_cpp import ALIAS, ROOT, serving

SAVED = "predictor.json"
PATIENCE = 120.0  # seconds
MEMORY_STEPS = 5


@dataclass(frozen=True)
class Loaded:
    """A server under load.

    Attributes:
        bodies: requests, by which it is asked in turn.
    """

    name: str
    address: str
    pid: int
    bodies: tuple[dict[str, Any], ...]


@dataclass
class Tally:
    """What callers saw."""

    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    failures: int = 0
    tokens: int = 0
    seconds: float = 0.0


def main() -> None:
    """Measure both servers and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spec", default="zero-shot")
    parser.add_argument("--callers", default="1,4,16")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    callers = [int(number) for number in options.callers.split(",")]
    messages, cap, stops = _asked(options.folder, options.spec)
    lines = []
    with _advisor(options.folder, options.spec, messages) as server:
        ready = server[1]
        own = {number: _loaded(server[0], number, options.seconds) for number in callers}
        lines += [_line("advisor serve", number, tally, None) for number, tally in own.items()]
        memory = _memory(server[0], max(callers), options.requests)
    with serving("--parallel", str(max(callers)), "--threads", str(_threads())) as other:
        bodies = [{"model": ALIAS, "messages": m, "max_tokens": cap, "stop": stops} for m in messages[1]]
        there = Loaded("llama.cpp", other.address, other.process.pid, tuple(bodies))
        for number in callers:
            tally = _loaded(there, number, options.seconds)
            lines.append(_line("llama.cpp", number, tally, own[number]))
    said = _HEAD.format(spec=options.spec, seconds=options.seconds, ready=ready, cores=os.cpu_count())
    said += "\n".join([_TABLE, *lines]) + "\n\n" + _MEMORY.format(callers=max(callers))
    said += "\n".join(["| requests | MB | failed |", "|--:|--:|--:|", *memory]) + "\n"
    (RESULTS / "serving.md").write_text(said, encoding="utf-8")
    print(said)


def _threads() -> int:
    """As many for llama.cpp as for us."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def _asked(folder: Path, spec: str) -> tuple[tuple[list[str], list[list[dict[str, str]]]], int, list[str]]:
    """The test queries, alone and as the row's messages; tokens of an answer at most, and what ends it."""
    comparison = read_comparison(folder)
    run = chosen(comparison, spec)
    place = run_place(comparison, run)
    brief, saved = brief_of(place), json.loads((place / SAVED).read_text(encoding="utf-8"))
    inputs = [answer.input for answer in comparison.answers.values() if answer.input]
    if any(prediction.passages for prediction in run.predictions):
        raise SystemExit(f"{spec} shows passages, which llama.cpp's server knows nothing of")
    labels = brief.labels if brief.kind == "classification" else ()
    begun = {"role": "assistant", "content": CUE}  # which llama.cpp goes on from, as we do
    messages = [[*Prompt(brief.instruction, text, labels).messages(begun=True), begun] for text in inputs]
    return (inputs, messages), saved["decoding"]["max_tokens"], saved["decoding"]["stop"]


@contextmanager
def _advisor(folder: Path, spec: str, messages: tuple[list[str], Any]) -> Iterator[tuple[Loaded, float]]:
    """`advisor serve`, and the seconds until it was ready."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "advisor.cli", "serve", str(folder), spec, "--port", "0", "--queue", "256"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        address = ""
        for line in process.stderr:
            if found := re.search(r'"address": "([^"]+)"', line):
                address = found[1]
            if '"event": "ready"' in line:
                break
        ready = time.perf_counter() - began
        threading.Thread(target=process.stderr.read, daemon=True).start()  # else it would wait for a reader
        bodies = [{"model": spec, "messages": [{"role": "user", "content": text}]} for text in messages[0]]
        yield Loaded("advisor serve", address, process.pid, tuple(bodies)), ready
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _loaded(server: Loaded, callers: int, seconds: float, most: float = math.inf) -> Tally:
    """So many callers for so long, or until so many requests are done."""
    tally, lock, numbers = Tally(), threading.Lock(), itertools.count()
    began = time.perf_counter()

    def call() -> None:
        while time.perf_counter() - began < seconds and (number := next(numbers)) < most:
            outcome = _ask(server, server.bodies[number % len(server.bodies)])
            with lock:
                if outcome is None:
                    tally.failures += 1
                else:
                    tally.latencies.append(outcome[0])
                    tally.first.append(outcome[1])
                    tally.tokens += outcome[2]

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.seconds = time.perf_counter() - began
    return tally


def _ask(server: Loaded, body: dict[str, Any]) -> tuple[float, float, int] | None:
    """Seconds to the end and to the first piece of one answer, and its tokens; None where it failed."""
    asked = json.dumps({**body, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}})
    began = time.perf_counter()
    first, done, tokens = 0.0, False, 0
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=PATIENCE)
    try:
        connection.request("POST", "/v1/chat/completions", asked, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            return None
        for line in response:
            data = line.decode("utf-8").removeprefix("data: ").strip()
            if not data:
                continue
            if data == "[DONE]":
                done = True
                break
            event = json.loads(data)
            if not first and any(choice["delta"].get("content") for choice in event.get("choices", ())):
                first = time.perf_counter() - began
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    seconds = time.perf_counter() - began
    return (seconds, first or seconds, tokens) if done else None


def _memory(server: Loaded, callers: int, requests: int) -> list[str]:
    """Resident memory after each part of the requests."""
    rows, done, failed = [f"| 0 | {_resident(server.pid):,.0f} | |"], 0, 0
    for _ in range(MEMORY_STEPS):
        tally = _loaded(server, callers, math.inf, requests // MEMORY_STEPS)
        done, failed = done + requests // MEMORY_STEPS, failed + tally.failures
        rows.append(f"| {done:,} | {_resident(server.pid):,.0f} | {failed} |")
    return rows


def _resident(pid: int) -> float:
    """Megabytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1000 if found else math.nan


def _line(name: str, callers: int, tally: Tally, own: Tally | None) -> str:
    rate = len(tally.latencies) / tally.seconds
    ratio = f"{len(own.latencies) / own.seconds / rate:.2f}" if own and rate else ""
    cells = [
        name,
        str(callers),
        f"{rate:.2f}",
        f"{tally.tokens / tally.seconds:.1f}",
        *(_ms(tally.latencies, share) for share in (0.5, 0.95)),
        *(_ms(tally.first, share) for share in (0.5, 0.95)),
        f"{tally.failures} of {len(tally.latencies) + tally.failures}",
        ratio,
    ]
    return "| " + " | ".join(cells) + " |"


def _ms(seconds: Sequence[float], share: float) -> str:
    if not seconds:
        return ""
    return f"{1000 * sorted(seconds)[min(len(seconds) - 1, math.ceil(share * len(seconds)) - 1)]:,.0f}"


_HEAD = """# Serving under load

Written by `python -m benchmarks.serving`. The row `{spec}` of a run folder on the embedded model, behind `advisor
serve` and, with the same messages, end and cap, the same file behind llama.cpp's own server; {cores} cores, shared with
the callers, {seconds:g} s for each line. `advisor serve` was ready {ready:.1f} s after its process began. The last
column is answers a second of `advisor serve` over those of llama.cpp with as many callers.

"""
_TABLE = """| server | callers | answers/s | tokens/s | p50 ms | p95 ms | first p50 ms | first p95 ms | failed | ratio |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""
_MEMORY = "Resident memory of `advisor serve` over further requests by {callers} callers, none of them left out:\n\n"


if __name__ == "__main__":
    main()
