"""llama.cpp's server with one GGUF file: `python -I llama_cpp_program.py FILE PORT CONTEXT THREADS ALIAS`.

A process of its own, since what is wrong with a file ends it. Nothing of Advisor's is imported.
"""

from __future__ import annotations

import sys
import time

import xllamacpp


def main(file: str, port: str, context: str, threads: str, alias: str) -> None:
    """Serve on this machine alone, one request after the other, until it is ended."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = file
    parameters.model_alias = {alias}
    parameters.n_ctx = int(context)
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = int(threads)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = int(port)
    parameters.use_jinja = True  # the file's own chat template, and no built-in one that looks like it
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)  # noqa: T201 - into its log
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
