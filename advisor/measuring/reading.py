"""Reading a run folder back: its newest comparison, with whatever of it can be read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.approaches import apart, known, row_name
from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.measuring.attempt import NO_RECORD, read_run
from advisor.measuring.graded import GRADES, read_grades
from advisor.measuring.lines import Damaged, append, count, counted, every_line, lines
from advisor.measuring.recall import ForgettingFacts, OtherFacts, read_base
from advisor.measuring.records import Answer, ChangeFacts, Comparison, Member, ModelFacts, Run, TaskFacts
from advisor.models.clock import Ledger, Span, clock
from advisor.models.load import last_part
from advisor.models.store import digest
from advisor.tasks import Example, Task
from advisor.tasks.faults import short
from advisor.tasks.language import told_apart

JOURNAL = "comparisons.jsonl"
ANSWERS = "answers.jsonl"
SAME_MODEL = ("id", "revision", "dtype", "device", "context_window", "embedder")
ASKED_FOR = ("labels_by", "reasoning", "engine")  # of a model, where it is not as usual
_KEY = re.compile("[0-9A-Za-z]{1,64}")  # a folder's name, which leads to no other place
_MOST_RUNS = 100_000
_CEILING = ("matrix_flops", "matrix_others")


def read_comparison(folder: str | Path) -> Comparison:
    """The newest comparison recorded in a run folder.

    Raises:
        UserError: the folder holds no comparison.
    """
    folder = Path(folder)
    heads = [line for line in lines(folder / JOURNAL) if line["type"] == "comparison"]
    if not heads:
        raise UserError(f"{folder}: holds no comparison", f"advisor compare TASK --out {folder}")
    with as_written(folder / JOURNAL, "comparison"):
        return _read(folder, newest(heads))


def newest(heads: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The heads of the newest comparison, one for each of its models that was loaded, in the order of its models.

    Each model has a head of its own, written when it was loaded; `together` says which belong to one comparison.
    """
    last = heads[-1]
    group = last.get("together")
    if group is None:
        return [last]
    found = []
    for alias, rows in group["rows"].items():
        own = [head for head in heads if head.get("alias") == alias]
        now = [head for head in own if head.get("together", {}).get("id") == group["id"]]
        before = [head for head in own if head["task"]["fingerprint"] == last["task"]["fingerprint"]]
        if now:
            found.append(now[-1])
        elif before:
            found.append(_as_now(before[-1], group, rows, last.get("free", ())))
    return found


def _as_now(
    head: Mapping[str, Any], group: Mapping[str, Any], rows: Sequence[str], free: Sequence[str]
) -> Mapping[str, Any]:
    """An earlier head of a model that could not be loaded this time, for the rows that are asked for now: what it holds
    stands as it was measured."""
    specs = [row if row in free else apart(row)[0] for row in rows]
    runs = {spec: head["runs"].get(spec, 1) for spec in specs}
    return {**head, "together": group, "free": [row for row in rows if not apart(row)[1]], "runs": runs}


@contextmanager
def as_written(journal: Path, what: str) -> Iterator[None]:
    """What another version wrote, or another hand, is told with where it stands.

    Args:
        what: the newest record of the journal is: `comparison`, `curve`.
    """
    try:
        yield
    except NO_RECORD as error:
        raise UserError(
            f"{journal}: its newest {what} is not as this version of Advisor writes it ({short(str(error))})",
            "read it with the version that wrote it, or measure again with another --out",
        ) from error


