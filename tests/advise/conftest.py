"""The scripted model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTED = Path(__file__).parents[1] / "approaches" / "scripted.py"


@pytest.fixture(scope="session")
def scripted() -> ModuleType:
    """The module with the scripted model."""
    spec = importlib.util.spec_from_file_location("scripted_for_advise", SCRIPTED)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(scripted: ModuleType) -> Any:
    return scripted.ScriptedModel()
