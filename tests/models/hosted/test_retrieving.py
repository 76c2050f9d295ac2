"""What a paid model reads and writes to find passages: in the tokens of each query, and in what the row is paid for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.tasks import Document, Example, Task

Load = Callable[..., Any]
KNOWN = {"parking": "visitors park on level two", "badges": "a badge is blocked at the desk"}


@pytest.fixture
def desk() -> Task:
    documents = tuple(Document(name, "", text) for name, text in KNOWN.items())
    rows = tuple(Example(str(n), f"where is thing {n} to be left", "two", evidence=("parking",)) for n in range(6))
    return Task("desk", "qa", "Answer.", "token_f1", train=rows[:3], test=rows[3:], documents=documents)


def said(messages: list[dict[str, str]]) -> str:
    asked = messages[0]["content"]
    if "search engine" in asked:
        return "visitors level"
    return "yes" if "yes or no" in asked else "two"


@pytest.mark.parametrize(
    ("more", "calls"), [("", 1), (",query=rewrite", 2), (",rerank=llm", 3), (",query=rewrite,rerank=llm", 4)]
)
def test_the_query_and_the_row_are_charged_with_it(
    server: Any, load_served: Load, desk: Task, tmp_path: Path, more: str, calls: int
) -> None:
    server.answer = said
    model = load_served(server.name)
    (run,) = advisor.compare(desk, model, [f"rag:k=1{more}"], out=tmp_path).runs
    assert run.status == "ok"
    paid = run.calls["predict"]
    assert paid["requests"] == 3 * calls
    assert paid["prompt"] == sum(p.prompt_tokens for p in run.predictions)
    assert paid["completion"] == sum(p.completion_tokens for p in run.predictions)
    assert {p.text for p in run.predictions} == {"two"}
    if "rewrite" in more:
        assert all(p.evidence == ("parking",) for p in run.predictions)
