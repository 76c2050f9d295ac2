"""The pages name what there is: files, functions and make targets; links lead somewhere."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

import advisor
from advisor.cli import _parser

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md", *(ROOT / "docs").glob("*.md")]
)
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def names(path: Path) -> set[str]:
    """What a module defines: its functions and classes, and the methods of these."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        place, _, anchor = target.partition("#")
        other = page if not place else page.parent / place
        assert other.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads], target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_modules_and_files_that_are_named_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"python -m (benchmarks[\w.]*)", text):
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name
    for name in re.findall(r"`((?:advisor|rag|finetune|tests|benchmarks)/[\w./-]+\.\w+)`", text):
        assert (ROOT / name).exists(), name


def test_the_walks_go_through_functions_that_there_are() -> None:
    rows = re.findall(r"^\| `([\w/]+\.py)` \| ((?:`[\w.]+`(?:, )?)+) \| ", ARCHITECTURE, re.MULTILINE)
    assert len(rows) > 25
    for file, cell in rows:
        assert set(re.findall(r"`([\w.]+)`", cell)) <= names(ROOT / file), file


def test_every_file_of_a_room_is_one_that_there_is_and_no_room_is_left_out() -> None:
    rooms = re.search(r"^## Rooms.*?^## ", ARCHITECTURE, re.DOTALL | re.MULTILINE)
    assert rooms
    sections = re.split(r"^### ", rooms[0], flags=re.MULTILINE)[1:]
    named: set[str] = set()
    for section in sections:
        home = re.match(r"(\w+): ", section)
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE):
            folder = f"advisor/{home[1]}/" if home else ""
            for file in re.findall(r"`([\w/]+\.\w+)`", row):
                if "/" in file:
                    folder = (f"advisor/{home[1]}/" if home else "") + file.rpartition("/")[0] + "/"
                candidates = [f"{folder}{file.rpartition('/')[2]}", f"advisor/{folder}{file.rpartition('/')[2]}"]
                there = [name for name in candidates if (ROOT / name).exists()]
                assert there, f"{section.splitlines()[0]}: {file}"
                named |= {Path(name).parent.as_posix() for name in there}
    inside = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "advisor").rglob("*.py")}
    assert inside - named <= {"advisor/commands"}


def blocks(language: str) -> list[str]:
    """All code blocks of the pages in a language."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    return [
        found for text in texts for found in re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    ]


COMMANDS = sorted(
    {
        re.split(" [<>] ?", line.removeprefix(".venv/bin/"), maxsplit=1)[0]
        for block in blocks("bash")
        for line in block.replace("\\\n", " ").splitlines()
        if line.removeprefix(".venv/bin/").startswith("advisor ")
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_pages_has_the_options_that_it_names(command: str) -> None:
    _, *given = shlex.split(command, comments=True)
    assert _parser(given).parse_args(given).command


def test_the_python_of_the_pages_names_what_is_public() -> None:
    found = [block for block in blocks("python") if "import advisor\n" in block]
    assert len(found) > 2
    for block in found:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "advisor":
                assert node.attr in advisor.__all__


POLICIES = {
    "advice with probes": "advice",
    "advice from the task alone": "profile without probes",
    "always LoRA, with retrieval where there are documents": "always rag+lora",
    "always LoRA": "always lora",
    "a published rule tree": "rule tree",
    "always RAG": "always rag",
    "always few-shot": "always few-shot",
    "always zero-shot": "always zero-shot",
}


def test_the_readme_tells_how_good_the_advice_is_as_it_was_scored() -> None:
    scored = (ROOT / "benchmarks" / "results" / "decisions.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in re.findall(r"^\| (.+ \| \d+% \| .*) \|$", readme, re.MULTILINE)]
    assert [policy for policy, *_ in rows] == list(POLICIES)
    for policy, *told in rows:
        name = re.escape(POLICIES[policy])
        (cells,) = re.findall(rf"^\| {name} \| (\S+) \| \S+ \| (\S+) ± \S+ \| (\S+) \|", scored, re.MULTILINE)
        (new,) = re.findall(rf"^\| {name} \| (\S+) \| \S+ \| \S+ \|$", scored, re.MULTILINE)
        assert told == [*cells, new]
