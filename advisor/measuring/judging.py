"""Passes of judges: models that grade the answers of finished runs, each loaded alone when all rows are done.

What a judge says is recorded behind the run that it is about, so that a killed pass goes on, the same is never asked
twice, and reports need no model. What it took is recorded with it and is no part of what the row costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from advisor.approaches import apart
from advisor.errors import Interrupted, UserError
from advisor.measuring.attempt import read_run
from advisor.measuring.environment import hardware
from advisor.measuring.example_scores import example_scores, is_scored, is_whole
from advisor.measuring.harmless import harmless
from advisor.measuring.judges import Judge, JudgeMetric, grade_of, is_judge, outcome_of, same_answer
from advisor.measuring.lines import append
from advisor.measuring.lineup import Source, loaded
from advisor.measuring.lock import alone
from advisor.measuring.progress import Progress
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.reading import identity, read_comparison, record_path
from advisor.measuring.records import Comparison, Run, described_by
from advisor.measuring.scored import AT_ONCE, SCORED, Scored
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.models.hosted.address import place_of, refuse_if_offline
from advisor.models.language_model import vectors_beside
from advisor.models.load import Loading, ModelSource, last_part
from advisor.models.store import digest
from advisor.tasks import DEFAULT_METRIC, Example, Task, facts_of

Values = dict[str, float | None]


@dataclass(frozen=True)
class _Job:
    """What one judge is to say of one run.

    Attributes:
        path: of the run's record.
        rival: the run whose answers its are compared with; None where answers are graded.
        asked: digest of all that decides what is said, but for the judge's weights.
    """

    metric: JudgeMetric
    run: Run
    path: Path
    rival: Run | None
    asked: str

    @property
    def name(self) -> str:
        """What is said of it while it is done."""
        return f"{self.metric.spec} of {self.run.spec}"


def judges_in(task: Task) -> list[JudgeMetric]:
    """The metrics of a task that ask a judge, those that grade before those that compare: the rival of the latter may
    be told by the former."""
    found = [
        JudgeMetric.of(spec, task.rubric) for spec in dict.fromkeys((task.metric, *task.metrics)) if is_judge(spec)
    ]
    return sorted(found, key=lambda metric: metric.pairs)


def judge_sources(task: Task, models: Sequence[Source]) -> dict[str, Source]:
    """The models that judge, by how metrics name them: one of the comparison, by its alias, or another one.

    Raises:
        UserError: one of them would send texts away, and none may leave the machine.
    """
    known = {model.alias or last_part(model.name): model for model in models}
    found: dict[str, Source] = {}
    for metric in judges_in(task):
        name = metric.model
        if name not in known:
            refuse_if_offline("judge", name, place_of(name), bool(task.limits.local_only))
        found[name] = known.get(name) or ModelSource(name, _loading_beside(name, models[0], task))
    return found


def check_judges(task: Task, texts: bool) -> None:
    """Whether what judges are to see is there.

    Raises:
        UserError: they are to see passages, and texts are left out of the records.
    """
    for metric in judges_in(task):
        if metric.passages and not texts:
            raise UserError(
                f"{metric.spec}: the judge is to see the passages, and --no-texts leaves them out of the records",
                "leave out one of the two",
            )


def no_judges(task: Task, what: str) -> None:
    """Refuse a task that asks judges, which come when all rows are done.

    Args:
        what: is to be done, which scores answers before: "a race".

    Raises:
        UserError: it does.
    """
    if found := judges_in(task):
        raise UserError(
            f"{found[0].spec} asks a judge, and {what} needs its scores before all rows are done",
            f'{what} by metric = "token_f1"; then compare what is left with --also {found[0].spec}',
        )


def check_race(task: Task) -> None:
    """Refuse a task whose metric asks a model: a race scores each answer as it comes.

    Raises:
        UserError: it does, or it asks judges.
    """
    no_judges(task, "a race")
    if facts_of(task.metric).sort == "asked":
        raise UserError(
            f"the metric {task.metric} asks a model, and a race scores each answer as it comes",
            f'race by metric = "{DEFAULT_METRIC[task.kind]}"; then compare what is left with --also {task.metric}',
        )


def other_judges(task: Task, models: Sequence[Source]) -> bool:
    """Whether a model that is none of the comparison's judges, so that these have to make room for it."""
    return any(source not in models for source in judge_sources(task, models).values())


