"""The rules of the house: which module may import which, what starts without torch, and how large things may grow.

They are read off the syntax trees, so that an import inside a function counts too.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import pytest

import advisor

ROOT = Path(__file__).parents[1]
PACKAGES = ("advisor", "rag", "finetune")
ROOMS = (
    *(
        "version",
        "errors",
        "extras",
        "plugins",
        "progress",
        "disk",
        "scratch",
        "cleaning",
        "intake",
        "interrupts",
        "tasks",
        "models",
    ),
    *("approaches", "measuring", "verdict", "profiling", "pilot", "forecast", "racing", "curves", "advice"),
    *("reporting", "sharing", "deploy", "commands", "cli", "__init__"),
)
OPEN_TO_ALL = (
    "advisor.tasks",
    "advisor.models",
    "advisor.approaches",
    "advisor.errors",
    "advisor.extras",
    "advisor.plugins",
    "advisor.progress",
    "advisor.scratch",
)
LAZY_DOORS = {  # what is slow to come, torch above all, is fetched when it is first needed
    "advisor": {"f'advisor.{_HOMES[name]}'"},
    "advisor.cli": {"f'advisor.commands.{name}'"},
    "finetune.gradient": {"'finetune.tuning'"},
    "finetune.lora": {"'finetune.methods.lora'"},
    "finetune.starts": {"'finetune.methods.starts'", "'finetune.methods.cartridges'", "'finetune.methods.joint'"},
    "finetune.peft_kinds": {"'finetune.methods.kinds'"},
    "finetune.probe": {"'finetune.unfreezing'"},
    "finetune.qlora": {"'finetune.methods.qlora'"},
    "finetune.classifiers": {"'finetune.encoders.fitting'"},
    "finetune.cpt": {"'finetune.pretraining'", "'finetune.methods.lora'", "'finetune.methods.weights'"},
    "finetune.bottleneck": {"'finetune.methods.bottleneck'"},
    "finetune.weights": {"'finetune.methods.weights'"},
    "finetune.dpo": {"'finetune.preferring'", "'finetune.preference_trainer'"},
    "finetune.rlhf": {"'finetune.reinforcing'", "'finetune.policy'"},
    "finetune.stages": {"'finetune.staging'"},
}
BEHIND_DOORS = {  # the modules that each of them may load, as prefixes
    "advisor": {f"advisor.{home}" for home in advisor._HOMES.values()},
    "advisor.cli": {"advisor.commands"},
    "finetune.gradient": {"finetune.tuning"},
    "finetune.lora": {"finetune.methods.lora"},
    "finetune.starts": {"finetune.methods.starts", "finetune.methods.cartridges", "finetune.methods.joint"},
    "finetune.peft_kinds": {"finetune.methods.kinds"},
    "finetune.probe": {"finetune.unfreezing"},
    "finetune.qlora": {"finetune.methods.qlora"},
    "finetune.classifiers": {"finetune.encoders.fitting"},
    "finetune.cpt": {"finetune.pretraining", "finetune.methods.lora", "finetune.methods.weights"},
    "finetune.bottleneck": {"finetune.methods.bottleneck"},
    "finetune.weights": {"finetune.methods.weights"},
    "finetune.dpo": {"finetune.preferring", "finetune.preference_trainer"},
    "finetune.rlhf": {"finetune.reinforcing", "finetune.policy"},
    "finetune.stages": {"finetune.staging"},
}

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
LONGEST_CLASS = 250
MEDIAN_FUNCTION = 8
MOST_PARAMETERS = 6
# Functions with more parameters, and why. What is here may not grow.
MANY_PARAMETERS = {
    "advisor.measuring.comparing.compare": 9,  # the public call; each of them is an option of the command
    "advisor.models.local.attention.attend": 7,  # the signature is Transformers' AttentionInterface, and one of its own
}

HOMES = {
    "transformers": ("advisor.models", "finetune"),
    "huggingface_hub": ("advisor.models", "advisor.deploy.exporting.hub"),
    "gguf": ("advisor.models",),
    "xllamacpp": ("advisor.models.hosted.llama_cpp_program",),
    "sentence_transformers": tuple(f"advisor.models.local.{name}" for name in ("embedder", "reranker", "trainable")),
    "torch": ("advisor.models", "finetune"),
    "peft": ("finetune", "advisor.models.local.onto"),
    "bitsandbytes": ("advisor.models.local.quantising",),
    "optuna": ("finetune.search",),
    "torchjd": ("finetune.conflicts",),
    "qpsolvers": ("finetune.conflicts",),
    "quadprog": ("finetune.conflicts",),
    "faiss": ("rag.flat",),
    "bm25s": ("rag.bm25",),
    "Stemmer": ("rag.bm25",),
    "langchain": ("rag", "advisor.models.hosted.chat"),
    "langchain_core": ("rag",),
    "langchain_qdrant": ("rag.stores.qdrant",),
    "qdrant_client": ("rag.stores.qdrant",),
    "langchain_chroma": ("rag.stores.chroma",),
    "chromadb": ("rag.stores.chroma",),
    "langchain_postgres": ("rag.stores.pgvector",),
    "openai": ("advisor.models.hosted.client",),
    "langchain_text_splitters": ("rag",),
    "datasets": ("advisor.tasks.importing.hub",),
    "rich": ("advisor.reporting", "advisor.cli"),
    "py3langid": ("advisor.tasks.language",),
    "genai_prices": ("advisor.verdict.token_prices",),
    "phonenumbers": ("advisor.tasks.personal",),
    "presidio_analyzer": ("advisor.tasks.personal",),
    "kreuzberg": ("advisor.tasks.office",),
    "pypdfium2": ("advisor.tasks.office",),
    "sklearn": ("advisor.approaches", "advisor.profiling"),
    "mlflow": ("advisor.sharing.mlflow",),
    "wandb": ("advisor.sharing.wandb",),
    "fastapi": ("advisor.deploy.serving.app",),
    "starlette": ("advisor.deploy.serving.app",),
    "uvicorn": ("advisor.deploy.serving.server",),
    "prometheus_client": ("advisor.deploy.watching.metrics",),
    "onnx": ("advisor.models.local.graphs",),
    "onnxscript": ("advisor.models.local.graphs",),
    "onnxruntime": ("advisor.models.local.ort",),
}
IN_ONE_FILE = ("faiss", "bm25s", "Stemmer")
HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "faiss",
    "bm25s",
    "langchain",
    "langchain_core",
    "sentence_transformers",
    "peft",
    "py3langid",
    "genai_prices",
    "phonenumbers",
    "kreuzberg",
    "optuna",
    "openai",
    "datasets",
    "mlflow",
    "wandb",
    "fastapi",
    "uvicorn",
    "prometheus_client",
    "onnx",
    "onnxscript",
    "onnxruntime",
)


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Import:
    """One import: `module` imports `target`, at `line`, inside a function or not."""

    module: str
    target: str
    line: int
    inside: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module that is shipped."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for name, tree in trees().items() for found in imports_of(name, tree))


def imports_of(module: str, tree: ast.Module) -> Iterator[Import]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, id(node) in inside)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: imports are absolute here"
            for alias in node.names:
                part = f"{node.module}.{alias.name}"
                yield Import(module, part if part in trees() else str(node.module), node.lineno, id(node) in inside)


def within(module: str, homes: tuple[str, ...]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)


def room(module: str) -> int:
    """The number of the room in which a module of `advisor` lies; later rooms may import earlier ones."""
    parts = module.split(".")
    return ROOMS.index(parts[1] if len(parts) > 1 else "__init__")


def test_the_house_is_read() -> None:
    assert {name.split(".")[0] for name in trees()} == set(PACKAGES)
    assert len(imports()) > 300
    assert ("finetune", "finetune.lora", False) in {(i.module, i.target, i.inside) for i in imports()}
    assert any((i.module, i.target) == ("finetune", "finetune.lora") for i in imports())


def test_every_module_of_advisor_lies_in_a_room() -> None:
    names = [name for name in trees() if name.startswith("advisor.")]
    assert not [name for name in names if name.split(".")[1] not in ROOMS]


def test_a_room_imports_only_from_rooms_before_it() -> None:
    own = [i for i in imports() if within(i.module, ("advisor",)) and within(i.target, ("advisor",))]
    assert not [str(i) for i in own if room(i.target) > room(i.module)]


def test_no_room_is_named_like_a_public_call() -> None:
    """`import advisor.decide as d` would give a function."""
    assert not set(ROOMS) & set(advisor.__all__)


def test_rooms_do_not_go_through_the_front_door() -> None:
    """`import advisor` from inside would read everything to get at anything."""
    assert not [str(i) for i in imports() if i.target == "advisor"]


def test_no_module_imports_itself_through_others() -> None:
    assert LAZY_DOORS.keys() == BEHIND_DOORS.keys()
    graph: dict[str, set[str]] = {name: set() for name in trees()}
    for found in imports():
        if found.target in graph and found.target != found.module:
            graph[found.module].add(found.target)
    for door, homes in BEHIND_DOORS.items():
        behind = {name for name in graph if within(name, tuple(homes))}
        assert behind, door
        graph[door] |= behind
    while leaves := [name for name, targets in graph.items() if not targets]:
        for leaf in leaves:
            del graph[leaf]
        for targets in graph.values():
            targets.difference_update(leaves)
    assert not graph, f"a cycle among {sorted(graph)}"


@pytest.mark.parametrize("package", ["rag", "finetune"])
def test_approaches_import_the_hosts_open_rooms_and_never_each_other(package: str) -> None:
    own = [i for i in imports() if within(i.module, (package,)) and within(i.target, PACKAGES)]
    assert own
    assert not [str(i) for i in own if not within(i.target, (package, *OPEN_TO_ALL))]


def test_the_host_does_not_know_its_approaches() -> None:
    assert not [str(i) for i in imports() if within(i.module, ("advisor",)) and within(i.target, ("rag", "finetune"))]


def test_nobody_imports_benchmarks_or_tests() -> None:
    assert not [str(i) for i in imports() if within(i.target, ("benchmarks", "tests", "examples"))]


def test_own_code_is_imported_at_the_top_of_a_file() -> None:
    assert not [str(i) for i in imports() if i.inside and within(i.target, PACKAGES)]


def test_only_the_lazy_doors_import_by_name() -> None:
    asked: dict[str, set[str]] = {}
    for name, tree in trees().items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in calls:
            function = call.func
            called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if called in {"import_module", "__import__"}:
                asked.setdefault(name, set()).add(ast.unparse(call.args[0]))
    assert asked == LAZY_DOORS


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_has_one_home(library: str) -> None:
    users = [i for i in imports() if within(i.target, (library,))]
    assert not [str(i) for i in users if not within(i.module, HOMES[library])]
    if library in IN_ONE_FILE:
        assert len({i.module for i in users}) == 1


def test_every_library_of_langchain_has_a_home() -> None:
    used = {i.target.split(".")[0] for i in imports() if i.target.startswith("langchain")}
    assert used <= set(HOMES)


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60
    )


HELP = "import contextlib, advisor.cli\nwith contextlib.suppress(SystemExit): advisor.cli.main(['--help'])"


@pytest.mark.parametrize("code", ["import advisor", HELP], ids=["import advisor", "advisor --help"])
def test_starting_loads_no_heavy_library(code: str) -> None:
    report = f"import sys; print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = run("-c", f"{code}\n{report}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_help_comes_at_once(tmp_path: Path) -> None:
    """Processor time of the best of three, since other work on the machine is not advisor's doing.

    As an installed program has it: compiled once, whatever the tests' own environment says of bytecode.
    """
    code = f"{HELP}\nimport sys, time; print('seconds:', time.process_time(), file=sys.stderr)"
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    run("-c", code, **compiled)
    seconds = []
    for _ in range(3):
        done = run("-c", code, **compiled)
        assert "compare" in done.stdout
        seconds.append(float(done.stderr.rsplit("seconds:", 1)[1]))
    assert min(seconds) < 0.5


def test_files_stay_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in shipped_files()}
    assert not {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n >= LONGEST_FILE}


def test_functions_stay_short() -> None:
    lengths = {name: lines(node) for name, node in functions()}
    assert not {name: n for name, n in lengths.items() if n >= LONGEST_FUNCTION}
    assert median(lengths.values()) <= MEDIAN_FUNCTION


def test_classes_stay_short() -> None:
    assert not {name: n for name, node in classes() if (n := lines(node)) >= LONGEST_CLASS}


def test_a_class_name_has_one_meaning() -> None:
    """Public names are unique in all packages; a private one may return in another room, never in the same."""
    homes: dict[str, list[str]] = {}
    for full, node in classes():
        private = node.name.startswith("_")
        package, *rest = full.split(".")
        room_of = f"{package}.{rest[0]}" if package == "advisor" else package
        homes.setdefault(f"{node.name} in {room_of}" if private else node.name, []).append(full)
    assert not {name: found for name, found in homes.items() if len(found) > 1}


def test_functions_take_few_parameters() -> None:
    """Keyword-only ones count, `self` and `cls` do not; what is excepted keeps exactly its number."""
    many = {name: n for name, node in functions() if (n := parameters(node)) > MOST_PARAMETERS}
    assert many == MANY_PARAMETERS


def shipped_files() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function with its full name, methods and inner functions included."""
    for name, node in definitions():
        if not isinstance(node, ast.ClassDef):
            yield name, node


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Every class with its full name."""
    for name, node in definitions():
        if isinstance(node, ast.ClassDef):
            yield name, node


def definitions() -> Iterator[tuple[str, Definition]]:
    """Every function and class with its full name, at any depth."""
    for module, tree in trees().items():
        stack: list[tuple[str, ast.AST]] = [(module, tree)]
        while stack:
            prefix, node = stack.pop()
            for child in ast.iter_child_nodes(node):
                if isinstance(child, Definition):
                    yield f"{prefix}.{child.name}", child
                    stack.append((f"{prefix}.{child.name}", child))
                else:
                    stack.append((prefix, child))


def lines(node: Definition) -> int:
    """The lines of a definition, from its first line (decorators left out) to its last."""
    return (node.end_lineno or 0) - node.lineno + 1


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = node.args
    named = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in named if name not in {"self", "cls"}])
