"""Any bytes give a value or a `UserError`: a few damaged inputs of every reader, the same each time, and all that ever
failed. `python -m benchmarks.fuzz` tries others, for as long as it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from benchmarks.fuzz.inputs import check, inputs
from benchmarks.fuzz.readers import READERS, Reader

HEAD = b'[task]\nname = "a"\nkind = "qa"\ninstruction = "b"\n'
LIMIT = HEAD + b"[limits]\np95_ms = "
CASE = b'{"task": "t", "features": {"train": 1.0}, "qualities": {"lora": 0.5}}\n'
ROW = b'{"input": "a", "target": "b", "targets": '
FAILED: dict[str, tuple[bytes, ...]] = {
    "task.toml": (
        HEAD + b"labels = " + b"[" * 1_000,
        LIMIT + b"9" * 5_000,
        LIMIT + b"9" * 400,
        LIMIT + b"0x" + b"f" * 6_000,
        HEAD + b"a" + b".a" * 40_000 + b" = 1\n",  # a time that grew with the square of the parts
        HEAD.replace(b'"a"', b'"' + b"a" * 5_000 + b'"'),  # no folder could have the name
        HEAD + b"[limits]\n[" + b" " * 5_000 + b"x\np95_ms = -1\n",
    ),
    "train.jsonl": (b"[" * 50_000, ROW + b"[" * 900 + b"]" * 900 + b"}\n", ROW + b"9" * 5_000 + b"}\n"),
    "extraction": (b'{"input": "a", "target": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}\n",),
    "table.csv": (
        b"input,target\n" + b"a" * 200_000 + b",b\nc,d\n",
        b'input,target\n"a,b\n',
        b"input,target\na\0,b\nc,d\n",
    ),
    "table.json": (b"[" * 50_000 + b"]" * 50_000,),
    "page.html": (
        *(
            unit * 10_000
            for unit in (b"<!--", b"<a ", b"<a b='", b'<a b="', b"<a '>'", b"<b>a</b>", b"</", b"<script>")
        ),
        b"a&#" + b"9" * 5_000 + b";",
    ),
    "page.md": (b"# " + b" " * 5_000 + b"a" + b" " * 5_000 + b"x\n", b"# a" + b" #" * 20_000 + b"x\n"),
    "prices": (
        b"date=" + b"[" * 1_000,
        b"date = 2025-01-01\n[core]\nsource = 'a'\nusd_per_hour = " + b"9" * 400,
        b"\xff",
    ),
    "answers.json": (b"[" * 100_000, b'{"labelled": ' + b"9" * 5_000 + b"}"),
    "answers.toml": (
        b"output = 'label'\nclasses = 999999999999\n",
        b"output = 'label'\nclasses = 3\nlabelled = 1e300\n",
    ),
    "cases": (
        b"\xff{}\n",
        b'{"task": "t", "features": {"train": "x"}, "qualities": {"lora": "y"}}\n',
        CASE.replace(b"0.5", b"NaN"),
        CASE.replace(b"1.0", b"9" * 400),
        CASE.replace(b'"t"', b"{}"),
        CASE + CASE[:20],
        b"[" * 100_000 + b"\n",
    ),
    "record": (b'{"type": "run"}\n', b'{"type": "run", "spec": "a", "seed": 0, "threads": 1}\n{"type": "fitted"}\n'),
    "run: journal": (b'{"type": "comparison", "key": "k", "model": {"' + b"a" * 20_000 + b'": 1}}\n',),
    "curves": (b'{"type": "curve", "fingerprints": {"8' + b"[" * 3_000 + b'": "a"}, "sizes": [8], "seeds": 1}\n',),
    "json answer": (
        b"[" * 2_000 + b"1" + b"]" * 2_000,
        b"[" * 500 + b"1" + b"]" * 499,
        *(unit * 20_000 for unit in (b"[", b"[,", b'{"a":[', b'["', b"[1")),
        b'{"a": ' + b"9" * 5_000 + b"}",
    ),
}


def test_every_past_failure_has_its_reader() -> None:
    assert set(FAILED) <= {reader.name for reader in READERS}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_any_bytes_give_a_value_or_a_user_error(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_CASES", "")

    def reads(data: bytes) -> None:
        check(reader, data, tmp_path)

    tried = given(data=inputs(reader))(reads)
    for past in FAILED.get(reader.name, ()):
        tried = example(data=past)(tried)
    settings(
        max_examples=40,
        derandomize=True,
        deadline=None,  # `check` bounds the processor time, on which other work on the machine has no hold
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )(tried)()
