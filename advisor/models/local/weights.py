"""Which of the weights that lie in a folder or a repository are read: others often lie beside them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from advisor.intake import json_of, read_bytes
from advisor.models.load import ADAPTER
from advisor.models.local.folder import ADAPTER_WEIGHTS, LARGEST

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


def weights_read(folder: Path, names: Collection[str]) -> list[str]:
    """The weight files that are read of a model, or of an embedder with its modules, as Transformers looks for them.

    Args:
        folder: where its JSON files are.
        names: of all files that there are, there or in the repository.

    Returns:
        Their names; none where they are called in another way.
    """
    if ADAPTER in names and "config.json" not in names:
        return [ADAPTER_WEIGHTS]
    modules = [module.get("path") for module in _json(folder / "modules.json", []) if isinstance(module, dict)]
    return [
        found
        for place in dict.fromkeys(["", *(f"{path}/" for path in modules if path)])
        for found in _of_place(folder, names, place)
    ]


def _of_place(folder: Path, names: Collection[str], place: str) -> list[str]:
    if f"{place}{WEIGHTS}" in names:
        return [f"{place}{WEIGHTS}"]
    index = _json(folder / f"{place}{INDEX}", {}).get("weight_map")
    return sorted({f"{place}{file}" for file in index.values()}) if isinstance(index, dict) else []


def _json(file: Path, otherwise: Any) -> Any:
    """What a file holds; `otherwise` where it holds something else: that is said when the model is loaded."""
    try:
        found = json_of(read_bytes(file, LARGEST))
    except (OSError, ValueError):
        return otherwise
    return found if isinstance(found, type(otherwise)) else otherwise
