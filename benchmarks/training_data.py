"""What cleaning, balancing and adding to the training examples is worth, where their faults are known.

    python -m benchmarks.training_data --data FOLDER_OF_TASKS [--task NAME ...] [--part PART ...]

Faults are planted into the training split alone, by a seed: labels flipped, labels made rare, examples repeated; or few
examples are left. Each variation of a task is a comparison without latency, which goes on where it stopped (`--out`).
The table goes to `benchmarks/results/training-data.md`, no text of any task.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import advisor
from advisor.approaches.curation import without_noise
from advisor.measuring.comparing import Plan, carry_out
from advisor.models import LanguageModel
from advisor.tasks import Example, Task
from advisor.verdict.decision import Row
from benchmarks.comparisons import RESULTS
from benchmarks.retrieval import task_in
from benchmarks.standings import SAYS, table

TASKS = ("trec6", "ag_news")
PARTS = ("noise", "skew", "few", "repeats")
PLAIN = "lora"
FLIPPED = (0.0, 0.1, 0.2)
FEW = 32
LEAST = 3  # examples of a label that is made rare
COLUMNS = ("fit, s", "tokens seen")


@dataclass(frozen=True)
class Variation:
    """A task with a fault planted, and what is compared on it.

    Attributes:
        told: what was planted, in words.
        planted: ids of the training examples that are wrong.
    """

    task: Task
    specs: tuple[str, ...]
    told: str
    planted: frozenset[str] = frozenset()


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--part", action="append", choices=PARTS, default=[])
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--train-limit", type=int, default=200)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/training-data"))
    parser.add_argument("--table", type=Path, default=RESULTS / "training-data.md")
    options = parser.parse_args()
    model = advisor.load_model(options.model, device="cpu")
    lines = [_HEAD]
    for name in options.task or TASKS:
        whole = advisor.subset(task_in(options.data, name), limit=options.limit, train_limit=options.train_limit)
        for one in variations(whole, options.part or PARTS):
            plan = Plan(options.out / one.task.name.replace(" ", "-"), seeds=options.seeds, latency_examples=0)
            found = carry_out(plan, one.task, model, one.specs)
            lines += [*table(found, PLAIN, COLUMNS, _cells), *_told(one, model)]
            print(f"{one.task.name}: done", file=sys.stderr, flush=True)
            options.table.write_text("\n".join(lines) + "\n", encoding="utf-8")


def variations(task: Task, parts: Sequence[str]) -> Iterator[Variation]:
    """The task with each fault that is asked for; dev and test as they are."""
    for share in FLIPPED if "noise" in parts else ():
        wrong = flipped(task, share)
        told = f"{len(wrong)} of {len(task.train)} training labels were flipped to another one at random"
        train = tuple(wrong.get(example.id, example) for example in task.train)
        changed = replace(task, name=f"{task.name} flipped {100 * share:.0f}", train=train)
        yield Variation(changed, (PLAIN, "lora:noise=drop", "lora:noise=relabel"), told, frozenset(wrong))
    if "skew" in parts:
        changed = replace(task, name=f"{task.name} skewed", train=skewed(task))
        counts = ", ".join(str(number) for _, number in Counter(e.target for e in changed.train).most_common())
        yield Variation(changed, (PLAIN, "lora:balance=labels"), f"of each label there are {counts} training examples")
    few = _drawn(task.train, FEW)
    if "few" in parts:
        changed = replace(task, name=f"{task.name} few", train=few)
        yield Variation(changed, (PLAIN, "lora:augment=2"), f"{len(few)} training examples were left")
    if "repeats" in parts:
        again = repeated(few)
        changed = replace(task, name=f"{task.name} repeats", train=(*few, *again))
        told = f"{len(few)} training examples were left, and {len(again)} repetitions of eight of them put in"
        yield Variation(changed, (PLAIN, "lora:duplicates=drop"), told, frozenset(example.id for example in again))


def flipped(task: Task, share: float) -> dict[str, Example]:
    """A share of the training examples with another label, by their ids."""
    draw = random.Random(0)
    chosen = draw.sample(task.train, round(share * len(task.train)))
    return {e.id: replace(e, target=draw.choice([x for x in task.labels if x != e.target])) for e in chosen}


def skewed(task: Task) -> tuple[Example, ...]:
    """All examples of the commonest label, a quarter of those of the next, a sixteenth of those of all others."""
    ranks = [label for label, _ in Counter(example.target for example in task.train).most_common()]
    kept: set[str] = set()
    for rank, label in enumerate(ranks):
        of_label = [example for example in task.train if example.target == label]
        number = max(LEAST, len(of_label) // 4 ** min(rank, 2))
        kept |= {example.id for example in _drawn(of_label, number)}
    return tuple(example for example in task.train if example.id in kept)


def repeated(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Eight of the examples, each four times more: as they are, in capitals, without marks, with blanks."""
    forms = (str, str.upper, lambda text: text.rstrip(" ?.!"), lambda text: f" {text}  ")
    return tuple(
        replace(example, id=f"{example.id}-again-{number}", input=form(example.input))
        for example in examples[:8]
        for number, form in enumerate(forms)
    )


def _drawn(examples: Sequence[Example], number: int) -> tuple[Example, ...]:
    chosen = {example.id for example in random.Random(0).sample(examples, min(number, len(examples)))}
    return tuple(example for example in examples if example.id in chosen)


def _told(one: Variation, model: LanguageModel) -> Iterator[str]:
    """What was planted, and of flipped labels how many the finder names, rightly and wrongly."""
    yield f"Planted: {one.told}."
    if "lora:noise=drop" in one.specs:
        _, changes, note = without_noise(one.task.for_fitting(), model.embedder, "drop")
        named = {change.example.id for change in changes}
        yield f"Of the labels that the finder names {len(named & one.planted)} of {len(named)} were flipped ({note})"
    yield ""


def _cells(row: Row) -> tuple[str, ...]:
    return f"{row.fit_seconds:,.0f}", f"{row.tokens_seen:,}" if row.tokens_seen else ""


_HEAD = f"""# Better training data

`python -m benchmarks.training_data --data FOLDER`: the embedded model of 135 M parameters and its embedder, defaults.
Faults are planted into train alone, by a seed; the test examples are the same in all tables of a task. {SAYS}
Seconds are of a machine that did other things too; those of `augment` hold the writing of the paraphrases.
"""


if __name__ == "__main__":
    main()
