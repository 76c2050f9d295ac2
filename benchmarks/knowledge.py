"""Whether facts can be trained in: documents read before (`cpt`) beside documents that are retrieved.

    python -m benchmarks.knowledge --data FOLDER_OF_TASKS [--task NAME ...] [--spec SPEC ...] [--evidence FOLDER]

Each task is a comparison without latency, which goes on where it stopped (`--out`). What was measured goes to
`benchmarks/results/knowledge.md`, no text of any task; beside it stand the published figures of `--evidence`, a folder
with comparisons.csv and sources.csv.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import advisor
from advisor.approaches.registry import parse
from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.records import Comparison
from advisor.verdict import decide
from advisor.verdict.decision import Row
from benchmarks.comparisons import RESULTS
from benchmarks.retrieval import task_in
from benchmarks.standings import SAYS, table

TASKS = ("handbook-qa", "covid_faq", "squad2_dev", "doc2dial")
SPECS = ("zero-shot", "cpt", "lora", "cpt+lora", "rag", "rag+lora", "rag+cpt+lora", "cartridge")
PLAIN = "zero-shot"
COLUMNS = ("perplexity before", "after", "tokens seen", "fit, s")
PUBLISHED = {"zero-shot": "base", "cpt": "cpt", "rag": "rag", "cpt+rag": "rag+cpt"}
FINDINGS = ("trained in by", "retrieval beside", "added by cpt to")


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--spec", action="append", default=[])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--train-limit", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/knowledge"))
    parser.add_argument("--evidence", type=Path)
    parser.add_argument("--table", type=Path, default=RESULTS / "knowledge.md")
    options = parser.parse_args()
    model = advisor.load_model(options.model, device="cpu")
    published = list(published_figures(options.evidence)) if options.evidence else []
    lines = [_HEAD]
    for name in options.task or TASKS:
        task = advisor.subset(task_in(options.data, name), limit=options.limit, train_limit=options.train_limit)
        specs = [spec for spec in options.spec or SPECS if not parse(spec).unsuited(task)]
        lines += section(carry_out(Plan(options.out / name, latency_examples=0), task, model, specs))
        print(f"{name}: done", file=sys.stderr, flush=True)
        options.table.write_text("\n".join([*lines, *published]) + "\n", encoding="utf-8")


def section(found: Comparison) -> Iterator[str]:
    """One task as Markdown: its rows, then what they say of facts."""
    yield from table(found, PLAIN, COLUMNS, _cells)
    said = [item for item in decide(found).diagnosis if item.name.startswith(FINDINGS)]
    for item in said:
        e = item.estimate
        yield f"- {item.name}: {e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}]. {item.meaning}"
    if said:
        yield ""


def published_figures(folder: Path) -> Iterator[str]:
    """Published comparisons of reading documents in training with retrieving them, as Markdown; without examples in
    the prompt."""
    rows, sources = (_read(folder / name) for name in ("comparisons.csv", "sources.csv"))
    studies = {row["study"] for row in rows if row["approach"] == "cpt"}
    taken = [r for r in rows if r["study"] in studies and r["approach"] in PUBLISHED and r["shots_k"] in ("", "0")]
    cells: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in taken:
        cells[row["study"], row["task"], row["model"]][row["approach"]].append(float(row["value"]))
    named = {source["source_id"]: f"{source['title']} ({source['reference']})" for source in sources}
    yield "## Published figures\n"
    told = "; ".join(named[one] for one in dict.fromkeys(row["source_id"] for row in taken))
    yield f"Accuracy; two figures are of plain documents and of documents with paraphrases. From: {told}.\n"
    yield "| study | task | model | " + " | ".join(PUBLISHED.values()) + " | cpt - base | rag - base |"
    yield "|---|---|---" + "|--:" * (len(PUBLISHED) + 2) + "|"
    for key, found in sorted(cells.items()):
        shown = [" / ".join(f"{value:.3f}" for value in found.get(name, ())) for name in PUBLISHED]
        yield "| " + " | ".join([*key, *shown, _gain(found, "cpt"), _gain(found, "rag")]) + " |"


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _gain(found: Mapping[str, Sequence[float]], name: str) -> str:
    base, other = found.get("zero-shot"), found.get(name)
    return f"{fmean(other) - fmean(base):+.3f}" if base and other else ""


def _cells(row: Row) -> tuple[str, ...]:
    before, after = (f"{one:.1f}" for one in row.perplexity) if row.perplexity else ("", "")
    seen = f"{row.tokens_seen:,}" if row.tokens_seen else ""
    return before, after, seen, "" if row.fit_seconds is None else f"{row.fit_seconds:,.0f}"


_HEAD = f"""# Can facts be trained in?

`python -m benchmarks.knowledge --data FOLDER`: the embedded model of 135 M parameters, defaults, one seed. {SAYS}
`cpt` reads the documents as raw text and trains all weights on them; `cpt+lora` then learns the examples. *Closed-book
gain* is the difference of a row with `cpt` to the same row without it, no document in the prompt of either ("trained in
by"). *Perplexity*: per token, of a sample of the documents, by the untuned model and once they are read. Seconds are of
a machine that did other things too.
"""


if __name__ == "__main__":
    main()
