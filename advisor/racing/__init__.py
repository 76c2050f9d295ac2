"""Comparing within a budget: a race eliminates approaches early, and the finalists are measured on the test set."""

from advisor.racing.budget import Budget
from advisor.racing.contest import Terms, as_raced, race
from advisor.racing.result import RacedComparison, with_race

__all__ = ["Budget", "RacedComparison", "Terms", "as_raced", "race", "with_race"]
