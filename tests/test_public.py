"""The public surface of `import advisor`: a tested list, documented, and light."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import advisor

PUBLIC = [
    "AdvisorError",
    "Answers",
    "Budget",
    "Comparison",
    "Curves",
    "Decision",
    "Document",
    "Estimate",
    "Example",
    "Limits",
    "NotApplicable",
    "Preference",
    "Probes",
    "Profile",
    "Query",
    "TableSource",
    "Task",
    "Terms",
    "UserError",
    "ask",
    "compare",
    "curve",
    "decide",
    "load_model",
    "load_predictor",
    "load_prices",
    "load_table",
    "load_task",
    "probe",
    "profile",
    "race",
    "read_comparison",
    "recommend",
    "report",
    "subset",
    "with_race",
]
TYPES = [name for name in PUBLIC if name[0].isupper()]
FUNCTIONS = [name for name in PUBLIC if name[0].islower()]


def in_process(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names_are_these() -> None:
    assert sorted(advisor.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_documented(name: str) -> None:
    thing = getattr(advisor, name)
    text = inspect.getdoc(thing) or ""
    assert len(text.split()) >= 4
    assert not text.startswith(f"{name}(")  # as a dataclass documents itself where nobody else does


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_is_typed_and_takes_few_parameters(name: str) -> None:
    signature = inspect.signature(getattr(advisor, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())
    assert len(signature.parameters) <= 6 + 3 * (name == "compare")  # each of whose is an option of the command


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_says_what_it_returns_or_raises(name: str) -> None:
    (first, *_) = (inspect.getdoc(getattr(advisor, name)) or "").splitlines()
    assert first.endswith(".")


def test_what_dir_lists_can_be_had() -> None:
    for name in dir(advisor):
        assert getattr(advisor, name) is not None or name in ("__spec__", "__loader__", "__cached__", "__file__")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'advisor' has no attribute 'load_modle'"):
        advisor.load_modle  # noqa: B018


def test_load_model_is_fetched_when_it_is_first_asked_for(light_modules: set[str]) -> None:
    assert "advisor.models.local.loading" not in light_modules
    assert advisor.load_model is sys.modules["advisor.models.load"].load_model  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "library", ["torch", "transformers", "faiss", "peft", "langchain_core", "sklearn", "sacrebleu"]
)
def test_import_advisor_brings_no_heavy_library(library: str, light_modules: set[str]) -> None:
    assert library not in light_modules


@pytest.fixture(scope="module")
def light_modules() -> set[str]:
    """What is loaded after `import advisor` and the names that every script uses."""
    names = ", ".join(name for name in PUBLIC if name != "load_model")
    return set(in_process(f"from advisor import {names}\nimport sys\nprint(*sys.modules)").split())


def test_a_task_is_loaded_and_judged_as_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text('[task]\nname = "t"\nkind = "qa"\ninstruction = "Answer."\n')
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text('{"input": "a", "target": "b"}\n{"input": "c", "target": "d"}\n')
    task = advisor.load_task(tmp_path)
    assert isinstance(task, advisor.Task)
    assert len(advisor.subset(task, limit=1).test) == 1
    assert issubclass(advisor.UserError, advisor.AdvisorError)
    assert issubclass(advisor.NotApplicable, advisor.AdvisorError)
