"""Work on many items with a few threads: one begins as soon as another is done, and results come in order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from advisor.errors import Interrupted

T = TypeVar("T")
R = TypeVar("R")
STOPPED = "stopped, since other work beside it failed"


def slide(
    items: Sequence[T],
    work: Callable[[T], R],
    at_once: int,
    stop: threading.Event,
    done: Callable[[int], None],
) -> list[R]:
    """Do `work` for each item; `done` hears in this thread, of each as it ends, by its number.

    When one fails no other is begun, and the first failure is raised once those under way are at their end. When this
    thread itself is stopped, it does not wait for them.

    Args:
        stop: is set then, so that work that only waits can end.

    Raises:
        Interrupted: `stop` was set from elsewhere before all was done.
    """
    if len(items) < 2 or at_once < 2:
        return _in_turn(items, work, stop, done)
    found: dict[int, R] = {}
    left = deque(enumerate(items))
    ended: queue.SimpleQueue[tuple[int, R] | BaseException | None] = queue.SimpleQueue()

    def go_on() -> None:
        try:
            while not stop.is_set():
                try:
                    number, item = left.popleft()
                except IndexError:
                    break
                ended.put((number, work(item)))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
            ended.put(error)  # first, since what stops at it may fail too
            stop.set()
        ended.put(None)

    # Daemons: a program that is ended does not wait for a server.
    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(min(at_once, len(items)))]
    for thread in threads:
        thread.start()
    failures: list[BaseException] = []
    try:
        running = len(threads)
        while running:
            one = ended.get()
            if one is None:
                running -= 1
            elif isinstance(one, BaseException):
                failures.append(one)
            else:
                found[one[0]] = one[1]
                done(one[0])
    except BaseException:
        stop.set()
        raise
    if len(found) < len(items):
        raise failures[0] if failures else Interrupted(STOPPED)
    return [found[number] for number in range(len(items))]


def _in_turn(items: Sequence[T], work: Callable[[T], R], stop: threading.Event, done: Callable[[int], None]) -> list[R]:
    found = []
    for number, item in enumerate(items):
        if stop.is_set():
            raise Interrupted(STOPPED)
        found.append(work(item))
        done(number)
    return found
