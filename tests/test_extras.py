"""What needs a library that is not always installed says so in one clear line, with an extra that there is."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from advisor.errors import UserError
from advisor.extras import install, needed

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def test_a_library_that_is_not_there_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError) as caught, needed("a.xlsx: reading Excel", "documents"):
        import openpyxl  # noqa: F401
    assert str(caught.value) == (
        "error: a.xlsx: reading Excel needs openpyxl, which is not installed\n"
        "  try: pip install 'adaptation-advisor[documents]'"
    )


def test_a_library_that_is_broken_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_a_library.py").write_text("from json import no_such_thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"cannot be imported .*no_such_thing") as caught, needed("searching"):
        import half_a_library  # type: ignore[import-not-found]  # noqa: F401
    assert caught.value.hint == "pip install adaptation-advisor"


def test_nothing_is_said_where_it_is_there() -> None:
    with needed("reading JSON"):
        import json
    assert json.loads("1") == 1


def test_the_code_names_only_extras_that_there_are() -> None:
    files = [path for package in ("advisor", "rag", "finetune") for path in (ROOT / package).rglob("*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    named = set(re.findall(r"""(?:needed\(.*, |install\()["'](\w+)["']\)""", code))
    assert {"parquet", "names"} <= named <= set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_pinned_and_holds_nothing_that_is_always_there(extra: str) -> None:
    assert EXTRAS[extra]
    assert all("==" in library for library in EXTRAS[extra])
    assert not set(EXTRAS[extra]) & set(PROJECT["dependencies"])
    assert install(extra) == f"pip install '{PROJECT['name']}[{extra}]'"
