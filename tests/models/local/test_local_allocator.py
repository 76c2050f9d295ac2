"""Memory that was freed is used again, not asked for anew."""

from __future__ import annotations

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
