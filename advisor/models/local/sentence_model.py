"""What sentence embedders and rerankers have in common: a folder as sentence-transformers saves one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch

from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.local.fitting import Weights, check_room, in_half
from advisor.models.local.folder import check_names
from advisor.models.local.shortage import NotEnoughMemory, telling
from advisor.models.local.source import Source

SETTINGS, MODULES = "config_sentence_transformers.json", "modules.json"  # sentence-transformers' names


class SentenceModel:
    """A model of the sentence-transformers kind, whose weights run in this process.

    Class attributes:
        called: what it is, with its article, for errors.
        read_as, readable: what its folder is read as, likewise, and what to pass where it cannot be.
    """

    called: ClassVar[str]
    read_as: ClassVar[str]
    readable: ClassVar[str]

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        self.source = source
        self.device = device
        self.dtype = dtype

    @property
    def name(self) -> str:
        return self.source.id

    @property
    def revision(self) -> str:
        return self.source.revision

    def _loaded(self, make: Callable[..., Any]) -> Any:
        """The model that a class of sentence-transformers makes of the folder.

        Raises:
            UserError: it does not fit the memory, or cannot be read.
        """
        check_names(self.name, Path(self.source.path))
        weights = Weights(self.name, self.source.path, self.dtype)
        check_room(weights.called, weights.size, weights.mapped, self.device, lambda: in_half(weights))
        try:
            with clock.span("load"), telling(f"loading {self.name}", self.device):
                return make(
                    str(self.source.path),
                    device=str(self.device),
                    model_kwargs={"dtype": self.dtype},
                    local_files_only=True,
                )
        except NotEnoughMemory:
            raise
        except Exception as error:  # whatever the readers of foreign files may raise
            if "weights_only" in str(error):  # PyTorch's advice would be to run what is in the file
                what = f"{self.name}: its weights are pickles that hold more than numbers, and are not read"
                raise UserError(what, f"pass {self.called} with model.safetensors") from error
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{self.name}: cannot be loaded as {self.read_as}: {reason}", self.readable) from error
