"""llama.cpp's own OpenAI-compatible server, on this machine, in a process that can be killed.

As a program it serves until it is ended: `python -m benchmarks.servers.llama_cpp --parallel 8` prints the address.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from advisor.models.local.packages import SMOLLM2

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0
ALIAS = "smollm2"


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        process: that serves; kill it to see what happens.
    """

    address: str
    process: subprocess.Popen[str]

    @property
    def model(self) -> str:
        """The name by which `advisor.load_model` asks it."""
        return f"{self.address}/v1#{ALIAS}"


@contextmanager
def serving(*options: str) -> Iterator[Served]:
    """While the block runs, the embedded model is served.

    Args:
        options: of the program, as `--parallel`, `4`.

    Raises:
        RuntimeError: it does not come up.
    """
    command = [sys.executable, "-m", "benchmarks.servers.llama_cpp", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        if not address.startswith("http://") or not _ready(address):
            raise RuntimeError(f"the server of llama.cpp did not come up: it said {address!r}")
        yield Served(address, process)
    finally:
        process.kill()
        process.wait()


def _ready(address: str) -> bool:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                if answer.status == 200:
                    return True
        except OSError:
            time.sleep(0.05)
    return False


def serve(options: argparse.Namespace) -> None:
    """Serve until the process is ended; the address is printed at once."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.file or str(SMOLLM2.locate())
    parameters.model_alias = {ALIAS}
    parameters.n_ctx = options.context * options.parallel
    parameters.n_parallel = options.parallel
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = options.threads
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options.port
    parameters.endpoint_metrics = True
    if options.key:
        parameters.api_keys = [options.key]
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--context", type=int, default=2048, help="tokens of each request")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("--file", default="", help="of the weights; default: the embedded model's")
    serve(parser.parse_args())


if __name__ == "__main__":
    main()
