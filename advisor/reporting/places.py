"""Where models and records lie on the machine of whoever measured: a report, which is handed on, has names instead."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from operator import is_not
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, cast

from advisor.measuring.records import Comparison, Member
from advisor.reporting.run_index import RunIndex
from advisor.verdict.between_runs import SideBySide
from advisor.verdict.curves import Curves
from advisor.verdict.decision import Decision

T = TypeVar("T")
_BEFORE, _BEHIND = r"(?<![\w.~/-])", r"(?![\w-]|\.\w)"


def named(found: T, subject: object, folders: bool) -> T:
    """Blocks or plain values in whose texts models that lie in folders are called by their names.

    Args:
        subject: what they are of.
        folders: whether run folders are called by their names too, and the home folder is `~`; relative places stay as
            they were typed.
    """
    comparisons = list(_comparisons(subject))
    places = {place for one in comparisons for member in one.models for place in _of_model(member)}
    places |= {one.id for comparison in comparisons for run in comparison.runs for one in run.asked}
    if isinstance(subject, RunIndex):
        places |= {model for entry in subject.entries for model in entry.models}
    if folders:
        places |= {one.folder for one in comparisons}
        places |= {subject.folder} if isinstance(subject, RunIndex) else set()
        places |= {subject.growth.folder} if isinstance(subject, Curves) else set()
    return cast(T, _Names(places, folders).of(found)) if folders or _absolute(places) else found


def _comparisons(subject: object) -> Iterable[Comparison]:
    match subject:
        case Decision():
            return (subject.comparison,)
        case SideBySide():
            return (run.comparison for run in subject.runs)
        case Curves():
            return (one for each in subject.growth.comparisons.values() for one in each)
    return ()


def _of_model(member: Member) -> Iterator[str]:
    """What a model and its embedder were loaded by."""
    yield member.facts.id
    yield member.facts.embedder.rpartition("@")[0]
    loaded = member.loaded_from or {}
    yield from (str(loaded[name]) for name in ("name", "embedder") if loaded.get(name))


def _absolute(places: Iterable[str]) -> list[str]:
    """Those that tell where they lie whatever folder one is in, longer ones first."""
    return sorted({place for place in places if place.startswith(("/", "~/"))}, key=len, reverse=True)


class _Names:
    """Names in place of places."""

    def __init__(self, places: Iterable[str], home: bool) -> None:
        self._of = {place: PurePosixPath(place).name for place in _absolute(places) if PurePosixPath(place).name}
        parts = [f"{re.escape(place)}{_BEHIND}" for place in self._of]
        parts += [f"{re.escape(str(Path.home()))}(?=/.)"] if home else []
        self._any = re.compile(_BEFORE + "(?:" + "|".join(parts) + ")")

    def of(self, found: Any) -> Any:
        """The same with names in all of its texts."""
        match found:
            case str():
                return self._any.sub(lambda one: self._of.get(one[0], "~"), found) if "/" in found else found
            case None | bool() | int() | float():
                return found
            case tuple() | list():
                now = [self.of(one) for one in found]
                return type(found)(now) if any(map(is_not, now, found)) else found
        if dataclasses.is_dataclass(found) and not isinstance(found, type):
            values = {name: getattr(found, name) for name in _given(type(found))}
            renamed = {name: self.of(value) for name, value in values.items()}
            return (
                dataclasses.replace(found, **renamed) if any(map(is_not, renamed.values(), values.values())) else found
            )
        return {key: self.of(value) for key, value in found.items()} if isinstance(found, Mapping) else found


@cache
def _given(one: type) -> tuple[str, ...]:
    """The fields of a dataclass that it is made of."""
    return tuple(field.name for field in dataclasses.fields(one) if field.init)
