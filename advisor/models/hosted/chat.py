"""Every provider that LangChain's `init_chat_model` knows: answers alone, through the provider's own package."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from advisor.errors import UserError
from advisor.extras import needed
from advisor.models.embedder import Embedder
from advisor.models.hosted.address import refuse_if_offline
from advisor.models.hosted.asked import WINDOW, AskedModel
from advisor.models.hosted.calls import Calls, Peer
from advisor.models.hosted.client import spoken
from advisor.models.hosted.keys import Scrubber, key_in, variables_of
from advisor.models.hosted.manners import SYSTEM, TOLD, Manners
from advisor.models.hosted.patience import STANDARD, Patience
from advisor.models.hosted.reading import usage_of
from advisor.models.hosted.reply import Call, Reply, without_keys
from advisor.models.hosted.thought import Written
from advisor.models.hosted.trouble import Trouble, trouble_of
from advisor.models.language_model import thought_room
from advisor.models.load import Loading, last_part

MakeChat = Callable[[Mapping[str, Any]], Any]
"""Makes a LangChain chat model with these parameters."""
ADJUSTED = 4  # times that a request is sent otherwise, since the provider does not take it as it is
PLACE = "network"
_CUT = ("length", "max_tokens")
_FILTERED = ("content_filter", "safety", "refusal", "prohibited_content", "guardrail_intervened")
UNTOLD = "Advisor does not know how a model of {} is told to reason: --reasoning changes nothing for it."
WARM = "While it reasons it takes no temperature, so that its answers may differ from one time to the next."
_INSTALL = re.compile(r"pip install (?:-U |--upgrade )?['\"]?([\w.\[\]-]+)")


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a chat model of LangChain's is told whether to reason.

    Attributes:
        told: parameters that it is made with.
        warm: whether it takes no temperature with them.
    """

    told: Mapping[str, Any] = field(default_factory=dict)
    warm: bool = False


def _anthropic(reasons: bool, budget: int) -> Thinking:
    """It does not, unless it is told to."""
    return Thinking({"thinking": {"type": "enabled", "budget_tokens": budget}}, True) if reasons else Thinking()


def _google(reasons: bool, budget: int) -> Thinking:
    return Thinking({"thinking_budget": budget if reasons else 0})


THINKING: Mapping[str, Callable[[bool, int], Thinking]] = {"anthropic": _anthropic, "google_genai": _google}
"""By provider: whether it is to reason, and tokens of thought at most. The others have no way that is known here."""


class ChatWire:
    """Requests to a chat model of LangChain's.

    Args:
        make: makes one, with `max_tokens`, where it takes one `temperature`, and what `thinking` tells.
        scrub: takes keys out of what it says.
    """

    def __init__(self, make: MakeChat, scrub: Scrubber, thinking: Thinking | None = None) -> None:
        self.manners = Manners()
        self._make = make
        self._scrub = scrub
        self._told = thinking or Thinking()
        self._made: dict[tuple[int, bool, bool], Any] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Forget the chat models; their connections are theirs to close."""
        self._made.clear()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the report must know, in full sentences."""
        return (*self.manners.notes, *(WARM,) * self._thinking.warm)

    @property
    def _thinking(self) -> Thinking:
        """How it is told whether to reason, unless it takes no word on that."""
        return self._told if self.manners.takes(TOLD) else Thinking()

    def answer(self, call: Call, streamed: bool) -> Reply:
        """As in `advisor.models.hosted.reply.Wire`."""
        began = time.perf_counter()
        for _ in range(ADJUSTED):
            sent = self._sent(call)
            try:
                return without_keys(self._answer(call, sent, streamed, began), self._scrub.out_of)
            except Exception as error:  # noqa: BLE001 - whatever the provider's package raises
                trouble = trouble_of(error, self._scrub)
                if not self.manners.learn(trouble, sent):
                    raise trouble from None
        raise Trouble("wrong", "the provider takes the request in no form that is known")

    def _sent(self, call: Call) -> dict[str, Any]:
        """The parameters of a request that it may refuse."""
        thinking = self._thinking
        sent: dict[str, Any] = {SYSTEM: True}
        if not thinking.warm:
            sent["temperature"] = 0
        if call.stop:
            sent["stop"] = list(call.stop)
        return {TOLD: thinking.told, **{name: value for name, value in sent.items() if self.manners.takes(name)}}

    def _answer(self, call: Call, sent: Mapping[str, Any], streamed: bool, began: float) -> Reply:
        chat = self._chat(call.most, "temperature" in sent, sent[TOLD])
        messages = spoken(call.messages, SYSTEM in sent)
        stop = {"stop": sent["stop"]} if "stop" in sent else {}
        if not streamed:
            message, first = chat.invoke(messages, **stop), None
        else:
            message, first = _gathered(chat.stream(messages, **stop), began)
        seconds = time.perf_counter() - began
        return read(call, message, seconds if first is None else first, seconds)

    def _chat(self, most: int, temperature: bool, told: Mapping[str, Any]) -> Any:
        with self._lock:
            which = (most, temperature, bool(told))
            if which not in self._made:
                self._made[which] = self._make(
                    {"max_tokens": most, **({"temperature": 0} if temperature else {}), **told}
                )
            return self._made[which]


