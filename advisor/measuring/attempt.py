"""Reading a run back: from the lines of its record to what the last attempt came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from advisor.approaches import Citation, Prediction
from advisor.measuring.further_records import PREFERRED, AfterChange, Weighed
from advisor.measuring.lines import Damaged, count, every_line
from advisor.measuring.query_records import LatencyRecord, PredictionRecord
from advisor.measuring.recall import FORGETTING, Recalled
from advisor.measuring.records import Run, Status
from advisor.measuring.scored import SCORED, Scored
from advisor.measuring.second_models import SecondModel
from advisor.models import Passage
from advisor.models.clock import Ledger
from advisor.models.contention import Contention

FIT, PREDICT, LATENCY, AFTER = "fit", "predict", "latency", "after"
STEPS = {"fitted": FIT, "predictions": PREDICT, "latency": LATENCY}
"""What is timed, by the type of the line that says so."""
EMBEDDED = "embedded"  # what an embedder elsewhere is counted under in a ledger of calls
ANEW = ("repeated", "again")
"""Types of lines with answers that were asked for again for their time alone: no query costs what those did."""


_HEAD = {"spec", "seed", "control", "uses_model", "config"}
_UNFINISHED = ("interrupted", "failed")
_SENT_AGAIN = ("retried", "repeated")  # amounts of calls that no answer counts
NO_RECORD = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What reading a line raises that another version wrote, or another hand."""


def read_run(path: Path) -> Run | None:
    """The last attempt recorded in `path`, as far as it can be read; None where nothing was recorded."""
    attempt: _Attempt | None = None
    damaged: Damaged | None = None
    for number, line in enumerate(every_line(path), start=1):
        if isinstance(line, Damaged):
            damaged = damaged or line
            continue
        try:
            if line["type"] == "run":
                attempt, damaged = _Attempt(line, attempt), None
            elif attempt is not None and damaged is None:
                attempt.go_on(line)
        except NO_RECORD:
            attempt, damaged = None, Damaged(f"{path}:{number}")
    if damaged is None:
        try:
            return attempt.read() if attempt else None
        except NO_RECORD:  # a head that lacks what every one has
            damaged = Damaged(str(path))
    return Run("", 0, "interrupted", damaged=damaged.place)


