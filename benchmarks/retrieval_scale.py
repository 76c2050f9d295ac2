"""How time and memory of retrieval grow with the number of passages.

    python -m benchmarks.retrieval_scale [--sizes 1000 ... 1000000] [--embedded 20000] [--out benchmarks/results]

Passages are twenty words drawn from fifty thousand as Zipf has them. Their vectors, 384 numbers as of all-MiniLM-L6-v2,
are drawn at random, so that what is timed is the index and not the embedder; `--embedded` passages are really embedded.
Each index is built in a process of its own, since memory that was used once is not given back. The table goes to
`retrieval-scale.md` and `retrieval-scale.json`.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from advisor.models import Vectors
from advisor.models.load import load_embedder
from benchmarks.comparisons import RESULTS
from rag import PassageIndex
from rag.chunking import Chunk
from rag.stores.contract import PLAIN, Keeping

SIZES = (1_000, 10_000, 100_000)
DIMENSION = 384
WORDS, VOCABULARY = 20, 50_000
QUERIES, K = 50, 10
CHANGED = 0.01  # of the passages, in an update
KINDS: Mapping[str, tuple[str, Keeping]] = {
    "dense": ("dense", PLAIN),
    "dense, int8": ("dense", Keeping(precision="int8")),
    "dense, binary": ("dense", Keeping(precision="binary")),
    "bm25": ("bm25", PLAIN),
    "hybrid": ("hybrid", PLAIN),
}


@dataclass
class Drawn:
    """Gives vectors at random."""

    name: str = "drawn"
    revision: str = "1"
    dimension: int = DIMENSION

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def embed(self, texts: Sequence[str]) -> Vectors:
        found = self.rng.standard_normal((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(found), 10_000):  # in place: a copy would count as memory of the index
            part = found[start : start + 10_000]
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        return found


@dataclass(frozen=True)
class Measured:
    """An index of one kind and size.

    Attributes:
        build, save, restore, update: seconds; in the update a hundredth of the passages is new.
        query: milliseconds of a query alone, median.
        together: milliseconds a query, many asked together.
        index: bytes that the index says it takes, texts included.
        chunks: bytes of memory of the process with the passages, before they were indexed.
        held, peak: bytes of memory beyond that, when it is built, and at most while it was.
    """

    kind: str
    size: int
    build: float
    save: float
    restore: float
    update: float
    query: float
    together: float
    index: int
    chunks: int
    held: int
    peak: int

    @property
    def beyond(self) -> float:
        """Bytes a passage that are held beyond passages and vectors."""
        return (self.held - self.vectors) / self.size

    @property
    def vectors(self) -> int:
        """Bytes of the vectors, or of what stands for them."""
        bits = {"dense": 32, "dense, int8": 8, "dense, binary": 1, "bm25": 0, "hybrid": 32}[self.kind]
        return self.size * DIMENSION * bits // 8


def texts(count: int, seed: int = 0) -> Iterator[str]:
    """Texts of words as frequent as their rank says (Zipf)."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    for start in range(0, count, 10_000):
        numbers = np.searchsorted(ends, rng.random((min(10_000, count - start), WORDS)) * ends[-1])
        yield from (" ".join(f"w{number}" for number in row) for row in numbers.tolist())


def chunks(count: int, seed: int = 0) -> list[Chunk]:
    """A passage of each text, each of a document of its own."""
    return [Chunk(f"d{n}#0", f"d{n}", "", text, text) for n, text in enumerate(texts(count, seed))]


