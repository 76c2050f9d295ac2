"""The command line on small task folders, with a tiny model of random weights and the packaged embedder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from advisor.cli import main

LABELLED = {
    "card": ["my card was stolen", "a new card please", "the card machine is broken", "is my card valid"],
    "address": ["change my address", "I moved to a new street", "note the new address", "wrong street name"],
    "parcel": ["the parcel never came", "where is my parcel", "parcel damaged", "send the parcel back"],
}
ASKED = {
    "card": ["my card is gone", "card declined", "block the card"],
    "address": ["my address is wrong", "new address", "moved away"],
    "parcel": ["parcel lost", "no parcel today", "parcel is late"],
}
SORTING = '[task]\nname = "tickets"\nkind = "classification"\ninstruction = "Sort the ticket."\n'
BROKEN = '''
import time
from dataclasses import dataclass
from typing import ClassVar
from advisor.approaches import Approach

@dataclass(frozen=True)
class Broken(Approach):
    """Fails while fitting."""
    name: ClassVar[str] = "broken"
    def unsuited(self, task): return "" if task.name == "tickets" else "made for tickets"
    def suggested(self, task): return False
    def fit(self, task, model, seed): raise RuntimeError("out of luck")
    def restore(self, folder, task, model): raise RuntimeError("nothing was saved")
'''


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Advisor = Callable[..., Said]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def labelled(examples: dict[str, list[str]]) -> list[dict[str, object]]:
    """Labels in turn, so that any beginning holds them all."""
    pairs = [
        (label, text)
        for texts in zip(*examples.values(), strict=True)
        for label, text in zip(examples, texts, strict=True)
    ]
    return [{"input": text, "target": label} for label, text in pairs]


@pytest.fixture(scope="session")
def advisor() -> Advisor:
    """Gives one command in this process."""

    def run(*arguments: object) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main([str(a) for a in arguments])
            except SystemExit as stopped:  # as argparse ends on a wrong option
                code = int(stopped.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task folder: twelve labelled tickets, nine to test on."""
    folder = tmp_path_factory.mktemp("tasks") / "tickets"
    folder.mkdir()
    (folder / "task.toml").write_text(SORTING)
    (folder / "train.jsonl").write_text(lines(labelled(LABELLED)))
    (folder / "test.jsonl").write_text(lines(labelled(ASKED)))
    return folder


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task folder: questions to three documents, with evidence."""
    folder = tmp_path_factory.mktemp("tasks") / "desk"
    folder.mkdir()
    (folder / "task.toml").write_text('[task]\nname = "desk"\nkind = "qa"\ninstruction = "Answer."\n')
    facts = {"parking": "Visitors park on level two.", "canteen": "Lunch is at noon.", "badge": "Badges are red."}
    asked = {"parking": "where do visitors park", "canteen": "when is lunch", "badge": "which colour have badges"}
    rows = [{"input": asked[key], "target": facts[key], "evidence": [key]} for key in facts]
    (folder / "train.jsonl").write_text(lines(rows))
    (folder / "test.jsonl").write_text(lines([{**row, "input": f"tell me {row['input']}"} for row in rows]))
    (folder / "documents.jsonl").write_text(lines([{"id": key, "text": text} for key, text in facts.items()]))
    return folder


@pytest.fixture(scope="session")
def model(llama_folder: Path) -> list[str]:
    """The options that choose the tiny model, on the CPU."""
    return ["--model", str(llama_folder), "--device", "cpu", "--dtype", "float32"]


@dataclass(frozen=True)
class Finished:
    """A comparison that ran to its end: the command, its run folder, what it said."""

    command: tuple[str, ...]
    folder: Path
    said: Said


@pytest.fixture(scope="session")
def finished(advisor: Advisor, tickets: Path, model: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Six approaches on the tickets, LoRA among them."""
    folder = tmp_path_factory.mktemp("runs") / "tickets"
    specs = ["majority", "nearest", "head", "zero-shot", "few-shot:k=2", "lora:epochs=1,rank=2"]
    options = [word for spec in specs for word in ("--approach", spec)]
    command = ("compare", str(tickets), *model, "--out", str(folder), *options)
    return Finished(command, folder, advisor(*command, "--json"))


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another package's approach, `broken`, is installed while the test runs; returns where."""
    place = tmp_path / "site"
    info = place / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "broken_approach.py").write_text(BROKEN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[advisor.approaches]\nbroken = broken_approach:Broken\n")
    monkeypatch.syspath_prepend(place)
    yield place


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python in a process of its own, without a network, its output buffered as usual, Ctrl-C heard.

    What a failed test leaves running is killed at the end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # tests that run in the background would hand that down
        signal.signal(signal.SIGINT, signal.default_int_handler)
    usual = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**usual, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


BRINGING = """
import sys
from advisor.cli import main
code = 1
try:
    code = main(sys.argv[2:])
except SystemExit as end:
    code = end.code
finally:
    print(sorted(set(sys.argv[1].split()) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="session")
def bringing(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Said]:
    """Runs a command in a process of its own; the last line of its errors lists which of the named modules it read."""

    def run(modules: Iterable[str], *arguments: object) -> Said:
        process = start("-c", BRINGING, " ".join(modules), *map(str, arguments))
        out, err = process.communicate(timeout=120)
        return Said(process.returncode, out, err)

    return run
