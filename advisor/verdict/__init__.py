"""What is concluded from measurements: statistics, costs, diagnosis and choice; pure functions of records."""

from advisor.verdict.cells import Interval
from advisor.verdict.curves import Curves
from advisor.verdict.decision import (
    BreakEven,
    Cost,
    Decision,
    DiagnosisItem,
    LatencySummary,
    Recommendation,
    Row,
    Versus,
)
from advisor.verdict.judgement import decide
from advisor.verdict.prices import Prices, load_prices

__all__ = [
    "BreakEven",
    "Cost",
    "Curves",
    "Decision",
    "DiagnosisItem",
    "Interval",
    "LatencySummary",
    "Prices",
    "Recommendation",
    "Row",
    "Versus",
    "decide",
    "load_prices",
]
