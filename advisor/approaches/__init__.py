"""The contract of approaches, the registry that finds them, and those that only prompt."""

from advisor.approaches.adapted import Adapted, untrained
from advisor.approaches.contract import (
    Approach,
    ContextBuilder,
    ContextSource,
    Facts,
    Load,
    Prediction,
    Predictor,
    TrainingExample,
    TrainingSet,
    Tuned,
    Tuner,
    Usage,
)
from advisor.approaches.registry import (
    configuration,
    installed,
    is_described,
    parameters,
    parse,
    part,
    parts,
    spec_of,
    suggested,
)
from advisor.approaches.shots import ZeroShot

__all__ = [
    "Adapted",
    "Approach",
    "ContextBuilder",
    "ContextSource",
    "Facts",
    "Load",
    "Prediction",
    "Predictor",
    "TrainingExample",
    "TrainingSet",
    "Tuned",
    "Tuner",
    "Usage",
    "ZeroShot",
    "configuration",
    "installed",
    "is_described",
    "parameters",
    "parse",
    "part",
    "parts",
    "spec_of",
    "suggested",
    "untrained",
]
