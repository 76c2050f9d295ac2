"""OpenAI's own client works against a server, and a server that ends, or is killed, loses what it must and no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

import advisor
from advisor.models.local.engine import LocalModel
from advisor.tasks import Query, Task

ROOT = Path(__file__).parents[2]


@contextmanager
def client_of(server: Any, key: str = "unused") -> Iterator[openai.OpenAI]:
    with server.listening() as address, openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
        yield client


def asked(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_openais_client_chats_streams_lists_and_embeds(served: Any, desk_task: Task, llama: LocalModel) -> None:
    server = served("rag:k=1", model=llama, key="sk-right").ready()
    (expected,) = server.engine.row.predictor.predict([Query("1", "what of keys")])
    assert expected.usage.completion_tokens > 3
    with client_of(server, "sk-right") as client:
        said = client.chat.completions.create(model="rag:k=1", messages=asked("what of keys"))
        assert said.choices[0].message.content == expected.text
        assert said.usage and said.usage.completion_tokens == expected.usage.completion_tokens
        assert said.usage.prompt_tokens == expected.usage.prompt_tokens
        assert said.model_extra and said.model_extra["advisor"]["evidence"] == list(expected.evidence)
        chunks = list(
            client.chat.completions.create(
                model="rag:k=1",
                messages=asked("what of keys"),
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "".join(pieces) == expected.text
        assert len([piece for piece in pieces if piece]) > 1  # as it is written
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert chunks[-1].usage == said.usage
        short = client.chat.completions.create(
            model="rag:k=1", messages=asked("what of keys"), stream=True, max_tokens=2
        )
        parts = list(short)
        assert expected.text.startswith("".join(part.choices[0].delta.content or "" for part in parts))
        assert parts[-1].choices[0].finish_reason == "length"
        models = [model.id for model in client.models.list()]
        assert models == ["rag:k=1", llama.embedder.name]
        assert client.models.retrieve("rag:k=1").owned_by == "advisor"
        texts = ["the sea", "the sea is blue"]
        for encoding in ({}, {"encoding_format": "float"}):
            vectors = client.embeddings.create(model=models[1], input=texts, **encoding)  # type: ignore[arg-type]
            found = np.array([one.embedding for one in vectors.data], dtype=np.float32)
            assert np.array_equal(found, llama.embedder.embed(texts))
    streamed = [one for one in server.seen.of("answered") if one.route == "/v1/chat/completions"][1]
    assert streamed.ttft_seconds is not None and 0 < streamed.ttft_seconds < streamed.seconds


def test_openais_client_tells_errors_apart(served: Any) -> None:
    server = served("zero-shot", key="sk-right", max_body=2000).ready()
    with client_of(server, "sk-right") as client:
        with pytest.raises(openai.BadRequestError, match="n is not supported") as caught:
            client.chat.completions.create(model="zero-shot", messages=asked("x"), n=2)
        assert (caught.value.param, caught.value.code) == ("n", "unsupported_parameter")
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="gpt-5", messages=asked("x"))
        with pytest.raises(openai.APIStatusError, match="bytes"):
            client.chat.completions.create(model="zero-shot", messages=asked("x" * 3000))
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-wrong").models.list()
        server.engine.drain()
        with pytest.raises(openai.InternalServerError, match="ending") as ending:
            client.chat.completions.create(model="zero-shot", messages=asked("x"))
        assert ending.value.status_code == 503


def test_callers_at_once_get_each_their_own(served: Any, llama: LocalModel) -> None:
    server = served("zero-shot", model=llama).ready()
    texts = [f"what of {word}" for word in ("refunds", "lunch", "keys", "the sea", "grass", "a rose")]
    alone = {text: server.engine.row.predictor.predict([Query("1", text)])[0].text for text in texts}
    found: dict[int, tuple[str, str]] = {}
    with client_of(server) as client:

        def ask(number: int) -> None:
            text = texts[number % len(texts)]
            if number % 2:
                stream = client.chat.completions.create(model="zero-shot", messages=asked(text), stream=True)
                found[number] = text, "".join(chunk.choices[0].delta.content or "" for chunk in stream)
            else:
                said = client.chat.completions.create(model="zero-shot", messages=asked(text))
                found[number] = text, said.choices[0].message.content or ""

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(found) == 24
    assert all(said == alone[text] for text, said in found.values())


def test_a_caller_who_leaves_is_not_answered(served: Any, llama: LocalModel, eventually: Any) -> None:
    server = served("zero-shot", model=llama).ready()
    with client_of(server) as client:
        stream = client.chat.completions.create(model="zero-shot", messages=asked("what of keys"), stream=True)
        next(iter(stream))
        stream.close()
        assert client.chat.completions.create(model="zero-shot", messages=asked("x")).choices
    eventually(lambda: server.engine.idle)
    assert len(server.seen.of("answered")) + len(server.seen.of("failed")) == 2


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path, desk_task: Task) -> Path:
    """A run folder of a tiny model."""
    folder = tmp_path_factory.mktemp("served") / "run"
    model = advisor.load_model(str(llama_folder), embedder=str(llama_folder), device="cpu", dtype="float32")
    advisor.compare(desk_task, model, ["zero-shot"], out=folder)
    return folder


class Process:
    """`advisor serve` in a process of its own."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.log = log
        arguments = ["serve", str(folder), "zero-shot", "--port", "0", "--timeout", "20"]
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "advisor.cli", *arguments],
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            )
        self.address = ""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def ready(self) -> Process:
        over = time.monotonic() + 60
        while not any(event["event"] == "ready" for event in self.events()):
            assert self.process.poll() is None and time.monotonic() < over, self.log.read_text()
            time.sleep(0.02)
        self.address = next(event["address"] for event in self.events() if event["event"] == "listening")
        return self

    def ask(self, text: str) -> tuple[int, str]:
        body = json.dumps({"query": text}).encode()
        request = urllib.request.Request(
            f"{self.address}/answer", body, {"Content-Type": "application/json", "Connection": "close"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)["text"]
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""


def test_a_server_that_is_killed_comes_again_as_it_was_and_ends_when_it_is_told_to(
    measured: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in measured.rglob("*")}
    killed = Process(measured, tmp_path / "killed").ready()
    try:
        whole = killed.ask("what of lunch")
        assert whole[0] == 200 and whole[1]
    finally:
        killed.process.kill()
        killed.process.wait(20)
    assert killed.ask("what of lunch")[0] == 0
    server = Process(measured, tmp_path / "again").ready()
    try:
        assert server.ask("what of lunch") == whole
        told: list[int] = []
        threads = [threading.Thread(target=lambda: told.append(server.ask("what of keys")[0])) for _ in range(8)]
        for thread in threads:
            thread.start()
        while not told:
            time.sleep(0.001)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        assert server.process.wait(20) == 0
        assert len(told) == 8 and set(told) <= {200, 503, 0}  # 0: it had ended already
        events = [event["event"] for event in server.events()]
        assert events.count("answered") == told.count(200) + 1
        assert events[-1] == "ended"
    finally:
        with suppress(OSError):
            server.process.kill()
    assert {path: path.stat().st_mtime_ns for path in measured.rglob("*")} == before


def test_documents_change_while_answers_are_being_decoded(
    served: Any, desk_task: Task, llama: LocalModel, eventually: Any
) -> None:
    server = served("rag:k=1", model=llama, key="sk-right").ready()
    over, said = threading.Event(), list[str]()
    with client_of(server, "sk-right") as client:

        def go_on(number: int) -> None:
            while not over.is_set():
                found = client.chat.completions.create(model="rag:k=1", messages=asked(f"what of keys {number}"))
                said.append(found.model_extra["advisor"]["evidence"][0] if found.model_extra else "")

        threads = [threading.Thread(target=go_on, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(said) > 3)
        body = {"documents": [{"id": f"new-{number}", "text": f"new keys {number}"} for number in range(40)]}
        assert server.http.post("/documents", json=body).status_code == 200
        before = len(said)
        eventually(lambda: len(said) > before + 6)
        over.set()
        for thread in threads:
            thread.join(20)
    assert set(said[:3]) == {"keys"}
    assert said[-1].startswith("new-")
    assert not server.seen.of("failed")
