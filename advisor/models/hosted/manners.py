"""What a server was found not to take, so that it is not asked that way again."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

from advisor.models.hosted.trouble import Trouble

SYSTEM = "system"
TOLD = "told"  # whatever a model is told of reasoning, in its provider's own parameters: no name of one
_REFUSED = re.compile(
    r"unsupported|not supported|not support|unrecognized|unknown|unexpected|not allowed|not permitted|extra inputs|"
    r"invalid|does not accept|deprecated|only the default|must alternate",
    re.IGNORECASE,
)
_SYSTEM_ROLE = re.compile(r"system[^.]{0,20}\b(role|message|prompt)|role[^.]{0,20}\bsystem", re.IGNORECASE)
_THOUGHT = re.compile(r"think|thought|reasoning|budget", re.IGNORECASE)
_NO_WORD = "It takes no word on whether to reason before it answers."
LEFT_OUT = {
    TOLD: _NO_WORD,
    "chat_template_kwargs": _NO_WORD,
    "reasoning_effort": "It takes no word on how long to reason before it answers.",
    "temperature": "It takes no temperature, so that its answers may differ from one time to the next.",
    "seed": "",
    "stop": "",
    "stream_options": "",
    "top_logprobs": "",
    "logprobs": "",
    "max_tokens": "",
    SYSTEM: "It takes no system message: the instruction stands in the first turn of the user.",
}
"""What may be left out of a request, and what a reader must know of an answer without it. What stands first is looked
for first in what a server says."""


class Manners:
    """What one server takes; threads may ask at once.

    Args:
        efforts: values of `reasoning_effort` that are tried one after the other, until one is taken.
    """

    def __init__(self, efforts: tuple[str, ...] = ()) -> None:
        self._lock = threading.Lock()
        self._left_out: set[str] = set()
        self._efforts = efforts

    def takes(self, name: str) -> bool:
        """Whether it takes a parameter, as far as is known."""
        return name not in self._left_out

    @property
    def effort(self) -> str:
        """How long it is told to reason; empty where it is not told."""
        efforts = self._efforts
        return efforts[0] if efforts and self.takes("reasoning_effort") else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the report must know, in full sentences."""
        return tuple(note for name, note in LEFT_OUT.items() if name in self._left_out and note)

    def learn(self, trouble: Trouble, sent: Mapping[str, object]) -> bool:
        """Learn from a refusal what to leave out; whether the request is now another one.

        Args:
            sent: the parameters of the request that was refused.
        """
        if trouble.kind != "wrong":
            return False
        named = self._named(trouble, sent)
        if named is None:
            return False
        with self._lock:
            if named != "reasoning_effort":
                self._left_out.add(named)
            elif sent[named] == self.effort:  # else another request has taught it meanwhile
                if len(self._efforts) > 1:
                    self._efforts = self._efforts[1:]
                else:
                    self._left_out.add(named)
        return True

    def _named(self, trouble: Trouble, sent: Mapping[str, object]) -> str | None:
        """The parameter that was refused."""
        if trouble.parameter in LEFT_OUT and trouble.parameter in sent:
            return trouble.parameter
        if sent.get(TOLD) and _THOUGHT.search(trouble.text):  # which is refused in many words
            return TOLD
        if not _REFUSED.search(trouble.text):
            return None
        for name in LEFT_OUT:
            found = _SYSTEM_ROLE if name == SYSTEM else re.compile(rf"(?<!\w){name}\b")
            if name != TOLD and name in sent and found.search(trouble.text):
                return name
        return None
