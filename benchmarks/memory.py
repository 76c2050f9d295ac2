"""What happens when memory runs out: the embedded model under a limit of addresses, in five steps.

    python -m benchmarks.memory

Each step is a process of its own, which starts under a limit of addresses (as `ulimit -v` sets it), loads the model and
the embedder, and lowers the limit to what it has taken by then and so many megabytes more. It measures three
approaches: one that reads long prompts, one that trains and one that embeds. Writes `benchmarks/results/memory.md`:
measured at once, measured after memory ran out on the way, or failed with what was lacking. Needs Linux.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import advisor
from advisor.models.local import batches
from benchmarks.comparisons import RESULTS
from finetune import trainer

STEPS = (150, 300, 600, 1000, 1500)  # MB
SPECS = ("few-shot:k=8", "lora:epochs=1", "nearest")
WORDS = ["alpha", "beta", "gamma", "delta", "river", "stone", "cloud", "engine", "paper", "window"]
AMPLE = 2**50  # bytes; a limit, but none that is felt
LONG = 400  # words of an input; with eight shots a prompt has some 3,700 tokens


def main() -> None:
    """Run every step and write what happened."""
    lines = [f"| MB | {' | '.join(SPECS)} |", "|--:|" + "---|" * len(SPECS)]
    for megabytes in STEPS:
        lines.append(f"| {megabytes:,} | {' | '.join(_alone(megabytes))} |")
        print(lines[-1], flush=True)
    (RESULTS / "memory.md").write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def _alone(megabytes: int) -> list[str]:
    """The outcome of one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(megabytes)],
        env={**os.environ, "ADVISOR_CACHE_GB": "0"},  # nothing is taken from earlier runs
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (AMPLE, AMPLE)),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1]) if not done.returncode else []
    return found or [f"died ({done.returncode})"] * len(SPECS)


class _Shortages(logging.Handler):
    """Counts how often work was repeated from less memory: in smaller parts, or with layers computed again."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count = 0
        for log in (batches.log, trainer.log):
            log.addHandler(self)
            log.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def _under(megabytes: int) -> list[str]:
    """The outcome of each approach under a limit."""
    model = advisor.load_model("embedded", device="cpu")
    model.embedder.embed(["a text"])
    status = Path("/proc/self/status").read_text().splitlines()
    taken = 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmSize"))
    limit = taken + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, AMPLE))
    shortages = _Shortages()
    found = []
    for spec in SPECS:
        shortages.count = 0
        with tempfile.TemporaryDirectory() as out:
            (run,) = advisor.compare(_task(), model, [spec], out=Path(out)).runs
        if run.status != "ok":
            found.append(str(run.error).split(" (")[0])
        else:
            often = f"measured, memory ran out {shortages.count} times on the way"
            found.append(often if shortages.count else "measured at once")
    return found


def _task() -> advisor.Task:
    chance = random.Random(0)

    def examples(split: str, count: int) -> tuple[advisor.Example, ...]:
        texts = (" ".join(chance.choices(WORDS, k=LONG)) for _ in range(count))
        return tuple(advisor.Example(f"{split}{i}", text, ("red", "blue")[i % 2]) for i, text in enumerate(texts))

    return advisor.Task(
        "long",
        "classification",
        "Name the colour.",
        "accuracy",
        labels=("red", "blue"),
        train=examples("train", 16),
        test=examples("test", 4),
    )


_HEAD = f"""# What happens when memory runs out

The embedded model and embedder, loaded, and so many megabytes of addresses beyond (`ulimit -v`). Four test inputs of
{LONG} words; `python -m benchmarks.memory`. Within some 100 MB of such a limit oneDNN, which asks for addresses of its
own, may end the process, or refuse beside memory that is free.

"""

if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_under(int(sys.argv[1]))))
    else:
        main()
