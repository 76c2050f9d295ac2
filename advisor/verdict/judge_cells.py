"""What is told of the judges of a comparison: how far each can be trusted, and what it makes of each row."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.measuring.second_models import SecondModel
from advisor.verdict.agreement import FEWEST, Agreement
from advisor.verdict.cells import Interval
from advisor.verdict.correction import Corrected

GRADES = "people's grades"


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """What a judge makes of one row.

    Attributes:
        judged: its own mean, as the row has it by the metric.
        corrected: by people's grades; None where there are too few.
        share: of good answers, corrected likewise; None but for judges that say yes or no.
        bias: mean of its grades less people's, of answers that both graded.
        failures: answers to which it gave no grade.
        versus: the row with the best mean, which differences are to; empty for that one.
        difference: to it, as the judge has it, paired by example; with its corrected value.
    """

    spec: str
    judged: Interval
    corrected: Corrected | None = None
    share: Interval | None = None
    bias: Interval | None = None
    failures: int = 0
    versus: str = ""
    difference: Interval | None = None
    corrected_difference: Corrected | None = None


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """A judge of a comparison.

    Attributes:
        metric: its spec.
        asked: the model, with all that it took; None where nothing was recorded.
        usd: what that cost; None where no price is known.
        against: what it is held against: people's grades, or a metric.
        agreement: with that; None where too few answers have both.
        length: how much it likes long answers more than what it is held against does.
        position: of a judge of pairs: how often it prefers what stands first, 0.5 where it does not matter.
        rows: those of which it judged all answers.
        failures, answers: to how many of the answers it gave no grade.
        grades: people's, of answers that it judged.
    """

    metric: str
    asked: SecondModel | None
    usd: float | None
    against: str
    agreement: Agreement | None
    length: Interval | None
    position: Interval | None
    rows: tuple[JudgedRow, ...]
    failures: int
    answers: int
    grades: int

    @property
    def distrusted(self) -> str:
        """Why it decides nothing, in a sentence; empty where it is shown to be better than chance."""
        if self.agreement is None:
            return (
                f"how far {self.metric} can be trusted is not known: fewer than {FEWEST} test examples have both its "
                f"grade and {self.against}."
            )
        if self.agreement.beyond_chance:
            return ""
        by, ranks = self.agreement.pearson, self.agreement.spearman
        worse = by.high < 0 or ranks.high < 0
        what, found = (
            ("its grades correlate", by) if (by.high < 0 if worse else by.low <= 0) else ("their ranks do", ranks)
        )
        how = "judges worse than chance" if worse else "is not shown to judge better than chance"
        return (
            f"{self.metric} {how}: {what} with {self.against} by {found.value:.2f} [{found.low:.2f}, {found.high:.2f}] "
            f"on {self.agreement.n:,} answers."
        )
