"""One row of a run folder as a run folder of its own, without the texts that were asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from advisor.approaches import apart
from advisor.measuring.lines import lines
from advisor.measuring.reading import ANSWERS, JOURNAL, record_path, run_place
from advisor.measuring.records import Comparison, Run
from advisor.models.store import digest

OF_THE_WHOLE = ("together", "free", "after", "forgetting", "grades")
"""What a comparison's line says of its other rows and models, and of files that stay behind."""
KEPT = ("run", "fitted", "predictions", "repeated", "latency", "finished")
"""Lines of a run that say how it was measured and what it answered."""


def copy_row(comparison: Comparison, run: Run, folder: Path) -> None:
    """Write what was recorded of a run, and what it fitted, into `folder`, which is there and empty.

    What was asked and the passages of the records are left out; answers, and what was right, stay: a row's quality is
    told from them.
    """
    source, key, spec = Path(comparison.folder), run.key or comparison.key, apart(run.spec)[0]
    (folder / key).mkdir()
    answers = [{name: value for name, value in row.items() if name != "input"} for row in _rows(source / key / ANSWERS)]
    (folder / key / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in answers), encoding="utf-8")
    said = [line for line in lines(source / JOURNAL) if line.get("key") == key]
    head = [line for line in said if line["type"] == "comparison"][-1]
    head = {name: value for name, value in head.items() if name not in OF_THE_WHOLE}
    head |= {"runs": {spec: run.seed + 1}, "texts": False, "answers": digest(answers)}
    journal = [head, *(line for line in said if line["type"] == "spans")]
    (folder / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in journal), encoding="utf-8")
    place = record_path(source / key, spec, run.seed)
    record = "".join(json.dumps(line) + "\n" for line in _without_texts(place))
    (folder / key / place.name).write_text(record, encoding="utf-8")
    shutil.copytree(run_place(comparison, run), folder / key / place.with_suffix("").name)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _without_texts(record: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of the last attempt, without passages."""
    said = list(lines(record))
    begun = max(number for number, line in enumerate(said) if line["type"] == "run")
    for line in said[begun:]:
        if line["type"] in KEPT:
            told = [{k: v for k, v in one.items() if k != "passages"} for one in line.get("predictions", ())]
            yield {**line, **({"predictions": told} if "predictions" in line else {})}
