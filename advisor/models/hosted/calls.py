"""Requests to a model elsewhere: several at once, sent again where that may help, counted, paid and kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from advisor import progress
from advisor.errors import Interrupted, UserError
from advisor.models.clock import clock
from advisor.models.hosted.journal import Journal, JournalEntry
from advisor.models.hosted.patience import Breaker, Patience
from advisor.models.hosted.purse import open_purse
from advisor.models.hosted.reply import Call, Reply, Wire
from advisor.models.hosted.trouble import AGAIN, Trouble
from advisor.models.hosted.window import STOPPED, slide

T = TypeVar("T")
R = TypeVar("R")
SPAN, EMBEDDING, ANSWERS = "request", "embed", "answers"
TRIAL = "trial_"  # before the names of what is counted of trials in the clock's ledger
MOST_VERSIONS = 8
TRIES_IN_HASTE = 3
TOLD = 10.0  # seconds from which on a pause is told
GOES_ON = "the same command goes on from there"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is asked.

    Attributes:
        name: of the model, as messages call it.
        model: as its server calls it.
        provider, place: as in `advisor.measuring.records.ModelFacts`.
        keys: variables that its key is looked for in.
        embeds: whether it is an embedder, whose tokens have a price of their own and are counted apart.
    """

    name: str
    model: str
    provider: str
    place: str
    keys: tuple[str, ...] = ()
    embeds: bool = False


class Calls:
    """Sends what a model is asked, whatever library does it.

    Args:
        peer: who is asked.
        wire: makes one request.
        at_once: requests at a time.

    Attributes:
        versions: that answered since answers were last begun to be kept, those of kept answers among them, in the order
            in which they were first seen.
    """

    def __init__(self, peer: Peer, wire: Wire, at_once: int, patience: Patience) -> None:
        self.peer = peer
        self.wire = wire
        self.at_once = max(1, at_once)
        self.patience = patience
        self.versions: dict[str, None] = {}
        self._breaker = Breaker(patience)
        self._journal: Journal | None = None

    def each(self, items: Sequence[T], work: Callable[[T, Round], R], trial: bool = False) -> list[R]:
        """Do `work` for each item, several at once; results in the order of `items`.

        Args:
            work: is given an item and a `Round`, by which it sends; called in threads.
            trial: whether it is only tried what the server takes: nobody waits for the answers, and they are not kept,
                since what is said beside a request decides them too.

        Raises:
            UserError: a request cannot be answered as it is.
            Interrupted: the server is gone, or what may be spent is spent.
        """
        now = Round(self, None if trial else self._journal, len(items) == 1 and not trial, trial)

        def done(_: int) -> None:
            now.tell_clock()
            clock.alarm()
            if not (trial or self.peer.embeds):  # it is an answer
                progress.answered(1)

        with clock.span(EMBEDDING if self.peer.embeds else SPAN):
            try:
                return slide(items, lambda item: work(item, now), self.at_once, now.stop, done)
            except Trouble as trouble:
                raise self.mistake(trouble) from None
            finally:
                now.tell_clock()

    @contextmanager
    def kept(self, path: Path) -> Iterator[None]:
        """While the block runs, answers are kept in a file, and what is there is not asked again."""
        before, self._journal = self._journal, Journal(path)
        self.versions = dict.fromkeys(self._journal.versions()[:MOST_VERSIONS])
        try:
            yield
        finally:
            self._journal.close()
            self._journal = before

    def look(self, ask: Callable[[], R], hasty: bool = False) -> R:
        """What a server says of itself, which costs nothing and is not kept; asked again where that may help.

        Args:
            hasty: as in `Round.send`.

        Raises:
            Trouble: there is nothing, and asking again does not help.
            Interrupted: the server is gone.
        """
        return self.insist(ask, lambda seconds, _: time.sleep(seconds), hasty)

    def insist(self, ask: Callable[[], R], pause: Callable[[float, Trouble], None], hasty: bool) -> R:
        """What comes when the server is asked, again where that may help.

        Args:
            pause: waits so many seconds, after this trouble.
            hasty: as in `Round.send`.

        Raises:
            Trouble: asking again does not help.
            Interrupted: the server is gone, or has failed too often.
        """
        tries = 0
        while True:
            tries += 1
            try:
                found = ask()
            except Trouble as trouble:
                self._failed(trouble, tries, hasty)
                pause(self.patience.wait(tries, trouble.wait), trouble)
                continue
            self._breaker.answered()
            return found

    def close(self) -> None:
        """Give back the connections."""
        self.wire.close()

    def answered(self, reply: Reply) -> None:
        """Remember which version answered."""
        if reply.version and len(self.versions) < MOST_VERSIONS:
            self.versions[reply.version] = None

    def _failed(self, trouble: Trouble, tries: int, hasty: bool) -> None:
        """The last of so many tries failed; raises where there is to be no other."""
        name = self.peer.name
        if trouble.kind == "spent":
            raise Interrupted(f"{name}: what its account may spend is spent ({trouble.text}); {GOES_ON}")
        if trouble.kind not in AGAIN or (hasty and tries >= TRIES_IN_HASTE and trouble.kind in ("down", "broken")):
            self._breaker.answered()
            raise trouble
        if trouble.kind == "busy":
            self._breaker.answered()
        elif self._breaker.failed():
            raise Interrupted(f"{name}: the server is gone ({trouble.text}); {GOES_ON} once it is back")
        if tries >= self.patience.tries:
            raise Interrupted(f"{name}: no answer after {tries} tries ({trouble.text}); {GOES_ON}")

    def mistake(self, trouble: Trouble) -> UserError:
        """What is not answered as it is, in words."""
        name, said = self.peer.name, trouble.text
        keys = " or ".join(self.peer.keys) or "the variable of its provider"
        if trouble.kind == "forbidden":
            return UserError(f"{name}: the server takes no such key: {said}", f"export a key that is valid: {keys}")
        if trouble.kind == "denied":
            return UserError(f"{name}: the key may not do this: {said}", f"export a key that may: {keys}")
        if trouble.kind == "missing":
            return UserError(f"{name}: the server does not know the model: {said}", "check its name and the address")
        if trouble.kind == "moved":
            return UserError(f"{name}: {said}; a key is not carried there", "name that address, if you trust it")
        return UserError(f"{name}: the server refuses the request: {said}", "check the model's name and what it takes")


