"""A fitted predictor on disk, whole or not there, with the brief that answering needs of its task."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from advisor.approaches import Predictor
from advisor.disk import clear, place_whole, writing
from advisor.tasks import TaskBrief

BRIEF = "task.json"


def keep(predictor: Predictor, brief: TaskBrief, folder: Path) -> None:
    """Save whole or not at all, with the task's brief: a folder that is there is enough to answer from."""
    work = folder.with_name(folder.name + ".saving")
    clear(work, folder)
    with writing(folder.parent):
        work.mkdir(parents=True)
        predictor.save(work)
        (work / BRIEF).write_text(json.dumps(asdict(brief)), encoding="utf-8")
        place_whole(work, folder)