def _read(folder: Path, heads: Sequence[Mapping[str, Any]]) -> Comparison:
    for each in heads:
        if not _KEY.fullmatch(each["key"]) or sum(each["runs"].values()) > _MOST_RUNS:
            raise ValueError(f"key {each['key']!r}")
    head, group = heads[0], heads[0].get("together", {})
    spans, _ = _spans(folder, *(each["key"] for each in heads))
    task = TaskFacts(
        **{
            **head["task"],
            "labels": tuple(head["task"]["labels"]),
            "metrics": tuple(head["task"].get("metrics", ())),
            "caveats": tuple(dict.fromkeys(caveat for each in heads for caveat in each["task"]["caveats"])),
        }
    )
    answers = read_answers(folder / head["key"] / ANSWERS, task.test, head.get("answers"))
    runs = tuple(run for each in heads for run in _runs_of(folder, each, answers))
    members = tuple(_member(folder, each, runs) for each in heads)
    first = members[0]
    return Comparison(
        folder=str(folder),
        task=task,
        model=first.facts,
        answers=answers,
        runs=runs + _not_begun(folder, heads, group),
        seeds=head["seeds"],
        latency_examples=head["latency_examples"],
        settings=first.settings,
        versions=head["versions"],
        hardware=first.hardware,
        spans=spans,
        damaged=tuple(line.place for line in every_line(folder / JOURNAL) if isinstance(line, Damaged)),
        texts=head.get("texts", True),
        loaded_from=first.loaded_from,
        key=first.key,
        members=members,
        several=bool(group),
        change=_change(folder, max(heads, key=lambda each: str(each.get("time", "")))),
        forgetting=_forgetting(folder, [each for each in heads if each.get("forgetting")]),
        grades=read_grades(folder / head["key"] / GRADES, head.get("grades")),
        begun=_begun(folder, *(each["key"] for each in heads)),
        called=max(str(each.get("time", "")) for each in heads),
    )


def _begun(folder: Path, *keys: str) -> str:
    """When the first of these records was begun."""
    heads = (line for line in lines(folder / JOURNAL) if line["type"] == "comparison" and line.get("key") in keys)
    return min(str(head.get("time", "")) for head in heads)


def _forgetting(folder: Path, heads: Sequence[Mapping[str, Any]]) -> ForgettingFacts | None:
    """What the heads that ask for it say of forgetting, with what their untuned models know."""
    if not heads:
        return None
    said = [each["forgetting"] for each in heads]
    return ForgettingFacts(
        text=said[-1]["text"],
        of=frozenset(spec for one in said for spec in one["of"]),
        others=tuple(OtherFacts(**one) for one in said[-1]["others"]),
        base={
            each["key"]: read_base(folder / each["key"], one["program"]) for each, one in zip(heads, said, strict=True)
        },
    )


def _change(folder: Path, head: Mapping[str, Any]) -> ChangeFacts | None:
    """What a head says of a change."""
    said = head.get("after")
    if said is None:
        return None
    path = folder / head["key"] / answers_after(said["change"])
    return ChangeFacts(said["change"], read_answers(path, said["questions"], said["answers"]), said["documents"])


def answers_after(change: str) -> str:
    """The file of the answers that are right after a change.

    Raises:
        ValueError: no fingerprint of a change.
    """
    if not _KEY.fullmatch(change):
        raise ValueError(f"change {change!r}")
    return f"answers-after-{change}.jsonl"


def _member(folder: Path, head: Mapping[str, Any], runs: Sequence[Run]) -> Member:
    """A model as its head describes it, with the ceiling that was found on this machine and the caveats that came up
    while it answered."""
    model = head["model"] | _spans(folder, head["key"])[1]
    later = (note for run in runs if run.key == head["key"] for note in run.model_notes)
    facts = ModelFacts(**{**model, "caveats": tuple(dict.fromkeys([*model["caveats"], *later]))})
    return Member(_alias(head), facts, head["hardware"], head["settings"], head["key"], head.get("loaded_from"))


def _alias(head: Mapping[str, Any]) -> str:
    return str(head.get("alias") or last_part(head["model"]["id"]))


def _runs_of(folder: Path, head: Mapping[str, Any], answers: Mapping[str, Answer]) -> Iterator[Run]:
    """What is recorded of one model's runs, named as their rows are."""
    group, alias = head.get("together"), _alias(head)
    for spec, seeds in head["runs"].items():
        free = spec in head.get("free", ())
        named = row_name(spec, alias) if group is not None and not free else spec
        for seed in range(seeds):
            found = _run_of(folder / head["key"], spec, seed, answers)
            bare = free or not found.uses_model
            yield replace(found, spec=named, key=head["key"], model="" if bare else alias)