class _Attempt:
    """Takes the lines of an attempt one by one, behind the one that begins it.

    Args:
        before: the attempt before it. Answers that a model elsewhere gave it were kept and count in this one; requests
            that it sent again are counted there alone.
    """

    def __init__(self, head: dict[str, Any], before: _Attempt | None = None) -> None:
        self.head = head
        if not head.keys() >= _HEAD:
            raise KeyError(*(_HEAD - head.keys()))
        self.facts: dict[str, Any] = {}
        self.predictions: list[PredictionRecord] = []
        self.latencies: list[LatencyRecord] = []
        self.status: Status = "interrupted"
        self.seconds = 0.0
        self.timings: dict[str, list[float]] = {}
        self.ledger = Ledger()
        self.others: dict[str, Contention] = {}
        self.calls: dict[str, Counter[str]] = {}
        self.broken = Counter[str]()  # calls of predictions that were interrupted, whose answers were kept
        if before is not None and before.head.get("program") == head.get("program") and before.status in _UNFINISHED:
            sent = sum((_sent_again(amounts) for amounts in before.calls.values()), Counter[str]())
            self.calls |= {FIT: sent} if sent else {}
        self.after: dict[str, AfterChange] = {}
        self.forgetting: dict[str, Recalled] = {}
        self.preferred = Weighed()
        self.scored: dict[str, Scored] = {}
        self.kills = head.get("kills", {})
        self.threads = dict.fromkeys(STEPS.values(), head["threads"]) if head.get("threads") else {}

    def go_on(self, line: dict[str, Any]) -> None:
        """The next line."""
        own = Ledger()
        count(line, own, self.ledger)
        kind = line.pop("type")
        if kind in STEPS:
            self.others.setdefault(STEPS[kind], Contention()).add(own.others)
        if own.calls and kind not in ANEW:
            step = self._step(kind, line)
            kept = kind == "interrupted" and step == AFTER  # what was answered counts when it is taken up again
            self.calls.setdefault(step, Counter()).update(_sent_again(own.calls) if kept else own.calls)
            if kind == "interrupted" and step == PREDICT:
                self.broken = Counter(own.calls) - _sent_again(own.calls)
        match kind:
            case "fitted" | "reused":
                self.facts.update(line)
            case "resumed":
                self.kills = line.get("kills", {})
                self.facts.pop("error", None)
                self._take_back()
            case "interrupted":
                self.facts["error"] = line["error"]
            case "predictions":
                self.predictions += [_prediction(p) for p in line["predictions"]]
                self.seconds += line["seconds"]
                self.timings[line["predictions"][0]["id"]] = [line["seconds"]]
            case "repeated":
                self.timings[line["id"]].append(line["seconds"])
            case "latency":
                self.latencies.append(LatencyRecord(**line))
            case "failed" | "skipped" as ended:
                self.status = "failed" if ended == "failed" else "skipped"
                self.facts |= {"error": line["error"], "given_up": line.get("given_up", False)}
            case "finished":
                self.status = "ok"
                self.facts.update(line)
            case "again":
                self._again(line, own.others)
            case "after":
                self._after(line, own.calls)
            case "forgetting":
                self.forgetting[line["on"]] = self.forgetting.get(line["on"], Recalled()).with_line(line)
            case "preferred":
                more = tuple((float(chosen), float(rejected)) for chosen, rejected in line.get("pairs", ()))
                self.preferred = Weighed((*self.preferred.pairs, *more), line.get("error", ""))
            case "scored":
                self.scored[line["metric"]] = self.scored.get(line["metric"], Scored()).with_line(line)

    def _step(self, kind: str, line: dict[str, Any]) -> str:
        """The step that calls of a line belong to: what broke off belongs to what was going on."""
        last = LATENCY if self.latencies else PREDICT if "fit_seconds" in self.facts else FIT
        return kind if kind in (AFTER, FORGETTING, PREFERRED, SCORED) else STEPS.get(kind) or line.get("step", last)

    def _take_back(self) -> None:
        """What was interrupted is asked for again, and its answers that were kept count with the others then."""
        if self.broken:
            self.calls[PREDICT] -= self.broken
            self.broken = Counter()

    def _again(self, line: dict[str, Any], others: Contention) -> None:
        """A step whose times were measured anew."""
        step = line["step"]
        self.others[step] = others
        if line["threads"]:
            self.threads[step] = line["threads"]
        self.facts["timed_again"] = line["time"]
        if step == PREDICT:
            self.seconds, self.timings = line["seconds"], {}
            self.facts["differing"] = line["differing"]
        else:
            self.latencies = [LatencyRecord(**latency) for latency in line["latencies"]]

    def _after(self, line: dict[str, Any], calls: Mapping[str, int]) -> None:
        """A part of what was answered after a change."""
        found = self.after.get(line["change"], AfterChange())
        known = {prediction.id: prediction for prediction in self.predictions}
        same = [replace(known[then], id=now) for now, then in line.get("same", {}).items()]
        more = [*same, *(_prediction(p) for p in line.get("predictions", ()))]
        self.after[line["change"]] = AfterChange(
            (*found.predictions, *more),
            line.get("index_seconds", found.index_seconds),
            line.get("ended", found.ended),
            line.get("error", ""),
            found.embedded if line.get("index_seconds") is None else float(calls.get(EMBEDDED, 0)),
        )

    def read(self) -> Run:
        """The run, as far as it came."""
        head, facts = self.head, self.facts
        return Run(
            spec=head["spec"],
            seed=head["seed"],
            status=self.status,
            control=head["control"],
            error=facts.get("error"),
            config=_resolved(head["config"], facts.get("resolved", {})),
            notes=tuple(facts.get("notes", ())),
            predictions=tuple(self.predictions),
            predict_seconds=self.seconds if self.predictions else None,
            timings={key: tuple(seconds) for key, seconds in self.timings.items()},
            latencies=tuple(self.latencies),
            fit_seconds=facts.get("fit_seconds"),
            index_seconds=facts.get("index_seconds"),
            peak_memory_bytes=facts.get("peak_memory_bytes"),
            artifact_bytes=facts.get("artifact_bytes"),
            trainable_parameters=facts.get("trainable_parameters"),
            tokens_seen=facts.get("tokens_seen"),
            served=facts.get("served", ""),
            perplexity=_pair(facts.get("perplexity")),
            uses_model=head["uses_model"],
            trains_model=head.get("trains_model"),
            shows=head.get("shows", ""),
            program=head.get("program", ""),
            reused=dict(self.ledger.reused),
            spans=dict(self.ledger.spans),
            measured=facts.get("measured"),
            others=self.others,
            threads=self.threads,
            threads_alone=head.get("threads_alone"),
            timed_again=facts.get("timed_again"),
            differing=facts.get("differing", 0),
            kills=self.kills,
            given_up=facts.get("given_up", False),
            labels_by=facts.get("labels_by"),
            answered_by=tuple(facts.get("answered_by", ())),
            model_notes=tuple(facts.get("model_notes", ())),
            calls={step: dict(amounts) for step, amounts in self.calls.items()},
            after=self.after,
            forgetting=self.forgetting,
            asked=tuple(SecondModel(**one) for one in facts.get("asked") or head.get("asked", ())),
            preferred=self.preferred,
            scored=self.scored,
        )


