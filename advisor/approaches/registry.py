"""Parses specs such as `rag:k=3+lora:rank=16` into approaches, and writes them back.

Everything enters by one door, the entry point group `advisor.approaches`: what Advisor brings itself as well as
what other packages add.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from functools import cache, reduce
from importlib.metadata import EntryPoint
from typing import Any, Literal, get_args, get_origin

from advisor import plugins
from advisor.approaches.adapted import Adapted
from advisor.approaches.contract import Approach, ContextBuilder, Part
from advisor.approaches.second import SecondPass
from advisor.approaches.shots import ZeroShot
from advisor.approaches.tuner import Tuner
from advisor.errors import UserError
from advisor.tasks import Task, TaskShape

GROUP = "advisor.approaches"
ALL = "all"
"""In place of a spec: everything that applies to the task."""
_MODEL = re.compile(r"@([\w.-]+)$")
_PLUS = re.compile(r"\+(?!\d)")  # 1e+16 is a number
_ADDRESS = re.compile(r"store=[^,]*://|://[^/#,]*@")  # of a store, or with a user and a password in it
_COMBINE = "join one context builder and one tuner, for example rag:k=3+lora:rank=16"
_SHOWS = ("nothing", "examples", "documents", "other")


def installed() -> dict[str, EntryPoint]:
    """Entry points by name, Advisor's own first."""
    return plugins.installed(GROUP)


def kinds() -> list[type[Part]]:
    """The classes of all that is installed, Advisor's own first: what needs no model, then context builders by what
    they show, then tuners.

    Raises:
        UserError: as in `part`.
    """
    return sorted(map(part, installed()), key=_place)


def _place(kind: type[Part]) -> tuple[object, ...]:
    own = plugins.is_own(GROUP, kind.name)
    if issubclass(kind, Approach):
        return not own, 0, not kind.control, kind.name
    if issubclass(kind, ContextBuilder):
        return not own, 1, kind.control, _shown(kind), kind.name
    return not own, 2, False, kind.name


def _shown(kind: type[ContextBuilder]) -> int:
    """By what it shows; what shows examples by its parameters stands with what always does."""
    return _SHOWS.index(kind.shows) if isinstance(kind.shows, str) else _SHOWS.index("examples")


def part(name: str) -> type[Part]:
    """The class registered under `name`.

    Raises:
        UserError: nothing is registered under that name, or it is not an approach, builder or tuner.
    """
    return _part(name, tuple(sys.path))


@cache
def _part(name: str, path: tuple[str, ...]) -> type[Part]:
    """Looked up and checked once for each path of modules."""
    loaded = plugins.plugin(GROUP, name, "approach")
    where = installed()[name].value
    if not (isinstance(loaded, type) and issubclass(loaded, Approach | ContextBuilder | Tuner)):
        raise UserError(f"{where} is registered as approach {name!r} but is none", "see CONTRIBUTING.md")
    if getattr(loaded, "name", None) != name:
        called = getattr(loaded, "name", None)
        raise UserError(f"{where} is registered as approach {name!r} but its name is {called!r}", f'name = "{name}"')
    return loaded


def parse(spec: str) -> Approach:
    """The approach that `spec` describes: one part, or a context builder and tuners joined by `+`.

    Raises:
        UserError: a name or parameter is unknown, a value has the wrong type, or the parts do not combine; or it holds
            an address that may be secret, which is not repeated.
    """
    if _ADDRESS.search(spec):
        raise UserError(
            "an approach holds the address of a store, or one with a user or password; it would stand in every record",
            "export a store's address, e.g. as TEAM_STORE, and write store=$TEAM_STORE (in a shell in single quotes); "
            "a key of an embedder comes from the environment",
        )
    parts = [_parse_part(text.strip(), spec) for text in _PLUS.split(spec)]
    builders = [p for p in parts if isinstance(p, ContextBuilder)]
    tuners = [p for p in parts if isinstance(p, Tuner)]
    if len(parts) == 1 and isinstance(parts[0], Approach):
        return parts[0]
    if len(builders) > 1 or len(builders) + len(tuners) != len(parts):
        raise UserError(f"approach {spec!r} does not combine", _COMBINE)
    tuner = reduce(lambda first, second: _joined(first, second, spec), tuners) if tuners else None
    return Adapted(builders[0] if builders else ZeroShot(), tuner)


def _joined(first: Tuner, second: Tuner, spec: str) -> Tuner:
    """What learns as both tuners do."""
    try:
        if (found := first.followed_by(second)) is not None:
            return found
        turned = second.followed_by(first)
    except ValueError as error:
        raise UserError(f"{spec!r}: {error}", f"advisor approaches {first.name} says what it accepts") from None
    hint = _COMBINE if turned is None else f"write {second.name}+{first.name}"
    raise UserError(f"approach {spec!r} does not combine: {second.name} does not go behind {first.name}", hint)


def apart(spec: str) -> tuple[str, str]:
    """A spec without the model that it names behind `@`, and that model's alias; empty where it names none."""
    found = _MODEL.search(spec)
    return (spec[: found.start()], found[1]) if found else (spec, "")


