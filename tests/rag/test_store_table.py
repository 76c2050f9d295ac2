"""Stores whose addresses stand in `[stores]` of `task.toml`: found by name, and told to nobody."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.tasks import Faults, Task, load_task, store_table
from rag import Rag
from rag.stores.addresses import place_of, telling

SECRET = "pa55word"
URL = f"postgresql://anna:{SECRET}@db.example/wages"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tasks that other tests have loaded, and a variable that somebody may have set."""
    monkeypatch.delenv("docs", raising=False)
    monkeypatch.delenv("DOCS_DB_URL", raising=False)
    before = dict(store_table._declared)
    store_table._declared.clear()
    yield
    store_table._declared.clear()
    store_table._declared.update(before)


def _folder(path: Path, stores: str) -> Path:
    path.mkdir()
    head = '[task]\nname = "t"\nkind = "qa"\ninstruction = "Answer."\n'
    text = head + stores if stores.startswith("[") else stores + head
    (path / "task.toml").write_text(text, encoding="utf-8")
    for name in ("train", "test"):
        (path / f"{name}.jsonl").write_text(json.dumps({"input": name, "target": "a"}) + "\n", encoding="utf-8")
    return path


def _task(path: Path, entry: str) -> Task:
    return load_task(_folder(path, f"[stores]\ndocs = {{{entry}}}\n"))


def test_an_address_that_is_written_down_is_found_and_told_to_nobody(tmp_path: Path) -> None:
    plain = load_task(_folder(tmp_path / "plain", ""))
    task = _task(tmp_path / "t", f'kind = "pgvector", url = "{URL}"')
    place = place_of("$docs")
    assert (place.kind, place.reach, place.url, place.secret) == ("pgvector", "network", URL, "")
    assert task.fingerprint == plain.fingerprint
    assert not [text for text in (repr(task), repr(task.stores), repr(place), str(task.stores)) if SECRET in text]
    with pytest.raises(UserError) as caught, telling(place, "searching"):
        raise OSError(f"could not reach {URL} as anna with {SECRET}")
    assert SECRET not in caught.value.what + caught.value.hint
    assert "docs in [stores] says" in caught.value.hint
    with pytest.raises(UserError, match="would send texts to another machine"):
        place.check(offline=True)


def test_an_address_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _task(tmp_path / "t", 'kind = "qdrant", url_env = "DOCS_DB_URL"')
    with pytest.raises(UserError, match="names the variable DOCS_DB_URL, which is not set"):
        place_of("$docs")
    monkeypatch.setenv("DOCS_DB_URL", "https://q.example:6333")
    assert (place_of("$docs").kind, place_of("$docs").url) == ("qdrant", "https://q.example:6333")


def test_the_environment_comes_first_and_keeps_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", SECRET)
    _task(tmp_path / "t", 'kind = "qdrant", url = "https://elsewhere.example", key = "own"')
    assert (place_of("$docs").url, place_of("$docs").secret) == ("https://elsewhere.example", "own")
    _task(tmp_path / "t2", 'kind = "qdrant", url = "https://elsewhere.example", key = "own"')  # the same is no quarrel
    monkeypatch.setenv("docs", "qdrant+https://mine.example")
    assert (place_of("$docs").url, place_of("$docs").secret) == ("https://mine.example", SECRET)


def test_a_name_that_is_nowhere_names_both_ways() -> None:
    with pytest.raises(UserError) as caught:
        place_of("$docs")
    assert "no variable docs, and no docs in [stores]" in caught.value.what
    assert "export docs as" in caught.value.hint
    assert 'docs = {kind = "pgvector", url_env = "VARIABLE"}' in caught.value.hint


def test_two_tasks_that_mean_different_stores(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _task(tmp_path / name, f'kind = "pgvector", url = "postgresql://{name}:{SECRET}@h/x"')
    with pytest.raises(UserError, match="say differently where docs is") as caught:
        place_of("$docs")
    assert SECRET not in str(caught.value)


READ_AGAIN = """
import pickle, sys
from rag.stores.addresses import place_of
task = pickle.load(sys.stdin.buffer)
print(place_of("$docs").url)
"""


def test_a_task_takes_them_to_another_process(tmp_path: Path) -> None:
    task = _task(tmp_path / "t", f'kind = "pgvector", url = "{URL}"')
    sent = pickle.dumps(task)
    done = subprocess.run([sys.executable, "-c", READ_AGAIN], input=sent, capture_output=True, check=False, timeout=120)
    assert done.stdout.decode().strip() == URL, done.stderr.decode()


def test_a_store_by_name_builds_and_comes_back(tmp_path: Path, desk: Task, model: Any, postgres: str) -> None:
    pytest.importorskip("langchain_postgres")
    _task(tmp_path / "t", f'kind = "pgvector", url = "{postgres}"')
    source = Rag(store="$docs").build(desk, model, 0)
    (folder := tmp_path / "saved").mkdir()
    source.save(folder)
    queries = [example.query for example in desk.train]
    again, here = Rag(store="$docs").restore(folder, desk.brief, model), Rag().build(desk, model, 0)
    assert [c.passages for c in again.contexts(queries)] == [c.passages for c in here.contexts(queries)]
    assert not [path for path in folder.rglob("*") if path.is_file() and b"postgresql" in path.read_bytes()]


@pytest.mark.parametrize(
    ("stores", "seen"),
    [
        ("stores = 3\n", '"stores" is not a table'),
        (f'[stores]\ndocs = "{URL}"\n', 'task.toml:6: "docs" in [stores] is not a table'),
        (f'[stores]\ndocs = {{kind = "pgvector", address = "{URL}"}}\n', 'unknown key "address"'),
        (f'[stores]\ndocs = {{url = "{URL}"}}\n', "needs a kind"),
        (f'[stores]\ndocs = {{kind = "pgvector", url = "{URL}", url_env = "X"}}\n', "either url or url_env"),
        (f'[stores.docs]\nkind = "qdrant"\nurl_env = "X"\nkey = "{SECRET}"\n', "task.toml:5: .* has a key, but"),
        ('[stores]\ndocs = {kind = "pgvector", url = 5}\n', "empty or no text"),
        (f'[stores]\ndocs = {{kind = "pgvector", url = "{URL}\n', "not valid TOML"),
        (f'[stores.docs]\nkey = "{SECRET}\n', "not valid TOML"),
        (f'stores.docs = {{key = "{SECRET}", \n', "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_without_secrets(stores: str, seen: str, tmp_path: Path) -> None:
    with pytest.raises(Faults, match=seen.replace("[", r"\[")) as caught:
        load_task(_folder(tmp_path / "t", stores))
    assert SECRET not in str(caught.value)


def test_a_kind_that_is_none(tmp_path: Path) -> None:
    _task(tmp_path / "t", 'kind = "milvus", url_env = "X"')
    with pytest.raises(UserError, match="docs in \\[stores\\] is of no known kind"):
        place_of("$docs")
