"""Why, what would change it, and what to do first: sentences for somebody who decides, each with its fact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.advise.estimate import Change, Option, Reason, Step
from advisor.advise.foresight import FACTOR
from advisor.advise.preference import MARGIN, Preference, prefer
from advisor.advise.profile import Profile
from advisor.advise.readings import Probes
from advisor.decide import words
from advisor.measure.records import ModelFacts
from advisor.tasks import Task
from advisor.tasks.description import Description

REASONS = 3
CHEAP = ("majority", "nearest", "head", "zero-shot", "few-shot")
"""Approaches that cost minutes; a comparison begins with them."""
ENOUGH_TEST = 100
_LEAST = 0.01  # difference in expected quality that is worth a word

_Weighed = tuple[float, Reason]


def reasons(
    options: Sequence[Option], chosen: Preference, described: Description, probes: Probes | None, kind: str
) -> tuple[Reason, ...]:
    """The three that weigh most, by the expected quality that each is about."""
    if chosen.advised is None:
        return ()
    by_spec = {option.spec: option for option in options}
    mine = by_spec[chosen.advised]
    found = [
        *_against_prompting(mine, by_spec),
        *_labels(mine, by_spec, described),
        *_documents(mine, by_spec, described),
        *_cheap_rivals(mine, by_spec, probes),
        *_price(mine, options),
        *_form(mine, described, kind),
    ]
    return tuple(reason for _, reason in sorted(found, key=lambda one: -one[0])[:REASONS])


def _gain(mine: Option, by_spec: dict[str, Option], spec: str) -> float | None:
    other = by_spec.get(spec)
    return None if other is None or other is mine else mine.expected.value - other.expected.value


def _trained(option: Option) -> bool:
    return option.foreseen.trained if option.foreseen else "lora" in option.spec


def _against_prompting(mine: Option, by_spec: dict[str, Option]) -> Iterator[_Weighed]:
    zero = by_spec.get("zero-shot")
    if zero is None:
        return
    basis = "measured by a probe" if zero.expected.basis == "measured" else "expected"
    value = words.value(zero.expected.value)
    if mine is zero:
        fact = f"zero-shot is {basis} at {value}; nothing else is expected to be better by more than {MARGIN:g}"
        yield 0.5, Reason("The model does this without help.", fact)
        return
    gain = mine.expected.value - zero.expected.value
    if gain >= _LEAST:
        fact = f"{mine.spec} is expected at {words.value(mine.expected.value)}, the model alone at {value}"
        yield gain, Reason("The model alone does not do it well enough.", fact)


def _labels(mine: Option, by_spec: dict[str, Option], described: Description) -> Iterator[_Weighed]:
    each = f", {described.train / described.labels:.0f} for each of {described.labels} classes" * bool(described.labels)
    fact = f"{described.train:,} training examples{each}"
    gain = _gain(mine, by_spec, "lora")
    if _trained(mine):
        prompted = [_gain(mine, by_spec, spec) for spec in ("few-shot", "few-shot:select=nearest", "rag")]
        least = min([one for one in prompted if one is not None], default=0.0)
        yield max(least, _LEAST), Reason("There are enough labelled examples to learn from.", fact)
    elif gain is not None and gain >= _LEAST:
        yield gain, Reason("Training the model is not expected to pay with the labels there are.", fact)


def _documents(mine: Option, by_spec: dict[str, Option], described: Description) -> Iterator[_Weighed]:
    if not described.documents:
        return
    share = described.in_documents
    fact = f"{share:.0%} of the answers stand word for word in the documents" if share is not None else "no answer does"
    if "rag" in mine.spec:
        plain = mine.spec.replace("rag+", "").replace("rag", "zero-shot")
        yield (
            max(_gain(mine, by_spec, plain) or 0.0, _LEAST),
            Reason("The answers have to come from the documents.", fact),
        )
        return
    gain = _gain(mine, by_spec, "rag")
    if gain is not None and gain >= _LEAST:
        yield gain, Reason("Looking things up in the documents is not expected to help this model enough.", fact)


def _cheap_rivals(mine: Option, by_spec: dict[str, Option], probes: Probes | None) -> Iterator[_Weighed]:
    uses_model = mine.foreseen is None or mine.foreseen.prompt_tokens > 0
    for spec in ("head", "nearest"):
        other = by_spec.get(spec)
        if other is None or (mine is other and uses_model):
            continue
        reading = next((r for r in probes.readings if r.name == spec), None) if probes else None
        measured = f", measured at {words.value(reading.value)} on {reading.n} examples" if reading else ""
        if mine is other:
            fact = f"{spec} is expected at {words.value(mine.expected.value)}{measured}"
            yield 0.4, Reason("It does not take a language model to do this.", fact)
        elif (gain := mine.expected.value - other.expected.value) >= _LEAST:
            fact = f"{spec} is expected at {words.value(other.expected.value)}{measured}"
            yield gain / 2, Reason("Cheap learners without a language model are expected to fall short.", fact)
        return


def _price(mine: Option, options: Sequence[Option]) -> Iterator[_Weighed]:
    """What is dearer and expected to bring little more."""
    own = mine.cost.per_1k_queries
    dearer = [
        one
        for one in options
        if one is not mine
        and not one.control
        and own is not None
        and one.cost.per_1k_queries is not None
        and one.cost.per_1k_queries > 2 * own
        and one.expected.value - mine.expected.value <= MARGIN
    ]
    if dearer and own is not None:
        other = max(dearer, key=lambda one: one.expected.value)
        fact = (
            f"about {words.usd(own)} per 1,000 queries against {words.usd(other.cost.per_1k_queries or 0.0)} for "
            f"{other.spec}, which is expected at {words.value(other.expected.value)}"
        )
        yield 0.05, Reason("What costs more is not expected to be better by enough.", fact)


def _form(mine: Option, described: Description, kind: str) -> Iterator[_Weighed]:
    if _trained(mine) and kind != "classification" and described.rigidity >= 0.5:
        fact = f"the answers' form is {described.rigidity:.0%} rigid"
        yield 0.05, Reason("Answers have to keep a form, which training teaches best.", fact)


def change(circumstance: str, chosen: Preference, options: Sequence[Option]) -> Change:
    """What would be advised then."""
    then = prefer(options)
    if then.advised is None:
        return Change(circumstance, "nothing would respect the limits any more")
    mine = next(one for one in options if one.spec == then.advised)
    expected = f"expected at {words.value(mine.expected.value)}"
    if then.advised == chosen.advised:
        return Change(circumstance, f"still {then.advised}, {expected}")
    return Change(circumstance, f"{then.advised} in place of {chosen.advised}, {expected}")


def privacy(options: Sequence[Option], chosen: Preference, facts: ModelFacts | None) -> Change:
    """Whether anything leaves the machine."""
    circumstance = "nothing may leave your machines (no API)"
    if facts is None:
        return Change(circumstance, f"still {chosen.advised}, with a model whose weights you can have")
    return Change(circumstance, f"still {chosen.advised}: {facts.id} runs on your own machine")


def steps(options: Sequence[Option], chosen: Preference, described: Profile, with_model: bool) -> Iterator[Step]:
    """In order, the cheapest that may suffice first."""
    task = described.task
    grave = [finding for finding in described.findings if finding.severity == "high"]
    folder = "TASK"
    if grave:
        yield Step(
            f"Mend the data first: {grave[0].what}" + f" And {len(grave) - 1} more." * (len(grave) > 1),
            f"advisor profile {folder}",
        )
    if not with_model:
        yield Step("Let a model be probed: two minutes.", f"advisor recommend {folder} --model embedded")
    cheap = [one for one in options if one.spec in CHEAP]
    limit = f" --limit {ENOUGH_TEST}" if len(task.test) > ENOUGH_TEST else ""
    if cheap:
        goal = f"stop if one reaches {words.value(task.limits.min_quality)}" if task.limits.min_quality else "a floor"
        specs = " ".join(f"--approach {one.spec}" for one in cheap)
        yield Step(
            f"Measure what costs little ({goal}){_time(cheap, task)}.", f"advisor compare {folder} {specs}{limit}"
        )
    rest = [spec for spec in (chosen.advised, *chosen.open[:2]) if spec and spec not in CHEAP]
    if rest:
        asked = [one for one in options if one.spec in rest]
        specs = " ".join(f"--approach {spec}" for spec in rest)
        yield Step(
            f"Then measure what is expected to be best{_time(asked, task)}.", f"advisor compare {folder} {specs}{limit}"
        )
    shown = described.description.detectable
    if shown is not None and chosen.open:
        yield Step(
            f"If these cannot be told apart: {len(task.test)} test examples show differences from about {shown:.2f} "
            f"on; {described.description.examples_to_halve:,} would halve that."
        )


def _time(asked: Sequence[Option], task: Task) -> str:
    """About how long measuring takes, on so many test examples and 16 alone."""
    total, n = 0.0, min(len(task.test), ENOUGH_TEST)
    for one in asked:
        found = one.foreseen
        if found is None or found.fit_seconds is None or not found.throughput_qps or found.latency is None:
            return ""
        total += found.fit_seconds + (found.index_seconds or 0.0) + n / found.throughput_qps
        total += min(60.0, 16 * found.latency.p50 / 1000)
    return f", about {max(1, round(total / 60))} min here"


def caveats(options: Sequence[Option], probes: Probes | None, with_model: bool) -> Iterator[str]:
    """What to keep in mind."""
    bases = {one.expected.basis for one in options if not one.control}
    if "rule" in bases:
        rules = [one.spec for one in options if one.expected.basis == "rule" and not one.control]
        yield (
            f"For {words.listed(rules)} nothing similar was ever measured: rules of the literature stand in, and say "
            f"little."
        )
    if "learned" in bases:
        yield "What is expected was learned from comparisons with a small model (SmolLM2-135M) on other tasks."
    if not with_model:
        yield "No model was named: what it costs and how long it takes is unknown, and no quality was measured."
    else:
        yield f"Times and costs are extrapolated from short probes: right within a factor of about {FACTOR:g}."
    yield from probes.left_out if probes else ()
