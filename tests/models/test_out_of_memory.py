"""A batch that does not fit is halved until it does; nothing is lost and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch

from advisor.models import Decoding, Prompt
from advisor.models.engine import LocalModel

PROMPTS = [Prompt("Say which.", f"{letter} has {'very ' * i}old things") for i, letter in enumerate("abcdef")]
CHOICES = ("blue", "red as a rose")


RoomFor = Callable[[int, LocalModel], AbstractContextManager[list[int]]]


@pytest.mark.parametrize("packs", [True, False])
def test_answers_are_those_of_a_device_with_room(
    llama: LocalModel, packs: bool, room_for: RoomFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama, "packs", packs)
    expected = [a.text for a in llama.generate(PROMPTS, Decoding(5))], [s.totals for s in llama.score(PROMPTS, CHOICES)]
    llama.forget()
    with room_for(150, llama) as refused:
        answers = llama.generate(PROMPTS, Decoding(5))
        scores = llama.score(PROMPTS, CHOICES)
    assert refused
    assert [a.text for a in answers] == expected[0]
    for found, wanted in zip(scores, expected[1], strict=True):
        assert found.totals == pytest.approx(wanted, abs=1e-4)


def test_one_prompt_that_does_not_fit_is_an_error(llama: LocalModel, room_for: RoomFor) -> None:
    with room_for(3, llama), pytest.raises(torch.OutOfMemoryError, match="tried to allocate"):
        llama.generate(PROMPTS[:1], Decoding(5))
