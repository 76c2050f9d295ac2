"""A model's own tensors while others stand in their place: a second copy in memory if there is room, else on disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import torch

from advisor.disk import no_room
from advisor.errors import UserError
from advisor.models.local.device import device_of
from advisor.models.local.shortage import out_of_memory, spare
from advisor.models.store import cache_folder, scratch_folder

Place = Literal["memory", "disk"]
DISK_LEFT = 1.1  # times their size that must be free there


class Originals:
    """Puts tensors where a module has its own, and these back, bit for bit.

    Numbers are copied into the storage that a parameter has: what knows where that lies (a captured graph, another name
    for the same weights) needs to be told nothing, and beside the originals nothing is held twice. Subtracting again
    what was added would not give the same bits.

    On disk they lie in one file without a name in the cache folder (`ADVISOR_CACHE`), which is gone with the process,
    however that ends. They never change, so each is written once.

    Attributes:
        above: of what is laid upon what stands here; None where nothing is.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self.above: Originals | None = None
        self._kept: dict[str, torch.Tensor | None] = {}  # what is replaced now; None for one on disk
        self._offsets: dict[str, int] = {}
        self._file: IO[bytes] | None = None
        self._places: dict[frozenset[str], Place | None] = {}

    def place(self, names: Iterable[str]) -> Place | None:
        """Where these originals are kept when their places are taken, decided when it is first asked; None where
        there is room for them nowhere."""
        asked = frozenset(names)
        if asked not in self._places:
            self._places[asked] = self._choose(asked)
        return self._places[asked]

    def size(self, names: Iterable[str]) -> int:
        """Bytes of these tensors."""
        return sum(_bytes(self._parameter(name)) for name in names)

    def own(self, name: str) -> torch.Tensor:
        """The model's own tensor of this name, whatever stands in its place; not to be written to."""
        if name not in self._kept:
            return self.above.own(name) if self.above else self._parameter(name).data
        kept = self._kept[name]
        return kept if kept is not None else self._read(name)

    @torch.no_grad()
    def replace(self, tensors: Mapping[str, Any]) -> None:
        """Put these in place of the model's own, one after the other; none of them where one cannot be.

        Raises:
            UserError: the originals can be kept neither in memory nor on disk.
        """
        place = self.place(tensors)
        try:
            for name, tensor in tensors.items():
                parameter = self._parameter(name)
                self._kept[name] = self._copied(name, parameter, place)
                parameter.copy_(tensor)
        except BaseException:
            self.put_back()
            raise

    @contextmanager
    def held(self, names: Iterable[str]) -> Iterator[None]:
        """The block may write to these, which are the model's own again afterwards.

        Raises:
            UserError: as `replace`.
        """
        self.replace({name: self._parameter(name) for name in names})
        try:
            yield
        finally:
            self.put_back()

    @torch.no_grad()
    def put_back(self) -> None:
        """The model as it was."""
        for name in list(self._kept):
            self._parameter(name).copy_(self.own(name))
            del self._kept[name]

    def _choose(self, names: frozenset[str]) -> Place | None:
        size = self.size(names)
        if spare(size, device_of(self._module)):
            return "memory"
        return "disk" if _free_on_disk() > DISK_LEFT * size else None

    def _copied(self, name: str, parameter: torch.Tensor, place: Place | None) -> torch.Tensor | None:
        if place == "memory":
            try:
                return parameter.detach().clone()
            except Exception as error:  # less was free than it seemed
                if not out_of_memory(error):
                    raise
        if name not in self._offsets:
            self._write(name, parameter)
        return None

    def _write(self, name: str, tensor: torch.Tensor) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=scratch_folder("originals"))  # noqa: SIM115 - open while they are away
            at = self._file.seek(0, 2)
            self._file.write(_as_bytes(tensor.cpu()).numpy().data)
            self._file.flush()
        except OSError as error:
            raise no_room(error, cache_folder()) or UserError(
                f"{cache_folder()}: the model's weights cannot be kept there: {error.strerror}",
                "name a folder that can be written to in ADVISOR_CACHE, or serve the adapter beside them "
                "(lora:serve=attached)",
            ) from error
        self._offsets[name] = at

    def _read(self, name: str) -> torch.Tensor:
        assert self._file is not None  # what is away was written
        like = self._parameter(name)
        found = torch.empty(like.shape, dtype=like.dtype)
        self._file.seek(self._offsets[name])
        if self._file.readinto(_as_bytes(found).numpy()) != _bytes(like):  # type: ignore[attr-defined]
            raise UserError(f"{cache_folder()}: the model's weights cannot be read back", "load the model anew")
        return found.to(like.device)

    def _parameter(self, name: str) -> torch.Tensor:
        found: torch.Tensor = self._module.get_parameter(name)
        return found


def _free_on_disk() -> int:
    """Bytes; none where that cannot be told: the cache folder cannot be reached, or nobody can say where it is."""
    try:
        folder: Path = cache_folder()
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free
    except (OSError, RuntimeError):
        return 0


def _as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().flatten().view(torch.uint8)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
