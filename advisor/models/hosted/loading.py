"""Loading models and embedders that are served: from a name to what can be asked, before anything is sent."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from advisor.errors import UserError
from advisor.models.hosted.address import Address, refuse_if_offline
from advisor.models.hosted.calls import Calls, Peer
from advisor.models.hosted.client import Account, ServerClient, ServerWire
from advisor.models.hosted.embedder import EmbeddingWire, ServedEmbedder
from advisor.models.hosted.keys import key_in, variables_of
from advisor.models.hosted.manners import Manners
from advisor.models.hosted.patience import STANDARD, Patience
from advisor.models.hosted.served import ServedModel
from advisor.models.load import Loading, last_part

OPENAI, OPENAI_KEY, OPENAI_BASE = "openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"
OPENAI_ADDRESS = "https://api.openai.com/v1"
OLLAMA, OLLAMA_KEY, OLLAMA_HOST = "ollama", "OLLAMA_API_KEY", "OLLAMA_HOST"
OLLAMA_PORT = 11434
EFFORTS = {OPENAI: ("none", "minimal"), OLLAMA: ("none",)}
"""As little as models can be told to reason, where `reasoning_effort` tells them; what is tried first stands first."""

EMBEDDER = "embedder"


def load(name: str, loading: Loading, patience: Patience = STANDARD) -> ServedModel:
    """Load `http(s)://host[:port]/v1#NAME`, `openai:NAME` or `ollama:NAME`; nothing is sent.

    Args:
        patience: how long the server is waited for.

    Raises:
        UserError: the address cannot be used, a key is missing, or no text may leave the machine.
    """
    peer, client = _entered("model", name, loading, patience)
    efforts = EFFORTS.get(_scheme(name), ())
    manners = Manners(() if loading.reasoning else efforts)
    wire = ServerWire(client, manners, loading.reasoning, effort=bool(efforts))
    calls = Calls(peer, wire, loading.concurrency, patience)
    return ServedModel(calls, wire, loading.load_embedder(), loading.reasoning, own=_scheme(name) != OPENAI)


def load_embedder(name: str, loading: Loading, patience: Patience = STANDARD) -> ServedEmbedder:
    """Load the embedder `http(s)://host[:port]/v1#NAME`, `openai:NAME` or `ollama:NAME`; nothing is sent.

    Raises:
        UserError: as above.
    """
    peer, client = _entered(EMBEDDER, name, loading, patience)
    return ServedEmbedder(Calls(peer, EmbeddingWire(client), loading.concurrency, patience))


def _entered(what: str, name: str, loading: Loading, patience: Patience) -> tuple[Peer, ServerClient]:
    """Who is asked, and the client that asks."""
    hosted = _scheme(name) == OPENAI
    address = _address(name)
    refuse_if_offline(what, name, address.place, loading.offline)
    # Of an embedder records keep no more than its name, so that this has to say where it is.
    of_openai = name if what == EMBEDDER else address.model
    shown = of_openai if hosted and address.base == OPENAI_ADDRESS else str(address)
    own = OPENAI_KEY if hosted or (loading.typed and address.place == "machine") else ""
    own = OLLAMA_KEY if _scheme(name) == OLLAMA else own
    keys = variables_of(loading.alias or last_part(name), own, loading.typed)
    key = key_in(keys)
    if key and address.is_open:
        set_ones = ", ".join(one for one in keys if os.environ.get(one))
        raise UserError(
            f"{what} {name}: a key would be sent to {address.host} over plain http, where it can be read on the way",
            f"name it by https://, or unset {set_ones} for it",
        )
    if hosted and not key and address.place == "network":
        raise UserError(f"{name}: there is no key for it", f"export {' or '.join(keys)}")
    client = ServerClient(name, address, Account(key, own=hosted), patience)
    far = address.place == "network"
    provider = OPENAI if hosted else address.host if far else ""
    return Peer(shown, address.model, provider, address.place, tuple(keys), what == EMBEDDER), client


def _scheme(name: str) -> str:
    return name.partition(":")[0]


def _address(name: str) -> Address:
    """Where the server is. `openai:` is OpenAI itself, or what stands in for it where the user has said so; `ollama:`
    is this machine's, or the one that Ollama's own client would ask."""
    scheme, _, model = name.partition(":")
    if scheme not in EFFORTS:
        return Address.of(name)
    if not model:
        raise UserError(f"{name}: names no model", f"write it as {scheme}:NAME")
    base = _ollama() if scheme == OLLAMA else os.environ.get(OPENAI_BASE) or OPENAI_ADDRESS
    return Address.of(f"{base}#{model}")


def _ollama() -> str:
    """Where Ollama has OpenAI's API, by its own variable, which may leave out all but the host.

    Raises:
        UserError: the variable names no host and port.
    """
    said = os.environ.get(OLLAMA_HOST, "").strip().rstrip("/")
    try:
        parts = urlsplit(said if "//" in said else f"//{said}")
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError as error:
        raise UserError(f"{OLLAMA_HOST} cannot be read", f"export {OLLAMA_HOST}=127.0.0.1:{OLLAMA_PORT}") from error
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # where a server listens, not where it is asked
    port = port or (None if parts.scheme else OLLAMA_PORT)
    user = "@" if "@" in parts.netloc else ""  # is refused as in any address
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme or 'http'}://{user}{shown}{f':{port}' if port else ''}{parts.path.removesuffix('/v1')}/v1"
