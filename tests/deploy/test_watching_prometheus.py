"""A real Prometheus reads a served row: every expression of the dashboard finds series, and every rule is evaluated."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import parse
from advisor.deploy.serving.app import Service, application
from advisor.deploy.serving.bounds import ServingBounds
from advisor.deploy.serving.engine import Engine
from advisor.deploy.serving.events import EventLog
from advisor.deploy.serving.row import ServedRow
from advisor.deploy.serving.server import bound_socket, server_of
from advisor.deploy.serving.shelf import DocumentShelf
from advisor.deploy.watching.dashboard import sections
from advisor.deploy.watching.files import write_files
from advisor.deploy.watching.metrics import PrometheusObserver
from advisor.deploy.watching.reference import MeasuredRow
from advisor.measuring.records import Comparison
from advisor.tasks import Task
from advisor.verdict.prices import HourlyPrice, Tariff
from tests.deploy.watched import tool

KEY = "sk-watched"
HOUR = Tariff(hour=HourlyPrice("a machine", 1.0, "a list", "2026-11-30"))


def asked(url: str, body: Any = None) -> Any:
    """What a server answers; None where it does not yet."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as reply:
            return json.loads(reply.read())
    except (urllib.error.URLError, ConnectionError, ValueError):
        return None


@contextmanager
def serving(row: ServedRow, observer: PrometheusObserver, shelf: Path) -> Iterator[str]:
    """A row behind a port of this machine; its address."""
    log = EventLog(stream=StringIO())
    engine = Engine(row, ServingBounds(), observer, log)
    observer.ready_when(lambda: engine.state == "ready")
    app = application(Service(engine, DocumentShelf(shelf), KEY, 0))
    place = bound_socket("127.0.0.1", 0)
    server = server_of(app, engine, log)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
    engine.start()
    thread.start()
    try:
        yield f"127.0.0.1:{place.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
        engine.close(1)


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """Prometheus with the files as they were written, but for where the server is and how often it is read."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "prometheus" / "prometheus.yml"
    text = config.read_text(encoding="utf-8").replace("advisor:8000", target).replace(": 15s", ": 1s")
    config.write_text(text, encoding="utf-8")
    options = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}")
    process = subprocess.Popen([tool("prometheus"), *options], stderr=subprocess.DEVNULL)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def found(address: str, expression: str) -> bool:
    """Whether an expression gives a number now."""
    meant = expression.replace("$__rate_interval", "30s").replace("$instance", ".*").replace("[1d]", "[30s]")
    reply = asked(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': meant.replace('[1h]', '[30s]')})}")
    assert reply is None or reply["status"] == "success", (expression, reply)
    return reply is not None and any(not math.isnan(float(s["value"][1])) for s in reply["data"]["result"])


@pytest.mark.parametrize("named", ["colours", "desk"])
def test_every_expression_of_the_dashboard_finds_series(
    named: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    make_model: Callable[..., Any],
    eventually: Callable[..., None],
) -> None:
    tool("prometheus")
    comparison: Comparison = request.getfixturevalue(f"{named}_run")
    measured: MeasuredRow = request.getfixturevalue(f"{named}_row")
    task: Task = request.getfixturevalue("light_task" if named == "colours" else "desk_task")
    write_files(tmp_path / "files", comparison, comparison.runs[0])
    model = make_model()
    row = ServedRow(measured.spec, task.brief, model, parse(measured.spec).fit(task.for_fitting(), model, 0))
    lacking = {query for section in sections(measured) for panel in section.panels for query, _ in panel.queries}
    observer = PrometheusObserver(measured, HOUR)
    with (
        serving(row, observer, tmp_path / "shelf.jsonl") as server,
        prometheus(tmp_path / "files", server) as address,
    ):

        def all_of_them() -> bool:
            asked(f"http://{server}/answer", {"query": "what of lunch"})
            if not asked(f"{address}/api/v1/query?query=advisor_ready"):
                return False
            observer.documents_changed(3, 4, 0.1)
            lacking.difference_update([query for query in lacking if found(address, query)])
            return not lacking

        try:
            eventually(all_of_them, 60)
        except AssertionError:
            pytest.fail(f"without a number: {sorted(lacking)}")
        eventually(lambda: set(evaluated(address)) == {"ok"}, 30)
        (target,) = asked(f"{address}/api/v1/targets")["data"]["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def evaluated(address: str) -> list[str]:
    """How the last evaluation of each rule went."""
    groups = asked(f"{address}/api/v1/rules")["data"]["groups"]
    return [rule["health"] for group in groups for rule in group["rules"]]
