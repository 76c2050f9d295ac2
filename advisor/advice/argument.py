"""The strongest reasons for the advice, in a manager's words, each with the fact behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from advisor.advice.estimate import Option, Reason
from advisor.advice.preference import AdvisedChoice
from advisor.forecast.rules import FEW_LABELS, KNOWN, RIGID
from advisor.pilot.readings import Probes
from advisor.tasks.description import Description
from advisor.tasks.power import MARGIN
from advisor.verdict import words

REASONS = 3
DOES_IT = 0.6
"""Quality from which on somebody would say that the model does the task already."""
OF_EACH = 8  # examples of a label from which on somebody would say that a simple learner has enough
_LEAST = 0.01  # difference in expected quality that is worth a word
_Weighed = tuple[float, Reason]
_Kind = Callable[[Option], bool]


def reasons(
    options: Sequence[Option],
    chosen: AdvisedChoice,
    described: Description,
    probes: Probes | None,
    kind: str,
    told: bool = False,
) -> tuple[Reason, ...]:
    """The three strongest reasons, weighted by the expected quality that each is about.

    Args:
        told: whether the description was told by a person, and is not read off data.
    """
    if chosen.advised is None:
        return _none_fits(options, chosen)
    case = _Case(options, chosen, described, probes)
    found = [
        *case.against_asking(),
        *case.labels(),
        *case.documents(told),
        *case.without_model(),
        *case.limits(),
        *case.price(),
        *case.likeness(),
        *case.form(kind),
        *case.above_constant(kind),
        *case.first(),
        (_LEAST / 4, Reason("What can be learned depends on the labelled examples that there are.", case.labelled)),
    ]
    return tuple(reason for _, reason in sorted(found, key=lambda one: -one[0])[:REASONS])


def passed_over(options: Sequence[Option], chosen: AdvisedChoice) -> str:
    """The reason why another approach has a higher figure than the advised one; empty where none has.

    What nobody has measured is named last; and what is known much better by itself than among the others keeps its
    figure (`advisor.forecast.learned.TWICE`), while the choice goes by its place among them.
    """
    mine = next((one for one in options if one.spec == chosen.advised), None)
    if mine is None:
        return ""
    above = [
        one
        for one in options
        if one.spec in chosen.worth
        and one.expected.value - mine.expected.value >= _LEAST
        and (not one.expected.tried or chosen.worth[one.spec].value < chosen.worth[mine.spec].value)
    ]
    if not above:
        return ""
    other = max(above, key=lambda one: one.expected.value)
    higher = f"{other.spec} has the higher figure in the table"
    if not other.expected.tried:
        return f"{higher}, but that is a rule of thumb; it was measured on too few tasks to be named first."
    lead = words.value(chosen.worth[mine.spec].value - chosen.worth[other.spec].value)
    return (
        f"{higher}: {other.expected.why}. Yet compared with it on other tasks, what was probed taken in, {mine.spec} "
        f"is expected to be better by {lead}."
    )


def _none_fits(options: Sequence[Option], chosen: AdvisedChoice) -> tuple[Reason, ...]:
    barred = [one for one in options if one.violations and not one.control]
    barred.sort(key=lambda one: one.spec != chosen.nearest)
    return tuple(Reason(f"{one.spec} is out.", "; ".join(one.violations)) for one in barred[:REASONS])


class _Case:
    """The advised approach compared with the others."""

    def __init__(
        self, options: Sequence[Option], chosen: AdvisedChoice, described: Description, probes: Probes | None
    ) -> None:
        self.options = [one for one in options if not one.control]
        self.by_spec: Mapping[str, Option] = {one.spec: one for one in options}
        self.mine = self.by_spec[chosen.advised or ""]
        self.chosen = chosen
        self.described = described
        self.probes = probes
        self.why = self.mine.expected.why

    def of(self, one: Option) -> str:
        """One approach's figure: `lora expected at 0.612`, `zero-shot measured at 0.430`."""
        basis = "measured" if one.expected.basis == "measured" else "expected"
        return f"{one.spec} {basis} at {words.value(one.expected.value)}"

    @property
    def labelled(self) -> str:
        """The training set in words: `240 labelled examples, about 30 for each of 8 labels`."""
        n, classes = self.described.train, self.described.labels
        each = f", about {n / classes:.0f} for each of {classes} labels" if classes and n else ""
        return f"{n:,} labelled example{'s' * (n != 1)}{each}"

    def both(self, other: Option) -> str:
        """The advised approach and another, with their difference where that was learned by itself."""
        said, ahead = f"{self.of(self.mine)}, {self.of(other)}", self.ahead(other)
        if abs(ahead - (self.mine.expected.value - other.expected.value)) < _LEAST:
            return said
        place = "better" if ahead >= 0 else "behind"
        return f"{said}; with what other tasks taught, {place} by {words.value(abs(ahead))}"

    def ahead(self, other: Option) -> float:
        """The expected difference between the advised approach and another, as the choice compared them."""
        worth = self.chosen.worth
        if other.spec in worth:
            return worth[self.mine.spec].value - worth[other.spec].value
        return self.mine.expected.value - other.expected.value

    def lead(self, which: _Kind) -> tuple[Option, float] | None:
        """The best other approach of a kind, and the expected lead of the advised one; None without one."""
        others = [one for one in self.options if one is not self.mine and which(one)]
        other = max(others, key=lambda one: one.expected.value, default=None)
        return None if other is None else (other, self.ahead(other))

    def behind(self, which: _Kind) -> tuple[Option, float] | None:
        """The best other approach of a kind that is expected to be worse; None without one, or where the two are left
        open.
        """
        found = self.lead(which)
        return found if found and found[1] >= _LEAST and found[0].spec not in self.chosen.open else None

    def against_asking(self) -> Iterator[_Weighed]:
        """The reason against simply asking the model."""
        if self.mine.asks_simply:
            rivals = [one for one in self.options if one is not self.mine]
            best = max(rivals, key=lambda one: one.expected.value, default=None)
            fact = self.both(best) if best else self.of(self.mine)
            if self.mine.expected.value >= DOES_IT:
                yield 0.5, Reason("The model does this already when it is simply asked.", fact)
            elif best:
                yield 0.5, Reason("Nothing that could be set up is expected to do clearly better.", fact)
            else:
                yield 0.5, Reason("There is nothing to learn from and nothing to look up yet.", fact)
        elif self.mine.uses_model and (found := self.behind(_simple)):
            yield found[1], Reason("Simply asking the model is not good enough.", self.both(found[0]))

    def labels(self) -> Iterator[_Weighed]:
        """The reason from labelled examples and what training makes of them."""
        n, classes = self.described.train, self.described.labels
        fact = self.labelled
        if self.mine.trained:
            prompted = [self.ahead(one) for one in self.options if _prompted(one)]
            claim = "There are enough labelled examples to train the model on."
            if n < FEW_LABELS:
                claim = "Few as they are, the labelled examples are expected to be worth training on."
            yield max(_LEAST, min(prompted, default=_LEAST)), Reason(claim, fact)
        elif not self.mine.uses_model and classes:
            claim = "A simple learner has enough examples of each label to learn from."
            if n < OF_EACH * classes:
                claim = "A simple learner is expected to make more of few examples than the model does."
            yield 0.05, Reason(claim, fact)
        elif not n:
            yield 0.1, Reason("There are no labelled examples that anything could learn from.", "training set: empty")
        elif found := self.behind(_trained):
            claim = "Training the model is not expected to pay with the labelled examples there are."
            yield found[1], Reason(claim, f"{fact}; {self.of(found[0])}")

    def documents(self, told: bool) -> Iterator[_Weighed]:
        """The reason from documents that hold the answers."""
        if not self.described.documents:
            return
        share = self.described.in_documents
        fact = "" if share is None else f"{100 * share:.0f} % of the answers stand in the documents word for word"
        if told:
            fact = "you said that answers come from documents"
        recall = self.probes.value("recall@3") if self.probes else None
        if recall is not None:
            fact += (
                f"{'; ' * bool(fact)}three passages hold the right document for {100 * recall:.0f} % of the questions"
            )
        if self.mine.shows == "documents":
            found = self.lead(_trained if self.mine.trained else _simple)
            claim = "Passages of the documents are expected to help the model."
            if told or (share or 0.0) >= KNOWN:
                claim = "The answers are in the documents, so the model has to be shown them."
            yield max(found[1] if found else 0.0, _LEAST), Reason(claim, fact or self.of(self.mine))
        elif found := self.behind(_looking_up):
            claim = "Showing the model passages of the documents is not expected to help enough."
            yield found[1], Reason(claim, "; ".join(filter(None, (self.of(found[0]), fact))))

    def without_model(self) -> Iterator[_Weighed]:
        """The reason from learners that need no language model."""
        if not self.mine.uses_model:
            rivals = [one for one in self.options if one.uses_model]
            best = max(rivals, key=lambda one: one.expected.value, default=None)
            fact = self.both(best) if best else self.of(self.mine)
            yield 0.4, Reason("No language model is needed for this.", fact)
            return
        bare = [(one, self.ahead(one)) for one in self.options if not one.uses_model]
        if bare and all(self._falls_short(one, lead) for one, lead in bare):
            other, lead = min(bare, key=lambda found: found[1])
            yield lead / 2, Reason("What works without a language model falls short.", self.of(other))

    def _falls_short(self, one: Option, lead: float) -> bool:
        worse = one.expected.value < self.mine.expected.value
        return worse and lead >= _LEAST and one.spec not in self.chosen.open

    def limits(self) -> Iterator[_Weighed]:
        """The reason why an approach expected to be better is excluded by limits."""
        for one in self.options:
            lead = -self.ahead(one)
            if one.violations and lead >= _LEAST:
                fact = f"{self.of(one)}; {'; '.join(one.violations)}"
                yield lead + 0.1, Reason(f"{one.spec} would be better, but breaks a limit.", fact)
                return

    def price(self) -> Iterator[_Weighed]:
        """The reason against dearer approaches (or ones with more work, where no price is known) that add little."""
        priced = self.mine.cost.per_1k_queries is not None
        own = _effort(self.mine, priced)
        dearer = [
            one
            for one in self.options
            if one is not self.mine and 2 * own < _effort(one, priced) < math.inf and -self.ahead(one) <= MARGIN
        ]
        other = min(dearer, key=self.ahead, default=None)
        if other is None:
            return
        theirs = _effort(other, priced)
        if priced:
            fact = f"about {words.usd(own)} per 1,000 queries against {words.usd(theirs)} for {other.spec}"
        else:
            fact = f"each query takes about {100 * own / theirs:.2g} % of the work of {other.spec}"
        overtaken = self.ahead(other) < 0
        claim = "What is dearer is not expected to be better by enough."
        yield 0.3 if overtaken else 0.03, Reason(claim, f"{fact}; {self.of(other)}")

    def likeness(self) -> Iterator[_Weighed]:
        """The reason for examples that resemble the query against fixed ones."""
        resembling = self.mine.shows == "examples" and self.mine.approach.follows_query
        if resembling and (found := self.behind(_fixed_examples)):
            claim = "Showing the examples that resemble a query helps more than showing always the same."
            yield 0.7 * found[1], Reason(claim, self.both(found[0]))

    def above_constant(self, kind: str) -> Iterator[_Weighed]:
        """The lead over the control `majority`, which every approach has to beat."""
        other = next((one for one in self.by_spec.values() if one.baseline), None)
        lead = self.mine.expected.value - other.expected.value if other else 0.0
        if other and lead >= _LEAST:
            claim = f"It is expected to be well above always giving {words.constant_answer(kind)}."
            yield lead / 20, Reason(claim, self.both(other))

    def first(self) -> Iterator[_Weighed]:
        """The reason that it is the best of all, where nothing else is to be said."""
        if all(one.expected.value <= self.mine.expected.value for one in self.options):
            yield _LEAST / 2, Reason("It comes first in the figures as a whole.", f"{self.of(self.mine)}: {self.why}")

    def form(self, kind: str) -> Iterator[_Weighed]:
        """The reason from answers of a fixed form."""
        rigid = self.described.rigidity
        if self.mine.trained and kind != "classification" and rigid >= RIGID:
            fact = f"rigidity of the answers {rigid:.2f}; 1 is all of one form"
            yield 0.05, Reason("Answers have to keep a form, which training teaches best.", fact)


def _effort(one: Option, priced: bool) -> float:
    """The cost of a query: dollars per 1,000, or work; infinite where unknown."""
    if priced:
        return math.inf if one.cost.per_1k_queries is None else one.cost.per_1k_queries
    return one.foreseen.work.per_query if one.foreseen and one.foreseen.work else math.inf


def _simple(one: Option) -> bool:
    return one.asks_simply


def _trained(one: Option) -> bool:
    """Whether weights are trained and nothing stands beside the query."""
    return one.trained and one.shows == "nothing"


def _prompted(one: Option) -> bool:
    """Whether the base weights are used with something beside the query."""
    return one.uses_model and not one.trained and one.shows != "nothing"


def _looking_up(one: Option) -> bool:
    """Whether the base weights are used with documents."""
    return _prompted(one) and one.shows == "documents"


def _fixed_examples(one: Option) -> bool:
    """Whether the base weights are used with the same examples for every query."""
    return _prompted(one) and one.shows == "examples" and not one.approach.follows_query
