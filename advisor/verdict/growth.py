"""The records behind learning curves: comparisons of the same approaches with ever more training examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from advisor.measuring.records import Comparison, ModelFacts, TaskFacts


@dataclass(frozen=True)
class Growth:
    """The recorded comparisons by training set size; facts only.

    Attributes:
        folder: the folder of the records.
        task: all of it, with every training example.
        asked: numbers of training examples as they were asked for; those that exceed what there is mean all.
        sizes: the sizes to be measured, rising.
        draws: samples of the training examples for each size.
        specs: the specs of the approaches.
        comparisons: the comparisons begun, by size and one for each draw; where all examples are used there is one,
            with a run for each draw.
    """

    folder: str
    task: TaskFacts
    asked: tuple[int, ...]
    sizes: tuple[int, ...]
    draws: int
    specs: tuple[str, ...]
    comparisons: Mapping[int, tuple[Comparison, ...]]

    @property
    def model(self) -> ModelFacts:
        """The model that ran, as the largest comparison describes it."""
        return self.comparisons[max(self.comparisons)][0].model
