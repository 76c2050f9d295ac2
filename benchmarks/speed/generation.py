"""Greedy generation behind a shared prefix, against Transformers' `generate` and its continuous batching."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from advisor.models import Decoding, Generation
from advisor.models.local.engine import LocalModel
from advisor.tasks import load_task
from benchmarks.speed.gates import every, same_answers
from benchmarks.speed.harness import Peer, Side, compare
from benchmarks.speed.material import ROOM, advisor_model, peer_model, prompts_with_prefix, shared_tokens, weights_facts
from benchmarks.speed.options import Options
from benchmarks.speed.record import Gate, Record

QUERIES, FEW_QUERIES = 20, 3
TOKENS, FEW_TOKENS = 32, 6
# For continuous batching on a CPU, which masks attention to all of its pages, wanted or not: sized for these prompts it
# is eight times as fast as with a tenth of the memory. Of the sizes tried these were the fastest.
PAGE = 32
BATCH = 256  # tokens of one pass

Tokens = list[list[int]]


def run(options: Options, record: Record) -> None:
    """Time greedy generation; both peers get the same prompt tokens, end and cap."""
    model = advisor_model(options, "float32")
    module = peer_model(options, "float32")
    task = load_task(options.task_folder("questions"))
    prompts = prompts_with_prefix(task, model, FEW_QUERIES if options.smoke else QUERIES)
    cap = FEW_TOKENS if options.smoke else TOKENS
    ids = [list(model.renderer.encode(prompt, ROOM).ids) for prompt in prompts]
    ends = sorted(model.renderer.stop_ids)
    settings = GenerationConfig(max_new_tokens=cap, do_sample=False, eos_token_id=ends, pad_token_id=ends[0])
    shared = shared_tokens(prompts, model)
    record.note(
        model=weights_facts(model),
        task=task.name,
        prompts=len(prompts),
        shared_tokens=shared,
        longest_prompt=max(map(len, ids)),
        most_tokens=cap,
    )

    def one_by_one() -> Tokens:
        rows = (torch.tensor([row], device=module.device) for row in ids)
        return [module.generate(row, generation_config=settings)[0, row.shape[1] :].tolist() for row in rows]

    def batched() -> Tokens:
        return continuous(module, ids, settings, shared)

    def gate(mine: Sequence[Generation], found: Tokens) -> Gate:
        return agreement(model, mine, found)

    compare(
        "generation behind a shared prefix",
        Side.of("advisor", lambda: model.generate(prompts, Decoding(cap)), model.forget),
        [
            Peer(Side.of("transformers generate, one by one", one_by_one), 5.0, every(gate)),
            Peer(
                Side.of("transformers continuous batching", batched),
                2.5,
                every(gate),
                f"shares the common prefix; pages of {PAGE} for what the prompts need, {BATCH} tokens a pass",
                optional=True,
            ),
        ],
        options,
        record,
    )


def continuous(module: Any, ids: Tokens, settings: GenerationConfig, shared: int) -> Tokens:
    """Answers of Transformers' continuous batching, with pages for what all `ids` begin with and for each one's own.

    Raises:
        RuntimeError: it ended without an answer to every prompt; it only logs why.
    """
    pages = sum(math.ceil((len(row) + settings.max_new_tokens) / PAGE) for row in ids) + 1
    pages += len(ids) - (shared // PAGE) * (len(ids) - 1)
    batching = ContinuousBatchingConfig(page_size=PAGE, num_blocks=pages, max_batch_tokens=BATCH)
    found = module.generate_batch(inputs=ids, generation_config=settings, continuous_batching_config=batching)
    outputs = list(found.values())
    errors = [output.error for output in outputs if output.error]
    if errors or len(outputs) != len(ids):
        raise RuntimeError(errors[0] if errors else f"{len(outputs)} answers to {len(ids)} prompts")
    return [list(output.generated_tokens) for output in outputs]


def agreement(model: LocalModel, mine: Sequence[Generation], found: Tokens) -> Gate:
    """Whether every answer is the same: its text, and its number of tokens."""
    told = []
    for row in found:
        ends = [place for place, token in enumerate(row) if token in model.renderer.stop_ids]
        kept = row[: ends[0]] if ends else row
        told.append((model.renderer.tokenizer.decode(kept, skip_special_tokens=True).strip(), len(kept)))
    gate = same_answers([(answer.text, answer.completion_tokens) for answer in mine], told)
    return replace(gate, seen={**gate.seen, "tokens": sum(answer.completion_tokens for answer in mine)})
