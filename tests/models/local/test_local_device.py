"""Which device and number format run, and what happens where the asked one cannot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

from advisor.errors import UserError
from advisor.models import Decoding, Prompt
from advisor.models.local import device
from advisor.models.local.allocator import keep_memory
from advisor.models.local.engine import LocalModel


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "cuda:99", "", "meta", "CPU0"])
def test_a_device_that_is_not_there_is_the_users_error(name: str) -> None:
    with pytest.raises(UserError, match="cannot be used") as caught:
        device.choose_device(name)
    assert repr(name) in caught.value.what
    assert caught.value.hint


def test_the_device_asked_for_is_taken() -> None:
    assert device.choose_device("cpu") == torch.device("cpu")


def test_without_a_wish_there_is_always_a_device() -> None:
    assert torch.empty(1, device=device.choose_device(None)).numel() == 1


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_the_number_format_asked_for_is_taken(name: str) -> None:
    assert device.choose_dtype(name, torch.device("cpu")) == getattr(torch, name)


@pytest.mark.parametrize("name", ["fp32", "int8", ""])
def test_an_unknown_number_format_is_the_users_error_and_the_known_are_named(name: str) -> None:
    with pytest.raises(UserError) as caught:
        device.choose_dtype(name, torch.device("cpu"))
    assert "bfloat16" in caught.value.hint


@pytest.mark.parametrize(
    ("flags", "expected"),
    [({"avx512_bf16"}, torch.bfloat16), ({"amx_bf16"}, torch.bfloat16), ({"avx2", "avx512f"}, torch.float32)],
)
def test_a_cpu_takes_bfloat16_only_where_it_multiplies_it_natively(
    flags: set[str], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: flags)
    assert device.choose_dtype(None, torch.device("cpu")) == expected


@pytest.mark.parametrize(
    ("dtype", "flags", "told"),
    [
        ("bfloat16", {"avx2", "avx512f"}, True),
        ("bfloat16", {"avx512_bf16"}, False),
        ("float16", {"avx512_bf16"}, True),
        ("float16", {"asimdhp"}, False),
        ("float32", {"avx2"}, False),
        ("bfloat16", set(), False),  # nothing is known of the processor
    ],
)
def test_a_number_format_that_the_cpu_emulates_is_told(
    dtype: str, flags: set[str], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: flags)
    said = device.emulated(getattr(torch, dtype), torch.device("cpu"))
    assert (dtype in said, "--dtype float32" in said) == (told, told)


@pytest.mark.parametrize(("limit", "expected"), [("4096\n", 4096), ("max\n", None), ("9223372036854771712\n", None)])
def test_memory_is_the_machines_or_the_containers_where_that_is_less(
    limit: str, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "CONTAINER_LIMITS", ())
    of_the_machine = device.usable_memory()
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(device, "CONTAINER_LIMITS", (str(tmp_path / "missing"), str(tmp_path / "limit")))
    assert device.usable_memory() == (expected or of_the_machine)


def test_the_device_has_a_name_and_memory_is_watched() -> None:
    module = SimpleNamespace(device=torch.device("cpu"))
    assert device.device_name(module.device).strip()
    device.reset_peak_memory(module)
    peak = device.peak_memory(module)
    assert peak is None or peak > 10_000_000


def test_memory_is_that_of_all_gpus_that_a_model_lies_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, reset = [7, 20, 300], []
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda gpu: sizes[gpu.index])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda gpu: reset.append(gpu.index))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: SimpleNamespace(total_memory=sizes[gpu.index]))
    spread = {"embed": 0, "first": "cuda:2", "second": 2, "third": "cpu", "head": "disk"}
    module = SimpleNamespace(device=torch.device("cuda:0"), hf_device_map=spread)
    device.reset_peak_memory(module)
    assert reset == [0, 2]
    assert device.peak_memory(module) == device.device_memory(module) == 307
    monkeypatch.setenv("ADVISOR_MEMORY_GB", "1e-7")
    assert device.device_memory(module) == 100


@pytest.mark.parametrize(
    ("own", "spread", "expected"),
    [
        ("cuda:1", None, "cuda:1"),
        ("cpu", {"embed": "cpu", "head": "disk"}, "cpu"),
        ("meta", {"embed": "disk", "first": "cpu", "head": "disk"}, "cpu"),
        ("meta", {"embed": "cpu", "first": 1, "head": 2}, "cuda:1"),
    ],
)
def test_tokens_go_where_the_embedding_computes(own: str, spread: dict[str, object] | None, expected: str) -> None:
    module = SimpleNamespace(device=torch.device(own), hf_device_map=spread)
    assert device.device_of(module) == torch.device(expected)


def test_an_embedding_may_lie_on_the_disk(llama: LocalModel, prompts: list[Prompt], tmp_path: Path) -> None:
    parts = dict.fromkeys(["model.layers", "model.norm", "model.rotary_emb", "lm_head"], "cpu")
    place = {"model.embed_tokens": "disk", **parts}
    module = AutoModelForCausalLM.from_pretrained(
        llama.source.id, device_map=place, offload_folder=tmp_path, dtype=torch.float32
    )
    assert module.device.type == "meta"
    spread = LocalModel(module.eval(), llama.renderer, llama.source, llama.embedder)
    assert spread.device.type == "cpu"
    choices = ["red", "dark blue"]
    found, wanted = (torch.tensor([s.totals for s in one.score(prompts, choices)]) for one in (spread, llama))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    answers = [[a.text for a in one.generate(prompts, Decoding(3))] for one in (spread, llama)]
    assert answers[0] == answers[1]
    assert spread.log_likelihoods(["the sea"]) == pytest.approx(llama.log_likelihoods(["the sea"]), abs=1e-3)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system tells no highest resident size")
def test_peak_memory_is_without_what_was_freed_before() -> None:
    """The C library keeps freed blocks for the next tensors; what a row before this one took is not of this one."""
    module = SimpleNamespace(device=torch.device("cpu"))
    keep_memory()
    before = [torch.ones(2**20) for _ in range(128)]  # half a gigabyte
    held = device.peak_memory(module)
    del before
    device.reset_peak_memory(module)
    after = device.peak_memory(module)
    assert held is not None and after is not None
    assert held - after > 400e6
    more = [torch.ones(2**20) for _ in range(64)]
    assert (device.peak_memory(module) or 0) - after > 200e6
    del more
