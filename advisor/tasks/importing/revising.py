"""A task folder as the source of an import: a copy of it with what is known of a change of its documents."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from advisor.disk import writing
from advisor.errors import UserError
from advisor.intake import there
from advisor.tasks.importing.change import check_change, import_change
from advisor.tasks.importing.result import SHOWN, Imported, ImportRequest, Shown
from advisor.tasks.importing.writing import check_out, folder_writer
from advisor.tasks.loading import load_task

_COPIED = ("task", "train", "dev", "test", "documents", "preferences")


def is_task(source: str) -> bool:
    """Whether a source is a task folder."""
    return there(Path(source) / "task.toml")


def import_into_copy(request: ImportRequest, out: Path, *, overwrite: bool = False) -> Imported:
    """Copy a task folder and write into the copy what is known of a change.

    Raises:
        UserError: no change is named, or it cannot be read; the folder is in the way.
    """
    source = Path(request.source)
    if not request.documents_after:
        hint = f"advisor compare {shlex.quote(request.source)}; with --documents-after NEW a copy gets a change"
        raise UserError(f"{source}: is a task folder already", hint)
    after, test_after = Path(request.documents_after), Path(request.test_after) if request.test_after else None
    check_out(out, overwrite)
    check_change(after, test_after)
    if out.resolve() == source.resolve():
        raise UserError(f"{out}: is the task folder that is copied", "name a new folder with --out")
    load_task(source)
    with folder_writer(out) as folder:
        work = folder.close()
        with writing(work):
            _copy(source, work)
        changed = import_change(work, after, test_after, request.asked)
    task = load_task(out)
    counts = {"train": task.train, "dev": task.dev, "test": task.test, "documents": task.documents}
    return Imported(
        source=request.source,
        folder=out,
        name=task.name,
        format="a task folder",
        kind=task.kind,
        instruction=task.instruction,
        columns={},
        split="as in the task folder",
        seed=0,
        counts={part: len(found) for part, found in counts.items() if found},
        labels=len(task.labels),
        notes=changed.notes,
        dropped=(),
        changed=(),
        examples=tuple(Shown("after", e.input, e.target, bool(e.evidence)) for e in task.test_after[:SHOWN]),
        sha256="",
        key="",
        open_questions=len(changed.of("open")),
    )


def _copy(source: Path, work: Path) -> None:
    for path in source.iterdir():
        if path.name.split(".")[0] in _COPIED:
            if path.is_dir():
                shutil.copytree(path, work / path.name)
            else:
                shutil.copy2(path, work / path.name)
