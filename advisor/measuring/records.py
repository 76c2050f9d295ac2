"""What records hold: runs, answers, tasks and models, as facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from advisor.measuring.further_records import AfterChange, Weighed
from advisor.measuring.query_records import LatencyRecord, PredictionRecord
from advisor.measuring.recall import ForgettingFacts, Recalled
from advisor.measuring.scored import Scored
from advisor.measuring.second_models import SecondModel
from advisor.models import LanguageModel
from advisor.models.clock import Span
from advisor.models.contention import Contention
from advisor.tasks import Grade, Task, data_facts
from advisor.tasks.words import count_words

Status = Literal["ok", "failed", "interrupted", "skipped"]
Place = Literal["process", "machine", "network"]


@dataclass(frozen=True)
class Run:
    """One approach x task x model x seed, as recorded.

    Attributes:
        spec: what its row is called: canonical text of the approach (`rag:k=3+lora:rank=16`), with `@` and the model's
            alias behind it where there are several models.
        control: whether it only serves diagnosis and is never chosen (`majority`, `oracle`).
        error: why it failed or was skipped.
        config: the resolved hyper-parameters.
        notes: what the approach says about itself (steps trained, label bias removed, ...).
        predictions: in the order of the test examples; incomplete unless `status` is "ok".
        predict_seconds: for all predictions, in batches (throughput = len(predictions) / predict_seconds).
        timings: by the id of a batch's first query, the seconds that it took, each time that it was answered; empty
            where times were measured anew.
        fit_seconds: all that happens once per training set, without indexing documents.
        peak_memory_bytes: highest resident memory of the process (CPU) or allocated memory of the device.
        index_seconds, artifact_bytes, trainable_parameters, tokens_seen, served, perplexity: as in
            `advisor.approaches.Facts`.
        uses_model: whether the language model runs at all (False for majority, nearest, head).
        trains_model: whether its weights are trained; None where the record does not say.
        shows: what stands in its prompts beside the query (`advisor.approaches.Shows`); empty where that is not known.
        program: digest of the program that did it; another one does not go on from here.
        reused: seconds that were not spent, by what was found ready made; the figures of time count them all the same.
        spans: where the seconds that were spent went, by kind of work, with the tokens that the model read.
        measured: when it was measured, for a run that was copied from an earlier comparison; else None.
        others: what other processes took of the machine, by step that was timed: `fit`, `predict`, `latency`.
        threads: that computed on the processor, by step.
        threads_alone: that would have, had no other process been at work when the model was loaded.
        timed_again: when its times were measured anew; None where they were not.
        differing: answers that came out otherwise then.
        kills: how many processes the system had killed for memory where the attempt began or went on last
            (`advisor.measuring.killed`); empty where that is not known.
        given_up: whether it is not tried again, since the process was killed for memory there.
        labels_by: how labels were told (`advisor.models.LabelsBy`); None where there are none.
        answered_by: versions that answered, where whoever served the model said which.
        model_notes: caveats of the model, as they were known behind its last answer.
        calls: what models elsewhere were asked, by step; as in `advisor.models.clock.Ledger`.
        model: alias of the model that ran; empty where none does, or the record was read on its own.
        key: of the records: the folder in the run folder in which its own lies; likewise.
        damaged: file and line of what is no record, where the attempt cannot be read for it; "" where it can.
        after: what was measured after changes, by `Task.fingerprint_after`.
        forgetting: what the tuned model still knows, by what that was measured on.
        asked: other models that were asked before it was fitted.
        preferred: what it made of the preferences that are held out.
        scored: what models that were asked made of its answers, by the metric's spec.
    """

    spec: str
    seed: int
    status: Status
    control: bool = False
    error: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    predictions: tuple[PredictionRecord, ...] = ()
    predict_seconds: float | None = None
    timings: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    latencies: tuple[LatencyRecord, ...] = ()
    fit_seconds: float | None = None
    index_seconds: float | None = None
    peak_memory_bytes: int | None = None
    artifact_bytes: int | None = None
    trainable_parameters: int | None = None
    tokens_seen: int | None = None
    served: str = ""
    perplexity: tuple[float, float] | None = None
    uses_model: bool = True
    trains_model: bool | None = None
    shows: str = ""
    program: str = ""
    reused: Mapping[str, float] = field(default_factory=dict)
    spans: Mapping[str, Span] = field(default_factory=dict)
    measured: str | None = None
    others: Mapping[str, Contention] = field(default_factory=dict)
    threads: Mapping[str, int] = field(default_factory=dict)
    threads_alone: int | None = None
    timed_again: str | None = None
    differing: int = 0
    kills: Mapping[str, Any] = field(default_factory=dict)
    given_up: bool = False
    labels_by: str | None = None
    answered_by: tuple[str, ...] = ()
    model_notes: tuple[str, ...] = ()
    calls: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    model: str = ""
    key: str = ""
    damaged: str = ""
    after: Mapping[str, AfterChange] = field(default_factory=dict)
    forgetting: Mapping[str, Recalled] = field(default_factory=dict)
    asked: tuple[SecondModel, ...] = ()
    preferred: Weighed = field(default_factory=Weighed)
    scored: Mapping[str, Scored] = field(default_factory=dict)

    @property
    def tuned(self) -> bool:
        """Whether weights of the language model were trained, so that another seed gives another model."""
        told = self.uses_model and bool(self.trainable_parameters)
        return told if self.trains_model is None else self.trains_model

    @property
    def drawn(self) -> bool:
        """Whether something was trained by gradient, an embedder too, so that another seed gives another row."""
        return self.tuned or bool(self.tokens_seen)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a test example when its predictions are judged.

    Attributes:
        input: what was asked; empty where texts were left out, or an earlier version wrote the record.
        group: the slice that it belongs to.
        before: of a question of after a change: the id of the test example that asks the same; empty where none does.
        language: of the input, as its ISO 639 code; empty where it is not clear, where nearly all are in one, and where
            an earlier version wrote the record.
    """

    targets: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    input: str = ""
    group: str = ""
    before: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What is known of a change of the documents, or of the rules behind the answers.

    Attributes:
        key: `Task.fingerprint_after`.
        answers: to the questions of after the change, by their ids, in order.
        documents: how many there are then; 0 where they stay the same.
    """

    key: str
    answers: Mapping[str, Answer]
    documents: int = 0


@dataclass(frozen=True)
class TaskFacts:
    """The task as the record keeps it: enough to judge predictions without the task folder.

    Attributes:
        leaked: share of the test examples, from 0 to 1, that the approaches may have seen (`advisor.tasks.DataFacts`);
            None where the record does not say.
        preferences: pairs to learn from; beside them so many are held out.
        metrics: further ones, as in `Task`.
    """

    name: str
    fingerprint: str
    kind: str
    metric: str
    labels: tuple[str, ...]
    train: int
    dev: int
    test: int
    documents: int
    document_words: int
    caveats: tuple[str, ...]
    limits: Mapping[str, Any]
    leaked: float | None = None
    preferences: int = 0
    preferences_held_out: int = 0
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """The weights that ran.

    Attributes:
        id: what the user asked for, resolved (`HuggingFaceTB/SmolLM2-135M-Instruct`).
        revision: commit or content hash of the weights.
        quantisation: how the stored weights were quantised (`Q4_1`), None for full precision.
        source: where they came from: package, cache, hub, folder or file.
        parameters: number of weights.
        device: `cpu` or `cuda:0`; `device_name` is the processor's or GPU's name.
        embedder: the embedder's id and revision.
        threads: that compute on the processor; None where the record does not say.
        matrix_parameters: weights that every token is multiplied with; None where that cannot be told.
        matrix_flops: operations a second that matrix products of these shapes reached here, in this dtype.
        token_bytes: of a token's keys and values in all layers.
        rows_at_once, tokens_at_once: prompts that it answers together at most, and their tokens, answers included.
        threads_alone: that would compute, had no other process been at work when the model was loaded.
        matrix_others: share of the processor that others took while `matrix_flops` was measured.
        place: where it runs: in this process; served on this machine (loopback); served elsewhere.
        provider: who serves it, where prices of tokens are known by that ("openai", "anthropic").
        labels_by: how labels are told, where the user said so.
        reasoning: whether it may reason before it answers.
        engine: what computes, with its version, where it is another program that runs for this one.
        reads_once: whether what prompts have in common is read once for all of them.
    """

    id: str
    revision: str
    quantisation: str | None
    source: str
    dtype: str
    device: str
    device_name: str
    parameters: int | None
    context_window: int
    embedder: str
    caveats: tuple[str, ...]
    threads: int | None = None
    matrix_parameters: int | None = None
    matrix_flops: float | None = None
    token_bytes: int | None = None
    rows_at_once: int | None = None
    tokens_at_once: int | None = None
    threads_alone: int | None = None
    matrix_others: float | None = None
    place: Place = "process"
    provider: str = ""
    labels_by: str | None = None
    reasoning: bool = False
    engine: str = ""
    reads_once: bool = True


def described_by(model: LanguageModel) -> dict[str, Any]:
    """What a model says of itself, as records keep it: what it leaves out as any model has it, what nobody asks for
    left out."""
    said = {**LanguageModel.describe(model), **model.describe()}
    return {one.name: said[one.name] for one in fields(ModelFacts) if one.name in said}


def facts_of(model: LanguageModel) -> ModelFacts:
    """The same as `ModelFacts`."""
    return facts_in(described_by(model))


def facts_in(described: Mapping[str, Any]) -> ModelFacts:
    """What `described_by` says, as `ModelFacts`."""
    return ModelFacts(**{**described, "caveats": tuple(described["caveats"])})


def task_facts(task: Task) -> TaskFacts:
    """The task as records keep it, with what its data may spoil among the caveats."""
    data = data_facts(task)
    return TaskFacts(
        name=task.name,
        fingerprint=task.fingerprint,
        kind=task.kind,
        metric=task.metric,
        labels=task.labels,
        train=len(task.train),
        dev=len(task.dev),
        test=len(task.test),
        documents=len(task.documents),
        document_words=sum(count_words(d.text) for d in task.documents),
        caveats=(*task.caveats, *data.caveats),
        limits={name: value for name, value in asdict(task.limits).items() if value is not None},
        leaked=data.leaked,
        preferences=len(task.preferences),
        preferences_held_out=len(task.preferences_held_out),
        metrics=task.metrics,
    )


@dataclass(frozen=True)
class Member:
    """One model of a comparison.

    Attributes:
        alias: what it is called in the names of rows.
        facts: the weights that ran.
        hardware, settings: as recorded.
        key: of the records: the folder below the run folder in which those of its runs lie.
        loaded_from: by which it can be loaded again (`LanguageModel.loaded_from`).
    """

    alias: str
    facts: ModelFacts
    hardware: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    loaded_from: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Comparison:
    """All that was recorded of one comparison: facts only, no money, no ranks.

    Attributes:
        folder: where the records lie.
        model, settings, hardware, loaded_from, key: of the first model that was loaded, as in `Member`.
        answers: by id of the test example, in the test split's order.
        runs: one per approach and seed.
        seeds: how many seeds were asked for.
        latency_examples: on how many test examples latency was measured.
        versions: as recorded.
        spans: where time went outside the runs, each time that the comparison was called.
        damaged: files and lines of the journal that are no records and were left out.
        texts: whether inputs and shown passages stand in the records.
        members: the models that were loaded, or of which there are records; empty where it was made otherwise.
        several: whether it is one of several models, whose aliases stand in the names of its rows.
        change: what is known of a change; None where nothing is.
        forgetting: on what it was measured what models forget; None where it was not asked for.
        grades: that people gave to answers.
        at_work: whether a run was at work in its folder when it was read for a report.
        begun, called: when it was begun, and when it was called for last, in UTC (`2026-11-30T19:01:20+0000`); empty
            where that is not known.
    """

    folder: str
    task: TaskFacts
    model: ModelFacts
    answers: Mapping[str, Answer]
    runs: tuple[Run, ...]
    seeds: int = 1
    latency_examples: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    spans: Mapping[str, Span] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    texts: bool = True
    loaded_from: Mapping[str, Any] | None = None
    key: str = ""
    members: tuple[Member, ...] = ()
    several: bool = False
    change: ChangeFacts | None = None
    forgetting: ForgettingFacts | None = None
    grades: tuple[Grade, ...] = ()
    at_work: bool = field(default=False, compare=False)
    begun: str = field(default="", compare=False)
    called: str = field(default="", compare=False)

    @property
    def models(self) -> tuple[Member, ...]:
        """The models that were loaded, also where there is one."""
        only = Member("", self.model, self.hardware, self.settings, self.key, self.loaded_from)
        return self.members or (only,)

    def model_of(self, run: Run) -> Member | None:
        """The model with which a run was recorded; None where it was not loaded yet.

        A run without a language model is recorded with one all the same: that of its embedder.
        """
        if not self.several:
            return self.models[0]
        return next((one for one in self.members if one.key == run.key), None)
