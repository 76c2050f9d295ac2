"""One approach under the clock: fit, predict each test example once, then send some alone for latency."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from advisor.approaches import Prediction, Predictor, handing
from advisor.disk import NoRoom, clear, intact, no_room
from advisor.errors import Interrupted, NotApplicable, UserError
from advisor.measuring import latency, run_cache, timing
from advisor.measuring.assignment import Assignment
from advisor.measuring.attempt import FIT, LATENCY, PREDICT, prediction_line, read_run
from advisor.measuring.batches import OTHER, answered, batches
from advisor.measuring.code_digest import training_program_of
from advisor.measuring.further import FurtherMeasurement, lacks_further
from advisor.measuring.keeping import keep
from advisor.measuring.killed import given_up, noted
from advisor.measuring.lines import append, counted
from advisor.measuring.passes import told_for
from advisor.measuring.progress import Fitting, Progress
from advisor.measuring.query_records import LatencyRecord
from advisor.measuring.records import Run
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.models.local.shortage import in_words
from advisor.models.store import fresh, wants_fresh
from advisor.progress import listening
from advisor.scratch import Scratch, lending
from advisor.tasks import Example, Query, Task

GONE = "what was fitted is gone or damaged (--fresh fits it anew)"
UNREAD = "what was fitted could not be restored"


def run(assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> str:
    """Do what of the run is not yet recorded, by a clock of its own; returns the outcome in words.

    Whatever goes wrong with the approach is recorded as its failure and does not end the comparison. A killed run goes
    on at the first batch that was not recorded, with the predictor that was fitted before. What another program
    recorded, or what was copied where all has to be measured, is as good as not there.
    """
    with clock.of_a_run():
        return _run(assignment, task, model, progress)


def _run(assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> str:
    before = _standing(assignment)
    if before is not None and before.status == "ok":
        return _completed(assignment, task, model, progress, before) or "already done"
    if (reason := given_up(before)) and not wants_fresh():
        return _failed(assignment, reason, given_up=True)
    if reason := assignment.approach.unsuited(task) or assignment.approach.beyond(model.can.layers):
        if before is None or before.status != "skipped":
            _open(assignment, before)
            append(assignment.path, {"type": "skipped", "error": reason})
        return f"skipped: {reason}"
    if not _goes_on(before) and (measured := run_cache.take(assignment.key, assignment.path)):
        copied = read_run(assignment.path)
        more = _completed(assignment, task, model, progress, copied) if copied else ""
        return more or f"reused, measured on {measured[:10]}"
    measurement = Measurement(assignment, task, model, progress)
    try:
        measurement.go(before)
    except NoRoom:
        raise
    except NotApplicable as error:
        append(assignment.path, {"type": "skipped", "error": str(error), **counted(clock.drain())})
        return f"skipped: {error}"
    except Interrupted as error:
        return _interrupted(assignment, measurement.doing, error)
    except UserError as error:
        return _failed(assignment, error.what + (f" (try: {error.hint})" if error.hint else ""))
    except Exception as error:
        if found := no_room(error, assignment.path.parent):
            raise found from error
        return _failed(assignment, in_words(error), traceback=traceback.format_exc())
    run_cache.put(assignment.key, assignment.path, assignment.machine)
    return "ok"


def _completed(assignment: Assignment, task: Task, model: LanguageModel, progress: Progress, before: Run) -> str:
    """Do what a finished run lacks: requests under the limit of now, and what is measured of finished runs. The
    outcome in words, empty if there was nothing to do.

    Whatever stands in the way leaves the run as it was, which is finished.
    """
    measurement = Measurement(assignment, task, model, progress)
    if not measurement.lacks_requests(before) and not lacks_further(before, assignment, task):
        return ""
    try:
        missing = measurement.complete(before)
    except UserError:
        raise
    except Interrupted as error:
        return _interrupted(assignment, measurement.doing, error)
    except Exception:  # noqa: BLE001 - the report says that the limit could not be judged
        return ""
    if missing:
        return f"not completed: {missing}"
    run_cache.put(assignment.key, assignment.path, assignment.machine)
    return "ok"


def _interrupted(assignment: Assignment, step: str, error: Interrupted) -> str:
    line = {"type": "interrupted", "step": step, "error": str(error)}
    append(assignment.path, line | counted(clock.drain()))
    return f"interrupted: {error}"


def _failed(assignment: Assignment, reason: str, **more: str | bool) -> str:
    clear(assignment.scratch)
    append(assignment.path, {"type": "failed", "error": reason, **more, **counted(clock.drain())})
    return f"failed: {reason}"


def is_done(assignment: Assignment, task: Task | None = None) -> bool:
    """Whether the run is recorded to its end, so that it is not measured again.

    Args:
        task: whose change it has to have been measured after too; none where only the run itself is asked for.
    """
    before = _standing(assignment)
    return before is not None and before.status == "ok" and not lacks_further(before, assignment, task)


def _standing(assignment: Assignment) -> Run | None:
    """What is recorded of the run and counts."""
    before = read_run(assignment.path)
    if before is None or _is_void(before, assignment) or (wants_fresh() and _to_repeat(before, assignment)):
        return None
    return before


def _is_void(before: Run, assignment: Assignment) -> bool:
    """Whether what is recorded counts as nothing: it cannot be read, another program did it, or other models told it
    something else."""
    if before.damaged or before.program != assignment.program:
        return True
    now = {(owed.parameter, owed.alias): owed.key for owed in assignment.second if owed.key}
    return any(now.get((one.parameter, one.alias), one.key) != one.key for one in before.asked)


def _to_repeat(before: Run, assignment: Assignment) -> bool:
    """Whether `--fresh` measures a run anew: it is a copy, or what was fitted in it is not there any more."""
    return bool(before.measured) or (before.status == "ok" and not intact(assignment.folder))


def _goes_on(before: Run | None) -> bool:
    """Whether a killed attempt left something fitted, which is worth more than a copy of another measurement."""
    if before is None or before.measured:
        return False
    return before.status == "interrupted" and before.fit_seconds is not None


class Measurement:
    """One run: its steps, each recorded as soon as it is done."""

    def __init__(self, assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> None:
        self.assignment = assignment
        self.approach = assignment.approach
        self.task = task
        self.model = model
        self.progress = progress
        self._doing = FIT
        self._further_on: FurtherMeasurement | None = None

    @property
    def doing(self) -> str:
        """The step that is going on."""
        return self._further_on.doing if self._further_on else self._doing

    def go(self, before: Run | None) -> None:
        """Fit or restore, predict what is missing, measure latency; then what is asked of a finished run."""
        self.model.forget()
        clock.drain()  # what others took until now is not of this run
        predictor: Predictor | None = None
        try:
            with self.model.keeping_answers(self.assignment.answers):
                predictor = self._restored(before)
                nothing = Run(self.assignment.spec, self.assignment.seed, "interrupted")
                done = before if predictor is not None and before else nothing
                predictor = predictor or self._fit(before)
                self._predict(predictor, {p.id for p in done.predictions})
            self._repeat(predictor)
            self._time_alone(predictor, done.latencies)
            self._finish()
            self._finished().go(predictor)
        finally:
            if predictor is not None:
                predictor.close()

    def _finish(self) -> None:
        model, asked = self.model, self.approach.uses_model
        facts = {
            "peak_memory_bytes": model.peak_memory_bytes(),
            "answered_by": model.answered_by if asked else (),
            "model_notes": model.notes if asked else (),  # as far as they are known behind the last answer
        }
        append(self.assignment.path, {"type": "finished", **facts, **counted(clock.drain())})
        self.assignment.drop_answers()

    def lacks_requests(self, before: Run) -> bool:
        """Whether a finished run has sent fewer requests than the limit asks for, and can send more."""
        return bool(self._further(before.latencies)) and self.assignment.folder.exists()

    def complete(self, before: Run) -> str:
        """Do what a finished run lacks; why nothing could be done, empty where it was."""
        self.model.forget()
        clock.drain()
        predictor = self.restored()
        if predictor is None:
            missing = UNREAD if intact(self.assignment.folder) else GONE
            self._finished().give_up(before, missing)
            return missing
        try:
            if self.lacks_requests(before):
                self._time_alone(predictor, before.latencies)
                append(self.assignment.path, {"type": "finished", **counted(clock.drain())})
            self._finished().go(predictor)
            return ""
        finally:
            predictor.close()

    def _finished(self) -> FurtherMeasurement:
        """What is measured of the run now that it is finished."""
        self._further_on = FurtherMeasurement(self.assignment, self.task, self.model, self.progress)
        return self._further_on

    def _fit(self, before: Run | None) -> Predictor:
        if before is None or before.status != "interrupted":
            clear(self.assignment.scratch)
        _open(self.assignment, before)
        told = told_for(self.assignment.second)
        self.progress.step("fit", None)
        started = clock.now()
        lent = Scratch(self.assignment.scratch, program=training_program_of(self.approach, self.model))
        with listening(Fitting(self.progress)), clock.span(OTHER), lending(lent), handing(told):
            predictor = self.approach.fit(self.task.for_fitting(), self.model, self.assignment.seed)
        seconds = clock.now() - started + sum(one.seconds for one in told)
        keep(predictor, self.task.brief, self.assignment.folder)
        facts = asdict(predictor.facts) | ({"asked": [one.facts for one in told]} if told else {})
        fit_seconds = seconds - (predictor.facts.index_seconds or 0.0)
        append(self.assignment.path, {"type": "fitted", "fit_seconds": fit_seconds, **facts, **counted(clock.drain())})
        clear(self.assignment.scratch)
        return predictor

    def _restored(self, before: Run | None) -> Predictor | None:
        """What a killed attempt had fitted; None where there is nothing, or it cannot be read any more."""
        if not _goes_on(before):
            return None
        append(self.assignment.path, {"type": "resumed", **noted(before)})
        return self.restored()

    def restored(self) -> Predictor | None:
        """What was fitted and kept; None where it cannot be read any more, or is not what was kept."""
        self.progress.step("restore", None)
        if not intact(self.assignment.folder):
            return None
        try:
            with clock.span(OTHER):
                return self.approach.restore(self.assignment.folder, self.task.brief, self.model)
        except Exception:  # noqa: BLE001 - deleted or damaged, whatever reading it raises: it is fitted anew
            return None

    def queries(self) -> list[Query]:
        return self.assignment.queries(self.task.test)

    def _predict(self, predictor: Predictor, done: set[str]) -> None:
        self._doing = PREDICT
        for predictions, seconds in self.answers(predictor, done):
            rows = [prediction_line(p, self.assignment.texts) for p in predictions]
            line = {"type": "predictions", "seconds": seconds, "predictions": rows}
            append(self.assignment.path, line | counted(clock.drain()))

    def answers(self, predictor: Predictor, done: set[str]) -> Iterator[tuple[list[Prediction], float]]:
        """The answers to all test queries but those done, batch by batch, with the seconds that each took."""
        self.progress.step("predict", len(self.task.test))
        return answered(predictor, self.queries(), self.assignment.batch, done, self.progress)

    def _repeat(self, predictor: Predictor) -> None:
        """Answer some batches again, to learn what their times may be off by; where latency is measured in full."""
        if self.approach.control or self.model.can.remote or self.assignment.latency_examples < latency.REQUESTS:
            return
        run = read_run(self.assignment.path)
        timings = {key: list(seconds) for key, seconds in run.timings.items()} if run else {}
        found = {batch[0].id: batch for batch in batches(self.queries(), self.assignment.batch)}
        while (key := timing.to_repeat(timings)) is not None:
            started = clock.now()
            with fresh(), clock.span(OTHER):  # what a store holds would take the same time to the last digit
                predictor.predict(found[key])
            timings[key].append(clock.now() - started)
            line = {"type": "repeated", "id": key, "seconds": timings[key][-1]}
            append(self.assignment.path, line | counted(clock.drain()))

    def _time_alone(self, predictor: Predictor, before: Sequence[LatencyRecord]) -> None:
        self._doing = LATENCY
        for record in self.requests(predictor, before):
            append(self.assignment.path, {"type": "latency", **asdict(record), **counted(clock.drain())})

    def requests(self, predictor: Predictor, before: Sequence[LatencyRecord] = ()) -> Iterator[LatencyRecord]:
        """Send queries alone, after warm-up, but for those that were sent before."""
        chosen = self._alone()
        if not chosen:
            return
        self.progress.step("latency", len(chosen))
        self.warm_up(predictor, chosen)
        done = list(before)
        for number, query in enumerate(chosen):
            if number >= latency.FEWEST and sum(r.seconds for r in done) > latency.SECONDS:
                break
            if query.id not in {r.id for r in done}:
                done.append(self._send(predictor, query))
                yield done[-1]
            self.progress.advance()
        if further := self._further(done):
            self.progress.step("latency", len(further))
        for query in further:
            if sum(r.seconds for r in done) > latency.LIMIT_SECONDS:
                break
            done.append(self._send(predictor, query))
            yield done[-1]
            self.progress.advance()

    def _alone(self) -> list[Query]:
        """Test examples all over the split; another seed takes others, where there are enough."""
        queries, count = self.queries(), min(self.assignment.latency_examples, len(self.task.test))
        return [queries[(i * len(queries) // count + self.assignment.seed) % len(queries)] for i in range(count)]

    def _further(self, done: Sequence[LatencyRecord]) -> list[Query]:
        """What is sent beyond those, where a limit asks for more: other test examples, then inputs of dev and train.

        No query is sent twice, since the second time would tell nothing of how queries differ.
        """
        if self.approach.control or not self.assignment.latency_examples:
            return []
        seconds = [r.seconds for r in done]
        more, sent = latency.wanted(seconds, self.assignment.p95_seconds), {r.id for r in done}
        found: list[Query] = []
        for queries in (self.queries(), _as_queries("dev", self.task.dev), _as_queries("train", self.task.train)):
            left = [query for query in queries if query.id not in sent]
            count = min(more - len(found), len(left))
            found += [left[i * len(left) // count] for i in range(count)]
        return found

    def warm_up(self, predictor: Predictor, queries: Sequence[Query]) -> None:
        """Answer the first few, which takes longer than it will later."""
        started = clock.now()
        with clock.span(OTHER):
            for query in queries[: latency.WARM_UPS]:
                predictor.predict([query])
                if clock.now() - started > latency.WARM_UP_SECONDS:
                    break

    def _send(self, predictor: Predictor, query: Query) -> LatencyRecord:
        """One request alone, timed."""
        started = clock.now()
        with clock.span(OTHER):
            usage = predictor.predict([query])[0].usage
        seconds = clock.now() - started
        first = seconds if usage.ttft_seconds is None else usage.ttft_seconds
        return LatencyRecord(query.id, first, seconds, usage.completion_tokens)


def _open(assignment: Assignment, before: Run | None) -> None:
    """Begin an attempt."""
    append(assignment.path, {**assignment.head(), **noted(before)})


def _as_queries(split: str, examples: Sequence[Example]) -> list[Query]:
    """Examples that were not asked yet, under ids that no test example has."""
    return [Query(f"{split}/{e.id}", e.input) for e in examples]
