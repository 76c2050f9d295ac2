"""Libraries that are imported only where a feature needs them: one clear line where they are not installed.

Which libraries make up an extra, and in which versions, stands in pyproject.toml and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from advisor.errors import UserError

DISTRIBUTION = "adaptation-advisor"


@contextmanager
def needed(what: str, extra: str = "") -> Iterator[None]:
    """Around the import of a library: its absence is a mistake of the set-up, told in two lines.

    Args:
        what: needs the library; begins the message, as in `t.parquet: reading Parquet`.
        extra: that brings the library; empty where it comes with every installation.

    Raises:
        UserError: the library is not installed, or cannot be imported.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{what} needs {error.name}, which is not installed", install(extra)) from error
    except ImportError as error:
        raise UserError(f"{what}: {error.name or 'a library'} cannot be imported ({error})", install(extra)) from error


@contextmanager
def hub_unheard() -> Iterator[None]:
    """Without the hub's library logging each attempt to reach the hub: the error says it once."""
    log = logging.getLogger("huggingface_hub")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def install(extra: str = "") -> str:
    """The command that installs an extra, or what comes with every installation."""
    return f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install {DISTRIBUTION}"
