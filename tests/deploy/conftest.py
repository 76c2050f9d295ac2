"""A small task with documents, rows fitted on it, and servers of them in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from advisor.approaches import Predictor, parse
from advisor.deploy.serving.app import Service, application
from advisor.deploy.serving.bounds import ServingBounds
from advisor.deploy.serving.engine import Engine
from advisor.deploy.serving.events import EventLog
from advisor.deploy.serving.observer import Answered, Refusal
from advisor.deploy.serving.row import ServedRow
from advisor.deploy.serving.server import bound_socket, server_of
from advisor.deploy.serving.shelf import DocumentShelf
from advisor.deploy.watching.reference import MeasuredRow, measured_row
from advisor.measuring.comparing import compare
from advisor.measuring.records import Comparison
from advisor.tasks import Document, Example, Limits, Task

KEY = "sk-test"


class Seen:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def received(self, route: str) -> None:
        self.told.append(("received", route))

    def refused(self, reason: Refusal) -> None:
        self.told.append(("refused", reason))

    def waiting(self, requests: int, running: int) -> None:
        self.told.append(("waiting", (requests, running)))

    def first_token(self, seconds: float) -> None:
        self.told.append(("first_token", seconds))

    def answered(self, answer: Answered) -> None:
        self.told.append(("answered", answer))

    def failed(self, kind: str) -> None:
        self.told.append(("failed", kind))

    def documents_changed(self, documents: int, chunks: int, seconds: float) -> None:
        self.told.append(("documents_changed", (documents, chunks)))

    def exposed(self) -> tuple[str, bytes]:
        return "text/plain; version=0.0.4", b"up 1\n"

    def of(self, what: str) -> list[Any]:
        return [one for name, one in self.told if name == what]


class Served:
    """A row that is served in this process."""

    def __init__(self, row: ServedRow, bounds: ServingBounds, shelf: Path, key: str) -> None:
        self.seen, self.lines = Seen(), StringIO()
        self.shelf = shelf
        self.log = EventLog(stream=self.lines)
        self.engine = Engine(row, bounds, self.seen, self.log)
        self.app = application(Service(self.engine, DocumentShelf(shelf), key, 1_700_000_000))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = TestClient(self.app, base_url="http://127.0.0.1", headers=headers)

    def ready(self) -> Served:
        """Started, and warm."""
        self.engine.start()
        wait_until(lambda: self.engine.state == "ready")
        return self

    def chat(self, text: str, **more: Any) -> Any:
        body = {"model": self.engine.row.spec, "messages": [{"role": "user", "content": text}], **more}
        found = self.http.post("/v1/chat/completions", json=body)
        wait_until(lambda: self.engine.idle)  # what is told of it is told by then
        return found

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Behind a port of its own; where."""
        place = bound_socket("127.0.0.1", 0)
        server = server_of(self.app, self.engine, self.log)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(5)


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    over = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < over, "it did not come to that"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    return wait_until


@pytest.fixture(scope="session")
def desk_task() -> Task:
    """Questions about a handbook of three documents."""
    facts = {"refunds": "five days", "parking": "level two", "lunch": "at noon", "keys": "front desk"}
    asked = tuple(
        Example(str(n), f"what of {what}", said, evidence=(what,)) for n, (what, said) in enumerate(facts.items())
    )
    documents = tuple(Document(what, what.title(), f"For {what} it is {said}.") for what, said in facts.items())
    return Task("desk", "qa", "Answer in a few words.", "token_f1", train=asked, test=asked[:2], documents=documents)


@pytest.fixture
def served(tmp_path: Path, make_model: Callable[..., Any], desk_task: Task) -> Iterator[Callable[..., Served]]:
    """Serves a row: of the desk task on a scripted model unless others are given."""
    with serving(tmp_path, make_model, desk_task) as serve:
        yield serve


def serving(
    tmp_path: Path, make_model: Callable[..., Any], desk_task: Task
) -> AbstractContextManager[Callable[..., Served]]:
    @contextmanager
    def all_of_them() -> Iterator[Callable[..., Served]]:
        made: list[Served] = []

        def serve(spec: str = "rag:k=1", *, key: str = "", predictor: Predictor | None = None, **more: Any) -> Served:
            task, model = more.pop("task", desk_task), more.pop("model", None) or make_model()
            raw = more.pop("raw", False)
            fitted = predictor or parse(spec).fit(task.for_fitting(), model, 0)
            row = ServedRow(spec, task.brief, model, fitted, raw)
            made.append(Served(row, ServingBounds(**more), tmp_path / "documents.jsonl", key))
            return made[-1]

        try:
            yield serve
        finally:
            for one in made:
                one.engine.close(1)

    return all_of_them()


@pytest.fixture(scope="session")
def colours_run(
    tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., Any], light_task: Task
) -> Comparison:
    """A classification that was measured, with limits."""
    limits = Limits(p95_ms=250.0, budget_usd=365.0, queries_per_day=1000.0)
    things = (("the ripe tomato", "red"), ("a leaf", "green"), ("the sea at noon", "blue"), ("the sky", "blue"))
    test = tuple(Example(f"t{n}", asked, colour) for n, (asked, colour) in enumerate(things))
    task = replace(light_task, test=test, limits=limits)
    return compare(task, make_model(), ["few-shot:k=2"], out=tmp_path_factory.mktemp("colours") / "run")


@pytest.fixture(scope="session")
def desk_run(tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., Any], desk_task: Task) -> Comparison:
    """Questions with documents that were measured."""
    asked = ("what of refunds", "tell me of parking, please", "lunch", "where are the keys and for whom is lunch")
    test = tuple(Example(f"t{n}", one, "unanswerable" if n == 3 else "noon") for n, one in enumerate(asked))
    return compare(
        replace(desk_task, test=test), make_model(), ["rag:k=1"], out=tmp_path_factory.mktemp("desk") / "run"
    )


@pytest.fixture(scope="session")
def colours_row(colours_run: Comparison) -> MeasuredRow:
    return measured_row(colours_run, colours_run.runs[0])


@pytest.fixture(scope="session")
def desk_row(desk_run: Comparison) -> MeasuredRow:
    return measured_row(desk_run, desk_run.runs[0])
