"""The clock of a comparison: cold seconds, whatever was reused, and where they went.

Whoever times a step reads `clock.now()` before and
after; whoever finds a result ready made credits what making it took, so that no approach looks faster because
another ran before it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from advisor.models.contention import Contention, Stand, between, look


@dataclass
class Span:
    """One kind of work.

    Attributes:
        seconds: spent on it, without the spans that ran inside.
        tokens: of the language model that were read, where that is what was done.
    """

    seconds: float = 0.0
    tokens: int = 0


@dataclass
class Ledger:
    """What happened between two drains.

    Attributes:
        spans: by kind of work, such as `embed`, `generate` or `train`; seconds that really passed.
        reused: seconds that were not spent, by what was found ready made.
        others: what other processes took of the machine meanwhile.
        calls: what models elsewhere were asked: `requests`, tokens (`prompt`, of them `cached`, `completion`,
            `reasoning`, of all these `estimated`), the same of requests by which it was tried what a server can do
            (`trial_requests`, `trial_prompt`, ...), `retried` and `repeated` requests, and the tokens that embedders
            elsewhere read (`embedded`). Answers that were kept count as when they came.
    """

    spans: dict[str, Span] = field(default_factory=lambda: defaultdict(Span))
    reused: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    others: Contention = field(default_factory=Contention)
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class State:
    """What a clock knows of one run.

    Attributes:
        settle: returns when all that was begun is done; a model on a device that works on its own sets it, since a
            span would else count how long it took to give the work away.
        alarm: called between pieces of work; who has a deadline to keep sets it, and raises there.
        look: says how the counts of the machine stand; a model on a GPU sets one that looks there too.
        saved: seconds that reuse has saved.
        stand: counts of the machine when the ledger was begun.
        inner: seconds of the spans inside each span that is open.
    """

    settle: Callable[[], object] = lambda: None
    alarm: Callable[[], object] = lambda: None
    look: Callable[[], Stand | None] = look
    saved: float = 0.0
    stand: Stand | None = None
    ledger: Ledger = field(default_factory=Ledger)
    inner: list[float] = field(default_factory=list)


class Clock:
    """Cold time. `now` runs ahead of the wall by what reuse has saved so far.

    There is one for each run, told apart by the context in which it is asked; outside of runs the process has one.
    """

    def __init__(self) -> None:
        self._outside = State()
        self._of_run: ContextVar[State | None] = ContextVar("of_run", default=None)

    @property
    def state(self) -> State:
        """What the clock knows of the run that is going on, else of the process."""
        return self._of_run.get() or self._outside

    @contextmanager
    def of_a_run(self) -> Iterator[None]:
        """While the block runs, the clock is a new one, on the same device and under the same deadline."""
        outer = self.state
        token = self._of_run.set(State(outer.settle, outer.alarm, outer.look))
        try:
            yield
        finally:
            self._of_run.reset(token)

    def on(self, settle: Callable[[], object], look: Callable[[], Stand | None]) -> None:
        """Time work on a device from now on; both as in `State`."""
        self.state.settle, self.state.look = settle, look

    @contextmanager
    def ringing(self, alarm: Callable[[], object]) -> Iterator[None]:
        """While the block runs, `alarm` is called between pieces of work."""
        state = self.state
        before, state.alarm = state.alarm, alarm
        try:
            yield
        finally:
            state.alarm = before

    def alarm(self) -> None:
        """Between two pieces of work: here a deadline may end it."""
        self.state.alarm()

    def look(self) -> Stand | None:
        """How the counts of the machine stand."""
        return self.state.look()

    def now(self) -> float:
        """Seconds on a clock that counts reused work as if it were done again."""
        return time.perf_counter() + self.state.saved

    def credit(self, what: str, seconds: float) -> None:
        """Count work that was found ready made.

        Args:
            what: in the plural and in words, since the report names it: `embeddings`.
            seconds: what it took when it was done.
        """
        state = self.state
        state.saved += seconds
        state.ledger.reused[what] += seconds

    def called(self, **amounts: int) -> None:
        """Count what a model elsewhere was asked; names as in `Ledger.calls`."""
        for what, amount in amounts.items():
            self.state.ledger.calls[what] += amount

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What happens inside takes no time on this clock: looking up, keeping, loading what is loaded once."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.state.saved -= time.perf_counter() - began

    @contextmanager
    def span(self, name: str, tokens: int = 0) -> Iterator[None]:
        """Count what happens inside as `name`; of nested spans each counts only its own part."""
        state = self.state
        state.alarm()
        state.settle()
        began = time.perf_counter()
        state.inner.append(0.0)
        try:
            yield
            state.settle()
        finally:
            passed = time.perf_counter() - began
            span = state.ledger.spans[name]
            span.seconds += passed - state.inner.pop()
            span.tokens += tokens
            if state.inner:
                state.inner[-1] += passed

    def drain(self) -> Ledger:
        """What was counted since the last call; counting starts anew."""
        state = self.state
        ledger, state.ledger = state.ledger, Ledger()
        before, state.stand = state.stand, state.look()
        ledger.others = between(before, state.stand)
        return ledger


clock = Clock()
