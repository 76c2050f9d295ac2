"""Embedding documents and queries, against sentence-transformers with its defaults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from advisor.models.local.packages import MINILM
from advisor.models.local.source import find
from advisor.tasks import Task, load_task
from benchmarks.speed.gates import every
from benchmarks.speed.harness import Job, Peer, Side, compare
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import own_embedder
from benchmarks.speed.options import Options
from benchmarks.speed.record import Gate, Record

DOCUMENTS, FEW = 400, 20
QUERIES = 200
TOP = 10
OVERLAP = 0.98
WARM_UP = ["a first text", "a second, somewhat longer text"]

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def run(options: Options, record: Record) -> None:
    """Time Advisor's embedding as a user gets it; the peer is loaded and called with its defaults."""
    task = load_task(options.task_folder("questions"))
    documents, queries = _texts(task, FEW if options.smoke else DOCUMENTS, FEW if options.smoke else QUERIES)
    source = find("embedded", MINILM)
    peer = SentenceTransformer(str(source.path), local_files_only=True)
    words = sum(len(text.split()) for text in (*documents, *queries))
    record.note(
        model=f"{source.id}@{source.revision}",
        dtype={"advisor": native_dtype(), "peer": "float32, its default"},
        task=task.name,
        documents=len(documents),
        queries=len(queries),
        words=words,
    )
    peer.encode(WARM_UP)

    @contextmanager
    def session() -> Iterator[Job]:
        embedder = own_embedder()  # a new one: what it embedded before must not help it
        embedder.embed(WARM_UP)
        yield lambda: (embedder.embed(documents), embedder.embed(queries))

    def encode() -> Pair:
        return peer.encode(documents), peer.encode(queries)

    ours = Side("advisor", session)
    theirs = Side.of("sentence-transformers, its defaults", encode)
    compare("embedding documents and queries", ours, [Peer(theirs, 2.5, every(overlap))], options, record)


def overlap(mine: Pair, found: Pair) -> Gate:
    """Whether both rankings name the same documents among each query's best ten."""
    size = min(TOP, len(mine[0]))
    rows = list(zip(_best(mine, size), _best(found, size), strict=True))
    shares = [len(a & b) / size for a, b in rows]
    mean = float(np.mean(shares))
    what = f"mean overlap of each query's best {size} documents at least {OVERLAP}"
    return Gate(what, mean >= OVERLAP, {"mean": mean, "lowest": min(shares), "queries": len(shares)})


def _best(pair: Pair, size: int) -> list[set[int]]:
    documents, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in pair)
    order = np.argsort(-(queries @ documents.T), axis=1)[:, :size]
    return [set(row.tolist()) for row in order]


def _texts(task: Task, documents: int, queries: int) -> tuple[list[str], list[str]]:
    texts = [f"{d.title}\n{d.text}" if d.title else d.text for d in task.documents[:documents]]
    return texts, [e.input for e in task.test[:queries]]