def judge(folder: Path, task: Task, sources: Mapping[str, Source], progress: Progress) -> Comparison:
    """Have judges say what is not recorded yet of the newest comparison in a folder, one model after the other.

    Whatever goes wrong with a judge is recorded and leaves the runs as they are.

    Args:
        sources: the models that are asked, by how metrics name them; others are not.

    Raises:
        NoRoom: the disk is full.
    """
    for metric in judges_in(task):
        if metric.model not in sources:
            continue
        with alone(folder):
            comparison = read_comparison(folder)
            source = sources[metric.model]
            jobs = [job for job in _jobs(comparison, metric, _named(source)) if not _is_done(job, comparison)]
            if jobs:
                _carry_out(jobs, comparison, task, source, progress)
    return read_comparison(folder)


def _carry_out(jobs: Sequence[_Job], comparison: Comparison, task: Task, source: Source, progress: Progress) -> None:
    """Have one model do its jobs; in a frame of its own, so that nothing refers to it afterwards."""
    left = list(jobs)

    def give_up(why: str) -> None:
        for job in left:
            before = read_run(job.path)
            found = before.scored.get(job.metric.spec, Scored()) if before else Scored()
            by = found.by if found.by.startswith(job.asked) else job.asked
            if found.error != why:
                append(job.path, {"type": SCORED, "metric": job.metric.spec, "by": by, "error": why})
        progress.end(jobs[0].metric.spec, f"not completed: {why}")

    try:
        with harmless(jobs[0].path.parent, give_up), loaded(source) as model:
            asking = _Asking(comparison, task, model, progress)
            for number, job in enumerate(jobs, start=1):
                asking.go(job, number, len(jobs))
                left.remove(job)
    except Interrupted as error:
        give_up(str(error))


class _Asking:
    """Asks one judge, which is loaded."""

    def __init__(self, comparison: Comparison, task: Task, model: LanguageModel, progress: Progress) -> None:
        self.comparison = comparison
        self.model = model
        self.progress = progress
        self.examples = {example.id: example for example in task.test}
        self.known: dict[str, dict[tuple[object, ...], float | None]] = {}
        described = described_by(model)
        self.who = digest(identity(described), described.get("quantisation"))[:16]
        self.facts: dict[str, Any] = {
            "alias": model.alias or last_part(model.name),
            "id": described["id"],
            "revision": described["revision"],
            "model": described,
            "hardware": hardware(described["device_name"]),
        }

    def go(self, job: _Job, number: int, of: int) -> None:
        """Do a job, each line recorded as it comes."""
        by = f"{job.asked}.{self.who}"
        recorded = job.run.scored.get(job.metric.spec, Scored())
        done = recorded.values if recorded.by == by else {}
        left = [p for p in job.run.predictions if p.id in self.examples and p.id not in done]
        self.progress.begin(job.name, number, of)
        self.progress.step("judge", len(left))
        self.model.forget()
        kept = job.path.with_suffix(".judging.jsonl")
        first: dict[str, Any] = {"judge": self.facts, "rival": job.rival.spec if job.rival else ""}
        judge = Judge(self.model, job.metric.choices)
        with clock.of_a_run(), self.model.keeping_answers(kept):
            known = self._known(job, by)
            for start in range(0, len(left), AT_ONCE):
                part = left[start : start + AT_ONCE]
                clock.drain()
                began = clock.now()
                said = self._compared(judge, job, part) if job.rival else self._graded(judge, job, part, known)
                ledger = clock.drain()
                took = {
                    "seconds": clock.now() - began,
                    "calls": dict(ledger.calls),
                    "tokens": sum(span.tokens for span in ledger.spans.values()),
                }
                append(job.path, {"type": SCORED, "metric": job.metric.spec, "by": by, **said, "took": took, **first})
                first = {}
                self.progress.advance(len(part))
        for path in (kept, vectors_beside(kept)):
            path.unlink(missing_ok=True)
        self.progress.end(job.name, "ok" if left else "already done")

    def _known(self, job: _Job, by: str) -> dict[tuple[object, ...], float | None]:
        """What is recorded of the same answers to the same questions, whichever row gave them; more is added to it."""
        if by not in self.known:
            found = self.known[by] = {}
            for run in self.comparison.runs:
                scored = run.scored.get(job.metric.spec, Scored())
                if scored.by == by:
                    found |= {_seen(job, p): scored.values[p.id] for p in run.predictions if p.id in scored.values}
        return self.known[by]

    def _graded(
        self,
        judge: Judge,
        job: _Job,
        part: Sequence[PredictionRecord],
        known: dict[tuple[object, ...], float | None],
    ) -> dict[str, Any]:
        """Grades; who gave no answer is graded 0 without being asked about."""
        new = {_seen(job, p): p for p in part if not p.failure and _seen(job, p) not in known}
        prompts = [job.metric.prompt(*self._question(p), [p.answer], _shown(p)) for p in new.values()]
        known |= zip(new, map(grade_of, judge.probabilities(prompts)), strict=True)
        return {"values": {p.id: 0.0 if p.failure else known[_seen(job, p)] for p in part}}

    def _compared(self, judge: Judge, job: _Job, part: Sequence[PredictionRecord]) -> dict[str, Any]:
        """Outcomes against the rival, and in which orders."""
        assert job.rival
        others = {p.id: p for p in job.rival.predictions}
        values: Values = {p.id: _untold(p, others[p.id]) for p in part}
        asked = [p for p in part if values[p.id] is None]
        prompts = []
        for p in asked:
            both = p.answer, others[p.id].answer
            prompts += [job.metric.prompt(*self._question(p), order, ()) for order in (both, both[::-1])]
        said = judge.probabilities(prompts)
        orders: dict[str, list[float]] = {}
        for p, first, second in zip(asked, said[::2], said[1::2], strict=True):
            if first is not None and second is not None:
                orders[p.id] = [round(first[0], 6), round(second[0], 6)]
                values[p.id] = outcome_of(*orders[p.id])
        return {"values": values, "orders": orders}

    def _question(self, prediction: PredictionRecord) -> tuple[str, Sequence[str]]:
        example: Example = self.examples[prediction.id]
        return example.input, example.answers


