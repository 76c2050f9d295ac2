"""Scores that are not numbers are refused in the run, whatever was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from advisor.errors import UserError
from advisor.models import Decoding, Merged, Prompt
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.engine import LocalModel
from advisor.models.local.packages import MINILM
from advisor.models.local.source import find

ASKED = [Prompt("Say which colour the thing has.", "the sky", ("red", "blue"))]


@pytest.fixture
def diverged(any_model: LocalModel) -> Iterator[Merged]:
    name, parameter = max(any_model.module.named_parameters(), key=lambda pair: pair[1].dim())
    yield Merged("diverged", {name: torch.full_like(parameter, torch.nan)})
    any_model.activate(None)


def test_no_label_is_chosen_and_no_answer_given(any_model: LocalModel, diverged: Merged) -> None:
    with pytest.raises(UserError, match="its training diverged"):
        any_model.score(ASKED, ["red", "blue"], diverged)
    with pytest.raises(UserError, match="its training diverged"):
        any_model.generate(ASKED, Decoding(4), diverged)
    assert np.isfinite(any_model.score(ASKED, ["red", "blue"])[0].totals).all()


def test_the_models_own_weights_are_told_apart_from_tuned_ones(any_model: LocalModel, diverged: Merged) -> None:
    any_model.activate(diverged)
    placed, any_model._activation._placed = any_model._activation._placed, []  # as if the folder had held them
    with pytest.raises(UserError, match="scores are not numbers in float32"):
        any_model.score(ASKED, ["red", "blue"])
    any_model._activation._placed = placed


def test_vectors_that_are_not_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = SentenceEmbedder(find("embedded", MINILM), torch.device("cpu"), torch.float32)
    assert embedder._packed is not None
    monkeypatch.setattr(embedder._packed, "encode", lambda texts: torch.full((len(texts), 384), torch.nan))
    with pytest.raises(UserError, match="vectors are not numbers in float32"):
        embedder.embed(["a text"])
