"""Where a server is: read off a name, on this machine or not."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from advisor.errors import UserError

SCHEME = re.compile(r"([a-z][a-z0-9+._-]*):")
"""What names a loader, before the colon in a name."""
WHERE = "http://127.0.0.1:8000/v1#NAME"
Reach = Literal["machine", "network"]


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and what it calls the model that is meant.

    Attributes:
        base: the address below which the paths of the API lie, without a slash at its end.
        model: as the server calls it.
    """

    base: str
    model: str

    @classmethod
    def of(cls, name: str) -> Address:
        """Read `http(s)://host[:port]/v1#NAME`.

        Raises:
            UserError: something else was given, or it carries a secret.
        """
        try:
            parts = urlsplit(name)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UserError("the address of the model cannot be read", f"write it as {WHERE}") from error
        if "@" in parts.netloc or parts.query:
            where = f"{parts.scheme}://{host or ''}"
            raise UserError(
                f"{where}: the address carries a user, a password or a query, which would stand in every record",
                f"write it as {WHERE}; a key comes from the environment: ADVISOR_API_KEY",
            )
        if not host:
            raise UserError("the address of the model names no host", f"write it as {WHERE}")
        if not parts.fragment:
            raise UserError(f"{name}: does not say which model of the server is meant", f"write it as {WHERE}")
        shown = f"[{host}]" if ":" in host else host
        base = f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/') or '/v1'}"
        return cls(base, parts.fragment)

    @property
    def host(self) -> str:
        """Its name or number, and the port where one is given."""
        return urlsplit(self.base).netloc

    @property
    def root(self) -> str:
        """Where a server has what is not part of the API, such as its tokenizer."""
        return self.base.removesuffix("/v1")

    @property
    def place(self) -> Reach:
        """Whether it is this machine, or may be another."""
        return "machine" if is_loopback(urlsplit(self.base).hostname or "") else "network"

    @property
    def is_open(self) -> bool:
        """Whether what is sent there goes over a network as it is, for others to read."""
        return self.place == "network" and not self.base.startswith("https:")

    def __str__(self) -> str:
        return f"{self.base}#{self.model}"


def is_loopback(host: str) -> bool:
    """Whether what is sent to a host stays on this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def place_of(name: str) -> str:
    """Where a model or an embedder is, by its name as records have it: `process`, `machine` or `network`."""
    if "://" in name:
        return Address.of(name).place if urlsplit(name).fragment else "network"
    return "process" if runs_here(name) else "network"


def runs_here(name: str) -> bool:
    """Whether a name is that of a model or embedder which computes in this process; False of what no loader knows."""
    return SCHEME.match(name) is None or Path(name).exists()


def refuse_if_offline(what: str, name: str, place: str, offline: bool) -> None:
    """Refuse whatever would send a text away where no text may leave the machine.

    Args:
        what: it is, such as `model`.
        place: where it runs; as in `advisor.measuring.records.ModelFacts`.

    Raises:
        UserError: it would.
    """
    if offline and place == "network":
        raise UserError(
            f"{what} {name}: would send texts to another machine, and no text may leave this one",
            "take one that runs here or is served on this machine (http://127.0.0.1:...), or leave out --offline and "
            "local_only",
        )
