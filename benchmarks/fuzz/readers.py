"""All readers of input from outside, each with valid inputs and a check that what they return is usable."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from advisor.advice.asking import ask
from advisor.advice.interview import answers_of
from advisor.commands.ask import read_answers
from advisor.curves.growing import read_growth
from advisor.forecast.own_cases import local_cases
from advisor.measuring.attempt import read_run
from advisor.measuring.json_values import json_value, leaves, shared
from advisor.measuring.reading import read_comparison
from advisor.tasks import TableSource, Task, load_table, load_task
from advisor.tasks.forms import answer_form
from advisor.verdict import load_prices

ROWS = Path(__file__).with_name("rows.parquet")  # read where pyarrow is installed
RUN = Path(__file__).with_name("run")
_HEAD = '[task]\nname = "desk"\nkind = "qa"\ninstruction = "Answer."\n'
_ROWS = '{"id": "a", "input": "How late is it?", "target": "noon"}\n{"input": "Where?", "targets": ["here", "there"]}\n'
_PRICES = (
    'date = 2025-12-24\n[core]\nusd_per_hour = 0.05\nsource = "mine"\n'
    '[[device]]\nname = "L4"\nmatch = ["L4"]\nusd_per_hour = 0.8\nsource = "mine"\n'
    '[[hosted]]\nmodel = "m"\nusd_per_million_prompt_tokens = 1\nusd_per_million_completion_tokens = 2\nsource = "x"\n'
)
_TALK = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
_SQUAD = (
    '{"data": [{"title": "t", "paragraphs": [{"context": "c d", "qas": [{"id": "1", "question": "q", "answers": '
    '[{"text": "c", "answer_start": 0}]}]}]}]}'
)


@dataclass(frozen=True)
class Reader:
    """One reader of input from outside.

    Attributes:
        seeds: inputs that it takes.
        read: reads bytes in a folder of its own, which is kept from one input to the next.
    """

    name: str
    seeds: tuple[str | bytes, ...]
    read: Callable[[bytes, Path], object]


def _task(name: str, kind: str = "qa") -> Callable[[bytes, Path], object]:
    """A reader of a task folder of which one file holds the bytes."""

    def read(data: bytes, folder: Path) -> object:
        files = {"task.toml": _HEAD.replace('"qa"', f'"{kind}"').encode(), "train.jsonl": _ROWS.encode()}
        files |= {"test.jsonl": b'{"input": "a", "target": "{}"}\n', name: data}
        for place, content in files.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return _used(load_task(folder))

    return read


def _table(ending: str, **columns: str) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> object:
        path = folder / f"rows{ending}"
        path.write_bytes(data)
        source = TableSource(path, kind="qa", instruction="Answer.", **columns)  # type: ignore[arg-type]
        return _used(load_table(source, split=0.5))

    return read


def _used(task: Task) -> object:
    texts = [e.input + e.target for e in (*task.train, *task.test)] + [d.title + d.text for d in task.documents]
    "".join([*texts, *task.caveats, *task.labels, task.name]).encode()  # half a surrogate pair could not be written
    return task.fingerprint


def _prices(data: bytes, folder: Path) -> object:
    (folder / "prices.toml").write_bytes(data)
    return load_prices(folder / "prices.toml")


def _answers(ending: str) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> object:
        (folder / f"answers{ending}").write_bytes(data)
        return ask(read_answers(folder / f"answers{ending}"))

    return read


def _cases(data: bytes, folder: Path) -> object:
    (folder / "cases.jsonl").write_bytes(data)
    os.environ["ADVISOR_CASES"] = str(folder / "cases.jsonl")
    return [sum(value or 0 for value in (*case.features.values(), *case.qualities.values())) for case in local_cases()]


def _run_folder(name: str) -> Callable[[bytes, Path], object]:
    """A reader of a run folder of which one file holds the bytes."""

    def read(data: bytes, folder: Path) -> object:
        if not (folder / "run").exists():
            shutil.copytree(RUN, folder / "run")
        (folder / "run" / name).write_bytes(data)
        return read_comparison(folder / "run")

    return read


def _record(data: bytes, folder: Path) -> object:
    (folder / "a.jsonl").write_bytes(data)
    return read_run(folder / "a.jsonl")


def _curves(data: bytes, folder: Path) -> object:
    (folder / "curves.jsonl").write_bytes(data)
    return read_growth(folder)


def _json_answer(data: bytes, folder: Path) -> object:
    text = data.decode("utf-8", "replace")
    found = [json_value(text, opening) for opening in ("{[", "{", "[")]
    answer_form("extraction", text)
    return [shared(value, found[0]) <= leaves(value) for value in found if value is not None]


def _interview(data: bytes, folder: Path) -> object:
    values = dict(
        zip(("output", "classes", "labelled", "p95_ms"), data.decode("utf-8", "replace").split("\n"), strict=False)
    )
    return answers_of(values)


def _seed(name: str) -> str:
    return (RUN / name).read_text(encoding="utf-8")


_PAGE = (
    "<!DOCTYPE html><title>T &amp; U</title><h1 class='a'>H</h1><p>a<br/>b<pre> c\n d</pre><!-- e --><script>f</script>"
)
_KEY = "0da5ed555e06"
_LIMITS = "[limits]\np95_ms = 100\nmin_quality = 0.5\n[compare]\napproaches = ['zero-shot']\n"
_CASE = json.dumps(
    {"task": "a", "features": {"train": 5.0, "majority": None}, "qualities": {"lora": 0.5}, "sketch": [1]}
)
_CSV = 'id,input,target,targets\n1,"a, b",c,"[""c"", ""d""]"\n2,e,f,\n'

READERS = (
    Reader(
        "task.toml",
        (_HEAD, _HEAD.replace("qa", "classification") + 'labels = ["noon"]\n' + _LIMITS),
        _task("task.toml"),
    ),
    Reader("train.jsonl", (_ROWS, _TALK, '{"instruction": "a", "input": "b", "output": "c"}\n'), _task("train.jsonl")),
    Reader(
        "extraction",
        ('{"input": "a", "target": {"b": [1, 2.5, null]}}\n', '{"input": "a", "target": "{\\"b\\": 1}"}\n'),
        _task("train.jsonl", "extraction"),
    ),
    Reader("table.csv", (_CSV, _CSV.replace(",", ";"), "sep=|\r\ninput|target\r\na|b\r\n"), _table(".csv")),
    Reader("table.tsv", ('input\ttarget\na "\tb\n',), _table(".tsv")),
    Reader(
        "table.json", (f"[{_ROWS.strip().replace(chr(10), ',')}]", _SQUAD, '{"input": {"0": "a"}}'), _table(".json")
    ),
    Reader("turns.jsonl", (_TALK,), _table(".jsonl", input="messages", target="messages")),
    Reader("table.conll", ("-DOCSTART- O\n\nAda NNP B-person\nis O\n\nOslo\tB-city\n",), _table(".conll")),
    Reader("table.parquet", (ROWS.read_bytes(),), _table(".parquet")),
    Reader("documents.jsonl", ('{"id": "a", "title": "T", "text": "b"}\n{"text": "c"}\n',), _task("documents.jsonl")),
    Reader("page.md", ("# Refunds #\n\n```\n# no\n```\nWithin a week.\n",), _task("documents/page.md")),
    Reader(
        "page.html",
        (_PAGE,),
        _task("documents/page.html"),
    ),
    Reader("page.rst", ("=====\nTitle\n=====\n\ntext\n",), _task("documents/page.rst")),
    Reader("page", ("Plain words.\n",), _task("documents/page")),
    Reader("prices", (_PRICES,), _prices),
    Reader("answers.toml", ('output = "label"\nclasses = 3\nlabelled = 120\np95_ms = "2 s"\n',), _answers(".toml")),
    Reader(
        "answers.json",
        ('{"output": "short", "documents": true, "labelled": "1k", "changes": "daily"}',),
        _answers(".json"),
    ),
    Reader("interview", ("label\n3\n1,200\nnone\n",), _interview),
    Reader("cases", (f"{_CASE}\n{_CASE}\n",), _cases),
    Reader("record", (_seed(f"{_KEY}/majority.seed0.jsonl"),), _record),
    Reader("run: record", (_seed(f"{_KEY}/majority.seed0.jsonl"),), _run_folder(f"{_KEY}/majority.seed0.jsonl")),
    Reader("run: answers", (_seed(f"{_KEY}/answers.jsonl"),), _run_folder(f"{_KEY}/answers.jsonl")),
    Reader("run: journal", (_seed("comparisons.jsonl"),), _run_folder("comparisons.jsonl")),
    Reader(
        "curves", ('{"type": "curve", "key": "k", "fingerprints": {"8": "a"}, "sizes": [8], "seeds": 1}\n',), _curves
    ),
    Reader("json answer", ('Here: {"a": [1, {"b": "c"}], "d": null} ok', "```json\n[1, 2]\n```"), _json_answer),
)
