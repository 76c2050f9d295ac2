"""Which program gave an answer: the sources that took part in it, and the libraries that they rest on."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from advisor.approaches import Approach, Part, Tuner, installed, parts
from advisor.measuring.environment import versions
from advisor.models import LanguageModel
from advisor.models.store import digest

HOST = "advisor"
ROOMS = ("errors.py", "tasks", "models", "approaches", "measuring")  # later rooms only judge what these recorded
LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "optuna",
    "sentence-transformers",
    "faiss-cpu",
    "bm25s",
    "PyStemmer",
    "scikit-learn",
    "torchjd",
)


def program_of(approach: Approach, model: LanguageModel, outside: Mapping[str, str] | None = None) -> str:
    """16 hex digits that change where an answer might.

    They stand for the code of Advisor's measuring rooms, of the packages that the approach's parts and the model come
    from, for the versions of the libraries, and for what the approach names outside of the task.

    Args:
        outside: digests of that, by name.
    """
    return _program(parts(approach), model, outside)


def training_program_of(approach: Approach, model: LanguageModel) -> str:
    """The same of what trains weights alone: rows that differ in their context agree in it."""
    return _program([part for part in parts(approach) if isinstance(part, Tuner)], model)


def _program(taking_part: Sequence[Part], model: LanguageModel, outside: Mapping[str, str] | None = None) -> str:
    found = versions()
    relied_on = {kind.__module__ for part in taking_part for kind in part.relies_on()}
    modules = {HOST, type(model).__module__, *(type(part).__module__ for part in taking_part), *relied_on}
    brought = [installed()[part.name].dist for part in taking_part if part.name in installed()]
    return digest(
        sorted({_source(module) for module in modules}),
        sorted({f"{dist.name} {dist.version}" for dist in brought if dist is not None}),
        {name: found.get(name) for name in LIBRARIES},
        *([dict(outside)] if outside else []),
    )[:16]


@cache
def _source(module: str) -> str:
    """Digest of the code of the package that a module belongs to, or of its one file; empty where none is known."""
    package = sys.modules.get(module.split(".")[0])
    file = getattr(package, "__file__", None)
    if file is None or not hasattr(package, "__path__"):  # a script, or a folder that is no package
        own = getattr(sys.modules.get(module), "__file__", None)
        return _digest_of(Path(own).parent, [Path(own)]) if own else ""
    folder = Path(file).parent
    if package is sys.modules[HOST]:
        return _digest_of(folder, (path for room in ROOMS for path in (folder / room, *(folder / room).rglob("*.py"))))
    return _digest_of(folder, folder.rglob("*.py"))


def _digest_of(folder: Path, files: Iterable[Path]) -> str:
    contents = hashlib.sha256()
    for path in sorted(files):
        if path.is_file():
            data = path.read_bytes()
            contents.update(f"{path.relative_to(folder).as_posix()} {len(data)}\n".encode() + data)
    return contents.hexdigest()
