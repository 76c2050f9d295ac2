"""Exporters by the names that `--as` takes."""

from __future__ import annotations

from advisor import plugins
from advisor.deploy.exporting.contract import Exporter
from advisor.errors import UserError

GROUP = "advisor.exporters"


def exporter_of(name: str) -> Exporter:
    """The exporter that is registered under a name.

    Raises:
        UserError: there is none, or it cannot be imported.
    """
    found = plugins.plugin(GROUP, name, "format")
    if not (isinstance(found, type) and issubclass(found, Exporter)):
        raise UserError(f"what is registered as format {name!r} is no advisor.deploy.exporting.Exporter")
    return found()


def formats() -> list[str]:
    """The names of all that are installed."""
    return list(plugins.installed(GROUP))
