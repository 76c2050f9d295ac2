"""A lack of memory is known by every library's name for it, and told with what was needed and what there is."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from advisor.errors import UserError
from advisor.models.load import load_embedder, load_model
from advisor.models.local import shortage
from advisor.models.local.shortage import NotEnoughMemory, in_words, left, not_enough, out_of_memory, telling

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("error", "needs"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes."), "4.0 GB"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"), "21.5 GB"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB). Tried to allocate 256 bytes"), "7 MB"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "7 MB"),
        (RuntimeError("could not create a primitive"), "7 MB"),
        (RuntimeError("could not create a memory object"), "7 MB"),
        (MemoryError("Unable to allocate 7.45 GiB for an array with shape (1000000000,)"), "8.0 GB"),
        (MemoryError("std::bad_alloc"), "7 MB"),
        (MemoryError(), "7 MB"),
        (OSError(12, "Cannot allocate memory"), "7 MB"),
    ],
)
def test_a_shortage_is_known_by_all_its_names_and_says_what_was_asked_for(error: Exception, needs: str) -> None:
    assert out_of_memory(error)
    said = not_enough(error, "a step", CPU, 7e6)
    assert said.what.startswith(f"not enough memory: a step needs about {needs}, and ")
    assert "is free" in said.what
    assert said.hint
    assert in_words(error).startswith("not enough memory: a step needs ")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("could not create a primitive descriptor for an inner product"),
        ValueError("the shapes do not match"),
        UserError("x.txt: the text says: out of memory"),
    ],
)
def test_what_is_none_is_left_as_it_is(error: Exception) -> None:
    assert not out_of_memory(error)
    assert in_words(error) == f"{type(error).__name__}: {error}"
    with pytest.raises(type(error)) as caught, telling("a step", CPU):
        raise error
    assert caught.value is error


def test_a_shortage_behind_a_librarys_own_error_is_known() -> None:
    with pytest.raises(NotEnoughMemory, match="a step needs more than there is"), telling("a step", CPU):
        try:
            np.empty(2**59, dtype=np.int8)
        except MemoryError as error:
            raise RuntimeError("some weights could not be converted") from error


@pytest.mark.parametrize(
    ("line", "folder", "files", "expected"),
    [
        ("0::/", "", {"memory.max": "5000000000", "memory.current": "3000000000"}, 2_000_000_000),
        ("0::/", "", {"memory.max": "max", "memory.current": "3000000000"}, None),
        (
            "0::/a.slice/b",
            "a.slice",
            {"memory.max": "10", "memory.current": "9", "memory.stat": "anon 5\ninactive_file 4"},
            5,
        ),
        (
            "4:cpu,memory:/docker/c",
            "memory/docker/c",
            {
                "memory.limit_in_bytes": "100",
                "memory.usage_in_bytes": "90",
                "memory.stat": "cache 7\ntotal_inactive_file 3",
            },
            13,
        ),
        ("4:memory:/docker/c", "memory", {"memory.limit_in_bytes": "100", "memory.usage_in_bytes": "120"}, 0),
        ("4:memory:/", "memory", {"memory.limit_in_bytes": "9223372036854771712", "memory.usage_in_bytes": "1"}, None),
    ],
)
def test_what_is_free_is_what_the_container_leaves(
    line: str,
    folder: str,
    files: dict[str, str],
    expected: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "cgroup").write_text(f"3:cpuset:/\n{line}\n")
    place = tmp_path / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)
    monkeypatch.setattr(shortage, "_CGROUPS", tmp_path)
    monkeypatch.setattr(shortage, "_PROCESS", tmp_path)
    monkeypatch.setattr(shortage, "_MACHINE", tmp_path / "none")
    free, whose = left(CPU)
    assert free == expected
    assert whose == "" if expected is None else "container" in whose


LIMITED = """
import resource, sys
from advisor.models.load import load_model
used = 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize")))
resource.setrlimit(resource.RLIMIT_AS, (used + 2_000_000_000,) * 2)
load_model(sys.argv[1], embedder=sys.argv[1], device="cpu", dtype="float32")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what the process takes is read from Linux")
def test_a_model_that_does_not_fit_under_the_limit_is_told_before_it_is_read(
    llama_folder: Path, tmp_path: Path
) -> None:
    """Of its weights there is nothing but what the file says of them."""
    folder = tmp_path / "large"
    shutil.copytree(llama_folder, folder)
    header = json.dumps({"a": {"dtype": "BF16", "shape": [10**9], "data_offsets": [0, 2 * 10**9]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    command = [sys.executable, "-c", LIMITED, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    what, hint = done.stderr.splitlines()[-2:]
    assert f"not enough memory: {folder} in float32 needs about 4.0 GB, and " in what
    assert "(ulimit -v)" in what
    assert "--dtype bfloat16 takes half" in hint


def test_weights_that_do_not_fit_are_told_in_the_format_in_which_they_run(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = 4 * sum(p.numel() for p in load_model(str(llama_folder), device="cpu").module.parameters())
    monkeypatch.setattr("advisor.models.local.fitting.left", lambda device: (weights // 2, "on this machine"))
    load_model(str(llama_folder), device="cpu", dtype="bfloat16")
    with pytest.raises(NotEnoughMemory, match="in float32 needs about"):
        load_model(str(llama_folder), device="cpu", dtype="float32")


def test_an_embedder_that_does_not_fit_is_told(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.local.fitting.left", lambda device: (1, "on this machine"))
    with pytest.raises(NotEnoughMemory, match="llama in float32 needs about 1 MB"):
        load_embedder(str(llama_folder), device="cpu", dtype="float32").embed(["a text"])
