"""The profile of a task: what it is like, and what may spoil a comparison on it. Nothing is run."""

from advisor.profiling.mislabelled import LabelCheck
from advisor.profiling.task_profile import Profile, Unchecked, profile
from advisor.profiling.tokens import TokenLengths

__all__ = ["LabelCheck", "Profile", "TokenLengths", "Unchecked", "profile"]
