"""In which form a trained adapter answers: the one rule, by what was asked, the weights and the memory."""

from __future__ import annotations

from peft import PeftConfig

from advisor.models import Adaptation, Merged
from advisor.models.local.engine import LocalModel
from advisor.models.local.shortage import spare
from finetune import adapter, merging
from finetune.methods.contract import State
from finetune.training import Serve

ATTACHED = "Queries were answered with the adapter attached to the base weights, not merged into them"


def served(asked: Serve, model: LocalModel, config: PeftConfig, state: State) -> tuple[Adaptation, str]:
    """The adapter as the model takes it, and what a reader has to know of that; nothing where it is merged in memory.

    Merged it answers at the speed of the base model. The originals are kept beside, in memory, else on disk; where
    neither has room, or codes cannot be rebuilt, the adapter is attached, whatever was asked for.
    """
    if asked == "attached":
        return adapter.attached(config, state), f"{ATTACHED}."
    layers = merging.layers_of(model, config, state)
    if any(layer.of_codes for layer in layers):
        if asked == "auto":
            return adapter.attached(config, state), f"{ATTACHED}, which are quantised."
        if not all(layer.can_be_rebuilt for layer in layers):
            reason = "since PEFT cannot add an adapter to codes of this kind"
            return adapter.attached(config, state), f"{ATTACHED}, {reason}."
        note = (
            "The adapter was merged into the weights that the quantised ones stand for; they were not quantised again."
        )
        return merging.rebuilt(model, layers, state), note
    merged = merging.merged(model, layers, state)
    place = model.originals.place(merged.tensors)
    if place is None:
        reason = "since neither memory nor the disk had room for a second copy of these"
        return adapter.attached(config, state), f"{ATTACHED}, {reason}."
    if place == "memory" and spare(2 * model.originals.size(merged.tensors), model.device):
        return Merged(merged.key, dict(merged.tensors)), ""  # merged once, in the fit, and not by the first query
    note = (
        "The adapter was merged in place, the originals of the weights lying on disk meanwhile: memory had no room "
        "for a second copy."
    )
    return merged, note if place == "disk" else ""