def pieces(spec: str) -> tuple[str, ...]:
    """The texts of a spec's parts, in order, without the model that it names."""
    return tuple(_PLUS.split(apart(spec)[0]))


def without_last(spec: str) -> str:
    """A spec without its last part: what its last tuner was put on. `zero-shot` where that was all there is."""
    return "+".join(_PLUS.split(spec)[:-1]) or ZeroShot.name


def row_name(spec: str, alias: str) -> str:
    """What the row of an approach on a model is called where there are several; `apart` takes it apart again."""
    return f"{spec}@{alias}"


def known(spec: str) -> Approach | None:
    """The approach that a recorded spec describes; None where it is not installed, or was given from Python."""
    try:
        return parse(apart(spec)[0])
    except UserError:
        return None


def spec_of(approach: Approach) -> str:
    """Canonical text of an approach: its parts with the parameters that differ from their defaults."""
    if not isinstance(approach, Adapted):
        return _part_spec(approach)
    if approach.tuner is None:
        return _part_spec(approach.builder)
    tuner = "+".join(map(_part_spec, approach.tuner.parts))
    return tuner if approach.builder == ZeroShot() else f"{_part_spec(approach.builder)}+{tuner}"


def parts(approach: Approach) -> tuple[Part, ...]:
    """What an approach is put together from: its context builder and its tuners, or itself."""
    if not isinstance(approach, Adapted):
        return (approach,)
    return (approach.builder, *(approach.tuner.parts if approach.tuner else ()))


def owed(approach: Approach, seed: int) -> list[tuple[Part, SecondPass]]:
    """What other models are asked before it is fitted, by the parts that ask it."""
    builder = approach.builder if isinstance(approach, Adapted) else None
    return [(one, asked) for one in parts(approach) for asked in one.second_passes(builder, seed)]


def configuration(approach: Approach) -> dict[str, Any]:
    """All hyper-parameters as they were resolved, by part."""
    return {p.name: {f.name: _plain(getattr(p, f.name)) for f in fields(p)} for p in parts(approach)}


def is_described(approach: Approach) -> bool:
    """Whether its spec says all there is to it: a retriever or a class given from Python is known by name only."""
    return known(spec_of(approach)) == approach


def whole(given: str | Approach | ContextBuilder | Tuner) -> Approach:
    """The approach that was given as a spec or from Python: a context builder alone runs with the base weights, a tuner
    alone without context.

    Raises:
        UserError: as in `parse`.
    """
    if isinstance(given, str):
        return parse(given)
    if isinstance(given, ContextBuilder):
        return Adapted(given)
    return Adapted(ZeroShot(), given) if isinstance(given, Tuner) else given


def named(given: Sequence[str | Approach | ContextBuilder | Tuner], task: TaskShape) -> list[Approach]:
    """The approaches that were given, in that order; "all" stands for everything that applies to the task.

    Raises:
        UserError: as in `parse`.
    """
    found = []
    for one in given:
        found += [a for a in _combinations() if not a.unsuited(task)] if one == ALL else [whole(one)]
    return found


def suggested(task: TaskShape) -> list[Approach]:
    """What runs when the user names no approaches: all that say so (`Approach.suggested`) and apply.

    Of an outline, approaches that look into a task's texts cannot tell whether they apply: what says that it runs
    unasked is then taken to.
    """
    return [approach for approach in _combinations() if _runs_unasked(approach, task)]


def _runs_unasked(approach: Approach, task: TaskShape) -> bool:
    try:
        return approach.suggested(task)
    except (AttributeError, TypeError):
        if isinstance(task, Task):
            raise
        return approach.unasked


def _combinations() -> list[Approach]:
    """Every approach that needs no parameter, its variants, and every context builder with what is trained unasked."""
    singles = [parse(spec) for kind in kinds() if not _required(kind) for spec in (kind.name, *kind.variants)]
    tuners = [a.tuner for a in singles if isinstance(a, Adapted) and a.tuner and a.tuner.unasked]
    builders = [a.builder for a in singles if isinstance(a, Adapted) and not a.tuner]
    pairs = [Adapted(builder, tuner) for tuner in tuners for builder in builders if builder != ZeroShot()]
    return singles + pairs


def family(spec: str) -> str:
    """The approach without the parameters that hardly change what it is; the name alone where it is not installed."""
    return "+".join(map(_family_of_part, _PLUS.split(apart(spec)[0])))


def _family_of_part(text: str) -> str:
    name, _, given = text.partition(":")
    if name not in installed():
        return name
    kind = part(name)
    kept = [_written(kind, key, value) for key, _, value in _pairs(kind, given) if key in kind.defining]
    return name + (":" + ",".join(kept) if kept else "")


def _pairs(kind: type[Part], given: str) -> list[tuple[str, str, str]]:
    """Name, equals sign and value of each parameter that stands behind a part's name."""
    found = []
    for number, pair in enumerate(filter(None, (p.strip() for p in given.split(",")))):
        key, equals, value = (s.strip() for s in pair.partition("="))
        if not number and not equals and kind.positional:
            key, equals, value = kind.positional, "=", key
        found.append((key, equals, value))
    return found


