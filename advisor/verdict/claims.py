"""The claims a report may make, each with its test and level: the table of docs/statistics.md.

Level and margin have their home in `advisor.tasks.power`.
"""

from __future__ import annotations

from dataclasses import dataclass

from advisor.tasks.power import LEVEL


@dataclass(frozen=True, slots=True)
class Claim:
    """One kind of claim.

    Attributes:
        name: its name in documents.
        test: the test behind it.
        level: the chance of error that it is allowed, and over what.
        field: its field in `results.json`.
        words: its wording in the report.
    """

    name: str
    test: str
    level: str
    field: str
    words: str


_LEVEL = f"{100 * LEVEL:g} %"

CLAIMS = (
    Claim(
        "is the best",
        "the chosen approach against each rival: two-sided, paired, not corrected. That the best of several is named "
        "needs no correction where it beats every rival (Gutmann & Maymin 1987; Hung & Fithian 2019)",
        f"{_LEVEL} for the one claim",
        "recommendation.decided",
        '"Use A: shown to be better than each of its 3 rivals, tested one by one."; "It is better than B: difference '
        '..., p = ..."',
    ),
    Claim(
        "beats the constant answer",
        "the chosen approach against the control majority, as one more rival that it has to beat: two-sided, paired, "
        "not corrected",
        f"{_LEVEL} for the one claim, together with that to be the best",
        "recommendation.decided, .reasons",
        '"A is named provisionally, since it is not shown to be better than always giving the majority class"',
    ),
    Claim(
        "is cheaper and not worse by the margin",
        "lower end of the 95 % interval of the paired difference, of this pair alone, above minus the margin "
        "(non-inferiority)",
        f"{100 * LEVEL / 2:g} % one-sided, against each rival that is not beaten",
        "recommendation.decided",
        '"It is cheaper than B ... and, if worse at all, then by less than 0.02"',
    ),
    Claim(
        "two rows differ",
        "paired, two-sided, corrected for all pairs of rows that can be chosen (of all rows where one is a control): "
        "single-step maximum over the correlated pairs (Hothorn, Bretz & Westfall 2008). Interval, p-value, star and "
        "letters say the same",
        f"{_LEVEL} over all pairs together",
        "approaches[].versus_best.shown, .low, .high, .p; approaches[].group",
        '"*"; group letters; "cannot be told apart"',
    ),
    Claim(
        "added by ..., lost by ...",
        "as two rows differ",
        f"{_LEVEL} over all pairs together",
        "diagnosis[].shown, .low, .high",
        '"Training (lora) added 0.097 to zero-shot"; "changed nothing that this test set shows"',
    ),
    Claim(
        "as good as with the right documents",
        "the simultaneous interval of the difference within the margin on both sides (equivalence)",
        f"{_LEVEL} over all pairs together",
        "diagnosis[].meaning",
        '"does as well as with the right documents, to within 0.02"; else the most that retrieval may lose',
    ),
    Claim(
        "one model against another, a tuned one against a prompted one",
        "as two rows differ; that one reaches the other: the simultaneous interval within the margin on both sides "
        "(equivalence)",
        f"{_LEVEL} over all pairs together",
        "diagnosis[].shown, .low, .high, .meaning",
        '"A when tuned (lora@A) reaches what B does, to within 0.02"; "is worse than B, by 0.1"; "is not shown to '
        'differ"; with what a query costs on either side, and from how many on it is cheaper in all',
    ),
    Claim(
        "better or worse on a slice",
        "paired on the examples of the slice, two-sided, corrected for all slices and all pairs of rows that can be "
        "chosen: the pivot of two rows that differ, and the largest of all sign-flip tests (Westfall & Young 1993). A "
        "training with one seed is judged as that very training",
        f"{_LEVEL} over all slices and pairs together",
        "approaches[].slices[].versus_best.shown, .low, .high; recommendation.against",
        '"A is the best overall, but is shown to be worse than B in the group ..."; "in none of them is another row '
        'shown to be better"',
    ),
    Claim(
        "a gap between groups",
        "the difference of a row's qualities in two groups, of variances with degrees of freedom of their own, "
        "corrected for all rows and pairs of groups: the largest studentised difference by the wild bootstrap "
        "(Wu 1986)",
        f"{_LEVEL} over all rows and pairs of groups together",
        "gaps[].shown, .low, .high",
        '"A gap between groups is shown for 1 of 3 rows"',
    ),
    Claim(
        "the quality of the chosen approach",
        "bootstrap that repeats the choice and judges it on the examples left out (Tsamardinos et al. 2018)",
        "95 % interval",
        "recommendation.quality",
        '"Corrected for having been picked by these test examples: ..."',
    ),
    Claim(
        "a calibration error is shown",
        "the error as usually computed is above 97.5 % of those that bins drawn again give where confidences are right "
        "(a parametric bootstrap), of this row alone",
        f"{100 * LEVEL / 2:g} % for each row",
        "approaches[].calibration.low",
        '"A calibration error is shown, of each alone, of A"; "of the others it may be chance"',
    ),
    Claim(
        "dropped in a race, winner of a race",
        "e-process of bets on paired differences (Waudby-Smith & Ramdas 2024)",
        f"{_LEVEL} over the whole race",
        "race.guarantee",
        '"beaten by B"; "the winner is certain enough"',
    ),
)
