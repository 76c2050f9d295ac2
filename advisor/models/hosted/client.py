"""An OpenAI-compatible server, asked with the `openai` client."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from advisor.extras import needed
from advisor.models.hosted.address import Address
from advisor.models.hosted.decisions import DECISIONS, decision_of, question_of
from advisor.models.hosted.keys import PLACEHOLDER, Scrubber
from advisor.models.hosted.lifting import lifted, lifted_alone, lifting
from advisor.models.hosted.manners import SYSTEM, Manners
from advisor.models.hosted.patience import Patience
from advisor.models.hosted.reading import alternatives, reply_of
from advisor.models.hosted.reply import Call, Messages, Reply, without_keys
from advisor.models.hosted.trouble import Trouble, trouble_of

_OURS = {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"}
CHAT = "/chat/completions"
ADJUSTED = 8  # times that a request is sent otherwise, since the server does not take it as it is
WIDTHS = (5, 20, 200)
"""Alternatives for a token that a server is asked for: the last that it takes."""


@dataclass(frozen=True, slots=True)
class Account:
    """How a server is entered.

    Attributes:
        key: empty where none was given.
        own: whether the provider's other variables, such as an organization, are meant for this server.
    """

    key: str = ""
    own: bool = False


class ServerClient:
    """Requests to one server, over connections that are kept. Nothing is sent before something is asked.

    Args:
        name: of the model, as messages call it.

    Raises:
        UserError: the `openai` client is not installed.
    """

    def __init__(self, name: str, address: Address, account: Account, patience: Patience) -> None:
        with needed(f"{name}: asking a server", "api"):
            import httpx2
            import openai
        self.address = address
        self.scrub = Scrubber(account.key)
        self._openai, self._httpx = openai, httpx2
        self._patience = patience
        key = account.key or PLACEHOLDER

        def leave_out_others(request: Any) -> None:
            """What the environment holds for the provider of the client library is not for another server."""
            for header in [one for one in request.headers if one.lower() not in _OURS]:
                del request.headers[header]
            request.headers["Authorization"] = f"Bearer {key}"

        hooks: dict[str, Any] = {} if account.own else {"event_hooks": {"request": [leave_out_others]}}
        http = openai.DefaultHttpxClient(
            follow_redirects=False,  # it would carry the key along
            trust_env=address.place == "network",  # a proxy is another machine
            timeout=httpx2.Timeout(patience.request_seconds, connect=patience.connect_seconds),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            **hooks,
        )
        self._client = openai.OpenAI(api_key=key, base_url=address.base, max_retries=0, http_client=http)

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that a server answers a JSON with.

        Args:
            path: below the address, or a whole address on the same server.

        Raises:
            Trouble: there is none.
        """
        with self._telling():
            return self._client.post(path, body=dict(body), cast_to=self._httpx.Response).json()

    def look(self, path: str) -> Any:
        """The JSON at a path; soon, or not at all.

        Raises:
            Trouble: there is none.
        """
        with self._telling():
            soon: Any = {"timeout": self._patience.connect_seconds}
            return self._client.get(path, options=soon, cast_to=self._httpx.Response).json()

    def is_ready(self) -> bool:
        """Whether the server is there, takes the key, and has the model."""
        with contextlib.suppress(Trouble, TypeError, LookupError):
            return self.address.model in [one["id"] for one in self.look("/models")["data"]]
        return False

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The pieces of an answer as they come.

        Raises:
            Trouble: there is none, or it breaks off.
        """
        until = time.monotonic() + self._patience.request_seconds
        with self._telling():
            stream = self._client.post(
                path, body=dict(body), cast_to=object, stream=True, stream_cls=self._openai.Stream[object]
            )
            with stream:
                for piece in stream:
                    if time.monotonic() > until:
                        raise Trouble("broken", "no answer in time", paid=True)
                    if isinstance(piece, dict):
                        yield piece

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except Trouble:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client and what it builds on raise
            raise trouble_of(error, self.scrub) from None


class ServerWire:
    """Chat completions and decisions of one model on a server.

    Args:
        manners: what the server takes.
        reasoning: whether it is to reason before it answers.
        effort: whether it is told by `reasoning_effort`, as OpenAI's models are, rather than through its template.

    Attributes:
        ids: of tokens that it lists when they are made likelier, or named; empty where it does neither.
        named: whether it tells the likelihood of any token whose id is named, as vLLM does.
        goes_on: what has to be said so that it goes on with an answer that was begun; None where it cannot.
    """

    def __init__(self, client: ServerClient, manners: Manners, reasoning: bool, effort: bool) -> None:
        self.client = client
        self.manners = manners
        self.reasoning = reasoning
        self.ids: dict[str, int] = {}
        self.named = False
        self._unlikely: set[tuple[str, ...]] = set()  # tokens of calls that were told lifted, and by that alone
        self.goes_on: Mapping[str, Any] | None = None
        self._widths = WIDTHS[: 2 if effort else None]  # that it takes, as far as is known
        self._effort = effort
        self._streams = True

    def close(self) -> None:
        """Give back the connections."""
        self.client.close()

    def answer(self, call: Call, streamed: bool) -> Reply:
        """As in `advisor.models.hosted.reply.Wire`."""
        return without_keys(self._answer(call, streamed), self.client.scrub.out_of)

    def _answer(self, call: Call, streamed: bool) -> Reply:
        """The answer to a request, adjusted to what the server takes."""
        began = time.perf_counter()
        if call.decides:
            said = self.client.post(DECISIONS, question_of(call, self.client.address.model))
            return _timed(decision_of(call, said), began)
        for _ in range(ADJUSTED):
            body = self._body(call)
            try:
                if streamed and self._streams and not (call.tokens or call.listed or call.told is not None):
                    if found := self._streamed(call, body, began):
                        return found
                    self._streams = False  # it answers as a whole, whatever it is asked
                return _timed(self._at_once(call, body), began)
            except Trouble as trouble:
                if not self._learned(trouble, body):
                    raise
        raise Trouble("wrong", "the server takes the request in no form that is known")

    def _at_once(self, call: Call, body: Mapping[str, Any]) -> Reply:
        """The answer as a whole; where tokens are too unlikely to be listed, they are lifted if the server can."""
        tokens = [token for token in call.tokens if token in self.ids]
        if self.named and tokens:
            return self._by_name(call, body, tokens)
        asked = lifting(body, [self.ids[token] for token in tokens], self._widths[-1])
        if call.tokens in self._unlikely:
            more = self.client.post(CHAT, asked)
            if found := lifted_alone(more, tokens):
                return _lifted_to(call, reply_of(Call(), more), found)
            self._unlikely.discard(call.tokens)
        data = self.client.post(CHAT, body)
        reply = reply_of(call, data)
        if not (reply.lacking and tokens):
            return reply
        more = self.client.post(CHAT, asked)
        if len(tokens) == len(call.tokens) and lifted_alone(more, tokens):
            self._unlikely.add(call.tokens)
        known = dict(zip(call.tokens, reply.values, strict=True))
        return _lifted_to(call, _both(reply_of(Call(), more), reply), {**known, **lifted(data, more, tokens)})

    def _by_name(self, call: Call, body: Mapping[str, Any], tokens: Sequence[str]) -> Reply:
        """The answer with the likelihoods of tokens whose ids are named; they take the place of the likeliest ones, so
        that a token without an id is looked for among those first."""
        asked = {**body, "logprob_token_ids": [self.ids[token] for token in tokens]}
        if len(tokens) == len(call.tokens):
            return reply_of(call, self.client.post(CHAT, asked))
        before = reply_of(call, self.client.post(CHAT, body))
        more = self.client.post(CHAT, asked)
        known = dict(zip(call.tokens, before.values, strict=True)) | dict(alternatives(more))
        return _lifted_to(call, _both(reply_of(Call(), more), before), known)

    def _learned(self, trouble: Trouble, body: Mapping[str, Any]) -> bool:
        """Whether the request is another one now, after what the server has said."""
        width = body.get("top_logprobs")
        if width and trouble.kind == "wrong" and "logprobs" in trouble.text and width > WIDTHS[0]:
            self._widths = tuple(one for one in WIDTHS if one < width)
            return True
        sent = dict(body)
        if any(message["role"] == SYSTEM for message in body["messages"]):
            sent[SYSTEM] = True
        return self.manners.learn(trouble, sent)

    def _body(self, call: Call) -> dict[str, Any]:
        """What is sent."""
        takes = self.manners.takes
        body: dict[str, Any] = {
            "model": self.client.address.model,
            "messages": spoken(call.messages, takes(SYSTEM)),
            "max_tokens" if takes("max_tokens") else "max_completion_tokens": call.most,
            "temperature": 0,
            "seed": 0,
        }
        if call.stop:
            body["stop"] = list(call.stop)
        if self._effort:
            body |= {"reasoning_effort": self.manners.effort} if self.manners.effort else {}
        else:
            body["chat_template_kwargs"] = {"enable_thinking": self.reasoning}
        if call.started:
            body["messages"].append({"role": "assistant", "content": call.started})
            body |= self.goes_on or {}
        if call.tokens or call.listed:
            body |= {"logprobs": True, "top_logprobs": self._widths[-1]}
        if call.told is not None:
            body["prompt_logprobs"] = 0
        body |= constraint(call)
        return {name: value for name, value in body.items() if takes(name)}

    def _streamed(self, call: Call, body: dict[str, Any], began: float) -> Reply | None:
        """The answer as it comes, with the time of its first token; None where nothing comes in pieces."""
        extra = {"stream_options": {"include_usage": True}} if self.manners.takes("stream_options") else {}
        written, apart, first, whole, pieces = "", "", None, dict[str, Any](), 0
        for piece in self.client.stream(CHAT, {**body, "stream": True, **extra}):
            pieces += 1
            whole |= {name: piece[name] for name in ("model", "system_fingerprint", "usage") if piece.get(name)}
            for choice in _of_first(piece):
                delta = choice.get("delta") or {}
                written += _text(delta.get("content"))
                apart += _text(delta.get("reasoning_content") or delta.get("reasoning"))
                whole |= {name: choice[name] for name in ("finish_reason",) if choice.get(name)}
                whole |= {name: delta[name] for name in ("refusal",) if delta.get(name)}
                if first is None and written.strip() and not call.started.startswith(written):
                    first = time.perf_counter() - began
        if not pieces:
            return None
        if "finish_reason" not in whole:
            raise Trouble("broken", "the answer broke off", paid=True)
        message = {"content": written, "reasoning_content": apart, "refusal": whole.get("refusal")}
        data = {**whole, "choices": [{"message": message, "finish_reason": whole["finish_reason"]}]}
        seconds = time.perf_counter() - began
        return replace(reply_of(call, data), ttft_seconds=seconds if first is None else first, seconds=seconds)


def spoken(messages: Messages, system: bool) -> list[dict[str, str]]:
    """A conversation as servers take it; where they take no system message, it opens the user's first turn."""
    said = [{"role": role, "content": content} for role, content in messages]
    if system or len(said) < 2 or said[0]["role"] != SYSTEM:
        return said
    task, first, *rest = said
    return [{"role": first["role"], "content": f"{task['content']}\n\n{first['content']}"}, *rest]


