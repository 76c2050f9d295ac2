"""A headless browser for tests of pages: Chromium where Debian installs it, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)


@dataclass
class Visit:
    """An opened page, what it complained of, and what it asked for beside itself."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def browser() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    if find_spec("playwright") is None:
        pytest.skip("playwright, which drives the browser, is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=list(_ARGUMENTS))
        yield started
        started.close()


@contextmanager
def opened(started: Any, file: Path, width: int = 1400, theme: str = "light") -> Iterator[Visit]:
    """A file in a window of its own, without a network."""
    context = started.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
    page = context.new_page()
    visit = Visit(page)
    page.on("console", lambda message: visit.complaints.append(message.text))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("request", lambda request: visit.asked.append(request.url))
    page.goto(file.as_uri())
    yield visit
    context.close()
