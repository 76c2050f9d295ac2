"""Caveats about an estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.advice.estimate import Option
from advisor.advice.preference import AdvisedChoice
from advisor.forecast.foresight import FACTOR
from advisor.forecast.learned import LEARNED_WITH, Knowledge, shipped
from advisor.forecast.learning import COVERAGE, ENOUGH, assured
from advisor.forecast.sketch import same_data, sketch
from advisor.models.contention import BUSY
from advisor.models.load import weights_in
from advisor.pilot.readings import Probes
from advisor.profiling.task_profile import Profile
from advisor.tasks import Limits, Task
from advisor.verdict import words


def caveats(
    described: Profile,
    options: Sequence[Option],
    chosen: AdvisedChoice,
    known: Knowledge,
    limits: Limits,
    probes: Probes | None,
) -> Iterator[str]:
    """The caveats in full sentences, most severe first.

    Args:
        known: what the expectations were learned from.
        probes: None where no model was named.
    """
    able = [one for one in options if not one.control]
    yield from _no_better_than_constant(options, chosen, described.task.kind)
    yield from _basis(described, able, known)
    if probes is None:
        unchecked = _unchecked(limits)
        more = f" Not checked for want of one: {words.listed(unchecked)}." if unchecked else ""
        yield f"No model was named: costs and times are unknown, and no quality was measured.{more}"
    else:
        yield f"Times, memory and costs are worked out, not measured: often {FACTOR:g} times off, at times more."
        if probes.others and probes.others > BUSY:
            yield (
                f"Other programs took {100 * probes.others:.0f} % of the processor while the model was probed: on a "
                "quiet machine times and costs may be lower, and more would have been probed."
            )
        yield from probes.left_out


def of_another_model(model: str | None) -> Iterator[str]:
    """A warning where the named model is not the one that comparisons were measured with."""
    if model is not None and weights_in(model) != LEARNED_WITH:
        yield (
            f"{model} is not the model that expectations are learned with ({LEARNED_WITH}): only what was probed here "
            "speaks of it, and how approaches without a probe stand to each other may be another with this model."
        )


def _no_better_than_constant(options: Sequence[Option], chosen: AdvisedChoice, kind: str) -> Iterator[str]:
    """A warning where the advised approach is not expected to beat the control `majority`."""
    by_spec = {one.spec: one.expected.value for one in options}
    mine = by_spec.get(chosen.advised or "")
    constant = next((one.expected.value for one in options if one.baseline), None)
    if mine is not None and constant is not None and mine <= constant:
        yield (
            f"{chosen.advised} is not expected to do better than always giving {words.constant_answer(kind)}, which "
            f"reaches {words.value(constant)}."
        )


def _basis(described: Profile, able: Sequence[Option], known: Knowledge) -> Iterator[str]:
    """What the expectations rest on."""
    bases = {one.expected.basis for one in able}
    untried = [one.spec for one in able if one.expected.basis == "rule" and not one.expected.tried]
    ruled = any(one.expected.basis == "rule" and one.expected.edge is not None and one.expected.tried for one in able)
    if "learned" not in bases and ruled:
        yield (
            "No task like this one was measured: rules of thumb from the literature say how good the approaches are, "
            f"and how they stand to each other is the average of {known.tasks} other tasks. Both say little."
        )
    if untried:
        yield (
            f"{words.listed(untried)}: measured on too few tasks to learn from, so that a rule of thumb says where "
            "to place it; what was measured goes first."
        )
    if "learned" in bases:
        train = described.description.train
        beyond = f"; this one has {train:,}, and what so many bring is not known" if train > known.most else ""
        own = len(known.cases) - len(shipped().cases)
        yours = f", {own} of them yours and the rest" if own > 0 else ""
        yield (
            f"What is learned comes from {len(known.cases)} comparisons{yours} with a small model ({LEARNED_WITH}), on "
            f"{known.tasks} tasks with at most {known.most:,} training examples{beyond}."
        )
        yield from _few(able)
    yield from _this_one(described.task, known)


def _few(able: Sequence[Option]) -> Iterator[str]:
    """The approaches whose intervals are less reliable than they claim."""
    few = {one.spec: one.expected.tasks for one in able if one.expected.tasks and one.expected.tasks < ENOUGH}
    if few:
        measured = words.listed([f"{spec} ({tasks})" for spec, tasks in few.items()])
        yield (
            f"From {ENOUGH} tasks on an interval can be sure to hold {100 * COVERAGE:.0f} % of tasks like them. "
            f"Measured on fewer: {measured}. Their intervals are the largest error seen and a quarter more, sure to "
            f"hold {100 * assured(min(few.values())):.0f} %."
        )


def _this_one(task: Task, known: Knowledge) -> Iterator[str]:
    own = sketch(task)
    if any(same_data(case.sketch, own) for case in known.cases):
        yield "One of them was measured on the data of this task."
    elif any(case.task == task.name and not case.sketch for case in known.cases):
        yield f"One of them was this task, or another that is called {task.name}."


def _unchecked(limits: Limits) -> list[str]:
    """The limits that can only be checked with a named model."""
    named = (("latency", limits.p95_ms), ("budget", limits.budget_usd))
    return [name for name, value in named if value is not None]
