"""Pairs of a question and its answer: Alpaca's files, and prompts with completions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import ClassVar

from advisor.tasks.dialogue import Turn, transcript
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.contract import Record
from advisor.tasks.importing.rows import SourceRow
from advisor.tasks.importing.rowwise import NoRecord, RowFormat, text_of
from advisor.tasks.values import plain

_END_OF_PROMPT = re.compile(r"(?:\s*(?:[#=\-|~*<>]{2,}|→)|\n\s*[^\W\d][\w ]{0,30}:)\s*$")
_END_OF_COMPLETION = re.compile(r"\s*(?:[#=\-|~*]{2,}|\bEND|\bSTOP|<\|?/?\w+\|?>)\s*$")
_ANSWER = "write the answer, or leave the row out"


class Alpaca(RowFormat):
    """Alpaca's files: instruction, input, output; `system` and `history` as LLaMA-Factory writes them."""

    name = "alpaca"
    called = "an Alpaca file"
    examples_of = '{"instruction": "...", "input": "...", "output": "..."}'

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether a row has an instruction and an output."""
        return "instruction" in values and "output" in values

    def look(self) -> None:
        """An instruction that is the same in all rows is the task's, if the rows have inputs beside it."""
        same: object = None
        inputs = False
        for row in self.peeked():
            own = row.values.get("instruction")
            if not isinstance(own, str) or (same is not None and own != same):
                return
            same = own
            inputs = inputs or not _blank(row.values.get("input"))
        self.instruction = same.strip() if isinstance(same, str) and inputs else ""

    def records(self, row: SourceRow) -> Iterator[Record]:
        """One example: instruction and input joined, or the input alone."""
        values = row.values
        if self.instruction:
            text = text_of(values, "input", "write the input, since the instruction is the same in all rows")
        else:
            text = text_of(values, "instruction", "write what the model is told")
            if not _blank(values.get("input")):
                text += "\n\n" + text_of(values, "input", "write a text")
        yield self.example(row, self._with_history(row, text), [text_of(values, "output", _ANSWER)])

    def finish(self) -> None:
        """Say how rows are read."""
        self.columns = {"input": "input" if self.instruction else "instruction, input", "target": "output"}
        if self.instruction and self.asked.instruction:
            self.notes.append("the instruction, the same in all rows, is left out for the one given")
        elif self.instruction:
            self.notes.append("the instruction, the same in all rows, is the task's")
        else:
            self.notes.append('"instruction" and "input" are joined to one input')

    def _with_history(self, row: SourceRow, text: str) -> str:
        system, history = row.values.get("system"), row.values.get("history")
        said = [Turn("system", system)] if isinstance(system, str) and system.strip() else []
        for pair in history if isinstance(history, list) else []:
            if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
                raise NoRecord('"history" is no list of pairs', 'write it so: "history": [["question", "answer"]]')
            said += [Turn("user", pair[0]), Turn("assistant", pair[1])]
        return transcript([*said, Turn("user", text)]) if said else text


class PromptCompletion(RowFormat):
    """Prompts and completions, as OpenAI's older fine-tuning files have them."""

    name = "completion"
    called = "a file of prompts and completions"
    examples_of = '{"prompt": "...", "completion": "..."}'
    _ENDS: ClassVar = {"prompt": _END_OF_PROMPT, "completion": _END_OF_COMPLETION}

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether a row has a prompt and a completion as texts."""
        return {"prompt", "completion"} <= set(values) and not isinstance(values["prompt"], list)

    def look(self) -> None:
        """Find the separators with which all prompts and all completions end."""
        ends: dict[str, str | None] = dict.fromkeys(self._ENDS)
        for row in self.peeked():
            for key, end in ends.items():
                text = row.values.get(key)
                if isinstance(text, str) and not is_blank(text):
                    ends[key] = text[-100:] if end is None else _common_end(end, text)
            if not any(ends.values()):
                break
        self._cut = {}
        for key, pattern in self._ENDS.items():
            found = pattern.search(ends[key] or "")
            self._cut[key] = found[0] if found else ""

    def records(self, row: SourceRow) -> Iterator[Record]:
        """One example."""
        if row.values.get("label") in (False, 0, "false"):
            raise NoRecord('the row is marked as a bad answer ("label" is false)', "only good ones are learnt")
        text = text_of(row.values, "prompt", "write what the model is given")
        answer = text_of(row.values, "completion", _ANSWER)
        if answer.startswith(" "):
            self.tell("the blank before the completion is taken away", row.place)
        text, answer = text.removesuffix(self._cut["prompt"]), answer.removesuffix(self._cut["completion"]).strip()
        for key, left in (("prompt", text), ("completion", answer)):
            if is_blank(left):
                raise NoRecord(f'"{key}" holds nothing but its separator', "write its text, or leave the row out")
        yield self.example(row, text.strip(), [answer])

    def finish(self) -> None:
        """Say which separators were taken away."""
        self.columns = {"input": "prompt", "target": "completion"}
        for key, cut in self._cut.items():
            if cut.strip():
                self.notes.append(f"{cut!r}, with which every {key} ends, is taken away")


def _common_end(one: str, two: str) -> str:
    pairs = zip(reversed(one), reversed(two), strict=False)
    return one[len(one) - sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) :]


def _blank(value: object) -> bool:
    value = plain(value)
    return value is None or (isinstance(value, str) and is_blank(value))
