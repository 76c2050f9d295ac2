"""What a record says of the machine and of the software that ran."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

from advisor.version import VERSION

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "optuna",
    "sentence-transformers",
    "faiss-cpu",
    "langchain-core",
    "scikit-learn",
    "torchjd",
    "rouge-score",
    "sacrebleu",
)


@cache
def versions() -> Mapping[str, str]:
    """Versions of Python, Advisor and every package that can change a figure, as they were when first asked for."""
    found = {"python": platform.python_version(), "advisor": VERSION}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return MappingProxyType(found)


def hardware(device_name: str) -> dict[str, Any]:
    """Processor, cores that may be used, memory in bytes and the device's name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    return {"system": platform.system(), "cores": cores, "memory_bytes": memory, "device_name": device_name}