def constraint(call: Call) -> dict[str, Any]:
    """How a server is told that an answer is one of the choices, in each of the ways that servers know."""
    choices = offered(call)
    if call.by == "choice":
        return {"structured_outputs": {"choice": choices}}
    if call.by == "grammar":
        return {"grammar": "root ::= " + " | ".join(json.dumps(one, ensure_ascii=False) for one in choices)}
    if call.by == "schema":
        answer = {"type": "string", "enum": list(call.choices)}
        schema = {"type": "object", "properties": {"answer": answer}, "required": ["answer"]}
        whole = {"name": "answer", "strict": True, "schema": {**schema, "additionalProperties": False}}
        return {"response_format": {"type": "json_schema", "json_schema": whole}}
    return {}


def offered(call: Call) -> list[str]:
    """The choices as they are written behind how the answer was begun."""
    return [f" {one}" if call.started else one for one in call.choices]


def _timed(reply: Reply, began: float) -> Reply:
    """A reply that came as a whole, and came now."""
    seconds = time.perf_counter() - began
    return replace(reply, ttft_seconds=seconds, seconds=seconds)


def _lifted_to(call: Call, reply: Reply, found: Mapping[str, float]) -> Reply:
    """A reply with the likelihoods that were told."""
    return replace(reply, values=tuple(found[token] for token in call.tokens))


def _both(now: Reply, before: Reply) -> Reply:
    """A reply with the tokens of the one before it too."""
    prompt, completion = before.prompt + now.prompt, before.completion + now.completion
    return replace(now, prompt=prompt, completion=completion, cached=before.cached + now.cached)


def _of_first(piece: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The parts of the first answer; some servers give several."""
    choices = piece.get("choices")
    found = choices if isinstance(choices, list) else []
    return [one for one in found if isinstance(one, dict) and not one.get("index")]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