def host_of(folder: Path, aliases: Sequence[str]) -> str:
    """The model beside which rows without a language model are recorded already; empty where none of these is."""
    for head in reversed([line for line in lines(folder / JOURNAL) if is_head(line)]):
        bare = head.get("free") or ([] if "together" in head else [s for s in head["runs"] if _is_bare(s)])
        if bare and head.get("alias") in aliases:
            return str(head["alias"])
    return ""


def _is_bare(spec: str) -> bool:
    approach = known(spec)
    return approach is not None and not approach.uses_model


def note_interruption(folder: Path, group: str, alias: str, why: str) -> None:
    """Record that a model of a comparison could not be measured.

    Args:
        group: by which the heads of its models are held together.
    """
    append(folder / JOURNAL, {"type": "interrupted", "together": group, "alias": alias, "error": why})


def _not_begun(folder: Path, heads: Sequence[Mapping[str, Any]], group: Mapping[str, Any]) -> tuple[Run, ...]:
    """The rows of models that were not loaded, before a kill or since their server was gone."""
    if not group:
        return ()
    loaded = {head["alias"] for head in heads}
    noted = [one for one in lines(folder / JOURNAL) if one["type"] == "interrupted" and one["together"] == group["id"]]
    why = {one["alias"]: one["error"] for one in noted}
    waiting = {alias: rows for alias, rows in group["rows"].items() if alias not in loaded}
    return tuple(
        Run(row, 0, "interrupted", error=why.get(alias), model=alias) for alias, rows in waiting.items() for row in rows
    )


def _run_of(place: Path, spec: str, seed: int, answers: Mapping[str, Answer]) -> Run:
    """What is recorded of a run, its predictions in the order of the test examples."""
    path, order = record_path(place, spec, seed), {key: i for i, key in enumerate(answers)}
    found = read_run(path) or Run(spec, seed, "interrupted")
    if any(prediction.id not in order for prediction in found.predictions):
        found = Run(spec, seed, "interrupted", damaged=f"{path}: answers no test example of this comparison")
    if found.damaged:
        reason = f"{found.damaged} is no record; the same command measures this approach anew"
        return Run(spec, seed, "interrupted", error=reason, damaged=found.damaged)
    return replace(found, predictions=tuple(sorted(found.predictions, key=lambda p: order[p.id])))


def note_spans(comparison: Comparison) -> Comparison:
    """Record what the clock has counted since the last run, such as the report's making, and read it back.

    After a call in which nothing was measured nothing is recorded: it says again what was said before.
    """
    folder, ledger = Path(comparison.folder), clock.drain()
    last = [line for line in lines(folder / JOURNAL) if isinstance(line.get("key"), str)][-1]
    if last["type"] != "comparison":
        add_spans(folder, last["key"], ledger, {})
    return replace(comparison, spans=_spans(folder, *(member.key for member in comparison.models))[0])


def add_spans(folder: Path, key: str, ledger: Ledger, model: Mapping[str, Any]) -> None:
    """Record where time went outside the runs, and the ceiling that was measured with the model."""
    ceiling = {name: model.get(name) for name in _CEILING}
    append(folder / JOURNAL, {"type": "spans", "key": key, **ceiling, **counted(ledger)})


def _spans(folder: Path, *keys: str) -> tuple[dict[str, Span], dict[str, float | None]]:
    """Where time went outside the runs, over all calls that measured something, and the ceiling that they found.

    Other work on the machine hides the ceiling from a measurement, so the highest counts.
    """
    ledger, found = Ledger(), []
    for line in lines(folder / JOURNAL):
        if line.get("key") in keys:
            count(line, ledger)
            found.append({name: line.get(name) for name in _CEILING})
    return dict(ledger.spans), max(found, key=lambda ceiling: ceiling["matrix_flops"] or 0.0)


def identity(model: Mapping[str, Any]) -> dict[str, Any]:
    """What tells models apart whose answers may not be mixed.

    Args:
        model: as it is described (`advisor.measuring.records.described_by`).

    Raises:
        KeyError: another version described it.
    """
    return {name: model[name] for name in SAME_MODEL} | {name: model[name] for name in ASKED_FOR if model.get(name)}


