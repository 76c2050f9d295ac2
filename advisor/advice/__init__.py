"""The recommendation before measuring: expectations for every approach, the choice, its reasons, and next steps."""

from advisor.advice.asking import ask
from advisor.advice.estimate import Estimate
from advisor.advice.interview import Answers
from advisor.advice.recommending import recommend

__all__ = ["Answers", "Estimate", "ask", "recommend"]
