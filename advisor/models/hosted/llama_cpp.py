"""A GGUF file asked as others will ask it: llama.cpp's own server, started here for as long as it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path

from advisor.errors import UserError
from advisor.extras import install
from advisor.models.embedder import Embedder
from advisor.models.hosted.address import Address
from advisor.models.hosted.calls import Calls, Peer
from advisor.models.hosted.client import Account, ServerClient, ServerWire
from advisor.models.hosted.manners import Manners
from advisor.models.hosted.own_server import LOOPBACK, HeldPort, OwnServer, Startup
from advisor.models.hosted.patience import STANDARD
from advisor.models.hosted.served import ServedModel

LIBRARY = "xllamacpp"
PROGRAM = Path(__file__).with_name("llama_cpp_program.py")
READY_SECONDS = 300.0
"""In which a file is read; half a minute for 10 GB from a disk."""
CONTEXT = 8192  # tokens at most: keys and values are held for all of them


@contextmanager
def llama_cpp(file: Path, embedder: Embedder, window: int, threads: int) -> Iterator[ServedModel]:
    """The model of a file, which answers by llama.cpp while the block runs.

    Args:
        embedder: that goes with it.
        window: tokens of the model's context.

    Raises:
        UserError: xllamacpp is not installed, or llama.cpp does not take the file.
    """
    if find_spec(LIBRARY) is None:
        raise UserError(f"trying a GGUF file needs {LIBRARY}, which is not installed", install("gguf"))
    port, context = HeldPort(), min(window, CONTEXT)
    command = [sys.executable, "-I", str(PROGRAM), str(file.resolve()), str(port.number), str(context), str(threads)]
    command.append(file.stem)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LLAMA_")}
    address = Address(f"http://{LOOPBACK}:{port.number}/v1", file.stem)
    client = ServerClient(file.name, address, Account(""), STANDARD)
    startup = Startup("llama.cpp", command, environment, port, READY_SECONDS, "this llama.cpp does not take the file")
    server = OwnServer(startup, client.scrub, client.is_ready)
    try:
        server.start(file.name)
        wire = ServerWire(client, Manners(()), reasoning=False, effort=False)
        calls = Calls(Peer(str(address), file.stem, "", "machine", (), False), wire, 1, STANDARD)
        model = ServedModel(calls, wire, embedder, False, own=True)
        model.assume_window(context)
        model.assume_going_on()
        try:
            yield model
        finally:
            model.close()
    finally:
        server.stop()


def version() -> str:
    """llama.cpp by the version of the package that brings it."""
    return f"llama.cpp ({LIBRARY} {version_of(LIBRARY)})"
