"""CSV as programs write it: separators, Excel's first line, spaces behind commas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.tasks import Faults, TableSource, Task, load_table

ROWS = [("Wo ist der Schlüssel?", "Ort"), ("何時に開きますか。", "時間"), ("кто, где?", "лицо")]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Task]:
    def load(text: str, file: str = "t.csv", target: str = "label") -> Task:
        path = tmp_path / file
        path.write_text(text, encoding="utf-8")
        told = {"input": "text", "target": target, "kind": "classification", "instruction": "Sort."}
        return load_table(TableSource(path, test=path, **told))  # type: ignore[arg-type]

    return load


def _read(task: Task) -> list[tuple[str, str]]:
    return [(example.input, example.target) for example in task.train]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "told"])
def test_every_separator_is_seen_and_may_be_told(load: Callable[..., Task], separator: str, first: str) -> None:
    head = f"sep={separator}\r\n" if first else ""
    body = "".join(f'"{text}"{separator}"{label}"\r\n' for text, label in ROWS)
    task = load(f"{head}text{separator}label\r\n{body}")
    assert _read(task) == ROWS
    assert [example.id for example in task.train] == [str(line + bool(first)) for line in (2, 3, 4)]


def test_a_separator_in_a_quoted_name_is_none(load: Callable[..., Task]) -> None:
    assert _read(load('text;"label, last"\n"a, b";x\nc;y\n', target="label, last")) == [("a, b", "x"), ("c", "y")]
    assert _read(load('"text";label;"why, how, who"\na;x;\n')) == [("a", "x")]


def test_of_two_signs_in_the_header_the_one_that_gives_the_columns_separates(load: Callable[..., Task]) -> None:
    assert _read(load("text;label;a,b,c,d\nhow;x;1\n")) == [("how", "x")]
    assert _read(load("text,label,a|b|c|d\nhow,x,1\n")) == [("how", "x")]


def test_a_name_with_a_comma_is_listed_in_quotes(load: Callable[..., Task]) -> None:
    with pytest.raises(Faults) as caught:
        load('text;label, last\n"a";"x"\n')
    assert caught.value.hint == 'did you mean "label, last"? The columns: text, "label, last"'


def test_spaces_behind_the_separator_do_not_make_quotes_part_of_a_cell(load: Callable[..., Task]) -> None:
    text = 'text, label\n"How, now?", "a b"\n"open ""quotes""", "c"\n'
    assert _read(load(text)) == [("How, now?", "a b"), ('open "quotes"', "c")]


def test_quotes_inside_a_cell_stay_where_nothing_is_padded(load: Callable[..., Task]) -> None:
    assert _read(load('text,label\nHe said "yes" to it,a\n  two spaces,b\n')) == [
        ('He said "yes" to it', "a"),
        ("  two spaces", "b"),
    ]


def test_a_tsv_with_commas_in_its_header(load: Callable[..., Task]) -> None:
    assert _read(load("text\tlabel\ta, b\nhow\tx\t\n", "t.tsv")) == [("how", "x")]