def _named(source: Source) -> list[str]:
    """What tells a judge from others before it is loaded."""
    if not isinstance(source, LanguageModel):
        return [source.name]
    return [str(source.loaded_from["name"])] if source.loaded_from else [source.name, source.revision]


def _jobs(comparison: Comparison, metric: JudgeMetric, named: Sequence[str]) -> Iterator[_Job]:
    """One for each finished run, controls too.

    Args:
        named: what tells the judge from others.
    """
    runs = [run for run in comparison.runs if run.status == "ok" and is_whole(run, comparison.answers)]
    for run in runs:
        rival = _rival(comparison, run, runs) if metric.pairs else None
        if metric.pairs and rival is None:
            continue
        against = [rival.spec, [p.answer for p in rival.predictions]] if rival else []
        spec, _ = apart(run.spec)
        path = record_path(Path(comparison.folder) / (run.key or comparison.key), spec, run.seed)
        yield _Job(metric, run, path, rival, digest(named, metric.asked, against)[:16])


def _is_done(job: _Job, comparison: Comparison) -> bool:
    """Whether a run has all that the judge of this name said; its weights are compared once it is loaded."""
    found = job.run.scored.get(job.metric.spec, Scored())
    return found.by.startswith(job.asked) and not found.error and comparison.answers.keys() <= found.values.keys()


def _rival(comparison: Comparison, run: Run, runs: Sequence[Run]) -> Run | None:
    """The best of the other rows by the metric of the task, controls left out: its run with the same seed, else its
    first."""
    of: dict[str, list[Run]] = {}
    for other in runs:
        if (
            not other.control
            and other.spec != run.spec
            and is_scored(comparison.task.metric, other, comparison.answers)
        ):
            of.setdefault(other.spec, []).append(other)
    if not of:
        return None
    best = max(of.values(), key=lambda seeds: fmean(_quality(comparison, one) for one in seeds))
    return next((one for one in best if one.seed == run.seed), best[0])


def _quality(comparison: Comparison, run: Run) -> float:
    scores = example_scores(comparison.task.metric, run, comparison.answers)
    return float(scores[scores == scores].mean()) if (scores == scores).any() else 0.0


def _shown(prediction: PredictionRecord) -> Sequence[Any]:
    """The passages that reached the row's prompt."""
    return prediction.passages[: prediction.shown]


def _seen(job: _Job, prediction: PredictionRecord) -> tuple[object, ...]:
    """All that a grade may depend on, beside the judge and the rubric."""
    return prediction.id, prediction.answer, tuple(_shown(prediction)) if job.metric.passages else ()


def _untold(own: PredictionRecord, other: PredictionRecord) -> float | None:
    """The outcome where nobody need be asked: who gave no answer loses, and the same answer is a tie."""
    if own.failure or other.failure:
        return (1 + bool(other.failure) - bool(own.failure)) / 2
    return 0.5 if same_answer(own.answer, other.answer) else None


def _loading_beside(name: str, beside: Source, task: Task) -> Loading:
    """The options of a judge that is no model of the comparison: on the same device, and as private."""
    given: Mapping[str, Any] = beside.loaded_from or {} if isinstance(beside, LanguageModel) else vars(beside.loading)
    options: dict[str, Any] = {key: given[key] for key in ("device", "dtype", "concurrency") if given.get(key)}
    offline = bool(given.get("offline") or task.limits.local_only)
    return Loading(**options, alias=last_part(name), offline=offline)
