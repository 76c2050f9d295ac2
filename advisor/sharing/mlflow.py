"""The sink `mlflow`: a parent run for the comparison, and a child run for each row."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from advisor.errors import UserError
from advisor.extras import needed
from advisor.measuring.records import Place
from advisor.models.hosted.address import is_loopback
from advisor.sharing.contract import Shared, SharedTable, Sink

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

DEFAULT = "sqlite:///mlruns.db"
KEY, DIGEST, ROW = "advisor.key", "advisor.digest", "advisor.row"
"""Tags by which what was logged before is found again."""
_PARENT = "mlflow.parentRunId"
_AT_ONCE = 50  # parameters, and as many tags, in a request
_ARTIFACTS = "mlruns"  # beside the database
_UNFIT = re.compile(r"[^\w\-. :/]")  # characters that no name of a parameter or a figure may have
_NAME = 250  # characters


class Mlflow(Sink):
    """`mlflow`, `mlflow:sqlite:///FILE` or `mlflow:http://HOST:PORT`; `MLFLOW_TRACKING_URI` stands for nothing.

    The experiment is called as the task is, or as `MLFLOW_EXPERIMENT_NAME` says. Artifacts of a database in a file lie
    beside it, in a folder `mlruns`.
    """

    name = "mlflow"

    def __init__(self, target: str) -> None:
        super().__init__(target or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT)
        try:
            self._parts = urlsplit(self.target)
        except ValueError:
            raise UserError(
                "the address of MLflow cannot be read", f"write it as {DEFAULT}, or http://HOST:5000"
            ) from None
        if self._parts.scheme in ("", "file") and self.target != "databricks":
            hint = f"--to mlflow:{DEFAULT}; runs in files are moved by `mlflow migrate-filestore`"
            raise UserError(f"mlflow:{self.target}: MLflow no longer keeps runs in files, only in a database", hint)

    @property
    def place(self) -> Place:
        if self._parts.scheme.startswith("sqlite"):
            return "process"
        return "machine" if is_loopback(self._parts.hostname or "") else "network"

    def log(self, shared: Shared) -> str:
        client = self._client()
        experiment = self._experiment(client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or shared.task)
        known = list(_found(client, experiment, shared.key))
        parent = next((run for run in known if ROW not in run.data.tags), None)
        where = f"{self.target}, experiment {client.get_experiment(experiment).name}"
        if parent is not None and parent.data.tags.get(DIGEST) == shared.digest:
            return f"mlflow: {shared.label} is there already, in {where}, run {parent.info.run_id}"
        children = {run.data.tags[ROW]: run for run in known if ROW in run.data.tags}
        logger = _Logger(client, experiment)
        top = logger.run(parent, shared.label, {KEY: shared.key, **shared.tags}, shared.params, shared.metrics)
        for name, text in shared.files.items():
            client.log_text(top, text, name)
        for name, table in shared.tables.items():
            client.log_text(top, _csv(table), f"tables/{name}.csv")
        for row in shared.rows:
            tags = {KEY: shared.key, ROW: row.name, _PARENT: top, **row.tags}
            own = logger.run(children.get(row.name), row.name, tags, row.params, row.metrics)
            for seed, folder in row.folders.items():
                client.log_artifacts(own, str(folder), f"fitted/seed{seed}")
            client.set_terminated(own, "FAILED" if row.failed else "FINISHED")
        client.set_terminated(top, "FINISHED")
        client.set_tag(top, DIGEST, shared.digest)  # last, so that what was broken off is logged again
        done = "brought up to date" if parent is not None else "logged"
        return f"mlflow: {shared.label} is {done} in {where}, run {top} with {len(shared.rows)} rows below it"

    def _client(self) -> MlflowClient:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a server that is gone is told in seconds
        with needed("--to mlflow", "mlflow"):
            from mlflow.tracking import MlflowClient
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=self.target)

    @property
    def _file(self) -> Path | None:
        """The file of the database, where there is one."""
        return Path(unquote(self._parts.path[1:])) if self.place == "process" else None

    def _experiment(self, client: MlflowClient, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is None:
            beside = (self._file.resolve().parent / _ARTIFACTS).as_uri() if self._file else None
            return str(client.create_experiment(name, artifact_location=beside))
        if found.lifecycle_stage == "deleted":
            hint = f"restore it: mlflow experiments restore --experiment-id {found.experiment_id}"
            raise UserError(f"mlflow: the experiment {name!r} was deleted there", hint)
        return str(found.experiment_id)


def _found(client: MlflowClient, experiment: str, key: str) -> Iterator[Run]:
    """What was logged of a comparison before."""
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


class _Logger:
    """Writes runs into an experiment, over those that are there."""

    def __init__(self, client: MlflowClient, experiment: str) -> None:
        self._client, self._experiment = client, experiment

    def run(
        self,
        before: Run | None,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        metrics: Mapping[str, float],
    ) -> str:
        """Write a run; returns its id.

        A parameter cannot be changed in MLflow, nor a figure taken back: where one would have to be, the run that was
        there gives place to a new one.
        """
        from mlflow.entities import Metric, Param, RunTag

        tags, params, metrics = _fit(tags), _fit(params), _fit(metrics)
        if before is not None and not (
            before.data.params.items() <= params.items() and before.data.metrics.keys() <= metrics.keys()
        ):
            self._client.delete_run(before.info.run_id)
            before = None
        found = before or self._client.create_run(self._experiment, run_name=name)
        known, run, now = found.data, found.info.run_id, int(time.time() * 1000)
        changed = [Metric(key, value, now, 0) for key, value in metrics.items() if known.metrics.get(key) != value]
        new = [Param(key, value) for key, value in params.items() if key not in known.params]
        self._client.log_batch(run, metrics=changed)
        wanted = [RunTag(*each) for each in tags.items()]
        for start in range(0, max(len(new), len(wanted)), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            self._client.log_batch(run, params=new[some], tags=wanted[some])
        return str(run)


def _fit(found: Mapping[str, Any]) -> dict[str, Any]:
    """The values under names that MLflow takes."""
    return {_UNFIT.sub("_", name)[:_NAME]: value for name, value in found.items()}


def _csv(table: SharedTable) -> str:
    text = io.StringIO()
    rows: Sequence[Sequence[object]] = [table.columns, *table.rows]
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
