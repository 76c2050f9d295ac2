"""An application behind a port, until it is told to end. One home of uvicorn."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

from advisor.cleaning import say
from advisor.deploy.serving.app import EXTRA, WHAT
from advisor.deploy.serving.engine import Engine
from advisor.deploy.serving.events import EventLog, LoggedEvents
from advisor.deploy.serving.guard import App
from advisor.errors import UserError
from advisor.extras import needed

if TYPE_CHECKING:
    from uvicorn import Server

KEY = "ADVISOR_SERVE_KEY"
TICK = 0.05  # seconds between two looks at whether all is answered
LINGER = 0.2  # seconds for the last answers to be written


def check_address(host: str, key: str) -> None:
    """Raises:
    UserError: others could reach the server, and nobody asks them for a key.
    """
    if key or host == "localhost":
        return
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise UserError(
            f"--host {host}: other machines could ask, and no key is asked for",
            f"set {KEY} in the environment, or leave --host out",
        )


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 takes a free one.

    Raises:
        UserError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        seen = getattr(error, "strerror", None) or str(error)
        raise UserError(f"--host {host} --port {port}: {seen}", "name another port; 0 takes a free one") from None
    return found


def serve(app: App, engine: Engine, at: socket.socket, log: EventLog) -> bool:
    """Serve until SIGTERM or Ctrl-C: what was accepted is answered, and what comes then is turned away.

    A second signal does not wait for the answers. Returns whether the model could be warmed up.
    """
    server = server_of(app, engine, log)
    host, port = at.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    say(f"advisor serve: {engine.row.spec} at {address}/v1")
    log.write("listening", address=address, spec=engine.row.spec)
    engine.start()
    server.run(sockets=[at])
    engine.close()
    log.write("ended")
    return engine.state != "failed"


def server_of(app: App, engine: Engine, log: EventLog) -> Server:
    """A server that ends when it is told to and all that was accepted is answered.

    Raises:
        UserError: uvicorn is not installed.
    """
    with needed(WHAT, EXTRA):
        import uvicorn
    handler = LoggedEvents(log)
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [handler] if name != "uvicorn.error" else [], name == "uvicorn.error"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        log_level="warning",
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=int(engine.bounds.timeout) + 1,
    )
    server = uvicorn.Server(config)

    def end(number: int, frame: FrameType | None) -> None:
        if engine.state == "draining":
            server.should_exit = server.force_exit = True
            return
        engine.drain()
        threading.Thread(target=_end_when_idle, args=(server, engine, log), daemon=True).start()

    def give_up() -> None:
        server.should_exit = True

    engine.on_failure = give_up
    server.handle_exit = end  # type: ignore[assignment, method-assign]
    return server


def _end_when_idle(server: Server, engine: Engine, log: EventLog) -> None:
    log.write("draining")
    over = time.monotonic() + engine.bounds.timeout
    while not engine.idle and time.monotonic() < over:
        time.sleep(TICK)
    time.sleep(LINGER)
    server.should_exit = True
