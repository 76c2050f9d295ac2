"""What a piece of work asks of the device: kernels, waits, and the largest tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

VIEWS = {
    *("_unsafe_view", "alias", "as_strided", "detach", "expand", "flatten", "permute", "reshape", "select", "slice"),
    *("split", "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unflatten", "unsqueeze", "view"),
}
WAITS = {"_local_scalar_dense", "is_nonzero", "item", "nonzero"}


class Counted(TorchDispatchMode):
    """Counts while it is entered.

    Attributes:
        kernels: operations that compute or move something.
        waits: times that a result has to be there before the work goes on.
        largest: numbers of the largest tensor that came out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernels = self.waits = self.largest = 0

    @classmethod
    def of(cls, work: Callable[[], object]) -> Counted:
        """What this work takes."""
        with cls() as counted:
            work()
        return counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.kernels += name not in VIEWS
        self.waits += name in WAITS
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            self.largest = max(self.largest, found.numel())
        return found