def is_same_model(described: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether a model is the one that was recorded, as far as the record says: earlier versions said less."""
    now = {name: described[name] for name in SAME_MODEL if name in recorded}
    asked = all((described.get(name) or None) == (recorded.get(name) or None) for name in ASKED_FOR)
    return asked and all(recorded[name] == value for name, value in now.items())


def is_head(line: Mapping[str, Any]) -> bool:
    """Whether a line of the journal begins a comparison, by a version that says what this one goes by."""
    model = line.get("model")
    known = isinstance(model, dict) and all(name in model for name in SAME_MODEL)
    return line["type"] == "comparison" and known and all(isinstance(line.get(name), str) for name in ("key", "time"))


def write_change(place: Path, task: Task, texts: bool) -> dict[str, Any]:
    """The questions of after a change, written beside the others; returns what the head says of them."""
    if not task.test_after:
        return {}
    path = place / answers_after(task.fingerprint_after)
    said = {"change": task.fingerprint_after, "questions": len(task.test_after), "documents": len(task.documents_after)}
    return {"after": {**said, "answers": write_answers(path, task.test_after, texts, task.test)}}


def _asked_before(examples: Sequence[Example], earlier: Sequence[Example]) -> dict[str, str]:
    """Which earlier example asks the same, by the ids of both: that of the same id, else another one."""
    whole = {(example.id, example.input) for example in earlier}
    of_input = {example.input: example.id for example in reversed(earlier)}
    return {e.id: e.id if (e.id, e.input) in whole else of_input.get(e.input, "") for e in examples}


def write_answers(path: Path, examples: Sequence[Example], texts: bool, earlier: Sequence[Example] = ()) -> str:
    """The test examples, which the records need to be judged without the task folder; returns their digest.

    Args:
        texts: whether their inputs are written too.
        earlier: of questions of after a change: those of before it.

    A file that is not what the task says, as a power cut or a failing disk leaves it, is written anew.
    """
    before = _asked_before(examples, earlier)
    languages = dict(zip((e.id for e in examples), told_apart([e.input for e in examples]), strict=False))
    rows: list[dict[str, Any]] = [{"id": e.id, "targets": e.answers, "evidence": e.evidence} for e in examples]
    for row, example in zip(rows, examples, strict=True):
        row |= {"input": example.input} if texts else {}
        row |= {"group": example.group} if example.group else {}
        row |= {"before": before[example.id]} if before[example.id] else {}
        row |= {"language": language} if (language := languages.get(example.id)) else {}
    text = "".join(json.dumps(row) + "\n" for row in rows)
    try:
        there = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        there = ""
    if there != text:
        write_whole(path, text)
    return digest(rows)


def read_answers(path: Path, number: int, known: str | None) -> dict[str, Answer]:
    """The test answers by the ids of their examples.

    Args:
        number: of test examples that there are.
        known: their digest; None where the record does not say.

    Raises:
        UserError: the file is not there, or was damaged.
    """
    try:
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        found = {row["id"]: _answer(**row) for row in rows}
        whole = len(found) == number and known in (None, digest(rows))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        found, whole = {}, False
    if not whole:
        raise UserError(f"{path}: is damaged", "the same advisor compare writes it anew and measures nothing again")
    return found


def _answer(targets: list[str], evidence: list[str], id: str = "", **more: str) -> Answer:
    return Answer(tuple(targets), tuple(evidence), **more)


def run_place(comparison: Comparison, run: Run) -> Path:
    """Where the fitted predictor of a run lies."""
    place, (spec, _) = Path(comparison.folder) / (run.key or comparison.key), apart(run.spec)
    return record_path(place, spec, run.seed).with_suffix("")


def record_path(place: Path, spec: str, seed: int) -> Path:
    """The record of one run; names stay readable and, by a digest, distinct."""
    plain = re.sub(r"[^\w.=+,-]", "_", spec)
    if plain != spec.replace(":", "_") or len(plain) > 100:
        plain = f"{plain[:100]}-{hashlib.sha256(spec.encode()).hexdigest()[:8]}"
    return place / f"{plain}.seed{seed}.jsonl"