class ChatModel(AskedModel):
    """A model of a provider that LangChain knows. Where its provider has no known way to be told to reason, it is as if
    that had not been asked for, and that is noted."""

    def __init__(self, calls: Calls, wire: ChatWire, embedder: Embedder, reasoning: bool, window: int) -> None:
        known = calls.peer.provider in THINKING
        super().__init__(calls, embedder, reasoning and known)
        self._untold = reasoning and not known
        self._wire = wire
        self._window = window

    @property
    def context_window(self) -> int:  # type: ignore[override]
        """Tokens that prompt and answer may take together, as LangChain knows it; else assumed."""
        return self._window

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What a reader of the report must know."""
        untold = (UNTOLD.format(self.calls.peer.provider),) if self._untold else ()
        return (*super().notes, *self._wire.notes, *untold)


def load(name: str, loading: Loading, patience: Patience = STANDARD) -> ChatModel:
    """Load `PROVIDER:NAME`; nothing is sent.

    Raises:
        UserError: the provider's package or its key is missing, or no text may leave the machine.
    """
    provider, _, model = name.partition(":")
    if not model:
        raise UserError(f"{name}: names no model", f"write it as {provider}:NAME")
    refuse_if_offline("model", name, PLACE, loading.offline)
    alias = loading.alias or last_part(name)
    variables = variables_of(alias, typed=loading.typed)
    scrub = Scrubber(key_in(variables))
    make = _maker(name, variables, patience, scrub)
    profile = getattr(make({"max_tokens": 1, "temperature": 0}), "profile", None)
    window = (profile.get("max_input_tokens") if isinstance(profile, Mapping) else None) or WINDOW
    peer = Peer(name, model, provider, PLACE, tuple(variables))
    how = THINKING.get(provider)
    wire = ChatWire(make, scrub, how(loading.reasoning, thought_room(window)) if how else None)
    calls = Calls(peer, wire, loading.concurrency, patience)
    return ChatModel(calls, wire, loading.load_embedder(), loading.reasoning, window)


def _maker(name: str, variables: Sequence[str], patience: Patience, scrub: Scrubber) -> MakeChat:
    """Makes chat models of a provider."""
    with needed(f"{name}: asking a provider"):
        from langchain.chat_models import init_chat_model
    provider, _, model = name.partition(":")
    fixed: dict[str, Any] = {"timeout": patience.request_seconds, "max_retries": 0}
    if key := key_in(variables):
        fixed["api_key"] = key

    def make(parameters: Mapping[str, Any]) -> Any:
        try:
            return init_chat_model(model, model_provider=provider, **fixed, **parameters)
        except ImportError as error:
            raise _lacking(name, error) from None
        except Exception as error:  # noqa: BLE001 - whatever the provider's package raises
            raise UserError(
                f"{name}: cannot be asked: {scrub(str(error))}",
                f"export the key that the provider's package asks for, or {' or '.join(variables)}",
            ) from None

    return make


def _lacking(name: str, error: ImportError) -> UserError:
    """What is not installed: the provider's package, or something that it needs itself."""
    provider = name.partition(":")[0]
    found = _INSTALL.search(str(error))
    package = found[1] if found else f"langchain-{provider.replace('_', '-')}"
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    if find_spec(re.split(r"[\[.]", package)[0].replace("-", "_")) is None:
        return UserError(f"{name} needs {package}, which is not installed", f"pip install {package}")
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        return UserError(
            f"{name}: its package {package} needs {cause.name}, which is not installed",
            f"pip install --upgrade {package}, or {cause.name} alone",
        )
    return UserError(f"{name}: its package {package} cannot be imported: {cause}", f"pip install --upgrade {package}")


def read(call: Call, message: Any, ttft_seconds: float, seconds: float) -> Reply:
    """A message of LangChain's as a reply."""
    about = message.response_metadata or {}
    apart = "".join(
        str(block.get("reasoning") or "") for block in message.content_blocks if block.get("type") == "reasoning"
    )
    written = Written.of(str(message.text), apart)
    ended = str(about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason") or "").lower()
    finish = "length" if ended in _CUT else "filter" if ended in _FILTERED else "stop"
    version = " ".join(str(about[one]) for one in ("model_name", "system_fingerprint") if about.get(one))
    return Reply(
        written.answer,
        **usage_of(call, _as_servers_say(message.usage_metadata), written),
        ttft_seconds=ttft_seconds,
        seconds=seconds,
        finish=finish,
        thought=bool(written.thought.strip()),
        version=version,
    )


def _as_servers_say(usage: Any) -> Mapping[str, Any] | None:
    """LangChain's usage in the words of OpenAI's."""
    if not usage:
        return None
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": {"cached_tokens": (usage.get("input_token_details") or {}).get("cache_read")},
        "completion_tokens_details": {"reasoning_tokens": (usage.get("output_token_details") or {}).get("reasoning")},
    }


def _gathered(pieces: Iterable[Any], began: float) -> tuple[Any, float | None]:
    """A message of its pieces, and when the first of its text came."""
    whole, first = None, None
    for piece in pieces:
        whole = piece if whole is None else whole + piece
        if first is None and str(piece.text).strip():
            first = time.perf_counter() - began
    if whole is None:
        raise Trouble("broken", "the answer broke off", paid=True)
    return whole, first
