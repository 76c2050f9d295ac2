"""Models and embedders of other packages, found by scheme: what they are told, and what is said where they fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.errors import UserError
from advisor.models.load import load_embedder, load_model

CODE = """
def load(name, loading):
    raise RuntimeError(f"no such thing as {name} on {loading.device}")


def nothing(name, loading):
    return name
"""


@pytest.fixture
def brought(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Installs a package whose loader is found under `far:`, in a group, for the time of a test."""

    def bring(group: str, function: str) -> None:
        install("faraway", CODE, {"far": f"faraway:{function}"}, group=group)
        monkeypatch.syspath_prepend(str(tmp_path))

    return bring


def test_a_loader_that_fails_is_told_in_a_line(brought: Callable[[str, str], None]) -> None:
    brought("advisor.models", "load")
    with pytest.raises(UserError, match=r"model far:off: cannot be loaded: RuntimeError: no such thing .* on moon"):
        load_model("far:off", device="moon")


def test_so_is_that_of_an_embedder(brought: Callable[[str, str], None]) -> None:
    brought("advisor.embedders", "load")
    with pytest.raises(UserError, match="embedder far:off: cannot be loaded: RuntimeError: no such thing"):
        load_embedder("far:off")


def test_what_is_no_model_is_refused(brought: Callable[[str, str], None]) -> None:
    brought("advisor.models", "nothing")
    with pytest.raises(UserError, match="its loader gave a str, which is no advisor"):
        load_model("far:off")


def test_a_scheme_that_nobody_loads_says_which_there_are(brought: Callable[[str, str], None]) -> None:
    brought("advisor.models", "load")
    with pytest.raises(UserError, match="nothing installed loads fra: names") as caught:
        load_model("fra:off")
    assert "far:" in caught.value.hint
