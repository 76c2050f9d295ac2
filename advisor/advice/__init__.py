"""The recommendation: what is expected of every approach, which to choose, why, and what to do first."""

from advisor.advice.asking import ask
from advisor.advice.estimate import Estimate
from advisor.advice.interview import Answers
from advisor.advice.recommending import recommend

__all__ = ["Answers", "Estimate", "ask", "recommend"]
