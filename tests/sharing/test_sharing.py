"""What is handed to a sink, and the door by which other packages bring one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.cli import main
from advisor.errors import UserError
from advisor.sharing import share, shared_of, sink_of
from advisor.tasks import Limits
from advisor.verdict import Decision, decide

THIRD = """
from advisor.errors import UserError
from advisor.sharing import Sink


class Book(Sink):
    name = "book"
    place = "process"

    def log(self, shared):
        with open(self.target, "a", encoding="utf-8") as file:
            file.write(repr(shared))
        return f"book: {shared.label} stands in {self.target}"


class Torn(Book):
    name = "torn"

    def log(self, shared):
        raise RuntimeError(f"nobody answers at {self.target}")


class Far(Book):
    name = "far"
    place = "network"


constant = 7
"""


@pytest.fixture
def third(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's sinks are installed."""
    place = tmp_path / "site"
    info = place / "third-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "third_sinks.py").write_text(THIRD, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third\nVersion: 1.0\n")
    names = {"book": "Book", "torn": "Torn", "far": "Far", "constant": "constant"}
    points = "".join(f"{name} = third_sinks:{target}\n" for name, target in names.items())
    (info / "entry_points.txt").write_text(f"[advisor.sinks]\n{points}")
    monkeypatch.syspath_prepend(place)


@pytest.mark.usefixtures("third")
def test_another_package_is_handed_all_of_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], secret_in: Callable[[Path], list[Path]]
) -> None:
    book = tmp_path / "book.txt"
    assert main(["report", str(folder), "--to", f"book:{book}", "--to", f"book:{book}", "--to-files", "all"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"book: handbook 2026-11-29 stands in {book}\n" * 2, "")
    told = book.read_text(encoding="utf-8")
    assert "token_f1" in told and "lora_rank=1,epochs=1.seed0" in told
    assert secret_in(tmp_path) == []


@pytest.mark.usefixtures("third")
def test_what_a_sink_does_wrong_is_one_clear_line_without_the_password(decision: Decision) -> None:
    with pytest.raises(UserError, match=r"sink 'torn' fails: RuntimeError: nobody answers at http://\*\*\*@host/x"):
        share(decision, sink_of("torn:http://ann:let%20me@host/x"))
    with pytest.raises(UserError, match=r"what is registered as sink 'constant' is no advisor\.sharing\.Sink"):
        sink_of("constant")
    with pytest.raises(UserError, match="sink 'bok' is unknown") as caught:
        sink_of("bok")
    assert caught.value.hint.startswith("did you mean 'book'?")


@pytest.mark.usefixtures("third")
def test_where_no_text_may_leave_the_machine_sinks_elsewhere_are_refused_by_name(
    decision: Decision, tmp_path: Path
) -> None:
    comparison = decision.comparison
    kept = decide(replace(comparison, task=replace(comparison.task, limits={"local_only": True})))
    with pytest.raises(UserError, match=r"sink far:https://\*\*\*@host/x: would send texts to another machine"):
        share(kept, sink_of("far:https://ann:letmein@host/x"))
    with pytest.raises(UserError, match=r"sink mlflow:https://mlflow\.example: would"):
        share(kept, sink_of("mlflow:https://mlflow.example"))
    assert "stands in" in share(kept, sink_of(f"book:{tmp_path / 'book.txt'}"))


def test_the_key_is_that_of_the_records_and_the_digest_of_what_follows(decision: Decision) -> None:
    whole = decision.comparison
    first = shared_of(decision)
    assert shared_of(decide(replace(whole, folder="elsewhere/handbook"))).digest == first.digest
    otherwise = shared_of(decide(whole, Limits(p95_ms=1)))
    assert (otherwise.key, otherwise.digest != first.digest) == (first.key, True)
    assert shared_of(decide(replace(whole, begun="2027-01-01T00:00:00+0000"))).key != first.key
    assert shared_of(decision, ["all"]).digest != first.digest


def test_every_text_and_figure_has_a_name(decision: Decision) -> None:
    found = shared_of(decision)
    assert set(found.files) == {"report.md", "report.html", "results.json"}
    assert (found.task, found.label, len(found.key)) == ("handbook-qa", "handbook 2026-11-29", 16)
    assert found.params["task.fingerprint"] == decision.comparison.task.fingerprint
    lora = next(row for row in found.rows if row.name.startswith("lora"))
    assert lora.params["lora.rank"] == "1" and lora.tags["control"] == "false"
    assert {"versus_best/low", "latency_ms/p95", "cost_usd/per_1k_queries"} <= {
        name for row in found.rows for name in row.metrics
    }
    assert all(len(row) == len(table.columns) for table in found.tables.values() for row in table.rows)


def test_a_slip_of_the_pen_shows_before_anything_is_logged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, why in (
        (["--to-files", "rag"], "--to-files goes with --to"),
        (["--to", "mlflo"], "sink 'mlflo' is unknown"),
        ([str(folder), "--to", "mlflow"], "--to takes one run folder, and 2 were named"),
    ):
        assert main(["report", str(folder), *arguments]) == 2
        assert why in capsys.readouterr().err


def test_nothing_that_is_logged_tells_where_a_model_or_the_records_lie(decision: Decision) -> None:
    whole, place = decision.comparison, "/home/somebody/models/desk-7b"
    members = tuple(replace(one, facts=replace(one.facts, id=place)) for one in whole.models)
    folder = "/home/somebody/runs/handbook"
    found = shared_of(decide(replace(whole, members=members, model=members[0].facts, folder=folder)))
    assert "/home/somebody" not in repr(found)
    assert found.params["model.id"] == "desk-7b" and '"id": "desk-7b"' in found.files["results.json"]
