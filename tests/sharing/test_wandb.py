"""The sink `wandb`, with the real library in offline mode; what it kept is read back."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.cli import main
from advisor.errors import UserError
from advisor.sharing import share, sink_of
from advisor.tasks import Limits
from advisor.verdict import Decision, decide

pytest.importorskip("wandb", reason="needs the extra wandb")
BLOCK, HEADER, START = 32_768, 7, 7
"""The log is that of LevelDB, behind a header of its own."""


def records(path: Path) -> Iterator[Any]:
    """What stands in the log of a run that was kept offline."""
    from wandb.proto import wandb_internal_pb2

    data, at, parts = path.read_bytes(), START, b""
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):  # a whole record, or the last part of one
            found = wandb_internal_pb2.Record()
            found.ParseFromString(parts)
            yield found
            parts = b""


def kept(root: Path = Path("wandb")) -> dict[str, dict[str, Any]]:
    """The runs that were kept, by name: id, group, kind, configuration and summary."""
    found = {}
    for place in root.glob("offline-run-*"):
        (log,) = place.glob("*.wandb")
        run: dict[str, Any] = {"folder": place, "summary": {}}
        for record in records(log):
            if record.HasField("run"):
                config = {update.key: json.loads(update.value_json) for update in record.run.config.update}
                run |= {"id": record.run.run_id, "name": record.run.display_name, "group": record.run.run_group}
                run |= {"kind": record.run.job_type, "project": record.run.project, "config": config}
            if record.HasField("summary"):
                for one in record.summary.update:
                    run["summary"][one.key or "/".join(one.nested_key)] = json.loads(one.value_json)
        assert run["name"] not in found
        found[run["name"]] = run
    return found


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where the library believes its service to be; nobody may come there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield server


def test_a_run_for_each_row_and_one_for_all_without_an_account(
    decision: Decision, listening: socket.socket, tmp_path: Path, secret_in: Callable[[Path], list[Path]]
) -> None:
    said = share(decision, sink_of("wandb"), ["all"])
    assert said.startswith("wandb: handbook 2026-11-29 is logged in wandb, offline, as a group of 5 runs")
    runs = kept()
    rows = {row.spec: row for row in decision.rows}
    whole = runs["handbook 2026-11-29"]
    assert set(runs) == {*rows, "handbook 2026-11-29"}
    assert {run["group"] for run in runs.values()} == {whole["id"]}
    assert {run["project"] for run in runs.values()} == {"handbook-qa"}
    assert [whole["kind"], *{runs[spec]["kind"] for spec in rows}] == ["comparison", "row"]
    assert whole["config"]["task.metric"] == "token_f1"
    assert runs["rag"]["config"]["rag.k"] == "3"
    for spec, row in rows.items():
        assert row.quality
        for name in ("value", "low", "high"):
            measured = getattr(row.quality, name)
            assert runs[spec]["summary"][f"quality/{name}"] == pytest.approx(measured, rel=1e-5)
    files = whole["folder"] / "files"
    assert (files / "report.md").read_text(encoding="utf-8").startswith("# Advisor: handbook-qa")
    assert "<!doctype html>" in (files / "report.html").read_text(encoding="utf-8")
    (table,) = (files / "media" / "table").glob("results_*.json")
    told = json.loads(table.read_text(encoding="utf-8"))
    assert {line[told["columns"].index("row")] for line in told["data"]} == set(rows)
    assert secret_in(tmp_path) == []
    with pytest.raises(BlockingIOError):
        listening.accept()


def test_again_nothing_is_kept_twice(decision: Decision) -> None:
    share(decision, sink_of("wandb:team/ours"))
    first = kept()
    assert {run["project"] for run in first.values()} == {"ours"}
    assert "is there already" in share(decision, sink_of("wandb:team/ours"))
    assert {run["folder"] for run in kept().values()} == {run["folder"] for run in first.values()}
    otherwise = decide(decision.comparison, Limits(queries_per_day=5, horizon_days=10))
    assert "is brought up to date" in share(otherwise, sink_of("wandb:team/ours"))
    now = kept()
    assert {name: run["id"] for name, run in now.items()} == {name: run["id"] for name, run in first.items()}
    assert now["rag"]["summary"]["cost_usd/over_horizon"] > 0


def test_what_others_kept_there_stays(decision: Decision) -> None:
    other = Path("wandb/offline-run-20260101_000000-theirs")
    (other / "files").mkdir(parents=True)
    share(decision, sink_of("wandb"))
    assert other.is_dir()


@pytest.mark.parametrize("target", ["a/b/c", "team/", "a#b"])
def test_what_names_no_project_is_refused(target: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"wandb:{target}: names no project")):
        sink_of(f"wandb:{target}")


def test_where_it_is_follows_from_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sink_of("wandb").place == "process"
    monkeypatch.setenv("WANDB_MODE", "online")
    assert sink_of("wandb").place == "network"
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:8080")
    assert sink_of("wandb").place == "machine"
    monkeypatch.setenv("WANDB_MODE", "sideways")
    with pytest.raises(UserError, match="WANDB_MODE is sideways"):
        sink_of("wandb")


def test_a_library_that_is_missing_is_named_with_its_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main(["report", str(folder), "--to", "wandb"]) == 2
    assert capsys.readouterr().err == (
        "error: --to wandb needs wandb, which is not installed\n  try: pip install 'adaptation-advisor[wandb]'\n"
    )