def _written(kind: type[Part] | Part, key: str, value: str) -> str:
    """A parameter as it stands in a spec."""
    return value if key == kind.positional else f"{key}={value}"


def parameters(kind: type[Part]) -> list[tuple[str, str, Any]]:
    """Name, type and default of each hyper-parameter that a spec accepts."""
    hints = typing.get_type_hints(kind)
    return [
        (f.name, _type_name(hints[f.name]), None if f.default is MISSING else f.default)
        for f in _ordered(kind)
        if _is_plain(hints[f.name]) and f.name not in kind.lacks
    ]


def _parse_part(text: str, spec: str) -> Part:
    name, _, rest = text.partition(":")
    kind = _kind(name.strip(), spec)
    known = {f.name: f for f in fields(kind) if f.name not in kind.lacks}
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, equals, value in _pairs(kind, rest):
        if key not in known or not _is_plain(hints[key]):
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            accepted = ", ".join(n for n, _, _ in parameters(kind)) or "none"
            raise UserError(f"{spec!r}: {name} has no parameter {key!r}", f"{hint}it accepts: {accepted}")
        if not equals or not value:
            raise UserError(f"{spec!r}: parameter {key!r} has no value", f"{key}={_default(known[key])}")
        if key in values:
            raise UserError(f"{spec!r}: parameter {key!r} is given twice", "name every parameter once")
        values[key] = _convert(value, hints[key], f"{spec!r}: parameter {key!r}")
    missing = [n for n in _required(kind) if n not in values]
    if missing:
        raise UserError(
            f"{spec!r}: {name} needs a value for {missing[0]!r}", f"{name}:{_written(kind, missing[0], 'VALUE')}"
        )
    try:
        return kind(**values)
    except ValueError as error:
        raise UserError(f"{spec!r}: {error}", f"advisor approaches {kind.name} says what it accepts") from None


def _kind(name: str, spec: str) -> type[Part]:
    """The class of that name; of what is a parameter of another part in the spec, that is said."""
    try:
        return part(name)
    except UserError:
        others = [text.partition(":")[0].strip() for text in pieces(spec)]
        for other in (part(one) for one in others if one in installed()):
            if name in {found for found, _, _ in parameters(other)}:
                value = "true" if getattr(other, name, None) is False else "VALUE"
                what = f"{spec!r}: {name!r} is no approach but a parameter of {other.name}"
                raise UserError(what, f"{other.name}:{name}={value}") from None
        raise


def _ordered(kind: type[Part] | Part) -> list[Field[Any]]:
    """A part's own hyper-parameters, then what all of its kind have."""
    return sorted(fields(kind), key=lambda field: bool(field.kw_only))


def _required(kind: type[Part]) -> list[str]:
    return [f.name for f in fields(kind) if f.default is f.default_factory is MISSING]


def _convert(text: str, hint: Any, where: str) -> Any:
    accepted = _type_name(hint)
    words: list[str] = []
    if get_origin(hint) in (types.UnionType, typing.Union):
        if text.lower() == "none":
            return None
        words += ["none"] * (types.NoneType in get_args(hint))
        words += [word for a in get_args(hint) if get_origin(a) is Literal for word in get_args(a)]
        if text in words:
            return text
        hint = next(a for a in get_args(hint) if a is not types.NoneType)
    if get_origin(hint) is Literal:
        if text not in get_args(hint):
            raise UserError(f"{where} is {text!r}", "one of " + ", ".join(get_args(hint)))
        return text
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise UserError(f"{where} is {text!r}", "true or false")
        return text.lower() == "true"
    try:
        value = hint(text)
        if hint is float and not math.isfinite(value):
            raise ValueError
        return value
    except ValueError:
        number = "a whole number, for example 8" if hint is int else "a number, for example 8"
        raise UserError(f"{where} is {text!r}, not {accepted}", ", or ".join([number, *words])) from None


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) in (types.UnionType, typing.Union):
        return all(a is type(None) or _is_plain(a) for a in get_args(hint))
    return get_origin(hint) is Literal or hint in (int, float, str, bool)


def _type_name(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "|".join(get_args(hint))
    if get_origin(hint) in (types.UnionType, typing.Union):
        return "|".join("none" if a is type(None) else _type_name(a) for a in get_args(hint))
    return str(getattr(hint, "__name__", hint))


def _default(field: Field[Any]) -> str:
    return "VALUE" if field.default is MISSING else str(field.default)


def _part_spec(part: Any) -> str:
    name: str = part.name
    changed = []
    for field in _ordered(part):
        value = getattr(part, field.name)
        if value != field.default:
            changed.append(_written(part, field.name, _typed(value)))
    return name + (":" + ",".join(changed) if changed else "")


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else f"{type(value).__name__}"


def _typed(value: Any) -> str:
    """A value as it is typed in a spec."""
    return str(value).lower() if isinstance(value, bool | None) else str(_plain(value))