def measure(kind: str, size: int) -> Measured:
    """Build, ask, keep and change an index, in this process."""
    retriever, keeping = KINDS[kind]
    first = PassageIndex.over(chunks(100), Drawn(), retriever=retriever, keeping=keeping)
    first.search(list(texts(QUERIES, 1)), K)  # what libraries keep for themselves is not the index's
    embedder, kept = Drawn(), chunks(size)
    chunk_bytes, peak_before = _now(), _peak()
    build, index = _timed(lambda: PassageIndex.over(kept, embedder, retriever=retriever, keeping=keeping))
    held, peak = _now() - chunk_bytes, max(_peak(), peak_before) - chunk_bytes
    asked = list(texts(QUERIES, 1))
    alone = [_timed(lambda text=text: index.search([text], K))[0] for text in asked]
    together, _ = _timed(lambda: index.search(asked, K))
    with tempfile.TemporaryDirectory() as name:
        save, _ = _timed(lambda: index.save(Path(name)))
        restore, _ = _timed(lambda: PassageIndex.restore(Path(name), embedder))
    fresh = max(1, round(CHANGED * size))
    changed = [*kept[fresh:], *(Chunk(f"n{n}#0", f"n{n}", "", t, t) for n, t in enumerate(texts(fresh, 2)))]
    update, _ = _timed(lambda: index.updated(changed))
    times = (1000 * float(np.median(alone)), 1000 * together / QUERIES)
    size_bytes = index.facts.artifact_bytes or 0
    return Measured(kind, size, build, save, restore, update, *times, size_bytes, chunk_bytes, held, peak)


def embedded(count: int) -> float:
    """Seconds to embed so many passages by the default embedder."""
    embedder, kept = load_embedder(), list(texts(count))
    embedder.embed(kept[:2])
    return _timed(lambda: embedder.embed(kept))[0]


def table(rows: Sequence[Measured], seconds: float, count: int) -> str:
    """The results as Markdown."""
    lines = [
        "# Retrieval from many passages",
        "",
        "By `python -m benchmarks.retrieval_scale`. Passages of twenty words, vectors of 384 numbers drawn at "
        f"random. A query asks for {K} passages. An update changes a hundredth of the passages. Memory is what the "
        "process holds beyond the passages themselves; beyond the vectors it is a few bytes a passage, or the words' "
        "index. Growth is the exponent between this size and the one before: 1 is linear.",
        "",
        "| index | passages | build s | query ms | together ms | save s | restore s | update s | vectors MB | held MB "
        "| peak MB | beyond vectors, bytes a passage | growth of query, of held |",
        "|" + "---|" * 13,
    ]
    before: dict[str, Measured] = {}
    for row in rows:
        lines.append(_row(row, before.get(row.kind)))
        before[row.kind] = row
    if count:
        lines += ["", f"Embedding {count:,} of these passages by all-MiniLM-L6-v2 took {seconds:,.0f} s."]
    return "\n".join(lines) + "\n"


def _row(row: Measured, before: Measured | None) -> str:
    grown = "" if before is None else f"{_exponent(row, before, 'query')}, {_exponent(row, before, 'held')}"
    times = [f"{value:,.2f}" for value in (row.build, row.query, row.together, row.save, row.restore, row.update)]
    sizes = [f"{value / 1e6:,.0f}" for value in (row.vectors, row.held, row.peak)]
    return "| " + " | ".join([row.kind, f"{row.size:,}", *times, *sizes, f"{row.beyond:,.0f}", grown]) + " |"


def _exponent(row: Measured, before: Measured, what: str) -> str:
    new, old = max(getattr(row, what), 1e-9), max(getattr(before, what), 1e-9)
    return f"{math.log(new / old) / math.log(row.size / before.size):.2f}"


def _timed(job: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = job()
    return time.perf_counter() - began, found


def _now() -> int:
    """Bytes in memory, without what was freed and is kept for later."""
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _apart(kind: str, size: int) -> Measured:
    """Measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.retrieval_scale", "--one", kind, "--sizes", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{kind}, {size:,} passages: {done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Measure every kind at every size and write the table."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    found.add_argument("--embedded", type=int, default=0, help="passages that are really embedded; default none")
    found.add_argument("--one", choices=KINDS, help="measure this one here, and print it")
    found.add_argument("--out", type=Path, default=RESULTS)
    options = found.parse_args()
    if options.one:
        print(json.dumps(vars(measure(options.one, options.sizes[0]))))
        return 0
    rows = []
    for kind in KINDS:
        for size in options.sizes:
            rows.append(_apart(kind, size))
            print(_row(rows[-1], None), file=sys.stderr, flush=True)
    seconds = embedded(options.embedded) if options.embedded else 0.0
    options.out.mkdir(parents=True, exist_ok=True)
    kept = {"embedded": options.embedded, "seconds": seconds, "rows": [vars(row) for row in rows]}
    (options.out / "retrieval-scale.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (options.out / "retrieval-scale.md").write_text(table(rows, seconds, options.embedded), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
