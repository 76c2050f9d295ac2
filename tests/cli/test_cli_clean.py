"""`advisor clean`: a copy of a task folder whose training set is cleaned, and the list of changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Advisor = Callable[..., Any]
TICKETS = [
    ("my card was stolen yesterday", "card"),
    ("my CARD was stolen, yesterday", "card"),
    ("where is it", "card"),
    ("where is it", "address"),
    ("change my address", "address"),
]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def untidy(tmp_path: Path) -> Path:
    """A task folder that holds more than it needs, and whose rows do too."""
    folder = tmp_path / "untidy"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "cards.md").write_text("# Cards\n\nThey get lost.\n", encoding="utf-8")
    (folder / "task.toml").write_text('[task]\nname = "t"\nkind = "classification"\ninstruction = "Sort."\n')
    lines = [json.dumps({"input": text, "target": label, "weight": 0.5}) for text, label in TICKETS]
    (folder / "train.jsonl").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    (folder / "test.jsonl").write_text('{"input": "a new card", "target": "card"}\n', encoding="utf-8")
    return folder


def test_a_copy_has_the_cleaned_train_and_says_what_was_changed(advisor: Advisor, untidy: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    before = (untidy / "train.jsonl").read_bytes()
    said = advisor("clean", untidy, "--out", out)
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= 100
    assert "5 examples before, 2 now" in said.out
    assert (untidy / "train.jsonl").read_bytes() == before
    kept = [{"input": text, "target": label, "weight": 0.5} for text, label in (TICKETS[0], TICKETS[4])]
    assert rows_of(out / "train.jsonl") == kept
    for name in ("task.toml", "test.jsonl", "documents/cards.md"):
        assert (out / name).read_bytes() == (untidy / name).read_bytes()
    changes = rows_of(out / "changes.jsonl")
    assert [(c["line"], c["what"], c["after"]) for c in changes] == [(n, "dropped", None) for n in (3, 5, 7)]
    assert changes[0]["why"] == "it nearly repeats train.jsonl:1"
    assert changes[1]["before"] == {"input": "where is it", "target": "card"}
    assert advisor("profile", out).code == 0


def test_it_overwrites_nothing_unless_it_is_told_to(advisor: Advisor, untidy: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    assert advisor("clean", untidy, "--out", out).code == 0
    said = advisor("clean", untidy, "--out", out)
    assert (said.code, said.out) == (2, "")
    assert "is there already" in said.err
    found = json.loads(advisor("clean", untidy, "--out", out, "--overwrite", "--duplicates", "keep", "--json").out)
    assert found["train"] == {"before": 5, "after": 5}
    assert rows_of(out / "changes.jsonl") == found["changes"] == []
    assert [c["target"] for c in rows_of(out / "train.jsonl")] == [label for _, label in TICKETS]


@pytest.mark.parametrize("place", ["inside", "itself", "nowhere"])
def test_mistakes_are_told(place: str, advisor: Advisor, untidy: Path, tmp_path: Path) -> None:
    source = tmp_path / "absent" if place == "nowhere" else untidy
    out = {"inside": untidy / "new", "itself": untidy, "nowhere": tmp_path / "new"}[place]
    said = advisor("clean", source, "--out", out, "--overwrite")
    assert (said.code, said.out) == (2, "")
    assert "try:" in said.err
    assert "Traceback" not in said.err


def test_a_label_that_others_contradict_is_put_right(advisor: Advisor, tmp_path: Path) -> None:
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "task.toml").write_text('[task]\nname = "t"\nkind = "classification"\ninstruction = "Sort."\n')
    topics = {
        "weather": "Rain, wind and snow are forecast for {}.",
        "football": "The striker scored a goal against {}.",
    }
    places = ["London", "Paris", "Rome", "Berlin", "Madrid", "Oslo", "Vienna", "Prague", "Athens", "Dublin", "Lisbon"]
    rows = [{"input": text.format(place), "target": label} for place in places for label, text in topics.items()]
    rows[10]["target"] = "football"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(lines, encoding="utf-8")
    (folder / "test.jsonl").write_text(lines[: lines.index("\n") + 1], encoding="utf-8")
    given = ("--noise", "relabel", "--duplicates", "keep", "--embedder", "embedded", "--device", "cpu", "--json")
    found = json.loads(advisor("clean", folder, "--out", tmp_path / "new", *given).out)
    assert (found["relabelled"], found["dropped"]) == (1, 0)
    (change,) = rows_of(tmp_path / "new" / "changes.jsonl")
    assert (change["line"], change["what"], change["after"]["target"]) == (11, "relabelled", "weather")
    assert rows_of(tmp_path / "new" / "train.jsonl")[10] == rows[10] | {"target": "weather"}
