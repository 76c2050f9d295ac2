"""Before spending: the profile of a task, and what may spoil a comparison on it."""

from advisor.advise.mislabelled import LabelCheck
from advisor.advise.profile import Profile, Unchecked, profile
from advisor.advise.tokens import Tokens

__all__ = ["LabelCheck", "Profile", "Tokens", "Unchecked", "profile"]
