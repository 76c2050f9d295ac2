"""Plants faults into copies of tasks and counts what the profile finds of them.

    python -m benchmarks.faults TASK [TASK ...] [--count 5] [--embedder embedded] [--out benchmarks/results]

Each kind of fault gets a copy of its own, in which it is planted at random places. It counts as found if the profile
names the line under the kind's own code. What the profile names in the copy, but neither in the untouched task nor as
planted, is an extra. What it names in the untouched task is listed too: some of that is real, so that it bounds the
false alarms from above. The tables go to `faults.md` and `faults.json`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from advisor.approaches.mislabelled import check_labels
from advisor.models import Embedder
from advisor.tasks import load_task
from advisor.tasks.audit import audit
from advisor.tasks.findings import Finding
from advisor.tasks.material import Material
from benchmarks.planting import KINDS, MISLABELLED, Copy

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Outcome:
    """One kind of fault in one task: lines planted, found, named beside them, and named in the untouched task.

    Attributes:
        examples: examples and documents of the untouched task.
        seconds: processor time of the audit of the copy.
    """

    task: str
    kind: str
    planted: int
    found: int
    extra: int
    untouched: int
    examples: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Plant, look, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=5, help="faults of a kind in a copy")
    parser.add_argument("--embedder", help="plant wrong labels too (one in twenty) and look for them with it")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    embedder = import_module("advisor.models.load").load_embedder(options.embedder) if options.embedder else None
    outcomes = []
    for folder in options.tasks:
        outcomes += measure(folder, options.count, Remembering(embedder) if embedder else None)
        print(f"{folder.name}: done", file=sys.stderr, flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(outcome) for outcome in outcomes]
    (options.out / "faults.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.out / "faults.md").write_text(table(outcomes), encoding="utf-8")


def measure(folder: Path, count: int, embedder: Embedder | None = None) -> list[Outcome]:
    """Plant every kind of fault that the task allows into a copy of it, and count."""
    original = Copy.of(load_task(folder))
    before, _ = _look(original, embedder)
    outcomes = []
    for kind, plant in KINDS.items():
        if kind == MISLABELLED and embedder is None:
            continue
        copy = original.clone()
        planted = plant(copy, random.Random(f"{folder.name} {kind}"), count)
        if not planted:
            continue
        after, seconds = _look(copy, embedder if kind == MISLABELLED else None)
        known, named = before.get(kind, set()), after.get(kind, set())
        size = sum(map(len, original.files.values()))
        extra = len(named - planted - known)
        outcomes.append(
            Outcome(folder.name, kind, len(planted), len(named & planted), extra, len(known), size, seconds)
        )
    return outcomes


def _look(copy: Copy, embedder: Embedder | None) -> tuple[dict[str, set[str]], float]:
    """The rows that the profile of a copy names, by code; and the processor seconds of the audit."""
    with tempfile.TemporaryDirectory() as name:
        copy.write(Path(name))
        task = load_task(name)
        started = time.process_time()
        material = Material(task)
        findings: list[Finding] = list(audit(material))
        if embedder and task.kind == "classification":
            checked = check_labels(material, embedder).finding
            findings += [checked] if checked else []
        seconds = time.process_time() - started
    found: dict[str, set[str]] = {}
    for finding in findings:
        for file, lines in finding.lines.items():
            found.setdefault(finding.code, set()).update(copy.files[file][line - 1]["id"] for line in lines)
    return found, seconds


class Remembering:
    """An embedder that caches embeddings across copies."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, object] = {}
        self.name, self.revision, self.dimension = embedder.name, embedder.revision, embedder.dimension

    def embed(self, texts: Sequence[str]):  # type: ignore[no-untyped-def]
        """Embed texts, each only once."""
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._embedder.embed(new), strict=True))
        return np.array([self._known[text] for text in texts])


def table(outcomes: Sequence[Outcome]) -> str:
    """One row for each kind, and what was named in the untouched tasks."""
    tasks = list(dict.fromkeys(outcome.task for outcome in outcomes))
    lines = [
        "# Faults planted and found",
        "",
        f"`python -m benchmarks.faults`, {len(tasks)} tasks: {', '.join(tasks)}.",
        "",
        "Extra: lines named in the copies that were neither planted nor named before. Untouched: lines named in the",
        "untouched tasks, of all their lines; some of these are real faults.",
        "",
        "| kind | tasks | planted | found | extra | untouched |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for kind in KINDS:
        rows = [outcome for outcome in outcomes if outcome.kind == kind]
        if not rows:
            continue
        planted, found, extra, untouched, size = (
            sum(getattr(row, name) for row in rows) for name in ("planted", "found", "extra", "untouched", "examples")
        )
        share = f"{found} ({found / planted:.0%})"
        lines.append(f"| {kind} | {len(rows)} | {planted} | {share} | {extra} | {untouched} of {size:,} |")
    slowest = max(outcomes, key=lambda outcome: outcome.seconds if outcome.kind != MISLABELLED else 0.0)
    lines += ["", f"The slowest audit took {slowest.seconds:.1f} s of processor time ({slowest.task})."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
