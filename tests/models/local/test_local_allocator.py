"""Memory that was freed is used again, not asked for anew."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import advisor.models
import resource
import torch

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def fill():
    torch.empty(8 * 2**20).fill_(1.0)

fill()
before = faults()
for _ in range(5):
    fill()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another")
def test_a_large_tensor_takes_the_place_of_the_one_before() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 5 * 2**25 / 4096 / 10  # a tenth of the pages that the tensors have


FREED = """
import advisor.models
import torch

def resident():
    return 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))

before = resident()
torch.empty(2**25).fill_(1.0)
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another")
@pytest.mark.parametrize(("limit", "kept"), [("", True), ("64", False)])
def test_freed_memory_is_kept_where_the_user_names_no_limit(limit: str, kept: bool) -> None:
    environment = {**os.environ, "ADVISOR_MEMORY_GB": limit}
    done = subprocess.run([sys.executable, "-c", FREED], env=environment, check=True, capture_output=True, text=True)
    assert (int(done.stdout) > 2**26) == kept  # of 2**27 bytes
