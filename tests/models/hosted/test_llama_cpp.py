"""The embedded model behind llama.cpp's own server: the same weights here and there agree."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import Interrupted
from advisor.models import Context, Decoding, Prompt, Shot
from advisor.models.clock import clock
from advisor.models.hosted.patience import Patience
from advisor.tasks import Task
from advisor.tasks.loading import load_task
from benchmarks.servers.llama_cpp import Served, serving

ROOT = Path(__file__).parents[3]
Load = Callable[..., Any]
STEADY = Patience()


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(ROOT / "examples" / "ticket-routing")


@pytest.fixture(scope="module")
def here() -> Any:
    from advisor.models.load import load_model

    return load_model(device="cpu", dtype="float32")


@pytest.fixture
def there(llama_cpp: Served, load_served: Load) -> Any:
    return load_served(llama_cpp.model, patience=STEADY, concurrency=2)


def prompts_of(task: Task, count: int) -> list[Prompt]:
    """The shortest, since a server on one core reads slowly."""
    inputs = sorted((e.input for e in task.test), key=len)[:count]
    return [Prompt(task.instruction, text, task.labels) for text in inputs]


def likeliest(score: Any) -> int:
    values = [total / length for total, length in zip(score.totals, score.lengths, strict=True)]
    return max(range(len(values)), key=values.__getitem__)


def test_labels_are_as_likely_there_as_here(here: Any, there: Any, task: Task) -> None:
    prompts = prompts_of(task, 6)
    assert there.tells_labels_by(task.labels) == "likelihood"
    mine, others = here.score(prompts, task.labels), there.score(prompts, task.labels)
    assert {one.lengths for one in [*mine, *others]} == {(1, 1, 1, 1, 2, 2, 1, 1)}
    for one, other in zip(mine, others, strict=True):
        assert max(abs(a - b) for a, b in zip(one.totals, other.totals, strict=True)) < 1.0


def test_the_same_label_is_chosen_there_as_here(here: Any, there: Any, task: Task) -> None:
    """Of those of one token: each further one is another request, and the server runs on one core."""
    labels = tuple(label for label in task.labels if " " not in label)
    prompts = prompts_of(task, 40)
    mine, others = here.score(prompts, labels), there.score(prompts, labels)
    alike = sum(likeliest(one) == likeliest(other) for one, other in zip(mine, others, strict=True))
    assert alike >= 0.95 * len(prompts)


def test_answers_are_the_same_there_as_here(here: Any, there: Any) -> None:
    shots = Context((Shot("a cat", "animal"), Shot("an oak", "plant"), Shot("a rose", "plant")))
    things = ("a dog", "a fern", "a horse", "a tulip", "a cow", "a birch")
    prompts = [Prompt("Say what kind of thing it is. Answer in one word.", text, (), shots) for text in things]
    decoding = Decoding(6, ("\n",))
    mine, others = here.generate(prompts, decoding), there.generate(prompts, decoding)
    assert [one.prompt_tokens for one in mine] == [one.prompt_tokens for one in others]
    assert sum(one.text == other.text for one, other in zip(mine, others, strict=True)) >= 5


def test_what_is_reasoned_there_and_the_labels_behind_it_are_as_here(here: Any, there: Any) -> None:
    """In two steps. Later words may differ, since the server rounds otherwise."""
    labels = ("animal", "plant")
    things = ("a dog", "an oak")
    asked = [Prompt("Say what kind of thing it is.", text, labels, reasoning="") for text in things]
    mine, others = (model.generate(asked, Decoding(16, ("Answer:",))) for model in (here, there))
    assert [one.prompt_tokens for one in mine] == [one.prompt_tokens for one in others]
    assert all(one.text.split()[:3] == other.text.split()[:3] for one, other in zip(mine, others, strict=True))
    behind = [replace(prompt, reasoning=one.text) for prompt, one in zip(asked, mine, strict=True)]
    told, heard = (model.score(behind, labels) for model in (here, there))
    for one, other in zip(told, heard, strict=True):
        assert max(abs(a - b) for a, b in zip(one.totals, other.totals, strict=True)) < 0.5


def test_one_alone_is_timed_as_a_caller_sees_it(there: Any) -> None:
    prompt = Prompt("Count.", "Count from one to twenty.")
    one = there.generate([prompt], Decoding(24))[0]
    assert 0 < one.ttft_seconds < one.seconds and one.completion_tokens > 2
    clock.drain()
    assert there.generate([prompt], Decoding(24))[0].cached_tokens > 0
    assert clock.drain().calls["requests"] == 1


def test_it_says_what_it_is(there: Any, task: Task) -> None:
    assert there.context_window == 512
    assert there.describe()["place"] == "machine"
    assert there.choose(prompts_of(task, 1), task.labels)[0].text in task.labels
    assert there.answered_by and there.answered_by[0].startswith("smollm2")
    scores = there.score(prompts_of(task, 1), ("yes", "yes please"))[0]
    assert scores.lengths == (2, 3) and all(map(math.isfinite, scores.totals))


def test_what_does_not_fit_is_left_out(there: Any) -> None:
    long = Context(tuple(Shot("word " * 100, "yes") for _ in range(8)))
    one = there.generate([Prompt("Say yes.", "x", (), long)], Decoding(2))[0]
    assert 0 < one.dropped < 8 and one.prompt_tokens < 512


def test_a_server_that_is_killed_interrupts_and_nothing_answered_is_asked_again(
    llama_cpp: Served, load_served: Load, task: Task, tmp_path: Path
) -> None:
    quick = Patience(first_wait=0.01, in_a_row=2, gone_seconds=0.1, tries=8)
    prompts, kept = prompts_of(task, 12), tmp_path / "kept.jsonl"
    with serving("--parallel", "2") as served:
        model = load_served(served.model, patience=quick, concurrency=2)
        with model.keeping_answers(kept):
            first = model.generate(prompts[:4], Decoding(3))
            served.process.kill()
            served.process.wait()
            with pytest.raises(Interrupted, match="the server is gone"):
                model.generate(prompts, Decoding(3))
        kinds = Counter(json.loads(line)["type"] for line in kept.read_text().splitlines())
        lost = kinds["asked"] - kinds["answered"] - kinds["nothing"]
        port = served.address.rsplit(":", 1)[1]
        with serving("--parallel", "2", "--port", port):
            clock.drain()
            with model.keeping_answers(kept):
                again = model.generate(prompts, Decoding(3))
            calls = clock.drain().calls
    assert [one.text for one in again[:4]] == [one.text for one in first]
    assert calls["requests"] == 12 and calls.get("repeated", 0) == lost
