"""Stands in for the program `vllm`: takes what `vllm serve` takes, and writes down what it was given.

STANDIN_NOTES names the file that it writes to; STANDIN_DOES what it does wrong: it `dies` while it starts, is `never`
ready, or `breaks` when it is asked for an answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

VERSION = "0.32.0+cpu"
ENGINE = "import time; time.sleep(120)"
DYING = """\
(APIServer pid=7) INFO 11-30 06:44:10 [model.py:2152] Using max model len 8192
(EngineCore pid=8) ERROR 11-30 06:44:16 [core.py:133] Traceback (most recent call last):
(EngineCore pid=8) ERROR 11-30 06:44:16 [core.py:133] ValueError: no room for \x1b[31mkeys and values
(EngineCore pid=8) Process EngineCore:
(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above.
"""


def main() -> None:
    if "VLLM_TARGET_DEVICE" not in os.environ and not Path("/dev/nvidia0").exists():
        raise SystemExit("RuntimeError: Failed to infer device type")
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("serve", choices=["serve"])
    parser.add_argument("folder")
    parser.add_argument("--port", type=int)
    parser.add_argument("--served-model-name")
    parser.add_argument("--lora-modules", nargs="*", default=[])
    options, _ = parser.parse_known_args()
    engine = subprocess.Popen([sys.executable, "-c", ENGINE])
    notes = {"arguments": sys.argv[1:], "environment": dict(os.environ), "processes": [os.getpid(), engine.pid]}
    Path(os.environ["STANDIN_NOTES"]).write_text(json.dumps(notes))
    does = os.environ.get("STANDIN_DOES", "")
    if does == "dies":
        print(DYING, flush=True)
        os._exit(3)  # its engine goes on
    adapters = list(map(adapter, options.lora_modules))
    if not all(Path(path, "adapter_config.json").is_file() for _, path in adapters):
        raise SystemExit(f"ValueError: no adapter at {adapters}")
    names = [options.served_model_name, *(name for name, _ in adapters)]
    ThreadingHTTPServer(("127.0.0.1", options.port), handler(names, does)).serve_forever()


def adapter(item: str) -> tuple[str, str]:
    """Name and folder of an adapter, read as vLLM's `LoRAParserAction` does."""
    if "=" in item and "," not in item:
        name, path = item.split("=", 1)
        return name, path
    said = json.loads(item)
    return said["name"], said["path"]


def handler(names: list[str], does: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if does == "never":
                return self.say(503, {})
            base, *adapters = names  # the window is said of the base alone
            return self.say(200, {"data": [{"id": base, "max_model_len": 4096}, *({"id": one} for one in adapters)]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if does == "breaks":
                print("torch.OutOfMemoryError: CUDA out of memory", flush=True)
                os._exit(4)
            if body["model"] != names[-1]:
                return self.say(404, {"error": "no such model"})
            message = {"role": "assistant", "content": f"said {body['messages'][-1]['content'][:1]}"}
            usage = {"prompt_tokens": 9, "completion_tokens": 2}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return self.say(200, {"choices": [choice], "usage": usage, "system_fingerprint": "vllm-0.32.0-00"})

        def say(self, status: int, body: dict[str, Any]) -> None:
            told = self.path.startswith("/v1")
            if told and self.headers.get("Authorization") != f"Bearer {os.environ['VLLM_API_KEY']}":
                status, body = 401, {"error": "Unauthorized"}
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


if __name__ == "__main__":
    main()
