"""Which approach runs on which model of a comparison."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from advisor.approaches import Approach, ContextBuilder, Tuner, apart, named, owed, row_name, spec_of, suggested
from advisor.errors import UserError
from advisor.models import LanguageModel
from advisor.models.hosted.address import runs_here
from advisor.models.load import ModelSource, checked_alias, last_part
from advisor.tasks import Task

log = logging.getLogger(__name__)

Given = str | Approach | ContextBuilder | Tuner
"""An approach as a caller names it; a spec may name a model behind `@`."""
Source = LanguageModel | ModelSource
"""A model, or one that is loaded when its turn comes."""


@contextmanager
def loaded(model: Source) -> Iterator[LanguageModel]:
    """A model while it is needed; one that was given by name is loaded, and given back afterwards."""
    if isinstance(model, LanguageModel):
        yield model
        return
    found = model.load()
    try:
        yield found
    finally:
        found.close()


@dataclass(frozen=True)
class Asked:
    """An approach that was asked for.

    Attributes:
        alias: of the one model that it is to run on; empty for all.
    """

    approach: Approach
    alias: str = ""


def asked(given: Sequence[Given] | None, task: Task) -> list[Asked]:
    """Approaches in the order asked for; None stands for those that the task names, else those that run unasked.

    Raises:
        UserError: a spec is wrong.
    """
    wanted = given if given is not None else task.defaults.approaches
    found = [
        Asked(approach, alias)
        for one in wanted
        for spec, alias in [apart(one) if isinstance(one, str) else (one, "")]
        for approach in named([spec], task)
    ]
    return found or [Asked(approach) for approach in suggested(task)]


@dataclass(frozen=True)
class Lineup:
    """The runs of each model: by its alias, approaches by canonical spec.

    Attributes:
        free: specs of what needs no language model, which runs once, beside one of the models.
    """

    of: Mapping[str, Mapping[str, Approach]]
    free: frozenset[str]

    def rows(self) -> dict[str, list[str]]:
        """What the rows of each model are called."""
        return {
            alias: [spec if spec in self.free else row_name(spec, alias) for spec in chosen]
            for alias, chosen in self.of.items()
        }

    def turns(self) -> Iterator[tuple[str, Mapping[str, Approach]]]:
        """In which order models are loaded, and what runs then: one that others ask before they are fitted comes before
        these. Where two ask each other, one of them is loaded twice, and all its rows are named the second time."""
        left, asked = dict(self.of), set[str]()
        while left:
            open_ = {alias: self._waiting(alias, asked) for alias in left}
            alias = next((one for one, waiting in open_.items() if not waiting), "")
            if alias:
                yield alias, left.pop(alias)
            else:
                wanted = {needed for waiting in open_.values() for found in waiting.values() for needed in found}
                alias = next(one for one in left if one in wanted)
                yield alias, {spec: one for spec, one in left[alias].items() if spec not in open_[alias]}
            asked.add(alias)

    def _waiting(self, alias: str, asked: set[str]) -> dict[str, set[str]]:
        """The rows of a model for which others have to be asked first, and which; of itself it may ask at once."""
        found = {spec: _seconds(approach) - asked - {alias} for spec, approach in self.of[alias].items()}
        return {spec: needed for spec, needed in found.items() if needed}


def lineup(wanted: Sequence[Asked], models: Sequence[Source], host: str = "") -> Lineup:
    """Every approach on every model, but for those that name one; no approach on a model that it asks before its fit.

    What needs no language model runs beside one of them.

    Args:
        host: alias of that one; the first that computes in this process by default.

    Raises:
        UserError: a spec names a model that is not there, or asks the one that it runs on, or no approach is left for
            one that is.
    """
    if not models:
        raise UserError("no model was given", 'give one, or a list of them: advisor.load_model("embedded")')
    aliases = [_alias(model) for model in models]
    if twice := [alias for alias, number in Counter(aliases).items() if number > 1]:
        raise UserError(f"two models are called {twice[0]!r}", 'give each its own: load_model(name, alias="small")')
    host = host or next((model.alias for model in models if _is_here(model)), aliases[0])
    of: dict[str, dict[str, Approach]] = {alias: {} for alias in aliases}
    free = set()
    for one in wanted:
        spec = spec_of(one.approach)
        if one.alias and one.alias not in of:
            raise UserError(
                f"{row_name(spec, one.alias)}: no model is called {one.alias!r}", f"models are {', '.join(aliases)}"
            )
        _check_seconds(one, aliases)
        if not one.approach.uses_model:
            free.add(spec)
            of[host][spec] = one.approach
            continue
        for alias in [one.alias] if one.alias else [a for a in aliases if a not in _seconds(one.approach)]:
            of[alias][spec] = one.approach
    asked_of = {alias for one in wanted for alias in _seconds(one.approach)}
    idle = [alias for alias, chosen in of.items() if not chosen and alias not in asked_of]
    if idle:
        raise UserError(f"nothing is to run on the model {idle[0]}", "leave it out, or name an approach for it")
    return Lineup(of, frozenset(free))


def _seconds(approach: Approach) -> set[str]:
    """Aliases of the models that are asked before it is fitted."""
    return {one.alias for _, one in owed(approach, 0)}


def _check_seconds(one: Asked, aliases: Sequence[str]) -> None:
    """Whether the models that an approach asks before its fit are there, and others than it runs on.

    Raises:
        UserError: one is not.
    """
    own = one.alias or (aliases[0] if len(aliases) == 1 else "")
    for _, asks in owed(one.approach, 0):
        spec = f"{spec_of(one.approach)}: {asks.parameter}={asks.alias}"
        if asks.alias not in aliases:
            hint = f"models are {', '.join(aliases)}; another one is added by --model {asks.alias}=NAME"
            raise UserError(f"{spec} names no model of this comparison", hint)
        if asks.alias == own and one.approach.uses_model:
            raise UserError(
                f"{spec} is the model that it runs on, which tells itself nothing new",
                f"compare two models: --model {asks.alias}=NAME --model small=NAME",
            )


def _alias(model: Source) -> str:
    """What a model is called; one that was made otherwise than by its name is called by that name's last part."""
    if isinstance(model, LanguageModel) and not model.alias:
        model.alias = last_part(model.name)
    return checked_alias(model.alias)


