"""Before spending: the profile of a task, what may spoil a comparison on it, and what more labels would buy."""

from advisor.advise.curve import curve
from advisor.advise.mislabelled import LabelCheck
from advisor.advise.profile import Profile, Unchecked, profile
from advisor.advise.tokens import Tokens

__all__ = ["LabelCheck", "Profile", "Tokens", "Unchecked", "curve", "profile"]
