"""The engine of a server: a bounded queue, and threads that take turns with the predictor to answer what waits."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from advisor.deploy.serving.bounds import ServingBounds, TurnedAway
from advisor.deploy.serving.events import EventLog
from advisor.deploy.serving.observer import Observer
from advisor.deploy.serving.observing import Accounts
from advisor.deploy.serving.row import ServedRow, unanswered
from advisor.deploy.serving.tickets import Event, Inquiry, Ticket
from advisor.deploy.serving.turns import TakingTurns
from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.crew import Crew, decoding_together
from advisor.tasks import Document
from advisor.verdict import Prices

THREADS = 8
"""Batches that can be decoded together: what waits beyond them joins when one of them is done."""
State = Literal["starting", "ready", "draining", "failed"]


class Engine:
    """Answers requests in batches: whatever waits when it is a thread's turn, up to what the model does at once.

    Where a model that runs here writes its answers, it is the next thread's turn between any two tokens: what it takes
    joins those that are being decoded, and each batch leaves when its own answers are there (continuous batching).
    Else the turn is passed on when a batch is done. What is heard of an answer is handed to its own request alone.

    Args:
        bounds: of the queue.
        observer: is told what happens.
        log: takes a line for every request.
        prices: by which tokens are paid; the built-in list where None.

    Attributes:
        state: what it is doing.
        on_failure: is called where it could not be warmed up.
    """

    def __init__(
        self, row: ServedRow, bounds: ServingBounds, observer: Observer, log: EventLog, prices: Prices | None = None
    ) -> None:
        self.row = row
        self.bounds = bounds
        self.observer = observer
        self.state: State = "starting"
        self._log = log
        self._accounts = Accounts(row, observer, log, prices)
        self._cores = row.model.describe().get("threads")
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._claimed = False  # by a thread that takes what waits as soon as it has the turn
        self.on_failure: Callable[[], None] = lambda: None
        self._changed = threading.Condition()
        self._turns = TakingTurns()
        self._crew = Crew(self._turns)
        self._indexing = threading.Lock()
        self._last_seconds = 0.0
        self._threads = [threading.Thread(target=self._begin, name="engine-0", daemon=True)]
        self._threads += [
            threading.Thread(target=self._work, name=f"engine-{number}", daemon=True) for number in range(1, THREADS)
        ]

    def start(self) -> None:
        """Begin: answer once to warm up, then what is asked."""
        self._threads[0].start()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being answered."""
        with self._changed:
            return not self._waiting and not self._running

    def submit(self, asked: Inquiry, post: Callable[[Event], None]) -> Ticket:
        """Accept a request into the queue.

        Args:
            post: is told of pieces of the answer and of its end, from the engine's thread.

        Raises:
            TurnedAway: the queue is full, or the server is not ready or ending.
        """
        with self._changed:
            if self.state != "ready":
                raise self._unready()
            if len(self._waiting) >= self.bounds.queue:
                self._waiting = deque(ticket for ticket in self._waiting if ticket.wanted)
            if len(self._waiting) >= self.bounds.queue:
                raise TurnedAway(
                    429, "queue_full", "rate_limit_exceeded", "as many requests wait as may", after=self._after()
                )
            ticket = Ticket(asked, post)
            self._waiting.append(ticket)
            self._changed.notify_all()
        self.observer.received(asked.route)
        self._tell()
        return ticket

    def give_up(self, ticket: Ticket, kind: Literal["timeout", "cancelled"]) -> None:
        """Nobody waits for a request any longer: its caller left, or its time is over."""
        said = f"no answer within {self.bounds.timeout:g} s" if kind == "timeout" else "the caller left"
        if ticket.settle(TurnedAway(503, None, kind, said, after=self._after())):
            self._accounts.failed(ticket, kind)
            with self._changed:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
            self._tell()

    def drain(self) -> None:
        """Accept nothing more; what was accepted is answered."""
        with self._changed:
            if self.state != "failed":
                self.state = "draining"
            self._changed.notify_all()

    def close(self, seconds: float = 5.0) -> None:
        """End the threads, once what they answer now is answered, or after so long."""
        self.drain()
        over = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, over - time.monotonic()))

    def change(self, documents: Sequence[Document], keep: Callable[[], None]) -> tuple[int, float]:
        """Answer with these documents from the next batch on; meanwhile what is asked is answered with those before.

        Args:
            keep: is called when they are indexed, before they are used; what it raises leaves all as it was.

        Returns:
            Pieces that they were cut into, and seconds.

        Raises:
            TurnedAway: the row keeps no documents, or they are being changed already.
        """
        if not self._indexing.acquire(blocking=False):
            raise TurnedAway(429, "queue_full", "documents_busy", "the documents are being changed already", after=5)
        try:
            began = time.perf_counter()
            before = self.row.predictor
            with self._turns.indexing(self._own_weights):
                after = before.after(documents)
                if after is before:
                    said = f"{self.row.spec} keeps no documents"
                    raise TurnedAway(409, "invalid", "no_documents", said, "documents")
                keep()
                self.row.predictor = after
                before.close()
        finally:
            self._indexing.release()
        seconds = time.perf_counter() - began
        self.observer.documents_changed(len(documents), after.pieces, seconds)
        self._log.write("documents", documents=len(documents), pieces=after.pieces, seconds=round(seconds, 3))
        return after.pieces, seconds

    def _own_weights(self) -> None:
        """What indexes may ask the model itself, by its own weights, in the middle of which a batch was answered."""
        activate = getattr(self.row.model, "activate", None)
        if activate is not None and self.row.predictor.adaptation is not None:
            activate(None)

    def _unready(self) -> TurnedAway:
        if self.state == "draining":
            return TurnedAway(503, "draining", "draining", "the server is ending", after=self._after() + 1)
        said = "the model could not be warmed up" if self.state == "failed" else "the model is being warmed up"
        return TurnedAway(503, "unready", "unready", said, after=1)

    def _after(self) -> int:
        """Seconds until there should be room: what waits, in batches as long as the last one."""
        batches = len(self._waiting) / max(self.row.rows_at_once, 1) + 1
        return max(1, min(60, math.ceil(batches * self._last_seconds)))

    def _begin(self) -> None:
        """Warm up, and work with the other threads."""
        try:
            if self._cores:
                self.row.model.use_threads(int(self._cores))
            with clock.of_a_run(), self._turns.answering():
                self.row.warm_up()
        except Exception as error:  # noqa: BLE001 - whatever it is, the server says that it is not ready
            self._log.error(error, at="warm-up")
            with self._changed:
                self.state = "failed"
            self.on_failure()
            return
        with self._changed:
            self.state = "ready" if self.state == "starting" else self.state
        self._log.write("ready", spec=self.row.spec)
        for thread in self._threads[1:]:
            thread.start()
        self._work()

    def _work(self) -> None:
        with clock.of_a_run(), decoding_together(self._crew):
            if self._cores:
                self.row.model.use_threads(int(self._cores))  # each thread has a number of its own
            while self._claim():
                with self._turns.answering():
                    began = time.perf_counter()
                    batch = self._taken(began)
                    self._settle(batch)
                self._last_seconds = time.perf_counter() - began
                self._account(batch)

    def _claim(self) -> bool:
        """Wait until something waits that no other thread is about to take; whether there is more to come."""
        with self._changed:
            while self._claimed or not any(ticket.wanted for ticket in self._waiting):
                if self.state == "draining" and not self._claimed:
                    self._waiting.clear()
                    self._changed.notify_all()
                    return False
                self._changed.wait()
            self._claimed = True
            return True

    def _taken(self, now: float) -> list[Ticket]:
        """The requests that are done next, of the same work as the one that waits longest; none if all are gone."""
        with self._changed:
            self._claimed = False
            wanted = [ticket for ticket in self._waiting if ticket.wanted]
            work = wanted[0].asked.work if wanted else "answer"
            batch = [ticket for ticket in wanted if ticket.asked.work == work][: max(self.row.rows_at_once, 1)]
            taken = set(map(id, batch))
            self._waiting = deque(ticket for ticket in wanted if id(ticket) not in taken)
            self._running += batch
            self._changed.notify_all()
        for ticket in batch:
            ticket.begun = now
        self._tell()
        return batch

    def _account(self, batch: Sequence[Ticket]) -> None:
        """A batch is done."""
        for ticket in batch:
            self._accounts.answered(ticket)
        with self._changed:
            done = set(map(id, batch))
            self._running = [ticket for ticket in self._running if id(ticket) not in done]
            self._changed.notify_all()
        self._tell()

    def _settle(self, batch: Sequence[Ticket]) -> None:
        """Answer a batch; where that fails, each request alone, so that none suffers from another."""
        if not batch:
            return
        try:
            self.row.do(batch)
        except Exception as error:  # noqa: BLE001 - the server goes on, whatever became of one batch
            if len(batch) > 1:
                for ticket in batch:
                    self._settle([ticket])
                return
            if batch[0].settle(unanswered(error)):
                self._log.error(error, at="answer", expected=isinstance(error, UserError))

    def _tell(self) -> None:
        self.observer.waiting(len(self._waiting), len(self._running))
