"""Exporters by the names that `--as` takes."""

from __future__ import annotations

from advisor import plugins
from advisor.deploy.exporting.contract import Exporter
from advisor.errors import UserError

GROUP = "advisor.exporters"


def exporter_of(named: str) -> Exporter:
    """The exporter that `--as` names: `NAME`, or `NAME:SETTING=VALUE,...`.

    Raises:
        UserError: there is none, it cannot be imported, or it takes no such setting.
    """
    name, _, given = named.partition(":")
    found = plugins.plugin(GROUP, name, "format")
    if not (isinstance(found, type) and issubclass(found, Exporter)):
        raise UserError(f"what is registered as format {name!r} is no advisor.deploy.exporting.Exporter")
    settings = dict(_setting(named, one, found) for one in given.split(",") if one)
    return found(**settings)


def _setting(named: str, given: str, found: type[Exporter]) -> tuple[str, str]:
    key, _, value = given.partition("=")
    if key not in found.takes or not value:
        takes = ", ".join(f"{found.name}:{one}=..." for one in found.takes) or f"{found.name} takes no settings"
        raise UserError(f"--as {named}: {given!r} makes no sense", takes)
    return key, value


def formats() -> list[str]:
    """The names of all that are installed."""
    return list(plugins.installed(GROUP))
