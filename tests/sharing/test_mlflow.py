"""The sink `mlflow`, with the real library on a database in a file."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.cli import main
from advisor.errors import UserError
from advisor.sharing import share, sink_of
from advisor.tasks import Limits
from advisor.verdict import Decision, decide

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
pytest.importorskip("mlflow", reason="needs the extra mlflow")
ADAPTER = "lora:rank=1,epochs=1"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which take seconds to make."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("store") / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty: Path, tmp_path: Path) -> str:
    """The address of a database of its own."""
    return f"sqlite:///{shutil.copy(empty, tmp_path / 'teams.db')}"


@pytest.fixture
def logged(store: str) -> Callable[..., list[Any]]:
    """What stands there, the parent first, then its children in order of their names."""
    from mlflow.tracking import MlflowClient

    def read(experiment: str = "handbook-qa") -> list[Any]:
        client = MlflowClient(tracking_uri=store)
        found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
        return sorted(found, key=lambda run: run.data.tags.get("advisor.row", ""))

    return read


def test_a_parent_with_a_child_for_each_row(
    decision: Decision, store: str, logged: Callable[..., list[Any]], tmp_path: Path
) -> None:
    said = share(decision, sink_of(f"mlflow:{store}"))
    parent, *children = logged()
    assert said.startswith("mlflow: handbook 2026-11-29 is logged in sqlite:///")
    assert parent.info.run_id in said and "4 rows" in said
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert parent.data.params["task.metric"] == "token_f1" and parent.data.params["model.dtype"] == "bfloat16"
    assert parent.data.tags["versions.torch"] == "2.13.0+cpu"
    rows = {row.spec: row for row in decision.rows}
    assert {child.info.run_name for child in children} == set(rows)
    for child in children:
        quality = rows[child.info.run_name].quality
        assert quality
        for name in ("value", "low", "high"):
            assert child.data.metrics[f"quality/{name}"] == pytest.approx(getattr(quality, name), rel=1e-5)
    rag = next(child for child in children if child.info.run_name == "rag")
    assert (rag.data.params["rag.k"], rag.data.params["approach"]) == ("3", "rag")
    recall = rows["rag"].retrieval
    assert recall and rag.data.metrics["retrieval/recall_at_k/low"] == pytest.approx(recall.recall_at_k.low)
    place = tmp_path / "mlruns" / parent.info.run_id / "artifacts"
    assert (place / "report.md").read_text(encoding="utf-8").startswith("# Advisor: handbook-qa")
    assert "<!doctype html>" in (place / "report.html").read_text(encoding="utf-8")
    assert '"schema": 1' in (place / "results.json").read_text(encoding="utf-8")
    with (place / "tables" / "results.csv").open(encoding="utf-8", newline="") as file:
        assert {line["row"] for line in csv.DictReader(file)} == set(rows)


def test_again_nothing_is_logged_twice(decision: Decision, store: str, logged: Callable[..., list[Any]]) -> None:
    def ids() -> set[str]:
        return {run.info.run_id for run in logged()}

    share(decision, sink_of(f"mlflow:{store}"))
    first = ids()
    assert "is there already" in share(decision, sink_of(f"mlflow:{store}"))
    assert ids() == first
    otherwise = decide(decision.comparison, Limits(queries_per_day=5, horizon_days=10))
    assert "is brought up to date" in share(otherwise, sink_of(f"mlflow:{store}"))
    assert ids() == first
    cost = next(row.cost.over_horizon for row in otherwise.rows if row.spec == "rag")
    rag = next(run for run in logged() if run.info.run_name == "rag")
    assert rag.data.metrics["cost_usd/over_horizon"] == pytest.approx(cost)
    assert logged()[0].data.tags["limits.queries_per_day"] == "5"


def test_a_parameter_that_changed_makes_a_new_run_in_the_place_of_the_old(
    decision: Decision, store: str, logged: Callable[..., list[Any]]
) -> None:
    share(decision, sink_of(f"mlflow:{store}"))
    before = {run.info.run_name: run.info.run_id for run in logged()}
    whole = decision.comparison
    runs = tuple(replace(run, config={"rag": {"k": 9}}) if run.spec == "rag" else run for run in whole.runs)
    again = decide(replace(whole, runs=runs), Limits(queries_per_day=7))
    share(again, sink_of(f"mlflow:{store}"))
    now = {run.info.run_name: run for run in logged()}
    assert len(logged()) == 5
    assert now["rag"].data.params["rag.k"] == "9"
    assert {name for name, run in now.items() if before[name] != run.info.run_id} == {"rag"}


def test_what_a_row_has_fitted_is_logged_where_it_is_asked_for(
    folder: Path, store: str, logged: Callable[..., list[Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder), "--to", f"mlflow:{store}", "--to-files", ADAPTER]) == 0
    assert capsys.readouterr().out.startswith("mlflow: handbook 2026-11-29 is logged")
    child = next(run for run in logged() if run.info.run_name == ADAPTER)
    kept = tmp_path / "mlruns" / child.info.run_id / "artifacts" / "fitted" / "seed0" / "adapter_config.json"
    assert kept.read_text(encoding="utf-8") == '{"r": 1}'
    assert main(["report", str(folder), "--to", f"mlflow:{store}", "--to-files", "lora:rank=1"]) == 2
    assert "did you mean 'lora:rank=1,epochs=1'?" in capsys.readouterr().err
    assert main(["report", str(folder), "--to", f"mlflow:{store}", "--to-files", "rag"]) == 2
    assert "rag has left no files" in capsys.readouterr().err


def test_no_secret_of_the_environment_is_logged(
    decision: Decision, store: str, tmp_path: Path, secret_in: Callable[[Path], list[Path]]
) -> None:
    share(decision, sink_of(f"mlflow:{store}"), ["all"])
    assert secret_in(tmp_path) == []


def test_the_environment_says_where_as_for_any_program(
    decision: Decision, store: str, logged: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    share(decision, sink_of("mlflow"))
    assert len(logged("ours")) == 5
    assert sink_of("mlflow:sqlite:///other.db").target == "sqlite:///other.db"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sink_of("mlflow").target == "sqlite:///mlruns.db"


@pytest.mark.parametrize("target", ["file:///srv/mlruns", "mlruns", "/srv/mlruns"])
def test_stores_of_files_are_refused_in_one_line(target: str) -> None:
    with pytest.raises(UserError, match="MLflow no longer keeps runs in files, only in a database") as caught:
        sink_of(f"mlflow:{target}")
    assert "sqlite:///mlruns.db" in caught.value.hint


def test_a_server_that_is_gone_is_told_without_the_password(decision: Decision) -> None:
    with pytest.raises(UserError, match="sink 'mlflow' fails") as caught:
        share(decision, sink_of("mlflow:http://ann:letmein-9876@127.0.0.1:9"))
    assert "letmein-9876" not in str(caught.value) and "ann" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("sqlite:///a.db", "process"),
        ("http://127.0.0.1:5000", "machine"),
        ("http://localhost:5000", "machine"),
        ("postgresql://u:p@[::1]/runs", "machine"),
        ("https://mlflow.example", "network"),
        ("postgresql://u:p@db.example/runs", "network"),
        ("databricks", "network"),
    ],
)
def test_where_it_is_follows_from_its_address(target: str, place: str) -> None:
    assert sink_of(f"mlflow:{target}").place == place


def test_a_library_that_is_missing_is_named_with_its_extra(decision: Decision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(UserError) as caught:
        share(decision, sink_of("mlflow"))
    assert "--to mlflow needs mlflow" in caught.value.what
    assert caught.value.hint == "pip install 'adaptation-advisor[mlflow]'"
