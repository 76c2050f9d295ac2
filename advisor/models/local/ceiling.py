"""How fast this machine multiplies matrices of the model's shapes: what prefill and training are measured against."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from advisor.models.clock import clock
from advisor.models.contention import between
from advisor.models.local.device import device_of

SECONDS = 0.4  # spent on all shapes together; of each the fastest product counts
TOKENS_ON_CPU, TOKENS_ON_GPU = 1024, 8192
LARGEST_ON_CPU = 5e9  # operations of one product, beyond which fewer tokens have to do
AT_ONCE_ON_GPU = 10  # products between two looks at the clock: it takes longer to give one away than to do it


@dataclass(frozen=True)
class Ceiling:
    """The rate of matrix products alone.

    Attributes:
        matrix_parameters: weights of the linear layers that every token passes, without embedding and head; reading a
            token takes two operations for each. None where that is not so: of experts only some are passed.
        matrix_flops: operations a second over the shapes of these layers; None where there are no such layers.
        matrix_others: share of the processor that others took meanwhile; None where that cannot be told.
    """

    matrix_parameters: int | None
    matrix_flops: float | None
    matrix_others: float | None = None


_measured: WeakKeyDictionary[nn.Module, dict[int, Ceiling]] = WeakKeyDictionary()


def ceiling(module: Any) -> Ceiling:
    """Multiply activations by matrices of every shape in `module`, in its dtype and on its device.

    It takes half a second, once for each module and number of threads.
    """
    found, threads = _measured.setdefault(module, {}), torch.get_num_threads()
    if threads not in found:
        before = clock.look()
        rate = _measure(module)
        found[threads] = replace(rate, matrix_others=between(before, clock.look()).share)
    return found[threads]


@torch.inference_mode()
def _measure(module: Any) -> Ceiling:
    shapes, others = _shapes(module.base_model)
    passed = sum(outputs * inputs * count for (outputs, inputs), count in shapes.items())
    if not passed:
        return Ceiling(None, None)
    operations = seconds = 0.0
    for (outputs, inputs), count in shapes.items():
        tokens, took = _fastest(module, outputs, inputs, SECONDS / len(shapes))
        operations += count * 2.0 * tokens * outputs * inputs
        seconds += count * took
    return Ceiling(passed if others <= passed else None, operations / seconds)


def _shapes(base: Any) -> tuple[Counter[tuple[int, int]], int]:
    """How many linear layers have which shape, and how many weights are neither theirs nor an embedding's."""
    shapes: Counter[tuple[int, int]] = Counter()
    counted = 0
    for part in base.modules():
        if isinstance(part, nn.Linear):
            shapes[part.out_features, part.in_features] += 1
        elif isinstance(part, Conv1D):
            shapes[part.nf, part.nx] += 1
        elif not isinstance(part, nn.Embedding):
            continue
        counted += part.weight.numel()
    return shapes, sum(p.numel() for p in base.parameters()) - counted


def _fastest(module: Any, outputs: int, inputs: int, seconds: float) -> tuple[int, float]:
    """Tokens and seconds of the fastest product within `seconds`."""
    device = device_of(module)
    on_cpu = device.type == "cpu"
    tokens = TOKENS_ON_CPU if on_cpu else TOKENS_ON_GPU
    while on_cpu and tokens > 64 and 2.0 * tokens * outputs * inputs > LARGEST_ON_CPU:
        tokens //= 2
    numbers = torch.Generator(device)  # of its own: what is drawn here changes no approach's draws
    kind = {"device": device, "dtype": module.dtype, "generator": numbers}
    weight, texts = torch.rand(outputs, inputs, **kind), torch.rand(tokens, inputs, **kind)
    at_once = 1 if on_cpu else AT_ONCE_ON_GPU
    best, ends = math.inf, time.perf_counter() + seconds
    while best == math.inf or time.perf_counter() < ends:
        began = _clocks()
        _multiply(texts, weight, at_once)
        passed, worked = (now - then for now, then in zip(_clocks(), began, strict=True))
        # Other work on the processor takes time from the product and lowers no ceiling.
        best = min(best, passed, worked / torch.get_num_threads() if on_cpu else passed)
    return tokens, best / at_once


def _clocks() -> tuple[float, float]:
    """Seconds on the wall and on the processor, all threads of this process together."""
    return time.perf_counter(), time.process_time()


def _multiply(texts: torch.Tensor, weight: torch.Tensor, times: int) -> None:
    for _ in range(times):
        torch.nn.functional.linear(texts, weight)
    if texts.device.type != "cpu":
        torch.accelerator.synchronize(texts.device)
