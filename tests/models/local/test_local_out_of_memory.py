"""A batch that does not fit is halved until it does; nothing is lost and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch

from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.shortage import NotEnoughMemory

PROMPTS = [Prompt("Say which.", f"{letter} has {'very ' * i}old things") for i, letter in enumerate("abcdef")]
CHOICES = ("blue", "red as a rose")


RoomFor = Callable[[int, LocalModel], AbstractContextManager[list[int]]]


@pytest.mark.parametrize("packs", [True, False])
def test_answers_are_those_of_a_device_with_room(
    llama: LocalModel, packs: bool, room_for: RoomFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama.reader, "packs", packs)
    expected = [a.text for a in llama.generate(PROMPTS, Decoding(5))], [s.totals for s in llama.score(PROMPTS, CHOICES)]
    llama.forget()
    with room_for(150, llama) as refused:
        answers = llama.generate(PROMPTS, Decoding(5))
        scores = llama.score(PROMPTS, CHOICES)
    assert refused
    assert [a.text for a in answers] == expected[0]
    for found, wanted in zip(scores, expected[1], strict=True):
        assert found.totals == pytest.approx(wanted, abs=1e-4)


def test_one_prompt_that_does_not_fit_is_the_users_to_know(llama: LocalModel, room_for: RoomFor) -> None:
    with room_for(3, llama), pytest.raises(NotEnoughMemory, match=r"a prompt of \d+ tokens, .* needs about 1 MB, and"):
        llama.generate(PROMPTS[:1], Decoding(5))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("could not create a primitive"),
        RuntimeError("could not create a memory object"),
        RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes. Error code 12"
        ),
        MemoryError("std::bad_alloc"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB, max allowed: 9 GB). Tried to allocate 2.00 GB"),
    ],
)
def test_whatever_a_library_calls_it_a_batch_is_halved(llama: LocalModel, error: Exception) -> None:
    expected = [s.totals for s in llama.score(PROMPTS, CHOICES)]
    llama.forget()
    refused: list[int] = []

    def look(module: object, arguments: object, named: dict[str, torch.Tensor]) -> None:
        if (size := named["input_ids"].numel()) > 150:
            refused.append(size)
            raise error

    hook = llama.module.base_model.register_forward_pre_hook(look, with_kwargs=True)
    lean, llama.reader.fused = llama.reader.fused, None
    try:
        found = [s.totals for s in llama.score(PROMPTS, CHOICES)]
    finally:
        llama.reader.fused = lean
        hook.remove()
    assert refused
    for mine, wanted in zip(found, expected, strict=True):
        assert mine == pytest.approx(wanted, abs=1e-4)
