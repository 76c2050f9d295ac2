"""Conversations in fine-tuning data: lists of turns in OpenAI's and in ShareGPT's format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.tasks.jsonfile import parse_json

_SPEAKERS = {
    "assistant": ("assistant", "gpt", "chatgpt", "model", "bot", "ai"),
    "user": ("user", "human"),
    "system": ("system", "developer"),
    "tool": ("tool", "function", "observation", "function_call", "tool_call", "tool_response"),
}
_ROLES = {name: role for role, names in _SPEAKERS.items() for name in names}
_WHO, _WHAT = ("role", "from", "speaker"), ("content", "value", "text")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        role: `user`, `assistant`, `system`, `tool` or whatever else the file calls it.
        calls: whether it calls tools; of a turn that does nothing else the text is empty.
        learnt: whether it is to be learnt from; OpenAI's `weight: 0` says that it is not.
        more: whether it holds parts that are no text, such as images.
    """

    role: str
    text: str
    calls: bool = False
    learnt: bool = True
    more: bool = False


def turns(value: object) -> tuple[Turn, ...] | None:
    """Parse the turns of a conversation, given as a list or as its JSON text; None for any other value."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            value = parse_json(value)
        except ValueError:
            return None
    if not isinstance(value, list) or not value:
        return None
    found = [_turn(item) for item in value]
    known = [turn for turn in found if turn is not None]
    return tuple(known) if len(known) == len(found) else None


def system_text(value: object) -> str:
    """The system's text of a conversation, without a look at its other turns; empty without one."""
    if not isinstance(value, list):
        return "\n\n".join(turn.text for turn in turns(value) or () if turn.role == "system")
    found = [_turn(item) for item in value if isinstance(item, dict) and _is_system(item)]
    return "\n\n".join(turn.text for turn in found if turn and turn.text)


def exchange(conversation: Sequence[Turn]) -> tuple[str, str] | None:
    """Split a conversation into the text before the assistant's last turn, and that turn; None without one."""
    last = max((at for at, turn in enumerate(conversation) if turn.role == "assistant"), default=None)
    return None if last is None else (transcript(conversation[:last]), conversation[last].text)


def transcript(conversation: Sequence[Turn]) -> str:
    """Join turns into one text: the system's text, then a single question as it is, or several turns with roles."""
    system = [turn.text for turn in conversation if turn.role == "system" and turn.text]
    said = [turn for turn in conversation if turn.role != "system" and turn.text]
    if len(said) == 1 and said[0].role == "user":
        return "\n\n".join([*system, said[0].text])
    return "\n\n".join([*system, "\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in said)]).strip()


def _is_system(item: dict[str, object]) -> bool:
    return any(_ROLES.get(str(item.get(key)).casefold()) == "system" for key in _WHO if key in item)


def _turn(item: object) -> Turn | None:
    if not isinstance(item, dict):
        return None
    for key in _WHO:
        if isinstance(who := item.get(key), str):
            break
    else:
        return None
    what = next((key for key in _WHAT if key in item), None)
    calls = bool(item.get("tool_calls") or item.get("function_call"))
    if what is None and not calls:
        return None
    text, more = _text(item[what] if what else None)
    return Turn(
        _ROLES.get(who) or _ROLES.get(who.casefold(), who), text, calls, item.get("weight") not in (0, "0"), more
    )


def _text(content: object) -> tuple[str, bool]:
    """The text of a turn, and whether it holds anything else; of content given in parts, the text parts."""
    if isinstance(content, str):
        return content.strip(), False
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts).strip(), len(texts) < len(parts)
    return "", content is not None
