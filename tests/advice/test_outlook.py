"""The advice again under other circumstances, and what to do first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from advisor.advice.agenda import Agenda, Invocation
from advisor.advice.outlook import Circumstances, Outlook
from advisor.advice.preference import prefer
from advisor.approaches import Lengths
from advisor.forecast.expected import Expected
from advisor.pilot import Rates
from advisor.profiling import profile
from advisor.tasks import Example, Limits, Outline, Task
from advisor.tasks.description import Description, describe
from advisor.tasks.material import Material
from advisor.verdict.prices import HourlyPrice, Tariff

RATES = Rates(prefill=1000.0, prefill_alone=500.0, decode=200.0, decode_alone=20.0, train=300.0, embed=5000.0)


def task(train: int = 40) -> Task:
    examples = [Example(str(n), f"colour of thing {n}?", "red" if n % 2 else "blue") for n in range(train + 120)]
    return Task("t", "qa", "Say it.", "exact_match", train=tuple(examples[:train]), test=tuple(examples[train:]))


def learner(description: Description, specs: Sequence[str]) -> Mapping[str, Expected]:
    """Training pays with labels, and nothing else does."""
    value = dict.fromkeys(specs, 0.5) | {"lora": 0.2 + description.train / 400}
    return {spec: Expected(spec, value[spec], value[spec] - 0.05, value[spec] + 0.05, "rule", "") for spec in specs}


def at(usd: float) -> Tariff:
    """A machine at so many dollars an hour."""
    hour = HourlyPrice("a box", usd, "a page", "2025-01-01")
    return Tariff(hour=hour, here=hour)


def outlook(usd: float | None = 1.0, **limits: float) -> tuple[Outlook, Circumstances]:
    found = task()
    described = describe(Material(found))
    return (
        Outlook(learner, Lengths.of(found, None), RATES, None, Tariff() if usd is None else at(usd)),
        Circumstances(found, Outline.of(found), described, Limits(**limits)),
    )


def test_more_labels_turn_the_choice() -> None:
    look, now = outlook()
    options = look.options(now)
    chosen = prefer(options, now.limits)
    assert chosen.advised != "lora"
    changes = {change.circumstance: change for change in look.changes(now, options, chosen)}
    more = changes["With 400 labelled examples, not 40"]
    assert more.advised == "lora"
    assert "1.200" in more.outcome


def test_without_weights_nothing_is_trained() -> None:
    look, now = outlook()
    assert any("lora" in one.spec for one in look.options(now))
    without = look.options(replace(now, weights=False))
    assert without
    assert not any("lora" in one.spec for one in without)


def test_privacy_bars_what_would_run_behind_an_api_and_nothing_else() -> None:
    look, now = outlook()
    assert not any(one.violations for one in look.options(replace(now, private=True)))
    barred = look.options(replace(now, private=True, weights=False))
    assert all(bool(one.violations) == one.uses_model for one in barred)


def test_changes_are_worked_out_without_a_price_too() -> None:
    look, now = outlook(usd=None, documents_change_every_days=30)
    options = look.options(now)
    changes = look.changes(now, options, prefer(options, now.limits))
    said = " ".join(change.circumstance for change in changes)
    assert "every week" in said and "10,000 queries a day" in said and "API" in said
    assert all(change.advised for change in changes)


def test_what_changes_weekly_already_is_not_named() -> None:
    look, now = outlook(documents_change_every_days=7)
    options = look.options(now)
    changes = look.changes(now, options, prefer(options, now.limits))
    assert not any("every week" in change.circumstance for change in changes)


def test_the_agenda_begins_with_what_costs_little_and_can_be_typed() -> None:
    look, now = outlook()
    options = look.options(now)
    chosen = prefer(options, now.limits)
    agenda = Agenda(options, chosen, profile(now.task), Invocation("my\\ task", "--model ./m"), now.limits)
    steps = list(agenda.steps(look.changes(now, options, chosen)))
    commands = [step.command for step in steps if step.command]
    comparisons = [command for command in commands if command.startswith("advisor compare")]
    assert comparisons[0].startswith("advisor compare my\\ task --approach nearest --approach zero-shot")
    assert all(command.endswith("--limit 100 --model ./m") for command in comparisons)
    assert any(command.startswith("advisor curve") and "lora" in command for command in commands)
    assert not any(command.startswith("advisor recommend") for command in commands)  # it has been probed
    timed = [step.seconds for step in steps if step.command.startswith("advisor compare")]
    assert all(seconds and seconds > 0 for seconds in timed)


def test_what_is_open_is_settled_by_measuring() -> None:
    look, now = outlook()
    options = look.options(now)
    chosen = prefer(options, now.limits)
    assert chosen.open
    said = Agenda(options, chosen, profile(now.task), Invocation("t", "--model m"), now.limits).settling()
    assert all(spec in said for spec in (chosen.advised or "", *chosen.open))
    assert "100 test examples" in said
    assert "settle" in said


@pytest.mark.parametrize("origin", ["", "nowhere"])
def test_a_task_that_is_in_no_folder_has_a_word_in_its_place(origin: str) -> None:
    assert Invocation.of(replace(task(), origin=origin)).command("profile") == "advisor profile TASK"
