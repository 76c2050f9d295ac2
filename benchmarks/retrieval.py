"""What `rag` finds by each of its settings, on real tasks with documents, without asking what a model makes of it.

    python -m benchmarks.retrieval --data FOLDER_OF_TASKS [--task NAME ...] [--setting SPEC ...] [--questions 150]

Each task's first questions with evidence are searched for, those of train to choose by and those of test to judge.
What is done is not done again (`--out`); the figures go to `benchmarks/results/retrieval.json`, the table to
`retrieval.md`, no text of any task.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import advisor
from advisor.approaches.adapted import Adapted
from advisor.approaches.registry import parse
from advisor.models import LanguageModel, Passage
from advisor.models.clock import clock
from advisor.tasks import Task
from advisor.tasks.ranking import ndcg, recall, reciprocal_rank
from benchmarks.comparisons import RESULTS
from rag.questions import KnownQuestion, answered, questions_in
from rag.sources import PassageSource

EXAMPLES = Path(__file__).parents[1] / "examples"
TASKS = ("covid_faq", "squad2_dev", "tatqa", "doc2dial", "medquad", "pubmedqa", "rgb_counterfactual", "handbook-qa")
OLD, EVEN = "rag:retriever=dense", "rag:retriever=hybrid"
SETTINGS = (
    OLD,
    "rag:retriever=bm25",
    "rag:retriever=hybrid",
    "rag:retriever=hybrid,fuse=ranks",
    "rag:retriever=hybrid,weight=learned",
    "rag:retriever=hybrid,chunk=80,k=6",
    "rag:retriever=hybrid,chunk=240,k=2",
    "rag:retriever=hybrid,split=sentences",
    "rag:retriever=hybrid,split=headings",
    "rag:retriever=hybrid,split=semantic",
    "rag:retriever=hybrid,chunk=60,overlap=10,parent=160",
    "rag:retriever=hybrid,context=none",
    "rag:retriever=hybrid,diversity=0.3",
)
ASKED = {  # what asks the language model for each question takes longer: fewer questions, held against the same ones
    "rag:retriever=hybrid,rerank=llm,fetch=10": 50,
    "rag:retriever=hybrid,query=rewrite": 50,
    "rag:retriever=hybrid,query=multi": 50,
    "rag:retriever=hybrid,query=hyde": 50,
}
DEPTH = 10  # passages that are looked at
DRAWS = 2_000
LEVEL = 95

Figures = Mapping[str, Any]


def main() -> None:
    """Measure what is missing, then write figures and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--setting", action="append", default=[])
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("runs/retrieval"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    model = advisor.load_model("embedded", device="cpu")
    for name in options.task or TASKS:
        task = replace(task_in(options.data, name), dev=())  # so that what is learned is learned on train
        for spec in options.setting or (*SETTINGS, *ASKED):
            path = options.out / f"{name}.{_file_name(spec)}.json"
            if not path.exists():
                most = min(ASKED.get(spec, options.questions), options.questions)
                path.write_text(json.dumps(measured(task, model, spec, most)) + "\n", encoding="utf-8")
                print(f"{name}: {spec}", file=sys.stderr, flush=True)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(options.out.glob("*.json"))]
    (RESULTS / "retrieval.json").write_text(
        json.dumps([_kept(one) for one in found], indent=1) + "\n", encoding="utf-8"
    )
    (RESULTS / "retrieval.md").write_text(table(found), encoding="utf-8")


def measured(task: Task, model: LanguageModel, spec: str, most: int) -> dict[str, Any]:
    """What a setting finds for the first questions with evidence of train and test."""
    approach = parse(spec)
    assert isinstance(approach, Adapted)
    began, cpu = clock.now(), time.process_time()
    source = approach.builder.build(task.for_fitting(), model, 0)
    assert isinstance(source, PassageSource)
    indexed, cpu = clock.now() - began, time.process_time() - cpu
    found: dict[str, Any] = {
        "task": task.name,
        "setting": spec,
        "k": source.k,
        "chunks": len(source.index.searcher.chunks),
    }
    for split, examples in (("train", task.train), ("test", task.test)):
        questions = questions_in([e for e in examples if e.evidence][:most], task.documents)
        began = clock.now()
        rows = source.index.search([question.text for question in questions], max(DEPTH, source.k))
        seconds = clock.now() - began
        found[split] = judged(questions, rows, source.k) | {"seconds": seconds}
    return found | {"index_seconds": indexed, "index_cpu_seconds": cpu, "notes": list(source.facts.notes)}


def judged(questions: Sequence[KnownQuestion], rows: Sequence[Sequence[Passage]], k: int) -> dict[str, list[float]]:
    """One figure a question."""
    figures: dict[str, list[float]] = {}
    for question, row in zip(questions, rows, strict=True):
        ids = [passage.source for passage in row[:DEPTH]]
        new = {f"recall@{n}": recall(ids[:n], question.evidence) for n in (1, 3, 10)}
        new |= {"mrr": reciprocal_rank(ids, question.evidence), "ndcg": ndcg(ids, question.evidence, DEPTH)}
        new |= {"answered": answered(question, row[:k])}
        new |= {"words": float(sum(len(passage.shown.split()) for passage in row[:k]))}
        for name, value in new.items():
            figures.setdefault(name, []).append(value)
    return figures


