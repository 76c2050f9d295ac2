"""Interleaved runs: every side once in each pair, so that what disturbs the machine disturbs all sides alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.speed.machine import ClockReading, Effort
from benchmarks.speed.options import Options
from benchmarks.speed.record import Claim, Gate, Record

Job = Callable[[], Any]


@dataclass(frozen=True)
class Side:
    """One side of a benchmark.

    Attributes:
        name: of the side, with what matters of its settings.
        session: gives the job that is timed; what comes before and after it in the session is not.
    """

    name: str
    session: Callable[[], AbstractContextManager[Job]]

    @classmethod
    def of(cls, name: str, job: Job, before: Callable[[], object] = lambda: None) -> Side:
        """A side whose job is called as it is, after an untimed `before`."""

        def session() -> AbstractContextManager[Job]:
            before()
            return nullcontext(job)

        return cls(name, session)


@dataclass(frozen=True)
class Peer:
    """The other side of a claim.

    Attributes:
        goal: how many times its speed Advisor should have.
        gate: judges Advisor's results and the peer's, in this order, each in the order of the pairs so far.
        note: what is set differently from Advisor, and why.
        optional: whether it may be unable to run on this device; its claim then says why.
    """

    side: Side
    goal: float
    gate: Callable[[Sequence[Any], Sequence[Any]], Gate]
    note: str = ""
    optional: bool = False


@dataclass
class Timed:
    """The runs of one side so far, one for each pair, and their results."""

    efforts: list[Effort] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    failure: str = ""


def compare(case: str, ours: Side, peers: Iterable[Peer], options: Options, record: Record) -> None:
    """Time `ours` and every peer in turn, as often as `options` say, and record a claim for each peer.

    An optional peer that raises is not run again; its claim says why it has no value.
    """
    peers = tuple(peers)
    own = Timed()
    others = [Timed() for _ in peers]
    gates: list[Gate | None] = [None] * len(peers)
    pair, began = 0, time.perf_counter()
    while options.goes_on(pair, began):
        _run(case, ours, pair, own, record)
        for number, (peer, timed) in enumerate(zip(peers, others, strict=True)):
            if not timed.failure:
                _attempt(case, peer, pair, timed, record)
                if not timed.failure:
                    gates[number] = peer.gate(own.results, timed.results)
            record.put(claim_of(case, own, peer, timed, gates[number]))
        pair += 1


def claim_of(case: str, own: Timed, peer: Peer, timed: Timed, gate: Gate | None) -> Claim:
    """The claim that the pairs so far support."""
    pairs = list(zip(own.efforts, timed.efforts, strict=False))
    ratios = [theirs.seconds / mine.seconds for mine, theirs in pairs]
    cpu = [theirs.cpu_seconds / mine.cpu_seconds for mine, theirs in pairs if mine.cpu_seconds > 0]
    failed = bool(timed.failure) or not pairs
    sides = {} if failed else {"advisor": own.efforts, peer.side.name: timed.efforts}
    return Claim(
        case=case,
        against=peer.side.name,
        unit="times",
        goal=peer.goal,
        value=None if failed else median(ratios),
        values=[] if failed else ratios,
        cpu_value=median(cpu) if cpu and not failed else None,
        seconds={name: median(e.seconds for e in efforts) for name, efforts in sides.items()},
        others={name: _median(e.others for e in efforts) for name, efforts in sides.items()},
        gate=gate,
        note=f"not possible on this device: {timed.failure}" if timed.failure else peer.note,
    )


def repeat(
    claims: Sequence[Claim], job: Callable[[], Iterable[tuple[float, dict[str, Any]]]], options: Options, record: Record
) -> None:
    """Measure shares as often as `options` say and record them; `job` tells each claim's share and figures beside it.

    Args:
        claims: case, unit and goal; their values are filled in here.
    """
    values: list[list[float]] = [[] for _ in claims]
    others: list[list[float | None]] = [[] for _ in claims]
    pair, began = 0, time.perf_counter()
    while options.goes_on(pair, began):
        before = ClockReading.now()
        for number, (claim, (value, seen)) in enumerate(zip(claims, job(), strict=True)):
            effort = before.until(ClockReading.now())
            values[number].append(value)
            others[number].append(effort.others)
            record.add_run(case=claim.case, side="advisor", pair=pair, value=value, **_facts(effort), **seen)
            _show(f"{claim.case}: {value:.3f}", effort)
            filled = {"value": median(values[number]), "values": list(values[number])}
            record.put(Claim(**{**vars(claim), **filled, "others": {"advisor": _median(others[number])}}))
            before = ClockReading.now()
        pair += 1


def _run(case: str, side: Side, pair: int, timed: Timed, record: Record) -> None:
    with side.session() as job:
        before = ClockReading.now()
        result = job()
        effort = before.until(ClockReading.now())
    timed.efforts.append(effort)
    timed.results.append(result)
    record.add_run(case=case, side=side.name, pair=pair, **_facts(effort))
    _show(f"{case}: {side.name}", effort)


def _attempt(case: str, peer: Peer, pair: int, timed: Timed, record: Record) -> None:
    try:
        _run(case, peer.side, pair, timed, record)
    except Exception as error:  # another library's limits on this device are a finding, not an end
        if not peer.optional:
            raise
        timed.failure = f"{type(error).__name__}: {error}"
        print(f"  {case}: {peer.side.name}: {timed.failure}", file=sys.stderr, flush=True)


def _facts(effort: Effort) -> dict[str, Any]:
    return {"seconds": effort.seconds, "cpu_seconds": effort.cpu_seconds, "others": effort.others}


def _show(what: str, effort: Effort) -> None:
    others = "unknown" if effort.others is None else f"{effort.others:.0%}"
    cpu = f"{effort.cpu_seconds:.2f} s CPU, others {others} of the usable cores"
    print(f"  {what}: {effort.seconds:.2f} s ({cpu})", file=sys.stderr, flush=True)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
