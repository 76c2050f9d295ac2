"""The model of a row that was measured: the recorded one, or the one that the user names in its place."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from advisor.commands.options import load_named
from advisor.deploy.predictors import recorded_model
from advisor.errors import UserError
from advisor.measuring.records import Comparison, Run
from advisor.models import LanguageModel
from advisor.models.load import CONCURRENCY, DEFAULT

_AS_IT_IS: Mapping[str, Any] = {
    "embedder": DEFAULT,
    "device": None,
    "dtype": None,
    "quantize": [],
    "labels_by": None,
    "reasoning": False,
    "concurrency": CONCURRENCY,
}
"""What says how a named model is loaded, where it says nothing."""


def model_of_row(options: argparse.Namespace, comparison: Comparison, run: Run) -> LanguageModel:
    """The model that `--model` names, else the recorded one, loaded as it was recorded.

    Raises:
        UserError: it cannot be had, or is to be loaded in another way without being named.
    """
    if options.model:
        return load_named(options.model, options)
    given = [f"--{name.replace('_', '-')}" for name, usual in _AS_IT_IS.items() if getattr(options, name) != usual]
    if given:
        what = "goes" if len(given) == 1 else "go"
        raise UserError(
            f"{', '.join(given)} {what} with --model: the recorded model is loaded as it was recorded",
            f"--model NAME {given[0]} ...",
        )
    return recorded_model(comparison, run, options.trust_remote_code, options.offline)
