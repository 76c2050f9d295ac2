"""Answers of a model that thinks first: its thought, then the answer behind it, as it is asked for without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from advisor.models.language_model import CUT_OFF, Decoding, Generation, thought_room
from advisor.models.prompt import THOUGHT_OVER, Prompt
from advisor.models.render import Encoded, Renderer

CLOSING = 16  # tokens between a thought and an answer
Continue = Callable[[Sequence[Encoded], Decoding, float], list[Generation]]
"""Goes on from each row greedily; see `LocalModel.continued`."""


def thought_first(
    go_on: Continue, renderer: Renderer, prompts: Sequence[Prompt], decoding: Decoding, started: float
) -> list[Generation]:
    """Answer each prompt behind a thought.

    A thought ends where the model closes it or its turn; what it was is not part of the answer, and its tokens stand
    outside the answer's cap. Where it has not ended within its budget there is no answer, and that is the failure.

    Args:
        renderer: for thinking.
    """
    budget = thought_room(renderer.window)
    rows = [renderer.encode(prompt, budget + CLOSING + decoding.max_tokens) for prompt in prompts]
    thoughts = go_on(rows, Decoding(budget, (THOUGHT_OVER,)), started)
    over = [number for number, thought in enumerate(thoughts) if thought.completion_tokens < budget]
    closed = [renderer.thought(rows[number], thoughts[number].text, prompts[number]) for number in over]
    answers = dict(zip(over, go_on(closed, decoding, started), strict=True))
    return [_behind(thought, answers.get(number)) for number, thought in enumerate(thoughts)]


def _behind(thought: Generation, answer: Generation | None) -> Generation:
    """An answer with its thought counted; the prompt is counted once, as who reads on without a break would."""
    if answer is None:
        return replace(
            thought, text="", completion_tokens=0, reasoning_tokens=thought.completion_tokens, failure=CUT_OFF
        )
    return replace(answer, prompt_tokens=thought.prompt_tokens, reasoning_tokens=thought.completion_tokens)
