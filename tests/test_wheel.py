"""The wheel holds what users need and nothing else; it is built from a copy, offline."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from advisor.version import VERSION

ROOT = Path(__file__).parents[1]
PACKAGES = ("advisor", "rag", "finetune")
EXTRAS = {
    "sql",
    *("api", "qlora", "serve", "gguf", "onnx", "documents", "pgvector", "qdrant", "ray", "mlflow", "wandb"),
    *("names", "parquet", "pdf", "hub", "chroma", "several"),
}
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    if find_spec("setuptools") is None:
        pytest.skip("setuptools, which builds the wheel, is not installed")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "runs", "results")
    for name in (*PACKAGES, "benchmarks", "tests", "examples"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def information(wheel: zipfile.ZipFile) -> str:
    """The folder of the wheel's metadata."""
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    return folder


def test_it_holds_exactly_three_packages(wheel: zipfile.ZipFile, information: str) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {*PACKAGES, information}


def test_it_holds_every_module(wheel: zipfile.ZipFile) -> None:
    ours = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert ours == {name for name in wheel.namelist() if name.endswith(".py")}


def test_it_holds_the_data_that_the_modules_read(wheel: zipfile.ZipFile) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert "advisor/verdict/prices.toml" in files
    assert not files - set(wheel.namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_its_packages_say_that_they_are_typed(wheel: zipfile.ZipFile, package: str) -> None:
    assert f"{package}/py.typed" in wheel.namelist()


def test_its_entry_points_are_the_command_and_the_approaches(wheel: zipfile.ZipFile, information: str) -> None:
    found = ConfigParser(delimiters=("=",))
    found.read_string(wheel.read(f"{information}/entry_points.txt").decode())
    assert dict(found["console_scripts"]) == {"advisor": "advisor.cli:main"}
    approaches = dict(found["advisor.approaches"])
    assert {"zero-shot", "few-shot", "rag", "oracle", "lora", "majority", "nearest"} <= set(approaches)
    for target in approaches.values():
        module, name = target.split(":")
        assert name
        path = module.replace(".", "/")
        assert {f"{path}.py", f"{path}/__init__.py"} & set(wheel.namelist())


def test_the_installed_entry_points_can_be_loaded() -> None:
    own = [e for e in entry_points(group="advisor.approaches") if e.module.split(".")[0] in PACKAGES]
    assert {"zero-shot", "few-shot", "rag", "lora"} <= {entry.name for entry in own}
    for entry in own:
        assert entry.load().name == entry.name


def test_its_name_is_not_that_of_another_program_and_its_version_is_the_codes(
    wheel: zipfile.ZipFile, information: str
) -> None:
    metadata = Parser().parsestr(wheel.read(f"{information}/METADATA").decode())
    assert metadata["Name"] == "adaptation-advisor"
    assert metadata["Version"] == VERSION


def test_its_dependencies_are_pinned_and_none_is_a_tool(wheel: zipfile.ZipFile, information: str) -> None:
    metadata = Parser().parsestr(wheel.read(f"{information}/METADATA").decode())
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert needed
    assert all("==" in line for line in needed)
    assert not [line for line in needed if line.startswith(("pytest", "ruff", "mypy"))]
    assert metadata["Requires-Python"] == ">=3.11"


def test_it_offers_the_extras_and_none_replaces_what_is_always_there(wheel: zipfile.ZipFile, information: str) -> None:
    metadata = Parser().parsestr(wheel.read(f"{information}/METADATA").decode())
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for line in metadata.get_all("Requires-Dist", []):
        assert "==" in line
        names["extra ==" in line].add(re.split(r"[\[=]", line)[0])
    assert not names[True] & names[False]


def test_it_carries_its_licence(wheel: zipfile.ZipFile, information: str) -> None:
    assert f"{information}/licenses/LICENSE" in wheel.namelist()