def task_in(data: Path, name: str) -> Task:
    """A task of the examples, or of the folder of tasks."""
    return advisor.load_task((EXAMPLES if (EXAMPLES / name).exists() else data) / name)


def _file_name(spec: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "=." else "-" for sign in spec)


def _kept(found: Figures) -> dict[str, Any]:
    """What is committed: means, not the figures of each question."""
    means = {split: {name: _mean(values) for name, values in found[split].items()} for split in ("train", "test")}
    counts = {f"{split}_questions": len(found[split].get("mrr", ())) for split in ("train", "test")}
    return {key: value for key, value in found.items() if key not in ("train", "test")} | means | counts


def _mean(values: Any) -> float | None:
    return round(float(np.mean(values)), 4) if values not in ([], None) else None


# the table


def table(found: Sequence[Figures]) -> str:
    """Markdown."""
    by = {(one["task"], one["setting"]): one for one in found}
    tasks = [name for name in TASKS if any(task == name for task, _ in by)]
    settings = [spec for spec in (*SETTINGS, *ASKED) if any(setting == spec for _, setting in by)]
    settings += sorted({setting for _, setting in by} - set(settings))
    return "\n".join([*_head(by, tasks), *_overview(by, tasks, settings), *_details(by, tasks, settings)]) + "\n"


def _head(by: Mapping[tuple[str, str], Figures], tasks: Sequence[str]) -> Iterator[str]:
    sizes = {task: len(one["test"]["mrr"]) for (task, setting), one in by.items() if setting == OLD}
    yield "# Retrieval by setting\n"
    yield (
        "`python -m benchmarks.retrieval --data FOLDER`: the first test questions with evidence ("
        + ", ".join(f"{name} {sizes[name]}" for name in tasks if name in sizes)
        + "), embedded by all-MiniLM-L6-v2. `recall@k`: share of the documents that hold the answer among those of "
        f"the first k passages; `MRR`, `nDCG` of the first {DEPTH}; `answered`: share of questions for which a right "
        "passage among those shown (k of the setting) holds an acceptable answer word for word, or, where no answer "
        "stands in the documents so, for which a right document is shown; `words`: shown, by white space. "
        f"Brackets: {LEVEL} % intervals, bootstrapped over questions; differences are paired.\n"
    )


def _overview(by: Mapping[tuple[str, str], Figures], tasks: Sequence[str], settings: Sequence[str]) -> Iterator[str]:
    yield (
        "## Answered, by task\n\nThe first row is what `rag` was before there was a choice. "
        f"Brackets: the difference to `{EVEN}`, of it to the first row.\n"
    )
    yield "| setting | " + " | ".join(tasks) + " | mean | train mean |"
    yield "|---|" + "---|" * (len(tasks) + 2)
    for spec in settings:
        cells = [_difference(by, task, spec) for task in tasks]
        means = [_mean_over(by, tasks, spec, split) for split in ("test", "train")]
        yield f"| `{spec}` | " + " | ".join([*cells, *means]) + " |"
    yield ""


def _mean_over(by: Mapping[tuple[str, str], Figures], tasks: Sequence[str], spec: str, split: str) -> str:
    values = [
        np.mean(by[task, spec][split]["answered"])
        for task in tasks
        if (task, spec) in by and by[task, spec][split].get("answered")
    ]
    return f"{np.mean(values):.3f}" if len(values) == len(tasks) else "-"


def _difference(by: Mapping[tuple[str, str], Figures], task: str, spec: str) -> str:
    """The share answered, and the difference to the row that it is to be held against, with its interval."""
    if (task, spec) not in by:
        return "-"
    own = np.asarray(by[task, spec]["test"]["answered"])
    base = by.get((task, OLD if spec == EVEN else EVEN))
    if spec == OLD or base is None:
        return f"{own.mean():.3f}"
    other = np.asarray(base["test"]["answered"])[: len(own)]
    low, high = interval(own - other)
    mark = "+" if low > 0 else "−" if high < 0 else ""
    return f"{own.mean():.3f} [{low:+.2f}, {high:+.2f}]{mark}"


def _details(by: Mapping[tuple[str, str], Figures], tasks: Sequence[str], settings: Sequence[str]) -> Iterator[str]:
    names = ("recall@1", "recall@3", "recall@10", "mrr", "ndcg", "answered")
    for task in tasks:
        yield f"## {task}\n"
        yield "| setting | chunks | " + " | ".join(names) + " | words | index s | ms / query |"
        yield "|---|" + "---|" * (len(names) + 4)
        for spec in settings:
            if (task, spec) not in by:
                continue
            one = by[task, spec]
            test = one["test"]
            cells = []
            for name in names:
                low, high = interval(np.asarray(test[name]))
                cells.append(f"{np.mean(test[name]):.3f} [{low:.2f}, {high:.2f}]")
            each = 1000 * test["seconds"] / len(test["mrr"])
            yield (
                f"| `{spec}` | {one['chunks']:,} | " + " | ".join(cells) + f" | {np.mean(test['words']):.0f} "
                f"| {one['index_seconds']:.1f} | {each:.1f} |"
            )
        yield ""


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Percentile bootstrap of the mean."""
    draws = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


if __name__ == "__main__":
    main()
