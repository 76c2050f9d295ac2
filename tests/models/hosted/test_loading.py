"""From a name to a model that can be asked, before anything is sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.records import facts_of
from advisor.models import Decoding, Prompt
from advisor.models.hosted.address import Address, is_loopback, refuse_if_offline

Load = Callable[..., Any]


@pytest.mark.parametrize(
    ("name", "base", "model", "place"),
    [
        ("http://127.0.0.1:8000/v1#Qwen/qwen3-8b", "http://127.0.0.1:8000/v1", "Qwen/qwen3-8b", "machine"),
        ("http://localhost/v1/#m", "http://localhost/v1", "m", "machine"),
        ("http://[::1]:80#m", "http://[::1]:80/v1", "m", "machine"),
        ("https://gate.example/api/v1#m", "https://gate.example/api/v1", "m", "network"),
        ("http://10.0.0.3:8000/v1#m", "http://10.0.0.3:8000/v1", "m", "network"),
    ],
)
def test_an_address_says_where_a_server_is(name: str, base: str, model: str, place: str) -> None:
    address = Address.of(name)
    assert (address.base, address.model, address.place) == (base, model, place)
    assert str(address) == f"{base}#{model}"


@pytest.mark.parametrize("name", ["http://host/v1", "http://#m", "http://host:port/v1#m", "http:host#m"])
def test_an_address_that_names_no_server_or_model_is_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        Address.of(name)
    assert "http://127.0.0.1:8000/v1#NAME" in caught.value.hint


def test_only_loopback_is_this_machine() -> None:
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.9.9.9", "::1"]))
    assert not any(map(is_loopback, ["", "host", "localhost.example", "0.0.0.0", "192.168.0.1", "128.0.0.1"]))


def test_where_no_text_may_leave_the_machine_only_loopback_is_asked(server: Any, load_served: Load) -> None:
    assert load_served(server.name, offline=True).describe()["place"] == "machine"
    for name in ("https://far.example/v1#m", "openai:gpt-5-mini", "anthropic:claude"):
        with pytest.raises(UserError, match=f"model {name}: would send texts to another machine"):
            load_served(name, offline=True)
    refuse_if_offline("judge", "x", "process", offline=True)


def test_what_a_record_says_of_a_served_model(server: Any, load_served: Load) -> None:
    server.listed = {"max_model_len": 4096}
    facts = facts_of(load_served(server.name))
    assert (facts.id, facts.place, facts.provider, facts.context_window) == (server.name, "machine", "", 4096)
    assert (facts.device, facts.device_name, facts.source) == ("elsewhere", server.address[7:], "api")
    assert [one.path for one in server.requests] == ["/v1/models"]
    assert json.dumps(load_served(server.name).describe())


def test_a_window_that_is_assumed_is_not_asked_for(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    model.assume_window(0)
    assert facts_of(model).context_window == 0 and server.requests == []


def test_openai_is_asked_as_its_models_want_it(server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable puts a stand-in in its place, as its own client has it."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.address}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-provider")
    server.refuses = {"max_tokens", "temperature"}
    model = load_served("openai:toy")
    assert model.describe()["provider"] == "openai"
    assert model.generate([Prompt("Say it again.", "x")], Decoding(8, ("\n",)))[0].text == "said x"
    body = server.chats[-1]
    assert body["max_completion_tokens"] == 8 and body["reasoning_effort"] == "none"
    assert "chat_template_kwargs" not in body and body["messages"][-1]["content"] == "x\nAnswer:"
    assert {one.headers["Authorization"] for one in server.requests} == {"Bearer sk-of-the-provider"}
    server.refuses = {"reasoning_effort"}
    model.generate([Prompt("Say it again.", "y")], Decoding(8))
    assert [one.get("reasoning_effort") for one in server.chats[-3:]] == ["none", "minimal", None]


def test_ollama_is_asked_by_openais_api_under_its_cap(
    server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", server.address.removeprefix("http://"))
    server.answer = lambda messages: "a b c d e f g h i j k"
    model = load_served("ollama:toy", offline=True)
    assert (model.name, model.describe()["place"], model.describe()["provider"]) == (server.name, "machine", "")
    assert model.generate([Prompt("Say it again.", "x")], Decoding(8))[0].text == "a b c d e f g h"
    assert (server.chats[-1]["max_tokens"], server.chats[-1]["reasoning_effort"]) == (8, "none")
    load_served("ollama:toy", reasoning=True).generate([Prompt("Say it again.", "x")], Decoding(8))
    assert "reasoning_effort" not in server.chats[-1]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("", "http://127.0.0.1:11434/v1#qwen3:8b"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1#qwen3:8b"),
        (":8000", "http://127.0.0.1:8000/v1#qwen3:8b"),
        ("lab", "http://lab:11434/v1#qwen3:8b"),
        ("[::1]:1", "http://[::1]:1/v1#qwen3:8b"),
        ("https://ollama.com/", "https://ollama.com/v1#qwen3:8b"),
        ("http://lab:1/v1", "http://lab:1/v1#qwen3:8b"),
    ],
)
def test_where_ollama_is_says_its_own_variable(
    said: str, name: str, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", said)
    assert load_served("ollama:qwen3:8b").name == name


@pytest.mark.parametrize("said", ["host:port", "http://user:hidden@lab"])
def test_a_variable_that_does_not_say_where_ollama_is_is_refused(
    said: str, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", said)
    with pytest.raises(UserError) as caught:
        load_served("ollama:toy")
    assert "hidden" not in str(caught.value)


def test_the_client_comes_with_an_extra(load_served: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match="asking a server needs openai, which is not installed") as caught:
        load_served("http://127.0.0.1:8000/v1#m")
    assert "adaptation-advisor[api]" in caught.value.hint


def test_openai_without_a_name_is_refused(load_served: Load) -> None:
    for name in ("openai:", "ollama:"):
        with pytest.raises(UserError, match="names no model"):
            load_served(name)
