"""Work on many items with a few threads: one begins as soon as another is done, and results come in order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


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
    """
    found: dict[int, R] = {}
    if len(items) < 2 or at_once < 2:
        for number, item in enumerate(items):
            found[number] = work(item)
            done(number)
        return list(found.values())
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
            stop.set()
            ended.put(error)
        ended.put(None)

    # Daemons: a program that is ended does not wait for a server.
    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(min(at_once, len(items)))]
    for thread in threads:
        thread.start()
    failure: BaseException | None = None
    try:
        running = len(threads)
        while running:
            one = ended.get()
            if one is None:
                running -= 1
            elif isinstance(one, BaseException):
                failure = failure or one
            else:
                found[one[0]] = one[1]
                done(one[0])
    except BaseException:
        stop.set()
        raise
    if failure is not None:
        raise failure
    return [found[number] for number in range(len(items))]
