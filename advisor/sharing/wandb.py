"""The sink `wandb`: a run for the comparison and one for each row, in a group; without an account unless asked."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from advisor.errors import UserError
from advisor.extras import needed
from advisor.measuring.records import Place
from advisor.models.hosted.address import is_loopback
from advisor.models.store import digest
from advisor.sharing.contract import Shared, Sink

if TYPE_CHECKING:
    from wandb import Run

_MODES = ("offline", "online", "shared", "disabled")
_HERE = ("offline", "disabled")
_MARK = "advisor.json"
"""In the files of a run that was kept here: of what it is, by which a later call finds it."""
_UNFIT = re.compile(r"[/\\#?%:]+")  # characters that no name of a project may have
_NAME = 128  # characters


class Wandb(Sink):
    """`wandb`, `wandb:PROJECT` or `wandb:ENTITY/PROJECT`; the project is called as the task is by default.

    Runs are kept below `wandb/` here (`WANDB_DIR` names another folder), until `wandb sync` sends them; with
    `WANDB_MODE=online` they are sent at once.
    """

    name = "wandb"

    def __init__(self, target: str) -> None:
        super().__init__(target)
        entity, _, project = target.rpartition("/")
        if (target and not project) or any(_UNFIT.search(part) for part in (entity, project)):
            raise UserError(f"wandb:{target}: names no project", "write it as wandb:PROJECT or wandb:ENTITY/PROJECT")
        self._entity, self._project = entity or None, project
        mode = os.environ.get("WANDB_MODE") or "offline"
        self._mode = {"dryrun": "offline", "run": "online"}.get(mode, mode)
        if self._mode not in _MODES:
            raise UserError(f"WANDB_MODE is {mode}", f"one of {', '.join(_MODES)}")
        self._root = Path(os.environ.get("WANDB_DIR") or ".")

    @property
    def place(self) -> Place:
        if self._mode in _HERE:
            return "process"
        host = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
        return "machine" if host and is_loopback(host) else "network"

    def log(self, shared: Shared) -> str:
        offline = self._mode == "offline"
        project = self._project or _UNFIT.sub("-", shared.task)[:_NAME]
        own = {row.name: digest([shared.key, row.name])[: len(shared.key)] for row in shared.rows}
        before = list(self._kept(shared.key))
        if offline and any(mark == shared.digest for _, mark in before):
            return f"wandb: {shared.label} is there already, in {before[-1][0]}"
        for place, _ in [*before, *(found for id in own.values() for found in self._kept(id))] if offline else ():
            shutil.rmtree(place)
        self._write(shared, project, own)
        if not offline:
            return f"wandb: {shared.label} is logged in project {project}, as a group of {len(own) + 1} runs"
        found = [place for place, _ in self._kept(shared.key)]
        folder = found[-1].parent if found else self._root
        done = "brought up to date" if before else "logged"
        return (
            f"wandb: {shared.label} is {done} in {folder}, offline, as a group of {len(own) + 1} runs; "
            f"`wandb sync {folder}/offline-run-*` sends what is kept there (these to project {project})"
        )

    def _write(self, shared: Shared, project: str, own: Mapping[str, str]) -> None:
        """Log the rows, and then the comparison, whose mark says that all of it is there."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        with needed("--to wandb", "wandb"):
            import wandb
        begin = self._beginning(wandb, project, shared.key)
        for row in shared.rows:
            with begin(own[row.name], row.name, "row", {**row.params, **row.tags}) as run:
                run.summary.update(dict(row.metrics))
                for seed, folder in row.folders.items():
                    fitted = wandb.Artifact(f"{own[row.name]}-seed{seed}", type="model")
                    fitted.add_dir(str(folder))
                    run.log_artifact(fitted)
                _keep(run, {_MARK: json.dumps({"digest": shared.digest})})
        with begin(shared.key, shared.label, "comparison", {**shared.params, **shared.tags}) as run:
            run.summary.update(dict(shared.metrics))
            for name, table in shared.tables.items():
                rows = [list(row) for row in table.rows]
                run.log({name: wandb.Table(columns=list(table.columns), data=rows, allow_mixed_types=True)})
            _keep(run, {**shared.files, _MARK: json.dumps({"digest": shared.digest})})
        wandb.teardown()

    def _beginning(self, wandb: Any, project: str, group: str) -> Callable[[str, str, str, Mapping[str, str]], Run]:
        """What begins a run of the group; nothing of this machine, its environment or its repository is logged."""
        settings = wandb.Settings(
            console="off",
            silent=True,
            save_code=False,
            disable_code=True,
            disable_git=True,
            disable_job_creation=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )

        def begin(id: str, name: str, kind: str, config: Mapping[str, str]) -> Run:
            run: Run = wandb.init(
                entity=self._entity,
                project=project,
                id=id,
                name=name,
                group=group,
                job_type=kind,
                config=dict(config),
                mode=self._mode,
                resume=None if self._mode in _HERE else "allow",
                dir=str(self._root),
                settings=settings,
            )
            return run

        return begin

    def _kept(self, id: str) -> Iterator[tuple[Path, str]]:
        """Runs of that id that were kept here before, oldest first, each with the digest of what it is of."""
        places = [place for name in ("wandb", ".wandb") for place in (self._root / name).glob(f"offline-run-*-{id}")]
        for place in sorted(places):
            try:
                yield place, str(json.loads((place / "files" / _MARK).read_text(encoding="utf-8"))["digest"])
            except (OSError, ValueError, TypeError, KeyError):
                continue  # broken off, or not of this program


def _keep(run: Run, files: Mapping[str, str]) -> None:
    """Write files into the folder of a run, from where they are sent."""
    for name, text in files.items():
        path = Path(run.dir) / name
        path.write_text(text, encoding="utf-8")
        run.save(str(path), base_path=run.dir, policy="now")
