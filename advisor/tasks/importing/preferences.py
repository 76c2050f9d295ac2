"""Preference sets: a better and a worse answer to the same input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from advisor.intake import finite
from advisor.tasks.dialogue import Turn, transcript, turns
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.contract import Record
from advisor.tasks.importing.rows import SourceRow
from advisor.tasks.importing.rowwise import NoRecord, RowFormat, text_of

_PROMPTS = ("prompt", "question", "instruction", "input")
_OPENAI = ("preferred_output", "non_preferred_output")
_SPOKEN = re.compile(r"(?:\A|\n\n)\s*(Human|Assistant):[ \t]?")
_SCORES = ("overall_score", "score", "fine-grained_score")


class Preferences(RowFormat):
    """Chosen and rejected answers: texts, lists of turns, whole transcripts, or answers with scores."""

    name = "preferences"
    called = "a preference set"
    examples_of = '{"prompt": "...", "chosen": "...", "rejected": "..."}'

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether a row has two answers to choose from."""
        return {"chosen", "rejected"} <= set(values) or set(_OPENAI) <= set(values) or _scored(values) is not None

    def records(self, row: SourceRow) -> Iterator[Record]:
        """One pair."""
        values = row.values
        if scored := _scored(values):
            values = {**values, **_best_and_worst(scored)}
            self.tell("of several answers the best and the worst are taken, by their scores", row.place)
        if values.get("score_chosen") is not None and values.get("score_chosen") == values.get("score_rejected"):
            raise NoRecord("a tie: both answers have the same score", "a pair without a better one says nothing")
        names = _OPENAI if _OPENAI[0] in values else ("chosen", "rejected")
        prompt = _prompt(values)
        chosen, rejected = (_said(values, name, asked=not prompt) for name in names)
        before = _shared(chosen, rejected)
        if len(chosen) != before + 1 or len(rejected) != before + 1:
            what = "the two conversations part before their last turn"
            raise NoRecord(what, "let them differ in the last turn alone")
        if any(end.role != "assistant" for end in (chosen[-1], rejected[-1])):
            raise NoRecord("the last turn is not the assistant's", "end both conversations with its answer")
        history = list(chosen[:before])
        if not history or history[: len(prompt)] != list(prompt):  # many sets hold the prompt twice
            history = [*prompt, *history]
        text = transcript(history)
        if is_blank(text):
            raise NoRecord("no input stands before the answers", 'write it: "prompt": "..."')
        pair: dict[str, object] = {"input": text, "chosen": chosen[-1].text, "rejected": rejected[-1].text}
        yield Record("preferences", pair, row.place, row.split)

    def finish(self) -> None:
        """Say what is made of them."""
        self.notes.append("pairs of a chosen and a rejected answer become preferences.jsonl; ties are left out")


def _prompt(values: Mapping[str, object]) -> list[Turn]:
    """The turns before both answers, where they stand in a column of their own."""
    name = next((name for name in _PROMPTS if values.get(name) not in (None, "", [])), "")
    value = values.get(name)
    if isinstance(value, dict):  # OpenAI's {"input": {"messages": [...]}}
        value = value.get("messages")
    if value is None:
        return []
    found = turns(value)
    if not found:
        text = text_of({name: value}, name, "write what was asked")
        found = tuple(_spoken(text)) or (Turn("user", text.strip()),)
    system = values.get("system")
    own = [Turn("system", system.strip())] if isinstance(system, str) and system.strip() else []
    said = [turn for turn in found if turn.text]
    return said if any(turn.role == "system" for turn in said) else own + said


def _said(values: Mapping[str, object], name: str, *, asked: bool) -> tuple[Turn, ...]:
    """The turns of one side; where no prompt was given a text is a whole transcript."""
    value = values.get(name)
    found = turns(value)
    if found is None and isinstance(value, list):
        raise NoRecord(f'"{name}" is no list of turns', f'write a text, or "{name}": [{{"role": ..., "content": ...}}]')
    if found is None:
        text = text_of(values, name, "write both answers, or leave the row out").strip()
        found = tuple(_spoken(text)) or (Turn("assistant", text),)
        if asked and found[0].role == "assistant" and len(found) == 1:
            raise NoRecord("no input stands before the answers", 'write it: "prompt": "..."')
    if not found[-1].text:
        raise NoRecord(f'the last turn of "{name}" is empty', "write both answers, or leave the row out")
    return found


def _spoken(text: str) -> list[Turn]:
    r"""The turns of a transcript such as `\n\nHuman: ...\n\nAssistant: ...`; none in any other text."""
    pieces = _SPOKEN.split(text)
    if pieces[0].strip() or len(pieces) < 3:
        return []
    roles = {"Human": "user", "Assistant": "assistant"}
    said = zip(pieces[1::2], pieces[2::2], strict=True)
    return [Turn(roles[who], what.strip()) for who, what in said]


def _shared(chosen: Sequence[Turn], rejected: Sequence[Turn]) -> int:
    """How many turns both have in common at the beginning."""
    if chosen == rejected:
        raise NoRecord("both answers are the same", "a pair without a better one says nothing")
    pairs = zip(chosen, rejected, strict=False)
    return next((at for at, (one, two) in enumerate(pairs) if one != two), min(len(chosen), len(rejected)))


def _scored(values: Mapping[str, object]) -> list[tuple[float, str]] | None:
    """Answers with their scores, as UltraFeedback has them; None for any other row."""
    value = values.get("completions")
    if not isinstance(value, list) or not value:
        return None
    found = []
    for item in value:
        if not isinstance(item, dict) or "response" not in item:
            return None
        score = next((item[name] for name in _SCORES if finite(item.get(name))), None)
        if score is not None and isinstance(item["response"], str):
            found.append((float(score), item["response"]))
    return found


def _best_and_worst(scored: Sequence[tuple[float, str]]) -> dict[str, object]:
    (high, best), (low, worst) = max(scored), min(scored)
    return {"chosen": best, "rejected": worst, "score_chosen": high, "score_rejected": low}
