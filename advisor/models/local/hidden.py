"""Hidden states of chosen layers, pooled over each prompt's own tokens: what a classifier reads in place of an answer.

A layer's state is what it hands to the next one, without the norm that stands behind the last. No layer above the
highest that is asked for is computed, but of what prompts have in common, which is read once and kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Protocol

import torch
from torch import nn

from advisor.errors import NotApplicable
from advisor.models.clock import clock
from advisor.models.language_model import HiddenStates
from advisor.models.local.attention import packed_attention
from advisor.models.local.batches import Bounds, batches, halving
from advisor.models.local.device import device_of, devices_of
from advisor.models.local.kv import passing_bytes
from advisor.models.local.packed import Block, Packed, PackedPass, chunks
from advisor.models.local.prefixes import Own
from advisor.models.local.reader import Reader
from advisor.models.local.shortage import not_enough
from advisor.models.prompt import Prompt
from advisor.models.render import Encoded, Renderer


class Layered(Protocol):
    """What the engine offers to read with; see `LocalModel`."""

    name: str
    module: Any
    renderer: Renderer
    reader: Reader
    bounds: Bounds

    def check(self, scores: torch.Tensor) -> None: ...


class _Enough(Exception):
    """The highest layer that was asked for has been computed."""


def layers_of(module: Any) -> list[tuple[str, nn.Module]]:
    """The decoder's layers in order, with their names in the module; none where they are not found.

    Those that attend to images alone (Llama 3.2 Vision) do nothing to texts and are left out.
    """
    text = module.config.get_text_config(decoder=True)
    count, seeing = getattr(text, "num_hidden_layers", None), getattr(text, "cross_attention_layers", None) or ()
    decoder = _decoder(module)
    for name, part in module.named_modules():
        if decoder and name.startswith(decoder) and isinstance(part, nn.ModuleList) and len(part) == count:
            return [(f"{name}.{number}", layer) for number, layer in enumerate(part) if number not in seeing]
    return []


def read(model: Layered, prompts: Sequence[Prompt], layers: Sequence[int]) -> list[HiddenStates]:
    """The states of these layers, counted from 1, for each prompt, in the order of `prompts`.

    Raises:
        NotApplicable: the model has no such layer.
    """
    started = time.perf_counter()
    count = len(layers_of(model.module))
    if not layers or min(layers) < 1 or max(layers) > count:
        raise NotApplicable(f"{model.name} has {count} layers whose hidden states are known, counted from 1")
    rows = [model.renderer.encode(prompt, 0) for prompt in prompts]
    found: dict[int, HiddenStates] = {}

    def work(batch: Sequence[int]) -> None:
        states = pooled(model.reader, [rows[i] for i in batch], layers)
        model.check(states)
        seconds = time.perf_counter() - started
        for i, (last, mean) in zip(batch, states.cpu().numpy(), strict=True):
            found[i] = HiddenStates(last, mean, len(rows[i].ids), seconds, rows[i].dropped, rows[i].cut)

    def alone(error: Exception, row: int) -> Exception:
        tokens = len(rows[row].ids)
        size = tokens * passing_bytes(model.module)
        return not_enough(error, f"a prompt of {tokens:,} tokens", device_of(model.module), size)

    for numbers in model.reader.alike([len(row.ids) for row in rows], 0):
        for batch in batches([rows[number] for number in numbers], 0, Bounds(model.bounds.rows)):
            halving([numbers[place] for place in batch], work, alone)
    return [found[i] for i in range(len(rows))]


def pooled(reader: Reader, rows: Sequence[Encoded], layers: Sequence[int]) -> torch.Tensor:
    """The states of each row's last token, and their mean over its own tokens, those behind its stem.

    Args:
        rows: that may be read together, see `Reader.alike`.

    Returns:
        In float32, shape (rows, 2, layers, size).
    """
    packs = reader.packs_rows(max(len(row.ids) for row in rows))
    reader.turn_afresh()
    found = dict(_packed(reader, rows, layers) if packs else _padded(reader.module, rows, layers))
    return torch.stack([found[number] for number in range(len(rows))])


def pool(states: torch.Tensor, own: int) -> torch.Tensor:
    """Of one row's states, shape (layers, tokens, size), the last, and the mean over so many tokens at its end."""
    taken = states[:, -own:].float()
    return torch.stack([taken[:, -1], taken.mean(1)])


