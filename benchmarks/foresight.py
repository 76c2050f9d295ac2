"""How far off the figures are that `advisor recommend` extrapolates, against measured comparisons.

    python -m benchmarks.foresight --data FOLDER_OF_TASK_FOLDERS

For each approach of `benchmarks/results/comparisons.json` what was measured is divided by what is foreseen from the
task's texts and from the rates of that machine, which the clocks of other runs there told. Writes
`benchmarks/results/foresight.md` and `.json`. Runs nothing but the tokenizer.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import advisor
from advisor.approaches import Lengths, parse
from advisor.forecast.foresight import FACTOR, PROMPT_FACTOR, Foreseen, foresee
from advisor.measuring.records import ModelFacts
from advisor.models import LanguageModel
from advisor.pilot.readings import Rates
from advisor.tasks import Outline
from benchmarks.comparisons import RESULTS

RATES = Rates(prefill=295.0, prefill_alone=None, decode=70.0, decode_alone=15.0, train=104.0, embed=1_600.0)
"""SmolLM2-135M in float32 on one core of that machine: tokens (words, for `embed`) over the seconds of the clock's
spans, medians over runs on other data; `decode_alone` from the latencies of one task, restaurants8k."""
RATED = {"dtype": "float32", "threads": 1}  # how the models of comparisons ran for which `RATES` hold
LIMIT, TRAIN_LIMIT = 100, 200
"""As the comparisons were measured."""
LEAST_SECONDS, LEAST_MS = 1.0, 5.0
"""What takes less is not worth foreseeing."""


@dataclass(frozen=True)
class Ratio:
    """The ratio of a measured to a foreseen figure."""

    task: str
    spec: str
    figure: str
    measured: float
    foreseen: float

    @property
    def value(self) -> float:
        """The ratio; above 1 where it took more than foreseen."""
        return self.measured / self.foreseen


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    comparisons = json.loads((RESULTS / "comparisons.json").read_text(encoding="utf-8"))
    comparisons = {name: one for name, one in comparisons.items() if RATED.items() <= one["model"].items()}
    if not comparisons:
        parser.error(f"no comparison ran as those whose rates stand in RATES: {RATED}")
    model = advisor.load_model("embedded", device="cpu")
    found = [ratio for name, one in comparisons.items() for ratio in _of(name, one, options.data, model)]
    rows = [{"task": r.task, "spec": r.spec, "figure": r.figure, "ratio": round(r.value, 3)} for r in found]
    (RESULTS / "foresight.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")
    (RESULTS / "foresight.md").write_text(_table(found), encoding="utf-8")


def _of(name: str, comparison: dict[str, Any], data: Path, model: LanguageModel) -> Iterator[Ratio]:
    task = advisor.subset(advisor.load_task(data / name), limit=LIMIT, train_limit=TRAIN_LIMIT)
    lengths = Lengths.of(task, model.count_tokens)
    known = {**comparison["model"], "caveats": ()}
    facts = ModelFacts(**{key: value for key, value in known.items() if key in ModelFacts.__dataclass_fields__})
    for row in comparison["approaches"]:
        if row["control"] and row["spec"] != "oracle":
            continue
        foreseen = foresee(parse(row["spec"]), Outline.of(task), lengths, RATES, facts)
        for figure, measured, value in _figures(row, foreseen):
            if value and measured:
                yield Ratio(name, row["spec"], figure, measured, value)


def _figures(row: dict[str, Any], foreseen: Foreseen) -> Iterator[tuple[str, float | None, float | None]]:
    latency, tokens = row["latency_ms"] or {}, row["tokens_per_query"] or {}
    yield "prompt tokens", tokens.get("prompt"), foreseen.prompt_tokens
    yield "answer tokens", tokens.get("completion") if foreseen.completion_tokens else None, foreseen.completion_tokens
    if foreseen.latency and (latency.get("p50") or 0) >= LEAST_MS:
        yield "p50 latency", latency["p50"], foreseen.latency.p50
        yield "p95 latency", latency["p95"], foreseen.latency.p95
    yield "throughput", row["throughput_qps"], foreseen.throughput_qps
    for figure, measured, value in (
        ("fit", row["fit_seconds"], foreseen.fit_seconds),
        ("index", row["index_seconds"], foreseen.index_seconds),
    ):
        if (measured or 0.0) >= LEAST_SECONDS:
            yield figure, measured, value
    yield "peak memory", row["peak_memory_bytes"], foreseen.memory_bytes


def _table(found: list[Ratio]) -> str:
    figures = list(dict.fromkeys(ratio.figure for ratio in found))
    lines = ["| figure | n | median | lowest | highest | within its factor |", "|---|--:|--:|--:|--:|--:|"]
    for figure in figures:
        values = sorted(ratio.value for ratio in found if ratio.figure == figure)
        factor = PROMPT_FACTOR if figure == "prompt tokens" else FACTOR
        within = sum(abs(math.log(value)) <= math.log(factor) for value in values)
        lines.append(
            f"| {figure} | {len(values)} | {median(values):.2f} | {values[0]:.2f} | {values[-1]:.2f} | "
            f"{within} ({factor:g}) |"
        )
    rows = list(dict.fromkeys((ratio.task, ratio.spec) for ratio in found))
    by_cell = {(ratio.task, ratio.spec, ratio.figure): f"{ratio.value:.2f}" for ratio in found}
    details = [f"| task | approach | {' | '.join(figures)} |", "|---|---|" + "--:|" * len(figures)]
    for task, spec in rows:
        cells = (by_cell.get((task, spec, figure), "") for figure in figures)
        details.append(f"| {task} | {spec} | {' | '.join(cells)} |")
    return _HEAD + "\n".join(lines) + "\n\n" + "\n".join(details) + "\n"


_HEAD = """# What is foreseen against what was measured

Measured over foreseen, for every approach of `comparisons.md` that may be chosen, and `oracle`: 1 is right, 2 is twice
as much as foreseen. Rates are those of the machine that measured; in a probe they are measured anew, and are as good as
the machine is quiet. `python -m benchmarks.foresight --data ...`

The constants behind these figures were set with the same tasks in view, and the rates were read off those runs: a fit,
not a test on tasks that were not looked at; errors of a probe come on top. The comparisons were those of commit
3fc1626, on one core in float32; the rates of the machine that measured the ones that have replaced them were not kept.

"""

if __name__ == "__main__":
    main()
