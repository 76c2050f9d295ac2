"""The same weights here and behind a server, set side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from advisor.errors import Interrupted
from advisor.measuring.comparing import compare
from advisor.models import Prompt
from advisor.tasks import Example, Task
from benchmarks.servers.parity import HERE, THERE, on_both_sides

TEST = tuple(Example(f"q{i}", f"say {i}", f"{i}") for i in range(4))
TASK = Task("numbers", "qa", "Answer.", "exact_match", train=(Example("t", "say it", "it"),), test=TEST)


def test_a_row_that_the_server_did_not_end_is_left_out(make_model: Callable[..., Any], tmp_path: Path) -> None:
    here, there = make_model(name="maker/here"), make_model(name="maker/there")
    here.alias, there.alias = HERE, THERE
    others = {"say 2": "something else", "say 3": here.writing(Prompt("", "say 3")) + " more"}
    there.writing = lambda prompt: others.get(prompt.input) or here.writing(prompt)
    generate = there.generate

    def gone(prompts: Sequence[Any], *more: Any) -> Any:
        if prompts[0].context.shots:
            raise Interrupted("the server is gone; the same command goes on from there")
        return generate(prompts, *more)

    there.generate = gone
    comparison = compare(TASK, [here, there], ["zero-shot", "few-shot:k=1"], out=tmp_path)
    statuses = {run.spec: run.status for run in comparison.runs}
    assert statuses["few-shot:k=1@there"] == "interrupted"
    (row,) = on_both_sides(comparison)
    assert (row["task"], row["spec"], row["n"]) == ("numbers", "zero-shot", 4)
    assert (row["equal"], row["as_far"]) == (2, 3)
    assert row[HERE]["status"] == row[THERE]["status"] == "ok"
