"""The profile of a task: its description and what may spoil a comparison on it. No approach is run."""

from advisor.approaches.mislabelled import LabelCheck
from advisor.profiling.cleaned import CleanedTask, Cleaning, clean
from advisor.profiling.task_profile import Profile, Unchecked, profile
from advisor.profiling.tokens import TokenLengths

__all__ = ["CleanedTask", "Cleaning", "LabelCheck", "Profile", "TokenLengths", "Unchecked", "clean", "profile"]
