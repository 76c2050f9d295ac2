"""How likely a text is on its own: no instruction, no template, no answer; how foreign its language is to a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from advisor.models.clock import clock
from advisor.models.local.device import device_of
from advisor.models.local.scoring import LOGITS_AT_ONCE
from advisor.models.local.start import Start
from advisor.models.render import Encoded


def likelihoods(
    module: Any, head: Callable[[torch.Tensor], torch.Tensor], rows: Sequence[Encoded], start: Start
) -> list[float]:
    """Natural log of the probability of what stands behind each row's stem, in float32.

    Args:
        module: the Hugging Face model; rows are padded at their end, which a causal model does not notice.
        head: from hidden states to logits over the vocabulary.
        rows: tokens of texts; those of the stem are read and not judged, at least one of each row.
        start: what stands before every row's first token.
    """
    device = device_of(module)
    lengths = [len(row.ids) for row in rows]
    ids = torch.zeros(len(rows), max(lengths), dtype=torch.long)
    mask = torch.ones(len(rows), start.length + max(lengths), dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : lengths[at]] = torch.tensor(row.ids)
        mask[at, start.length + lengths[at] :] = 0
    more = {"past_key_values": start.cached(module).of(len(rows))} if start.length else {}
    with clock.span("prefill", tokens=sum(lengths)):
        hidden = module.base_model(
            input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=bool(more), **more
        ).last_hidden_state
    found = []
    with clock.span("score"):
        for at, row in enumerate(rows):
            total = 0.0
            for first in range(row.stem, lengths[at], LOGITS_AT_ONCE):
                last = min(first + LOGITS_AT_ONCE, lengths[at])
                logits = head(hidden[at, first - 1 : last - 1]).float()
                chosen = ids[at, first:last].to(device)
                total += float((logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(-1)).sum())
            found.append(total)
    return found
