"""Conversations: OpenAI's fine-tuning files and ShareGPT's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from advisor.tasks.dialogue import Turn, system_text, transcript, turns
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.contract import Record
from advisor.tasks.importing.rows import SourceRow
from advisor.tasks.importing.rowwise import NoRecord, RowFormat
from advisor.tasks.jsonfile import type_name

ROLES = frozenset(("system", "user", "assistant", "tool"))


class _Chat(RowFormat):
    """Conversations whose last turn of the assistant is the answer, and all before it the input."""

    turn: ClassVar[str]
    _differ = False
    tool_keys: ClassVar[tuple[str, ...]] = ("tools", "functions", "function_call", "tool_choice", "parallel_tool_calls")

    @classmethod
    @abstractmethod
    def raw(cls, values: Mapping[str, object]) -> object:
        """What should be the list of turns."""

    def look(self) -> None:
        """A system text that is the same in all conversations that are used is the task's instruction."""
        same = ""
        for row in self.peeked():
            system = "\n\n".join([*_own_system(row.values), *filter(None, (system_text(self.raw(row.values)),))])
            if (system and system == same) or not self._is_used(row):
                continue
            if same or not system:
                self._differ = bool(same or system)
                return
            same = system
        self.instruction = same

    def _is_used(self, row: SourceRow) -> bool:
        """Whether a row gives an example."""
        told = dict(self._told)
        try:
            return any(self.records(row))
        except NoRecord:
            return False
        finally:
            self._told = told

    def records(self, row: SourceRow) -> Iterator[Record]:
        """One example: input is the history, target the last turn of the assistant."""
        conversation = self._conversation(row)
        system = _system(row.values, conversation)
        if len(system) > 1:
            self.tell("two system texts in one conversation are joined to one", row.place)
        if self.instruction:
            system = []
        said = [turn for turn in conversation if turn.role != "system"]
        at = self._answer(row, said)
        history = self._texts(row, said[:at])
        if history and history[-1].role == "assistant":
            what = "two turns of the assistant follow each other at the end"
            raise NoRecord(what, "join them to one, or write the user's turn between them")
        text = transcript([*(Turn("system", part) for part in system), *history])
        if is_blank(text):
            raise NoRecord("nothing stands before the assistant's turn", "write the user's turn")
        yield self.example(row, text, [said[at].text])

    def finish(self) -> None:
        """Say how conversations are read."""
        self.notes.append("of each conversation the assistant's last turn is the target, and all before it the input")
        if self.instruction and self.asked.instruction:
            self.notes.append("the system text, the same in all conversations, is left out for the instruction given")
        elif self.instruction:
            self.notes.append("the system text, the same in all conversations, is the task's instruction")
        elif self._differ:
            self.notes.append("system texts stand before the inputs, since they are not the same in all conversations")

    def _conversation(self, row: SourceRow) -> tuple[Turn, ...]:
        value = self.raw(row.values)
        conversation = turns(value)
        hint = f"write turns: {self.turn}"
        if conversation is None:
            if value is None or value == []:
                raise NoRecord("the conversation is null or empty", hint)
            if isinstance(value, list):
                raise NoRecord("a turn is no object with a role and a text", hint)
            raise NoRecord(f"the conversation is {type_name(value)}, not a list of turns", hint)
        if not {turn.role for turn in conversation} <= ROLES:
            raise NoRecord("a role is none of system, user, assistant and tool", f"rename it: {self.turn}")
        if any(turn.more and turn.role in ("user", "system") for turn in conversation):
            raise NoRecord(
                "a turn holds an image or another part that is no text", "put it in words, or leave the row out"
            )
        late = [at for at, turn in enumerate(conversation) if turn.role == "system" and at]
        if any(conversation[at - 1].role != "system" for at in late):
            raise NoRecord("roles out of order: a system text stands behind other turns", "write it first")
        if any(row.values.get(key) for key in self.tool_keys):
            self.tell("definitions of tools are left out", row.place)
        return conversation

    def _answer(self, row: SourceRow, said: Sequence[Turn]) -> int:
        """The place of the turn to learn."""
        answers = [at for at, turn in enumerate(said) if turn.role == "assistant"]
        if not answers:
            raise NoRecord("no turn of the assistant", "write the answer, or leave the row out")
        learnt = [at for at in answers if said[at].learnt]
        if not learnt:
            raise NoRecord("every turn of the assistant has weight 0", "give the one to learn weight 1")
        if learnt[-1] != answers[-1]:
            self.tell("the last turn has weight 0: the last one that is to be learnt is the target", row.place)
        at = learnt[-1]
        if not said[at].text:
            if said[at].calls:
                raise NoRecord("the assistant's last turn only calls a tool", "end with its answer in words")
            raise NoRecord("the assistant's last turn is null or empty", "write the answer, or leave the row out")
        if said[at].calls:
            self.tell("calls of tools are left out, and what tools gave", row.place)
        if at + 1 < len(said) and learnt[-1] == answers[-1]:
            self.tell("turns behind the assistant's last one are left out", row.place)
        return at

    def _texts(self, row: SourceRow, history: Sequence[Turn]) -> list[Turn]:
        """The turns with words, without those of tools."""
        if any(turn.role == "tool" or turn.calls for turn in history):
            self.tell("calls of tools are left out, and what tools gave", row.place)
        kept = [turn for turn in history if turn.role != "tool" and turn.text]
        if any(first.role == second.role == "user" for first, second in pairwise(kept)):
            self.tell("two turns of the user follow each other", row.place)
        return kept


class OpenAIChat(_Chat):
    """OpenAI's fine-tuning files: `messages`; and `prompt` with `completion` as lists of turns."""

    name = "openai"
    called = "an OpenAI chat file"
    turn = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
    examples_of = turn

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether a row holds messages."""
        return (_are_turns(values.get("messages")) and not {"chosen", "rejected"} & set(values)) or _in_turns(values)

    @classmethod
    def raw(cls, values: Mapping[str, object]) -> object:
        """The list of turns."""
        if "messages" in values:
            return values["messages"]
        prompt, completion = values.get("prompt"), values.get("completion")
        return [*prompt, *completion] if isinstance(prompt, list) and isinstance(completion, list) else completion


class ShareGPT(_Chat):
    """ShareGPT's files: `conversations`, with `from` and `value`; `system` may stand in a column of its own."""

    name = "sharegpt"
    called = "a ShareGPT file"
    turn = '{"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}'
    examples_of = turn
    _KEYS = ("conversations", "conversation")

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether a row holds conversations."""
        return any(_are_turns(values.get(key)) for key in cls._KEYS) and "chosen" not in values

    @classmethod
    def raw(cls, values: Mapping[str, object]) -> object:
        """The list of turns."""
        return next((values[key] for key in cls._KEYS if key in values), None)


def _are_turns(value: object) -> bool:
    """Whether a value is a list of turns, or its JSON text."""
    return isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("[{"))


def _in_turns(values: Mapping[str, object]) -> bool:
    return isinstance(values.get("prompt"), list) and isinstance(values.get("completion"), list)


def _system(values: Mapping[str, object], conversation: Sequence[Turn]) -> list[str]:
    """The system texts of a conversation."""
    return _own_system(values) + [turn.text for turn in conversation if turn.role == "system" and turn.text]


def _own_system(values: Mapping[str, object]) -> list[str]:
    """The system text that stands in a column of its own."""
    column = values.get("system")
    return [column.strip()] if isinstance(column, str) and column.strip() else []
