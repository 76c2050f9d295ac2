"""Before spending: the profile of a task and what may spoil a comparison on it, cheap probes of a model, and what more
labels would buy."""

from advisor.advise.ask import ask
from advisor.advise.budget import Budget
from advisor.advise.contest import Terms, as_raced, race, with_race
from advisor.advise.curve import curve
from advisor.advise.estimate import Estimate
from advisor.advise.interview import Answers
from advisor.advise.mislabelled import LabelCheck
from advisor.advise.probe import probe
from advisor.advise.profile import Profile, Unchecked, profile
from advisor.advise.readings import Probes, Rates, Reading
from advisor.advise.recommend import recommend
from advisor.advise.tokens import Tokens

__all__ = [
    "Answers",
    "Budget",
    "Estimate",
    "LabelCheck",
    "Probes",
    "Profile",
    "Rates",
    "Reading",
    "Terms",
    "Tokens",
    "Unchecked",
    "as_raced",
    "ask",
    "curve",
    "probe",
    "profile",
    "race",
    "recommend",
    "with_race",
]