class Round:
    """The requests of one call of a model. Its methods are called in threads, but for `tell_clock`.

    Attributes:
        began: when the model was called, on the clock of `time.perf_counter`.
        stop: set when no further request is to be sent.
        streamed: whether answers are taken token by token, since their first token's time is wanted.
        trial: whether it is only tried what the server takes, which is counted apart.
    """

    def __init__(self, calls: Calls, journal: Journal | None, streamed: bool, trial: bool) -> None:
        self.calls = calls
        self.began = time.perf_counter()
        self.stop = threading.Event()
        self._journal = journal
        self._purse = open_purse()
        self._hears = progress.listener()  # asked here: no context reaches the threads
        self.streamed = streamed
        self.trial = trial
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._reused = 0.0
        self._last = self.began

    def send(self, call: Call, hasty: bool = False) -> Reply:
        """The answer to a request, as it was kept, else as it comes.

        One that was kept counts as a request too: what a run took does not depend on whether it was broken off.

        Args:
            hasty: whether a request that the server fails on is soon given up.

        Raises:
            Trouble: there is none, and sending it again does not help.
            Interrupted, UserError: nothing more is to be sent.
        """
        if self._journal is None:
            return self._sent(call, None, hasty)
        kept, entry = self._journal.take(call.digest(self.calls.peer.name))
        if kept is not None:
            self._count(**self._amounts(kept))
            with self._lock:
                self._reused += kept.wall_seconds
            return kept
        reply = self._sent(call, entry, hasty)
        if entry.again:
            self._count(repeated=1)
        entry.answered(reply)
        return reply

    def tell_clock(self) -> None:
        """Count in the ledger of the run what was asked since the last time; context variables reach no thread."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            reused, self._reused = self._reused, 0.0
        if counts:
            clock.called(**counts)
        if reused:
            clock.credit(ANSWERS, reused)

    def _sent(self, call: Call, entry: JournalEntry | None, hasty: bool) -> Reply:
        began = time.perf_counter()

        def ask() -> tuple[Reply, float]:
            if self.stop.is_set():
                raise Interrupted(f"{self.calls.peer.name}: {STOPPED}")
            waited = time.perf_counter() - began
            return self._tried(call, entry), waited

        reply, waited = self.calls.insist(ask, self._pause, hasty)
        self.calls.answered(reply)
        self._count(**self._amounts(reply))
        return _later(reply, waited, self._lap())

    def _pause(self, seconds: float, trouble: Trouble) -> None:
        self._count(retried=1)
        if self._hears and seconds >= TOLD:
            self._hears.wait(f"{self.calls.peer.name}, which does not answer now", 0.0)
        if self.stop.wait(seconds):
            raise Interrupted(f"{self.calls.peer.name}: {trouble.text}; {GOES_ON}")

    def _amounts(self, reply: Reply) -> Mapping[str, int]:
        """What an answer counts in the ledger."""
        if self.calls.peer.embeds:
            return {"embedded": reply.prompt}
        apart = TRIAL if self.trial else ""  # no query and no fit of an approach costs what a server is tried with
        return {apart + name: amount for name, amount in {"requests": 1, **reply.tokens}.items()}

    def _tried(self, call: Call, entry: JournalEntry | None) -> Reply:
        """One try, paid for. In the journal it stays open where it may have been paid without an answer."""
        purse, peer = self._purse, self.calls.peer
        reserved = purse.reserve(peer.provider, peer.name, call.most_tokens()) if purse else 0.0
        booked: dict[str, int] | None = {"prompt": 0, "completion": 0}
        try:
            if entry:
                entry.asked()
            reply = self.calls.wire.answer(call, self.streamed)
            booked = dict(reply.tokens)
            return reply
        except Trouble as trouble:
            booked = None if trouble.paid else booked
            if entry and (not trouble.paid or trouble.kind not in AGAIN):
                entry.nothing()
            raise
        finally:
            if purse:
                purse.book(reserved, peer.provider, peer.name, booked)

    def _count(self, **amounts: int) -> None:
        with self._lock:
            self._counts.update({name: amount for name, amount in amounts.items() if amount})

    def _lap(self) -> float:
        """Seconds since the last answer of this round came, or it began."""
        now = time.perf_counter()
        with self._lock:
            passed, self._last = now - self._last, now
        return passed


def _later(reply: Reply, waited: float, wall: float) -> Reply:
    """A reply whose request was first sent so much earlier."""
    return replace(reply, ttft_seconds=reply.ttft_seconds + waited, seconds=reply.seconds + waited, wall_seconds=wall)
