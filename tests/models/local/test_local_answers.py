"""Greedy answers are those of Transformers' `generate`, whatever the kind of cache, also by a GPU's formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoConfig

from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from tests.models.local.readers import OnGPU
from tests.models.local.test_local_padded import KINDS
from tests.models.tiny import GROUPED, greedy, text_of

TOKENS = 24
CHOSEN = ["a window that some rows fit", "capped", "states", "a cache of its own", "frequencies for long rows"]


@pytest.mark.parametrize("launches", [False, True], ids=["as it is", "as on a GPU"])
@pytest.mark.parametrize("kind", CHOSEN)
def test_answers_are_those_of_generate(
    kind: str,
    launches: bool,
    prompts: list[Prompt],
    folder_of: Callable[..., Path],
    loaded: Callable[..., LocalModel],
) -> None:
    name, changed = KINDS[kind]
    model = loaded(folder_of("model", AutoConfig.for_model(name, **(GROUPED | changed))))
    if launches:
        model.reader = OnGPU(model.module)
    for prompt, answer in zip(prompts, model.generate(prompts, Decoding(TOKENS)), strict=True):
        expected = greedy(model.module, model.renderer.encode(prompt, TOKENS).ids, TOKENS, model.renderer.stop_ids)
        assert (answer.text, answer.completion_tokens) == (text_of(model, expected), len(expected))
