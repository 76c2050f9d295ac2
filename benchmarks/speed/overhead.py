"""The time of Advisor's own code beside the model's forward and backward passes.

A profile of one call tells when a module of the model ran, or any kernel of torch, the backward pass included. The rest
of the call is Advisor's own: rendering, tokenising, batching, bookkeeping, records. The profile slows kernels down, not
the rest; so the rest is set against the time of the same call without a profile.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.profiler import ProfilerActivity, profile, record_function

import advisor
from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.fused import FusedLayers
from advisor.tasks import Task, load_task
from benchmarks.speed.harness import repeat
from benchmarks.speed.machine import native_dtype
from benchmarks.speed.material import advisor_model, own_embedder, prompts_with_prefix, row_of, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Claim, Record
from finetune import adapter
from finetune.fused import llama
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.trainer import Trainer
from finetune.training import Schedule

QUERIES, FEW_QUERIES = 48, 4
TOKENS, FEW_TOKENS = 16, 4
ROWS, FEW_ROWS = 200, 8  # 25 steps of 8; a default training has 48 or more
DOCUMENTS, FEW_DOCUMENTS = 64, 8
GOAL = 0.03
CALL, PASS = "benchmark call", "benchmark pass"

Interval = tuple[float, float]


def run(options: Options, record: Record) -> None:
    """Measure the four parts of a comparison, and a comparison with its records."""
    model = advisor_model(options, native_dtype())
    task = load_task(options.task_folder("short labels"))
    documents = load_task(options.task_folder("questions")).documents
    few = options.smoke
    prompts = prompts_with_prefix(task, model, FEW_QUERIES if few else QUERIES, task.labels)
    examples = task.train[: FEW_ROWS if few else ROWS]
    rows = [row_of(model, Prompt(task.instruction, e.input, task.labels), e.target) for e in examples]
    texts = [document.text for document in documents[: FEW_DOCUMENTS if few else DOCUMENTS]]
    embedder = own_embedder()
    decoding = Decoding(FEW_TOKENS if few else TOKENS)
    record.note(model=weights_facts(model), prompts=len(prompts), rows=len(rows), texts=len(texts))
    jobs: dict[str, Callable[[], object]] = {
        "scoring": lambda: model.score(prompts, task.labels),
        "generation": lambda: model.generate(prompts, decoding),
        "training": lambda: _train(model, rows),
        "embedding": lambda: embedder.embed(texts),
        "a comparison of zero-shot, with its records": lambda: _comparison(model, task, len(prompts)),
    }
    for case, job in jobs.items():
        claim = Claim(case, "the model's passes and torch's kernels in the same call", "share", GOAL, None, [], True)
        measured = lambda job=job: [outside(job, model)]  # noqa: E731
        measured()
        repeat([claim], measured, options, record)


def outside(job: Callable[[], object], model: LocalModel) -> tuple[float, dict[str, Any]]:
    """The share of a call during which neither a module nor a kernel ran; and the same without the modules, whose own
    Python then counts as well.
    """
    model.forget()
    started = time.perf_counter()
    job()
    seconds = time.perf_counter() - started
    model.forget()
    with (
        profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiled,
        _passes_marked(),
        record_function(CALL),
    ):
        job()
    events = [(e.name, e.thread, (e.time_range.start, e.time_range.end)) for e in profiled.events()]
    thread, (began, ended) = next((thread, span) for name, thread, span in events if name == CALL)
    spans = [(name, span) for name, of, span in events if of == thread and name != CALL]
    total = ended - began  # microseconds, as are the spans
    inside = covered(span for _, span in spans)
    kernels = covered(span for name, span in spans if name != PASS)
    share, without_modules = ((total - part) / 1e6 / seconds for part in (inside, kernels))
    return share, {"alone": seconds, "profiled": total / 1e6, "outside_kernels": without_modules}


def covered(spans: Sequence[Interval] | Iterator[Interval]) -> float:
    """The length of the union of intervals."""
    length, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


@contextmanager
def _passes_marked() -> Iterator[None]:
    """Each outermost call of a module, or of the layers read without them, becomes an event of the profile."""
    open_calls: list[Any] = []

    def begin(module: Any, arguments: Any) -> None:
        mark = record_function(PASS) if not open_calls else None
        open_calls.append(mark)
        if mark is not None:
            mark.__enter__()

    def end(module: Any, arguments: Any, output: Any) -> None:
        mark = open_calls.pop()
        if mark is not None:
            mark.__exit__(None, None, None)

    def marked(read: Callable[..., Any]) -> Callable[..., Any]:
        def call(reader: Any, *given: Any) -> Any:
            begin(reader, given)
            try:
                return read(reader, *given)
            finally:
                end(reader, given, None)

        return call

    plain, adapted = FusedLayers.read, llama.read
    before, after = register_module_forward_pre_hook(begin), register_module_forward_hook(end)
    FusedLayers.read = marked(plain)  # type: ignore[method-assign]
    llama.read = marked(adapted)
    try:
        yield
    finally:
        FusedLayers.read = plain  # type: ignore[method-assign]
        llama.read = adapted
        before.remove()
        after.remove()


def _train(model: LocalModel, rows: list[TokenRow]) -> None:
    with adapter.inserted(model, adapter.configuration(rank=16, alpha=32, dropout=0.0)) as wrapped:
        Trainer(model, Inserted.of(wrapped), Schedule(lr=1e-3, epochs=1, batch=8)).train(rows, (), 0)


def _comparison(model: LocalModel, task: Task, queries: int) -> None:
    small = advisor.subset(task, limit=queries, train_limit=queries)
    with tempfile.TemporaryDirectory() as folder:
        advisor.compare(small, model, ["zero-shot"], out=Path(folder))
