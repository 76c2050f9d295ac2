"""The second door: chat models of LangChain's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from advisor.errors import NotApplicable, UserError
from advisor.models import Decoding, Prompt
from advisor.models.clock import clock
from advisor.models.hosted.calls import Calls, Peer
from advisor.models.hosted.chat import THINKING, ChatModel, ChatWire
from advisor.models.hosted.keys import Scrubber
from advisor.models.hosted.patience import Patience
from advisor.models.load import MODELS
from advisor.plugins import installed

WORDS = Decoding(8, ("\n",))
QUICK = Patience(tries=3, first_wait=0.001, longest_wait=0.1, in_a_row=3, gone_seconds=0.0)
USAGE = {
    "input_tokens": 20,
    "output_tokens": 9,
    "total_tokens": 29,
    "input_token_details": {"cache_read": 12},
    "output_token_details": {"reasoning": 4},
}


class Overloaded(Exception):
    status_code = 529


class NoTemperature(Exception):
    status_code = 400


class ScriptedChat(BaseChatModel):
    """Says what it is asked, in capitals."""

    max_tokens: int
    temperature: float | None = None
    thinking: Any = None
    thinking_budget: int | None = None
    faults: list[Exception] = Field(default_factory=list)
    refuses: Exception | None = None
    ended: str = "stop"
    asked: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _said(self, messages: list[Any], stop: Any) -> AIMessage:
        self.asked.append((messages, stop, self.max_tokens, self.temperature, self.thinking or self.thinking_budget))
        if self.refuses and self.thinking_budget is not None:
            raise self.refuses
        if self.faults:
            raise self.faults.pop(0)
        about = {"finish_reason": self.ended, "model_name": "scripted-1"}
        text = messages[-1].text.removesuffix("\nAnswer:").upper()
        return AIMessage(text, usage_metadata=USAGE, response_metadata=about)

    def _generate(self, messages: list[Any], stop: Any = None, run_manager: Any = None, **more: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._said(messages, stop))])

    def _stream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **more: Any
    ) -> Iterator[ChatGenerationChunk]:
        whole = self._said(messages, stop)
        for letter in str(whole.text):
            yield ChatGenerationChunk(message=AIMessageChunk(letter))
        last = AIMessageChunk("", usage_metadata=USAGE, response_metadata=whole.response_metadata)
        yield ChatGenerationChunk(message=last)


@pytest.fixture
def made(hashing_embedder: Any) -> Callable[..., tuple[ChatModel, list[Any]]]:
    """A chat model that says what it is asked, and what it was asked."""

    def make(reasoning: bool = False, provider: str = "anthropic", **fields: Any) -> tuple[ChatModel, list[Any]]:
        asked: list[Any] = []

        def chat(parameters: Mapping[str, Any]) -> ScriptedChat:
            scripted = ScriptedChat(**parameters)
            for name, value in fields.items():
                setattr(scripted, name, value)
            scripted.asked = asked
            return scripted

        how = THINKING.get(provider)
        wire = ChatWire(chat, Scrubber(), how(reasoning, 500) if how else None)
        calls = Calls(Peer("scripted", "scripted", provider, "network"), wire, 2, QUICK)
        return ChatModel(calls, wire, hashing_embedder, reasoning, 1000), asked

    return make


def asked_for(*inputs: str) -> list[Prompt]:
    return [Prompt("Say it again.", text) for text in inputs]


def test_it_answers_in_order_and_counts_what_the_provider_says(made: Any) -> None:
    model, asked = made()
    clock.drain()
    answers = model.generate(asked_for("a", "b", "c"), WORDS)
    assert [one.text for one in answers] == ["A", "B", "C"]
    one = answers[0]
    assert (one.prompt_tokens, one.cached_tokens, one.completion_tokens, one.reasoning_tokens) == (20, 12, 5, 4)
    assert clock.drain().calls["requests"] == 3
    assert asked[0][1:4] == (["\n"], 8, 0)
    assert model.answered_by == ("scripted-1",)
    described = model.describe()
    assert (described["provider"], described["place"], described["context_window"]) == ("anthropic", "network", 1000)


def test_one_alone_is_streamed(made: Any) -> None:
    model, _ = made()
    one = model.generate(asked_for("alone"), WORDS)[0]
    assert (one.text, one.prompt_tokens) == ("ALONE", 20)
    assert 0 < one.ttft_seconds <= one.seconds


def test_its_faults_are_told_by_their_status(made: Any) -> None:
    model, asked = made(faults=[Overloaded("overloaded")])
    assert model.generate(asked_for("a", "b"), WORDS)[0].text == "A"
    model, asked = made(faults=[NoTemperature("temperature is deprecated for this model")])
    assert model.generate(asked_for("a", "b"), WORDS)[1].text == "B"
    assert asked[-1][3] is None
    assert any("takes no temperature" in note for note in model.describe()["caveats"])
    model, _ = made(faults=[KeyError("no idea")] * 9)
    with pytest.raises(UserError, match="refuses the request: KeyError"):
        model.generate(asked_for("a"), WORDS)


def test_thought_has_room_of_its_own(made: Any) -> None:
    model, asked = made(reasoning=True, ended="max_tokens")
    one = model.generate(asked_for("a"), WORDS)[0]
    assert (one.text, one.failure) == ("A", "")  # its thought had ended: the provider counts it
    assert asked[-1][1:3] == (None, 8 + 500)


@pytest.mark.parametrize(
    ("provider", "reasoning", "told", "temperature"),
    [
        ("anthropic", True, {"type": "enabled", "budget_tokens": 500}, None),
        ("anthropic", False, None, 0),
        ("google_genai", True, 500, 0),
        ("google_genai", False, 0, 0),
        ("mistralai", True, None, 0),
    ],
)
def test_whether_it_is_to_reason_is_told_in_its_providers_words(
    made: Any, provider: str, reasoning: bool, told: Any, temperature: float | None
) -> None:
    model, asked = made(reasoning, provider)
    model.generate(asked_for("a", "b"), WORDS)
    assert asked[-1][3:] == (temperature, told)
    described, known = model.describe(), provider in THINKING
    assert described["reasoning"] is (reasoning and known)
    notes = " ".join(described["caveats"])
    assert ("does not know how a model of mistralai is told to reason" in notes) is (not known)
    assert ("takes no temperature" in notes) is (temperature is None)


def test_one_that_takes_no_word_on_reasoning_is_not_told(made: Any) -> None:
    """Also where several requests were under way when it was found out."""
    fault = NoTemperature("Budget 0 is invalid. This model only works in thinking mode.")
    model, asked = made(provider="google_genai", refuses=fault)
    assert [one.text for one in model.generate(asked_for(*"abcd"), WORDS)] == [*"ABCD"]
    assert 1 <= [one[4] for one in asked].count(0) <= 2
    assert any("takes no word on whether to reason" in note for note in model.describe()["caveats"])


def test_a_refusal_that_has_the_word_told_names_no_parameter(made: Any) -> None:
    model, asked = made(provider="google_genai", refuses=NoTemperature("Invalid request: you were told so."))
    with pytest.raises(UserError, match="you were told so"):
        model.generate(asked_for("a"), WORDS)
    assert len(asked) == 1


def test_it_gives_answers_alone(made: Any) -> None:
    model, _ = made()
    assert model.tells_labels_by(("a", "b")) == "text"
    with pytest.raises(NotApplicable):
        model.score(asked_for("a"), ("a", "b"))


def test_its_answers_are_kept(made: Any, tmp_path: Path) -> None:
    model, asked = made()
    for _ in range(2):
        with model.keeping_answers(tmp_path / "kept.jsonl"):
            assert [one.text for one in model.generate(asked_for("a", "b"), WORDS)] == ["A", "B"]
    assert len(asked) == 2


@pytest.mark.parametrize("provider", ["mistralai", "google_genai"])
def test_a_package_that_is_missing_is_named(provider: str, load_served: Any) -> None:
    package = f"langchain-{provider.replace('_', '-')}"
    with pytest.raises(UserError, match=f"{provider}:big needs {package}, which is not installed") as caught:
        load_served(f"{provider}:big")
    assert caught.value.hint == f"pip install {package}"


def test_what_a_package_needs_itself_is_named(
    load_served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "langchain_cohere"
    package.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for line, said in (
        (
            "import nowhere_to_be_found",
            "its package langchain-cohere needs nowhere_to_be_found, which is not installed",
        ),
        ("from json import nothing", "its package langchain-cohere cannot be imported: cannot import name 'nothing'"),
    ):
        (package / "__init__.py").write_text(f"{line}  # {len(said)}\n")
        with pytest.raises(UserError, match=f"cohere:big: {said}"):
            load_served("cohere:big")


def test_every_provider_of_langchain_has_a_scheme() -> None:
    from langchain.chat_models.base import _BUILTIN_PROVIDERS

    schemes = set(installed(MODELS))
    if "anthropic" not in schemes:
        pytest.skip("advisor's entry points are those of another installation")
    assert set(_BUILTIN_PROVIDERS) <= schemes
