"""Typed questions to a server: OpenAI's Decisions API, `POST /decisions`, which gives each choice a probability.

Its shapes are those of `openai.types.Decision` and `DecisionCreateParams` of the client's version 3.57.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from advisor.models.hosted.reading import usage_of
from advisor.models.hosted.reply import Call, Reply
from advisor.models.hosted.thought import Written
from advisor.models.hosted.trouble import Trouble

DECISIONS = "/decisions"
ROUNDED = 0.05  # by which probabilities that were rounded may miss 1 together


def question_of(call: Call, model: str) -> dict[str, Any]:
    """The body of a request."""
    (_, asked), *said = call.messages
    choices = [{"value": choice} for choice in call.choices]
    return {
        "model": model,
        "input": [{"role": role, "content": content} for role, content in said],
        "questions": [{"type": "choice", "instructions": asked, "choices": choices}],
    }


def decision_of(call: Call, data: Any) -> Reply:
    """The answer to one question, with the probabilities of its choices, in their order; none where it was refused.
    Its seconds are left out.

    Raises:
        Trouble: there is none.
    """
    answers = data.get("answers") if isinstance(data, Mapping) else None
    answer = answers[0] if isinstance(answers, list) and answers else None
    if not isinstance(answer, Mapping):
        raise Trouble("broken", "a decision of another shape than asked for", paid=True)
    refused = answer.get("type") == "refusal"
    return Reply(
        "",
        **usage_of(call, _as_chats_say(data.get("usage")), Written("")),
        finish="filter" if refused else "stop",
        values=() if refused else _probabilities(call, answer),
        version=str(data.get("model") or ""),
    )


def _probabilities(call: Call, answer: Mapping[str, Any]) -> tuple[float, ...]:
    rows = answer.get("probabilities")
    found = {}
    for row in rows if isinstance(rows, list) else []:
        value, share = (row.get("value"), row.get("probability")) if isinstance(row, Mapping) else (None, None)
        if isinstance(value, str) and isinstance(share, int | float) and 0 <= share <= 1:
            found[value] = float(share)
    values = tuple(found.get(choice, math.nan) for choice in call.choices)
    if not abs(math.fsum(values) - 1.0) <= ROUNDED:
        raise Trouble("broken", "a decision without a probability for each choice", paid=True)
    return values


def _as_chats_say(usage: Any) -> Mapping[str, Any] | None:
    """The usage of a decision in the words of chat completions."""
    if not isinstance(usage, Mapping):
        return None
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }
