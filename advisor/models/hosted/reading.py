"""Reading what an OpenAI-compatible server answers, which need not be what was asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from advisor.models.hosted.reply import Call, Reply, estimated_tokens
from advisor.models.hosted.thought import Written
from advisor.models.hosted.trouble import Trouble

END = ""  # stands for the end of an answer among tokens
BELOW = 1.0  # how much less likely than the last alternative a token is taken to be that is none of them, in nats
_CONTROL = re.compile(r"<[|｜/]?[\w｜|▁ -]+[|｜]?>")
_FINISHES = {"length": "length", "max_tokens": "length", "content_filter": "filter"}


def reply_of(call: Call, data: Any) -> Reply:
    """The answer in a chat completion, with the log-probabilities that were asked for; its seconds are left out.

    Raises:
        Trouble: there is none in it.
    """
    choice = first_choice(data)
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise Trouble("broken", "an answer without a message", paid=True)
    content, apart = message.get("content"), message.get("reasoning_content") or message.get("reasoning")
    written = Written.of(
        content if isinstance(content, str) else "", apart if isinstance(apart, str) else "", call.started
    )
    finish = _FINISHES.get(str(choice.get("finish_reason")), "stop")
    if message.get("refusal"):
        finish = "filter"
    values, lacking = _values(call, data)
    version = " ".join(str(data[name]) for name in ("model", "system_fingerprint") if data.get(name))
    return Reply(
        written.answer,
        **usage_of(call, data.get("usage"), written),
        finish=finish,
        thought=bool(written.thought.strip()),
        values=values,
        lacking=lacking,
        listed=tuple(token for token, _ in alternatives(data)) if call.listed else (),
        version=version,
    )


def _values(call: Call, data: Any) -> tuple[tuple[float, ...], bool]:
    if call.tokens:
        return likelihoods(call, data)
    return (told_likelihoods(data)[-call.told :] if call.told is not None else ()), False


def first_choice(data: Any) -> Mapping[str, Any]:
    """The first answer of a completion.

    Raises:
        Trouble: there is none.
    """
    choices = data.get("choices") if isinstance(data, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise Trouble("broken", "an answer of another shape than asked for", paid=True)
    return choices[0]


def usage_of(call: Call, usage: Any, written: Written) -> dict[str, Any]:
    """The tokens of a request as the server reports them, else counted."""
    if not isinstance(usage, Mapping) or not isinstance(usage.get("prompt_tokens"), int):
        texts = [content for _, content in call.messages] + [call.started]
        return {
            "prompt": sum(map(estimated_tokens, texts)),
            "completion": estimated_tokens(written.answer),
            "reasoning": estimated_tokens(written.thought),
            "estimated": True,
        }
    wrote = _count(usage, "completion_tokens")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens") or written.share(wrote)
    reasoning = min(reasoning, wrote)
    return {
        "prompt": _count(usage, "prompt_tokens"),
        "completion": wrote - reasoning,
        "cached": _count(usage.get("prompt_tokens_details"), "cached_tokens"),
        "reasoning": reasoning,
    }


def _count(holder: Any, name: str) -> int:
    found = holder.get(name) if isinstance(holder, Mapping) else None
    return found if isinstance(found, int) and found > 0 else 0


def likelihoods(call: Call, data: Any) -> tuple[tuple[float, ...], bool]:
    """The log-probability of each of a call's tokens as the answer's first, and whether one of them is not among the
    alternatives: it is then taken to be a little less likely than the last of them.

    Raises:
        Trouble: the server gave no log-probabilities.
    """
    found = alternatives(data)
    if not found:
        raise Trouble("wrong", "it gives no log-probabilities, which were asked for", paid=True)
    known: dict[str, float] = {}
    for token, value in found:
        name = _meant(call, token)
        if name is not None:
            known[name] = _sum(known[name], value) if name in known else value
    least = min(value for _, value in found) - BELOW
    return tuple(known.get(token, least) for token in call.tokens), not set(call.tokens) <= set(known)


def _meant(call: Call, token: str) -> str | None:
    """Which of a call's tokens an alternative stands for."""
    if call.whole:
        begun = begun_by(token, call.tokens)
        return begun[0] if len(begun) == 1 else None
    name = END if _CONTROL.fullmatch(token) else token
    return name if name in call.tokens else None


def alternatives(data: Any) -> list[tuple[str, float]]:
    """The alternatives for an answer's first token, with their log-probabilities; empty where there are none."""
    listed = first_position(data).get("top_logprobs")
    found = []
    for one in listed if isinstance(listed, list) else []:
        value = one.get("logprob") if isinstance(one, Mapping) else None
        if isinstance(value, int | float) and math.isfinite(value) and value <= 1e-3:
            found.append((_written(one), float(value)))
    return found


def first_position(data: Any) -> Mapping[str, Any]:
    """What a completion says of the likelihood of its first token."""
    logprobs = first_choice(data).get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return content[0] if isinstance(content, list) and content and isinstance(content[0], Mapping) else {}


def told_likelihoods(data: Any) -> tuple[float, ...]:
    """The log-probabilities of a prompt's tokens, but for the first, as vLLM gives them; empty where it does not."""
    rows = data.get("prompt_logprobs") if isinstance(data, Mapping) else None
    found = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, Mapping) and row:
            one = next(iter(row.values()))
            value = one.get("logprob") if isinstance(one, Mapping) else None
            found.append(float(value) if isinstance(value, int | float) else -math.inf)
    return tuple(found)


def begun_by(token: str, texts: Sequence[str]) -> list[str]:
    """Those of the texts that a token begins."""
    start = token.strip()
    return [text for text in texts if start and text.startswith(start)]


def _written(alternative: Mapping[str, Any]) -> str:
    """A token as text: by its bytes, which say it exactly."""
    data = alternative.get("bytes")
    if isinstance(data, list) and data:
        try:
            return bytes(data).decode("utf-8")
        except (ValueError, TypeError):
            return "\ufffd"
    return str(alternative.get("token") or "")


def _sum(left: float, right: float) -> float:
    """The log of the sum of two probabilities."""
    top = max(left, right)
    return top + math.log(math.exp(left - top) + math.exp(right - top))
