"""The contract of approaches, the registry that finds them, and those that only prompt."""

from advisor.approaches.contract import (
    Approach,
    ContextBuilder,
    ContextSource,
    Curriculum,
    Facts,
    Lesson,
    Prediction,
    Predictor,
    Tuned,
    Tuner,
    Usage,
)

__all__ = [
    "Approach",
    "ContextBuilder",
    "ContextSource",
    "Curriculum",
    "Facts",
    "Lesson",
    "Prediction",
    "Predictor",
    "Tuned",
    "Tuner",
    "Usage",
]
