"""Probing: cheap measurements of a model on a few examples of a task, within a minute or two."""

from __future__ import annotations

import time
from collections.abc import Sequence

from advisor.approaches import Adapted, Approach, kinds, parse
from advisor.errors import NotApplicable, UserError
from advisor.measuring.progress import Progress, Silence
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.models.contention import between
from advisor.pilot.deadline import Allowance, OutOfTime
from advisor.pilot.meter import MeteredModel
from advisor.pilot.readings import PROBING, ProbeReading, Probes, Rates
from advisor.pilot.slices import CHEAP_FOLDS, FOLDS, PROBED, TINY, Slices
from advisor.pilot.speeds import Alone, Training
from advisor.pilot.trials import RECALL, AnswerProbe, Bench, CheapProbe, Corpus, Perplexity, Probe, sample
from advisor.tasks import Task
from advisor.tasks.splits import scarce
from advisor.verdict import words

NAME = "first measurements"
"""What they are called together; `probe` is an approach."""
PLANNED = 0.95
"""Share of the time that is planned with; the rest is for plans that a slower moment upsets."""
ONE_STEP = 0.3
"""Share of the time left that one step may take."""


def probe(task: Task, model: LanguageModel, seconds: float = PROBING, progress: Progress | None = None) -> Probes:
    """Probe cheaply what the model and a few simple learners do on this task, on dev or train alone.

    It goes in rounds: first every probe on few examples, the cheap and telling ones first, then on more, as long as
    the next step is expected to end in time; on 64 examples the model has answered enough. Where an example is judged,
    no approach has learned from it or from another with the same input. The same call on the same machine gives the
    same readings, except for steps that a slower moment leaves no time for.

    Args:
        task: its test split is not looked at.
        model: any language model; how fast it is does not matter, but a slow one is probed on fewer examples.
        seconds: wall time. What runs is not interrupted, so a single answer of a very slow model may go beyond it.
        progress: is told each step.

    Raises:
        UserError: the time is not above 0, or there is no example to probe on.
    """
    if not seconds > 0:
        raise UserError(f"probing was given {seconds:g} seconds", "give it a time above 0, for example 120")
    slices = Slices.of(task)
    if not slices.judged:
        raise UserError(f"{task.name}: there are no examples in train or dev to probe on", "add labelled examples")
    began, progress = time.perf_counter(), progress or Silence()
    stood = clock.look()
    allowance = Allowance(PLANNED * seconds)
    bench = Bench(task.for_fitting(), slices, MeteredModel(model, allowance), allowance)
    progress.begin(NAME, 1, 1)
    probes, left_out = _probes(bench)
    _in_rounds(probes, allowance, progress)
    model.forget()
    clock.drain()
    late = [one.name for one in probes if one.refused and not one.done]
    progress.end(NAME, f"ok; no time for {words.listed(late)}" if late else "ok")
    others = between(stood, clock.look()).share
    return Probes(
        readings=tuple(one.readings[-1] for one in probes if one.readings),
        curve=tuple(reading for one in probes for reading in _curve(one)),
        rates=_rates(bench.model, probes),
        split=slices.split,
        left_out=(*left_out, *_notes(slices), *_unfair(task, slices), *(text for one in probes for text in _said(one))),
        seconds=time.perf_counter() - began,
        others=others,
    )


def _probes(bench: Bench) -> tuple[list[Probe], list[str]]:
    """All probes that apply to the task, cheap and informative ones first; and the reasons for those that do not."""
    task, slices = bench.task, bench.slices
    left_out: list[str] = []
    tried = [parse(kind.probed_as) for kind in kinds() if kind.probed_as]
    asked = [one for one in tried if one.uses_model and not one.trains_model]
    learners = [one for one in asked if one.shows != "documents" and one.learns]
    cheap = [one for one in tried if not one.uses_model]
    if not slices.train:
        names = words.listed([one.name for one in (*learners, *cheap)])
        left_out.append(f"There are no training examples to probe {names} with.")
        learners = cheap = []
    probes: list[Probe] = [CheapProbe(bench, one) for one in cheap if not one.unsuited(task)]
    probes.append(Alone(bench, "the speed of one prompt"))
    probes += [AnswerProbe(bench, one) for one in asked if one.shows != "documents" and not one.learns]
    informed = [one for one in asked if one.shows == "documents"] if task.documents else []
    probes += _of_documents(bench, informed, [AnswerProbe(bench, one) for one in learners], left_out)
    probes.append(Perplexity(bench, "inputs", [example.input for example in slices.judged[:PROBED]]))
    if task.documents:
        texts = [document.text for document in sample(task.documents, PROBED)]
        probes.append(Perplexity(bench, "documents", texts, late=True))
    tuners = [one.tuner for one in tried if isinstance(one, Adapted) and one.tuner]
    return [*probes, *(Training(bench, tuner) for tuner in tuners[:1])], left_out


