"""What Advisor adds to a call: the same requests by the provider's own client, in turn, at the same concurrency."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from openai import OpenAI

from advisor.models import Decoding, LanguageModel, Prompt
from advisor.models.load import load_model

ROOT = Path(__file__).parents[2]
PAIRS = 7
REQUESTS = 400
CONCURRENCY = 8


@contextmanager
def echoing(seconds: float) -> Iterator[str]:
    """While the block runs, the address of a server whose answers take so long."""
    command = [sys.executable, "-m", "benchmarks.servers.echo", "--seconds", str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def overhead(seconds: float) -> dict[str, float]:
    """Medians over pairs: seconds of either side, and how many times as long Advisor's takes.

    Args:
        seconds: that the server takes for an answer.
    """
    prompts = [Prompt("Which department?", f"My parcel {number} has not arrived.") for number in range(REQUESTS)]
    messages = [prompt.messages() for prompt in prompts]
    with echoing(seconds) as address, tempfile.TemporaryDirectory() as folder:
        model = load_model(f"{address}/v1#echo", concurrency=CONCURRENCY)
        client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        model.generate(prompts[:CONCURRENCY], Decoding(8))  # what the server can do is tried once, and not timed
        sides: dict[str, Callable[[int], None]] = {
            "client": lambda _: _by_client(client, messages),
            "advisor": lambda pair: _by_advisor(model, prompts, Path(folder) / f"{pair}.jsonl"),
        }
        times: dict[str, list[float]] = {name: [] for name in sides}
        for pair in range(PAIRS):
            for name in sorted(sides, reverse=bool(pair % 2)):
                began = time.perf_counter()
                sides[name](pair)
                times[name].append(time.perf_counter() - began)
    ratios = [a / b for a, b in zip(times["advisor"], times["client"], strict=True)]
    found = {name: statistics.median(taken) for name, taken in times.items()}
    return {"seconds": seconds, **found, "ratio": statistics.median(ratios)}


def _by_client(client: OpenAI, messages: Sequence[list[dict[str, str]]]) -> None:
    def ask(said: list[dict[str, str]]) -> str:
        answer = client.chat.completions.create(model="echo", messages=said, temperature=0, max_tokens=8)
        return str(answer.choices[0].message.content)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        assert len(list(pool.map(ask, messages))) == REQUESTS


def _by_advisor(model: LanguageModel, prompts: Sequence[Prompt], journal: Path) -> None:
    with model.keeping_answers(journal):
        assert len(model.generate(prompts, Decoding(8))) == REQUESTS
