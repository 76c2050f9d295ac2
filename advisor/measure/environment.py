"""What a record says of the machine and of the software that ran."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "advisor",
    "torch",
    "transformers",
    "peft",
    "optuna",
    "sentence-transformers",
    "faiss-cpu",
    "langchain-core",
    "scikit-learn",
    "rouge-score",
    "sacrebleu",
)


def versions() -> dict[str, str]:
    """Versions of Python and of every package that can change a figure."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware(device_name: str) -> dict[str, Any]:
    """Processor, cores that may be used, memory in bytes and the device's name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    return {"system": platform.system(), "cores": cores, "memory_bytes": memory, "device_name": device_name}
