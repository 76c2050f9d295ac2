"""Rows padded and continued in place, as a GPU reads them, against the packed rows that CPUs read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from advisor.models import Decoding, Generation, Prompt, Scores
from advisor.models.local.device import peak_memory, reset_peak_memory
from advisor.models.local.engine import LocalModel
from advisor.models.local.shortage import NotEnoughMemory, give_back
from advisor.tasks import load_task
from benchmarks.speed.gates import every, same_answers, same_scores
from benchmarks.speed.harness import Peer, Side, compare
from benchmarks.speed.material import advisor_model, prompts_with_prefix, random_model, shared_tokens, weights_facts
from benchmarks.speed.options import Options, Role
from benchmarks.speed.record import Gate, Record

COUNT, FEW = 128, 4  # prompts
TOKENS, FEW_TOKENS = 64, 6  # of an answer
LONG, NOT_SO_LONG = 16_000, 600  # tokens of one prompt
CLOSE = 1e-3  # nats between the log-likelihoods of a label
LABELS: dict[str, Role] = {"labels of one token": "short labels", "labels of several tokens": "long labels"}


def run(options: Options, record: Record, shape: dict[str, Any]) -> None:
    """Time both ways on the default model in float32, and note what one long prompt takes.

    Args:
        shape: of the random model that reads the long one.
    """
    _short(options, record)
    give_back()
    _long(options, record, shape)


def _short(options: Options, record: Record) -> None:
    """Labels and answers behind what all prompts begin with."""
    model = advisor_model(options, "float32")
    record.note(model=weights_facts(model))
    count = FEW if options.smoke else COUNT
    for case, role in LABELS.items():
        task = load_task(options.task_folder(role))
        prompts = prompts_with_prefix(task, model, count, task.labels)
        record.note(**{case: {"task": task.name, "prompts": len(prompts), "shared": shared_tokens(prompts, model)}})
        job = partial(model.score, prompts, task.labels)
        _compare(case, model, job, _scores_agree, options, record)
    task = load_task(options.task_folder("questions"))
    prompts = prompts_with_prefix(task, model, count)
    cap = Decoding(FEW_TOKENS if options.smoke else TOKENS)
    record.note(answers={"task": task.name, "prompts": len(prompts), "most_tokens": cap.max_tokens})
    _compare("answers", model, partial(model.generate, prompts, cap), _answers_agree, options, record)


def _compare(
    case: str, model: LocalModel, job: Callable[[], Any], gate: Callable[..., Gate], options: Options, record: Record
) -> None:
    def prepared(launches: bool) -> Callable[[], None]:
        def prepare() -> None:
            model.forget()
            model.reader.launches = launches

        return prepare

    ours = Side.of("advisor, padded", job, prepared(True))
    compare(case, ours, [Peer(Side.of("advisor, packed", job, prepared(False)), 1.0, every(gate))], options, record)


def _long(options: Options, record: Record, shape: dict[str, Any]) -> None:
    """Memory that the labels of one long prompt take beside the weights, each way."""
    model = random_model("random weights", shape)
    words = "one two three four five six seven eight nine ten "
    tokens = NOT_SO_LONG if options.smoke else LONG
    prompt = Prompt("Say which.", words * (tokens // 10), ("red", "blue"))
    weights = sum(p.numel() * p.element_size() for p in model.module.parameters())
    seen: dict[str, Any] = {"weights": weights, "tokens": model.count_tokens(prompt.input)}
    for name, launches in (("padded", True), ("packed", False)):
        model.forget()
        model.reader.launches = launches
        reset_peak_memory(model.module)
        try:
            model.score([prompt], ["red", "blue"])
            seen[name] = peak_memory(model.module)
        except NotEnoughMemory:
            seen[name] = None  # which is what is to be seen
    record.note(long_prompt=seen)


def _scores_agree(mine: Sequence[Scores], found: Sequence[Scores]) -> Gate:
    return same_scores([scores.totals for scores in mine], [scores.totals for scores in found], CLOSE)


def _answers_agree(mine: Sequence[Generation], found: Sequence[Generation]) -> Gate:
    return same_answers([answer.text for answer in mine], [answer.text for answer in found])