def _of_documents(
    bench: Bench, informed: Sequence[Approach], others: Sequence[Probe], left_out: list[str]
) -> Sequence[Probe]:
    """Add probes of retrieval and of answers with documents around the other probes."""
    found = [one for one in informed if isinstance(one, Adapted) and not one.control]
    if not found:
        return others
    corpus, controls = Corpus(bench, found[0].builder), [one for one in informed if one.control]
    probes: list[Probe] = [corpus]
    if any(example.evidence for example in bench.slices.judged):
        probes += [AnswerProbe(bench, one, corpus.documents_with_evidence) for one in controls]
    else:
        names = words.listed([*(one.name for one in controls), RECALL])
        left_out.append(
            f'No example says which documents hold its answer ("evidence"), so {names} could not be probed.'
        )
    searching = [AnswerProbe(bench, one, corpus.documents, lambda: corpus.questions) for one in found]
    return [*probes, *others, *searching]


def _in_rounds(probes: Sequence[Probe], allowance: Allowance, progress: Progress) -> None:
    """Advance each probe one step at a time until all is measured or nothing fits the time left.

    A step may take a part of what is left, so that the first probes leave time for the others; at last, when nothing
    fits a part any more, all of it. What had too little time for its first step comes before second steps of others.
    """
    active = [one for one in probes if not one.late]
    late = [one for one in probes if one.late]
    part = ONE_STEP
    while active:
        moved = bool(late)
        for one in active:
            share = 1.0 if one.refused and not one.done else part  # better one probe than none
            moved = _advance(one, share * allowance.left, progress) or moved
        rest = [one for one in (*active, *late) if one.open and not one.failed]
        active, late = sorted(rest, key=lambda one: not one.behind), []
        if not moved and part == 1.0:
            return
        part = part if moved else 1.0


def _advance(one: Probe, seconds: float, progress: Progress) -> bool:
    """Take the next step within `seconds`, the first one smaller if need be; returns whether a step was taken."""
    before = one.done
    with one.bench.allowance.share(seconds):
        for size in one.open[: 1 if before else one.burst]:
            if not _measured(one, size, progress):
                break
        for size in one.fewer():
            if one.done > before or one.failed or _measured(one, size, progress):
                break
    return one.done > before


def _measured(one: Probe, size: int, progress: Progress) -> bool:
    progress.step(f"{one.name}, {size}", size)
    try:
        one.measure(size)
    except OutOfTime as error:
        one.refused = str(error)
    except UserError as error:
        one.failed = error.what
    except NotApplicable as error:
        one.failed = str(error)
    except Exception as error:  # noqa: BLE001 - an approach that fails is left out; the others are probed
        one.failed = f"{type(error).__name__}: {error}"
    else:
        progress.advance(size)
        return True
    return False


def _curve(one: Probe) -> Sequence[ProbeReading]:
    return one.readings[:-1] if isinstance(one, CheapProbe) else ()


def _rates(model: MeteredModel, probes: Sequence[Probe]) -> Rates:
    return Rates(
        prefill=model.prefill.rate,
        prefill_alone=model.prefill_alone.rate,
        decode=model.decode.rate,
        decode_alone=model.decode_alone.rate,
        train=next((one.rate for one in probes if isinstance(one, Training)), None),
        embed=model.embedder.words.rate,
    )


def _notes(slices: Slices) -> list[str]:
    """Notes on how a training set too small for a held-out part was used."""
    n = len(slices.judged)
    if not slices.crossed or n < 2:
        return []
    folds = "each was judged by what had learned from all others"
    if n > TINY:
        folds = (
            f"each was judged by what had learned from the other folds, {FOLDS} of them ({CHEAP_FOLDS} without a model)"
        )
    return [f"There are only {n} training examples, so none were set aside for all probes: {folds}."]


def _unfair(task: Task, slices: Slices) -> list[str]:
    """A note on what judging an example takes away from its label."""
    if not (slices.crossed and slices.labelled and scarce(len(slices.train), len(task.labels))):
        return []
    names = words.listed([kind.name for kind in kinds() if issubclass(kind, Approach) and kind.only_seen_labels])
    return [
        f"With {len(slices.train)} training examples of {len(task.labels)} labels, what is judged leaves its label "
        f"hardly any: the figures of {names} are too low, and are not taken for what they will reach."
    ]


def _said(one: Probe) -> list[str]:
    """The reasons why something was not measured, or only on fewer examples."""
    reason = (one.failed or ("" if one.done else one.refused)).rstrip(".")
    found = []
    if reason and not one.readings:
        found.append(f"{one.name} was not measured: {reason}.")
    elif reason:
        found.append(f"{one.name} was not measured on more than {one.done}: {reason}.")
    if isinstance(one, Corpus) and one.picked and not one.picked.whole:
        found.append(
            f"{len(one.picked.documents):,} of {len(one.bench.task.documents):,} documents were searched, those that "
            f"hold an answer or share most words with a question; so {one.name} and what was answered with them may "
            "come out too good."
        )
    return found