def own_tokens(row: Encoded) -> int:
    """How many tokens at a row's end are its own; at least the last is."""
    return len(row.ids) - min(row.stem, len(row.ids) - 1)


@contextmanager
def noted(module: Any, layers: Sequence[int]) -> Iterator[dict[int, torch.Tensor]]:
    """By layer, the states that a pass through the module in this block computes; the pass ends behind the highest.

    Where the model is spread over several devices it goes on to its end, since what moves its weights counts on that.
    """
    found: dict[int, torch.Tensor] = {}
    whole = len(devices_of(module)) > 1

    def note(number: int, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        # Gemma 3n computes several versions of the states beside each other, of which the first is the model's.
        found[number] = states[0] if states.dim() == 4 else states
        if number == max(layers) and not whole:
            raise _Enough

    def hook(number: int) -> Any:
        return lambda layer, given, output: note(number, output)

    named = layers_of(module)
    hooks = [named[number - 1][1].register_forward_hook(hook(number)) for number in sorted(set(layers))]
    try:
        yield found
    except _Enough:
        pass
    finally:
        for handle in hooks:
            handle.remove()


def padded_states(module: Any, rows: Sequence[Encoded], layers: Sequence[int]) -> list[torch.Tensor]:
    """Of each layer, the states of rows that are padded at their end, which a causal model does not notice; shape
    (rows, tokens, size)."""
    device, longest = device_of(module), max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = torch.tensor(row.ids)
        mask[at, : len(row.ids)] = 1
    with noted(module, layers) as found:
        module.base_model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
    return [found[layer] for layer in layers]


def _padded(module: Any, rows: Sequence[Encoded], layers: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
    with clock.span("prefill", tokens=sum(len(row.ids) for row in rows)):
        states = padded_states(module, rows, layers)
    for number, row in enumerate(rows):
        yield (
            number,
            pool(torch.stack([s[number, : len(row.ids)].to(states[0].device) for s in states]), own_tokens(row)),
        )


def _packed(reader: Reader, rows: Sequence[Encoded], layers: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
    """One row behind the other, what they have in common only once."""
    prefix = reader.prefix_of(rows)
    own = [row.ids[prefix.length :] for row in rows]
    for blocks in chunks(own, 0):
        clock.alarm()
        with clock.span("prefill", tokens=sum(block.tokens(own) for block in blocks)):
            packed = Packed.of(blocks, own, prefix.length, None)
            reading = PackedPass(blocks, prefix, None, None)
            states = _through(reader, packed, reading, layers)
        for number, places in _places(blocks, own):
            yield number, pool(states[:, places], own_tokens(rows[number]))


def _through(reader: Reader, packed: Packed, reading: PackedPass, layers: Sequence[int]) -> torch.Tensor:
    """The layers' states of a packed row, shape (layers, packed length, size)."""
    ids, positions = packed.ids.to(reader.device), packed.positions.to(reader.device)
    if reader.fused is not None and reader.fused.holds():
        return torch.stack(reader.fused.states(ids, positions, reading, layers))
    with packed_attention(reader.module), noted(reader.module, layers) as found:
        reader.module.base_model(input_ids=ids[None], position_ids=positions[None], use_cache=False, attending=reading)
    return torch.stack([found[layer][0] for layer in layers])


def _places(blocks: Sequence[Block], own: Own) -> Iterator[tuple[int, torch.Tensor]]:
    """The rows that end in these blocks, and where each one's tokens lie in the packed row."""
    for block in blocks:
        before = list(chain.from_iterable(range(place.start, place.stop) for place in block.path))
        for at, number in enumerate(block.rows if block.ends else ()):
            first = block.start + at * block.length
            yield number, torch.tensor([*before, *range(first, first + len(own[number]) - block.before)])


def _decoder(module: Any) -> str:
    """Name of the part that reads text."""
    found = module.get_decoder() if hasattr(module, "get_decoder") else module.base_model
    return next((name for name, part in module.named_modules() if part is found), "")