def _is_here(model: Source) -> bool:
    if isinstance(model, ModelSource):
        return runs_here(model.name)
    return not model.can.remote


def chosen_of(task: Task, approaches: Sequence[Given] | None) -> dict[str, Approach]:
    """Approaches by canonical spec, in the order asked for, each once; `approaches` as in `compare`, for one model."""
    found = asked(approaches, task)
    if stray := [one for one in found if one.alias]:
        spec = row_name(spec_of(stray[0].approach), stray[0].alias)
        raise UserError(f"{spec}: names a model where there is but one", "leave out what follows @")
    if alone := [(one, asks) for one in found for _, asks in owed(one.approach, 0)]:
        one, asks = alone[0]
        raise UserError(
            f"{spec_of(one.approach)}: {asks.parameter}={asks.alias} is another model, and there is but one here",
            f"advisor compare TASK --model small=NAME --model {asks.alias}=NAME asks it before the fit",
        )
    check_test(task)
    return {spec_of(one.approach): one.approach for one in found}


def tell_beyond(chosen: Mapping[str, Approach], model: LanguageModel) -> None:
    """Note what the model cannot do because of how many layers it has, before the others are measured."""
    for spec, approach in chosen.items():
        if reason := approach.beyond(model.can.layers):
            log.warning("note: %s will be skipped: %s", spec, reason)


def check_test(task: Task) -> None:
    """Whether there is something to measure on, also after the documents have changed.

    Raises:
        UserError: there are no test examples, or none for after a change.
    """
    if not task.test:
        raise UserError(f"{task.name}: has no test examples", "add test.jsonl, or pass --split 0.3")
    if task.documents_after and not task.test_after:
        hint = "give test_after too: the test questions with the answers that are right after the change"
        raise UserError(f"{task.name}: the documents change, but nothing says which answers are right then", hint)
    if task.documents_after and not task.documents:
        raise UserError(f"{task.name}: has documents_after and no documents", "give the documents that change too")