def _pair(read: list[float] | None) -> tuple[float, float] | None:
    return (read[0], read[1]) if read else None


def _sent_again(calls: Mapping[str, int]) -> Counter[str]:
    return Counter({name: calls[name] for name in _SENT_AGAIN if name in calls})


def _resolved(config: dict[str, Any], chosen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The hyper-parameters as asked for, with what fitting chose where that was left to it."""
    return {part: {**values, **chosen.get(part, {})} for part, values in config.items()}


def prediction_line(prediction: Prediction, texts: bool) -> dict[str, object]:
    """An answer as a `predictions` line carries it.

    Args:
        texts: whether the passages that stood beside the query are written too.
    """
    usage = prediction.usage
    elsewhere = {
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "estimated": usage.estimated,
        "failure": prediction.failure,
        "miscited": prediction.miscited,
    }
    cited = prediction.citations
    passages = {"passages": [_passage_line(p) for p in prediction.passages]} if texts and prediction.passages else {}
    return (
        passages
        | ({} if cited is None else {"citations": [asdict(one) for one in cited]})
        | {name: value for name, value in elsewhere.items() if value}
        | {
            "id": prediction.id,
            "text": prediction.text,
            "evidence": list(prediction.evidence),
            "confidence": prediction.confidence,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "dropped": usage.dropped,
            "cut": usage.cut,
            "shown": usage.shown,
            "unread": usage.unread,
        }
    )


def _prediction(line: dict[str, Any]) -> PredictionRecord:
    evidence, passages, cited = line.get("evidence", ()), line.get("passages", ()), line.get("citations")
    read = {
        "evidence": tuple(evidence),
        "passages": tuple(Passage(**p) for p in passages),
        "citations": None if cited is None else tuple(Citation(**one) for one in cited),
    }
    return PredictionRecord(**{**line, **read})


def _passage_line(passage: Passage) -> dict[str, Any]:
    """A passage as it is recorded: what is not known of it is left out."""
    unknown = {"where": "", "score": None, "fit": None}
    return {key: value for key, value in asdict(passage).items() if key not in unknown or value != unknown[key]}
