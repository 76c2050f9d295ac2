"""The forward passes of training: rows packed without padding, or padded, behind what is trained in front of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch.nn.functional import pad

from advisor.models.local.attention import packed_attention
from advisor.models.local.engine import LocalModel
from advisor.models.local.packed import Layer
from advisor.models.local.start import holding
from finetune.checkpointing import Context, checkpointed
from finetune.fused import llama
from finetune.fused.packing import Pack, TokenRow
from finetune.methods.contract import TrainedStart

States = tuple[torch.Tensor, torch.Tensor]
Read = tuple[list[int], torch.Tensor, torch.Tensor]


def passes(model: LocalModel, rows: Sequence[TokenRow], start: TrainedStart | None, again: bool) -> Iterator[Read]:
    """Hidden states of the tokens that predict an answer's token, shape (tokens, size), and the tokens to predict, row
    after row of as many at once as may be read together, behind the numbers of these rows.

    Args:
        again: whether layers are computed again on the way back.

    Raises:
        UserError: a row behind `start` is so long that the model would change its frequencies.
    """
    reader, given = model.reader, start.tokens if start else 0
    lengths = [given + row.tokens - 1 for row in rows]
    if start and reader.turn is not None and max(lengths) > reader.turn.at:
        raise reader.turn.beyond(max(lengths) - given, given)
    layers = start.layers() if start else ()
    for numbers in reader.alike(lengths, 0):
        part = [rows[n] for n in numbers]
        reader.turn_afresh()
        if reader.packs_rows(max(lengths[n] for n in numbers)):
            yield numbers, *_packed(model, part, layers, again)
        else:
            with recomputed(model, again):
                yield numbers, *_padded(model, part, layers)


def recomputed(model: LocalModel, again: bool, around: Context = nullcontext) -> AbstractContextManager[None]:
    """Layers of a forward pass in this block are computed again on the way back, where `again` says so."""
    return checkpointed(model.module, around) if again else nullcontext()


def _packed(model: LocalModel, rows: Sequence[TokenRow], start: Sequence[Layer], again: bool) -> States:
    pack, module = Pack.of(rows, model.device, start), model.module
    found = llama.read(model, pack.ids[0], pack.positions[0], pack.segments, pack.predicting, again)
    if found is not None:
        return found, pack.targets
    with packed_attention(module), recomputed(model, again, partial(packed_attention, module)):
        output = module.base_model(
            input_ids=pack.ids, position_ids=pack.positions, use_cache=False, attending=pack.segments
        )
    return output.last_hidden_state[0, pack.predicting], pack.targets


def _padded(model: LocalModel, rows: Sequence[TokenRow], start: Sequence[Layer]) -> States:
    longest = max(row.tokens for row in rows) - 1
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    predicting: list[int] = []
    targets: list[int] = []
    for i, row in enumerate(rows):
        whole = (*row.prompt, *row.answer[:-1])
        ids[i, : len(whole)] = torch.tensor(whole)
        mask[i, : len(whole)] = 1
        first = i * longest + len(row.prompt) - 1
        predicting += range(first, first + len(row.answer))
        targets += row.answer
    device = model.device
    behind = _behind(model, mask, start) if start else {"attention_mask": mask.to(device), "use_cache": False}
    output = model.module.base_model(input_ids=ids.to(device), **behind)
    hidden = output.last_hidden_state.flatten(0, 1)[torch.tensor(predicting, device=device)]
    return hidden, torch.tensor(targets, device=device)


def _behind(model: LocalModel, mask: torch.Tensor, start: Sequence[Layer]) -> dict[str, Any]:
    """How padded rows are read behind a start, whose keys and values stand in the cache."""
    base, given = model.module.base_model, start[0][0].shape[2]
    rows, longest = mask.shape
    found = {"attention_mask": pad(mask, (given, 0), value=1).to(model.device), "use_cache": True}
    found["past_key_values"] = _read_only(
        model.module, [(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in start]
    )
    if "position_ids" in inspect.signature(base.forward).parameters:
        found["position_ids"] = given + torch.arange(longest, device=model.device)[None].expand(rows, -1)
    return found


def _read_only(module: Any, layers: Sequence[Layer]) -> Any:
    """A cache that keeps nothing of what is read behind it: with gradient checkpointing each layer reads twice."""
    cache: Any = holding(module, layers)
    for layer in cache.layers:
        vars(layer)["update"] = partial(_followed, layer.keys, layer.values)
    return cache


def _followed(
    keys: torch.Tensor, values: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
) -> Any:
    return torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
