"""What is measured of a run that is finished: whatever goes wrong there leaves the run as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from advisor.disk import NoRoom, no_room
from advisor.errors import Interrupted, NotApplicable, UserError
from advisor.models.local.shortage import in_words


@contextmanager
def harmless(place: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Pass what goes wrong inside to `note`, in words.

    Args:
        place: the folder that is written to.

    Raises:
        Interrupted: it cannot go on now.
        NoRoom: the disk is full.
    """
    try:
        yield
    except (NoRoom, Interrupted):
        raise
    except Exception as error:
        if found := no_room(error, place):
            raise found from error
        known = error.what if isinstance(error, UserError) else str(error)
        note(known if isinstance(error, UserError | NotApplicable) else in_words(error))
