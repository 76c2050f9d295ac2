"""What a record says of a module: the weights that ran, how and where."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from advisor.models.local import threads
from advisor.models.local.batches import Bounds
from advisor.models.local.ceiling import ceiling
from advisor.models.local.device import devices_of, names_of
from advisor.models.local.kv import token_bytes
from advisor.models.local.source import Source


def described(module: Any, source: Source, bounds: Bounds) -> dict[str, Any]:
    """The weights, where they came from, what computes with them and how much at once."""
    return {
        "id": source.id,
        "revision": source.revision,
        "quantisation": source.quantisation,
        "source": source.origin,
        "dtype": str(module.dtype).removeprefix("torch."),
        "device": ", ".join(devices_of(module)),
        "device_name": names_of(module),
        "threads": torch.get_num_threads(),
        "threads_alone": threads.whole(),
        "parameters": module.num_parameters(),  # weights, however many a packed number holds
        **asdict(ceiling(module)),
        "token_bytes": token_bytes(module),
        "rows_at_once": bounds.rows,
        "tokens_at_once": bounds.tokens,
        "caveats": list(source.caveats),
    }
