"""`python -m benchmarks.servers overhead|parity|planning|table`: models behind a server, beside one in this process."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import advisor
from advisor.models.contention import between, look
from advisor.models.local.packages import SMOLLM2
from advisor.tasks import Limits, Task, subset
from advisor.verdict import load_prices
from benchmarks.servers.llama_cpp import serving
from benchmarks.servers.overhead import CONCURRENCY, overhead
from benchmarks.servers.parity import Size, parity
from benchmarks.servers.planning import planning
from benchmarks.servers.table import table
from benchmarks.servers.unquantised import unquantised

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "servers.json"
Found = Iterator[tuple[str, Any]]
LABELS, QUESTIONS = ["zero-shot", "few-shot"], ["zero-shot", "few-shot", "rag"]
PARALLEL = ("--parallel", str(CONCURRENCY), "--context", "2048")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*BENCHMARKS, "table"])
    parser.add_argument("--data", type=Path, help="a folder of task folders; default: the examples")
    parser.add_argument("--server", default="", help="another than llama.cpp, for parity: http://...#NAME, vllm:NAME")
    parser.add_argument("--name", default="llama.cpp", help="what that server is called in the table")
    parser.add_argument("--task", action="append", help="one of these tasks; may be repeated; default: all")
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--train", type=int, default=100)
    parser.add_argument("--shared", action="store_true", help="the machine has other work: no times in the table")
    options = parser.parse_args()
    if options.what != "table":
        before, began = look(), time.perf_counter()
        for name, found in BENCHMARKS[options.what](options):  # kept one by one, as they come
            others = {"cpu_share": between(before, look()).share, "seconds": time.perf_counter() - began}
            _keep(options.what, name, found, others | {"shared": options.shared})
            before, began = look(), time.perf_counter()
    print(table(json.loads(RESULTS.read_text())))


def _overhead(options: argparse.Namespace) -> Found:
    for seconds in (0.02, 0.05, 0.2):
        yield f"{seconds:g}", overhead(seconds)


def _parity(options: argparse.Namespace) -> Found:
    size = Size(options.test, options.train)
    for name, task, specs in _tasks(options):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            if options.server:
                yield f"{options.name}, {name}", parity(task, options.server, specs, size, place / "other")
                continue
            with serving(*PARALLEL) as server:
                yield f"llama.cpp, {name}", parity(task, server.model, specs, size, place / "quantised")
            file = unquantised(SMOLLM2.locate(), place / "float32.gguf")
            with serving(*PARALLEL, "--file", str(file)) as server:
                yield f"llama.cpp in float32, {name}", parity(task, server.model, specs, size, place / "float")


def _planning(options: argparse.Namespace) -> Found:
    for name, task, specs in _tasks(options):
        taken = subset(task, limit=min(options.test, len(task.test)), train_limit=min(options.train, len(task.train)))
        with tempfile.TemporaryDirectory() as folder, serving(*PARALLEL) as server:
            specs = [*specs, "lora:epochs=1@here"]
            yield name, planning(taken, server.model, specs, load_prices(), Path(folder))


def _tasks(options: argparse.Namespace) -> Iterator[tuple[str, Task, list[str]]]:
    """The examples, and one public task where there is a folder of them; no limits, which ask for more requests."""
    folders = [(ROOT / "examples" / "ticket-routing", LABELS), (ROOT / "examples" / "handbook-qa", QUESTIONS)]
    if options.data is not None:
        folders.append((options.data / "trec6", LABELS))
    for folder, specs in folders:
        if options.task and folder.name not in options.task:
            continue
        yield folder.name, replace(advisor.load_task(folder), limits=Limits()), specs


def _keep(what: str, name: str, found: Any, others: dict[str, Any]) -> None:
    """Add figures to those that are there, and what other processes took while they were measured."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept.setdefault(what, {})[name] = found
    kept.setdefault("others", {}).setdefault(what, {})[name] = others
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


BENCHMARKS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "overhead": _overhead,
    "parity": _parity,
    "planning": _planning,
}

if __name__ == "__main__":
    main()
