"""Conversations in OpenAI's and ShareGPT's formats."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.tasks.faults import Faults
from advisor.tasks.importing.contract import Unclear

File = Callable[[str, object], Path]
Bring = Callable[..., Any]

SYSTEM, USER, BOT = (
    {"role": role, "content": text} for role, text in (("system", "S"), ("user", "U"), ("assistant", "A"))
)


def turn(role: str, content: object, **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


def chats(*conversations: object, **more: object) -> list[dict[str, object]]:
    return [{"messages": conversation, **more} for conversation in conversations]


def test_a_system_text_of_all_rows_is_the_instruction(file: File, bring: Bring) -> None:
    found = bring(file("c.jsonl", chats([SYSTEM, USER, BOT], [SYSTEM, turn("user", "V"), turn("assistant", "B")])))
    assert found.format.name == "openai"
    assert found.format.instruction == "S"
    assert found.pairs == [("U", "A"), ("V", "B")]
    assert "the system text, the same in all conversations, is the task's instruction" in found.notes
    assert [str(place) for place in found.places] == ["c.jsonl:1", "c.jsonl:2"]


def test_system_texts_that_differ_are_part_of_the_input(file: File, bring: Bring) -> None:
    found = bring(file("c.jsonl", chats([SYSTEM, USER, BOT], [turn("developer", "T"), USER, BOT], [USER, BOT])))
    assert found.format.instruction == ""
    assert found.pairs == [("S\n\nU", "A"), ("T\n\nU", "A"), ("U", "A")]
    assert "system texts stand before the inputs, since they are not the same in all conversations" in found.notes


def test_conversations_that_are_left_out_have_no_say_in_the_instruction(file: File, bring: Bring) -> None:
    found = bring(file("c.jsonl", chats([BOT], [SYSTEM, USER, BOT], [turn("system", "T"), USER], [SYSTEM, USER, BOT])))
    assert found.format.instruction == "S"
    assert found.pairs == [("U", "A")] * 2
    assert len(found.dropped) == 2


def test_of_several_turns_the_last_answer_is_the_target(file: File, bring: Bring) -> None:
    found = bring(file("c.jsonl", chats([SYSTEM, USER, BOT, turn("user", "V"), turn("assistant", "B"), USER])))
    assert found.pairs == [("User: U\nAssistant: A\nUser: V", "B")]
    assert "turns behind the assistant's last one are left out (1 row, first c.jsonl:1)" in found.notes


def test_tools_are_left_out_and_said(file: File, bring: Bring) -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}
    rows = chats([USER, call, turn("tool", "22 C", tool_call_id="1"), BOT], tools=[{}], parallel_tool_calls=False)
    found = bring(file("c.jsonl", [*rows, *chats([USER, call])]))
    assert found.pairs == [("U", "A")]
    assert "definitions of tools are left out (1 row" in found.notes
    assert "calls of tools are left out, and what tools gave (1 row" in found.notes
    assert "only calls a tool" in found.dropped["c.jsonl:2"]


def test_parts_of_content_and_weights(file: File, bring: Bring) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    image = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]
    found = bring(
        file(
            "c.jsonl",
            chats(
                [turn("user", parts), BOT],
                [turn("user", image), BOT],
                [USER, turn("assistant", "A", weight=0)],
                [USER, turn("assistant", "A", weight=1), USER, turn("assistant", "no", weight=0)],
            ),
        )
    )
    assert found.pairs == [("one\ntwo", "A"), ("U", "A")]
    assert "an image or another part" in found.dropped["c.jsonl:2"]
    assert "weight 0" in found.dropped["c.jsonl:3"]
    assert "the last one that is to be learnt is the target (1 row, first c.jsonl:4)" in found.notes


FAULTS = {
    "the conversation is null or empty": None,
    "the conversation is null or empty ": [],
    "the conversation is a text, not a list": "hello",
    "the conversation is an object": {"role": "user"},
    "a turn is no object with a role and a text": [{"speaks": "user"}],
    "a turn is no object with a role and a text ": ["hello"],
    "no turn of the assistant": [USER],
    "nothing stands before the assistant's turn": [BOT],
    "the assistant's last turn is null or empty": [USER, turn("assistant", None)],
    "the assistant's last turn is null or empty ": [USER, turn("assistant", " ")],
    "only calls a tool": [USER, turn("assistant", None, function_call={"name": "f", "arguments": "{}"})],
    "a system text stands behind other turns": [USER, SYSTEM, BOT],
    "a role is none of system": [USER, turn("narrator", "x"), BOT],
    "two turns of the assistant follow each other": [USER, BOT, BOT],
}


@pytest.mark.parametrize("seen", FAULTS)
def test_a_bad_conversation_is_named_with_its_line_and_a_hint(file: File, bring: Bring, seen: str) -> None:
    found = bring(file("c.jsonl", chats([USER, BOT], [USER, BOT], FAULTS[seen])))
    assert len(found.pairs) == 2
    assert seen.strip() in found.dropped["c.jsonl:3"]
    assert found.dropped["c.jsonl:3"].endswith(")")


def test_two_systems_are_joined_and_said(file: File, bring: Bring) -> None:
    found = bring(file("c.jsonl", chats([SYSTEM, turn("system", "T"), USER, BOT], [SYSTEM, USER, BOT])))
    assert found.pairs[0] == ("S\n\nT\n\nU", "A")
    assert "two system texts in one conversation are joined to one (1 row, first c.jsonl:1)" in found.notes


def test_where_no_row_can_be_used_the_faults_say_why(file: File, bring: Bring) -> None:
    path = file("c.jsonl", chats([USER], [USER]))
    with pytest.raises(Faults) as caught:
        bring(path)
    assert caught.value.what == f"{path}:1: no turn of the assistant"
    assert caught.value.hint == "write the answer, or leave the row out"
    assert len(caught.value.faults) == 2


def test_bad_lines_are_named(file: File, bring: Bring) -> None:
    good = '{"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}]}'
    lines = [good, "{'messages': []}", good + ",", "[1]", "", good, good[:-9]]
    found = bring(file("c.jsonl", "\n".join(lines)))
    assert len(found.pairs) == 2
    assert {place: why.split(" (")[0].split(":")[0] for place, why in found.dropped.items()} == {
        "c.jsonl:2": "the line is not valid JSON",
        "c.jsonl:3": "the line is not valid JSON",
        "c.jsonl:4": "the line is a list, not an object",
        "c.jsonl:7": "the line ends before its JSON does",
    }
    assert "double quotes" in found.dropped["c.jsonl:2"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_encodings_are_obeyed(file: File, bring: Bring, encoding: str) -> None:
    good = '{"messages": [{"role": "user", "content": "\u00fc"}, {"role": "assistant", "content": "A"}]}'
    assert bring(file("b.jsonl", good.encode(encoding))).pairs == [("\u00fc", "A")]


def test_another_encoding_is_a_fault_until_it_is_named(file: File, bring: Bring) -> None:
    good = '{"messages": [{"role": "user", "content": "\u00fc"}, {"role": "assistant", "content": "A"}]}'
    path = file("c.jsonl", f"{good}\n".encode("latin-1"))
    with pytest.raises(Unclear, match=r"c\.jsonl:1: not UTF-8: byte 0xfc"):
        bring(path)
    assert bring(path, encoding="latin-1").pairs == [("\u00fc", "A")]


@pytest.mark.parametrize("name", ["c.jsonl", "c.json", "c.csv"])
def test_packed_files_are_read(file: File, bring: Bring, name: str) -> None:
    content = "prompt,completion\nU,A\n" if name == "c.csv" else '[{"prompt": "U", "completion": "A"}]'
    assert bring(file(f"{name}.gz", gzip.compress(content.encode()))).pairs == [("U", "A")]
    with pytest.raises(Faults, match="cannot be read: "):
        bring(file(f"cut/{name}.gz", gzip.compress(content.encode())[:-9]))


def test_ids_are_kept_as_text(file: File, bring: Bring) -> None:
    found = bring(file("c.jsonl", [{"id": identity, "messages": [USER, BOT]} for identity in ("a", 7, "", None)]))
    assert [example.get("id") for example in found.examples] == ["a", "7", None, None]


def test_group_and_time_are_kept(file: File, bring: Bring) -> None:
    rows = [{"messages": [USER, BOT], "user": "u1", "at": "2024-01-01"}, {"messages": [USER, BOT], "user": ""}]
    found = bring(file("c.jsonl", rows), group="user", time="at")
    assert found.examples == [{"input": "U", "target": "A", "group": "u1", "time": "2024-01-01"}]
    assert 'the column "user" (group) is empty' in found.dropped["c.jsonl:2"]


def test_a_folder_tells_splits_by_names(file: File, bring: Bring) -> None:
    for name in ("train.jsonl", "val.jsonl", "test_set.jsonl"):
        path = file(f"d/{name}", chats([USER, BOT]))
    file("d/notes.json", [{"a": "b"}])
    found = bring(path.parent)
    assert found.splits == ["test", "train", "dev"]
    assert not found.dropped
    assert bring(path).splits == [""]
    assert bring(path, split="dev").splits == ["dev"]
    file("d/empty_test.jsonl", "")
    with pytest.raises(Faults, match=r"empty_test\.jsonl: the file is empty"):
        bring(path.parent)


def test_sharegpt(file: File, bring: Bring) -> None:
    rows = [
        {
            "conversations": [
                {"from": "human", "value": "Q"},
                {"from": "function_call", "value": "{}"},
                {"from": "observation", "value": "22"},
                {"from": "gpt", "value": "A"},
            ],
            "system": "S",
            "tools": "[]",
        },
        {"conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "Q"}]},
        {
            "conversations": [
                {"from": "gpt", "value": "Hello."},
                {"from": "human", "value": "Q"},
                {"from": "gpt", "value": "B"},
            ]
        },
    ]
    found = bring(file("s.json", rows))
    assert found.format.name == "sharegpt"
    assert found.pairs == [("S\n\nQ", "A"), ("Assistant: Hello.\nUser: Q", "B")]
    assert "no turn of the assistant" in found.dropped["s.json:2"]


def test_a_column_of_names_is_no_conversation(file: File, bring: Bring) -> None:
    assert bring(file("t.csv", "text,label,conversation\na,b,c1\n")).format.name == "table"


def test_turns_in_prompt_and_completion(file: File, bring: Bring) -> None:
    found = bring(file("t.jsonl", [{"prompt": [SYSTEM, USER], "completion": [BOT]}]))
    assert (found.format.instruction, found.pairs) == ("S", [("U", "A")])


def test_files_of_the_earlier_failures(bring: Bring, file: File) -> None:
    """The whole list on several lines, as people write it."""
    text = json.dumps(chats([USER, BOT]), indent=1) + "\n"
    assert bring(file("c.json", text)).pairs == [("U", "A")]
    lines = '{"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}]}\n' * 2
    assert len(bring(file("lines.json", lines)).pairs) == 2
    nested = {"version": 1, "rows": chats([USER, BOT])}
    assert bring(file("nested.json", nested)).pairs == [("U", "A")]
    with pytest.raises(Faults, match=r"cut.json:13: not valid JSON: it ends within a record, in entry 2\n.*fetch it"):
        bring(file("cut.json", text[:-3] + ', {"messages": ['))
    with pytest.raises(Faults, match=r"bad.json:14: not valid JSON: "):
        bring(file("bad.json", text[:-3] + "\n} {"))
