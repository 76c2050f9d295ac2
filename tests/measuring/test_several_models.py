"""A comparison of several models: one table, records of their own, and what is added later is paid for alone."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import advisor
from advisor.errors import Interrupted, UserError
from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.reading import JOURNAL, read_comparison
from advisor.models.load import Loading, ModelSource, last_part, model_sources
from advisor.reporting.document import document
from advisor.tasks import Task
from advisor.verdict import decide
from tests.hearing import Ear


def models(scripted: ModuleType, *aliases: str) -> list[Any]:
    """Scripted models that differ in nothing but name and alias; each keeps the prompts that it was asked."""
    made = []
    for alias in aliases:
        model = scripted.ScriptedModel(name=f"maker/{alias}")
        model.alias = alias
        made.append(model)
    return made


def rows_of(comparison: Any) -> dict[str, str]:
    return {run.spec: run.status for run in comparison.runs}


def test_every_approach_runs_on_every_model_but_for_those_that_name_one(
    numbers: Task, scripted: ModuleType, tmp_path: Path
) -> None:
    small, big = models(scripted, "small", "big")
    comparison = compare(numbers, [small, big], ["zero-shot", "few-shot:k=2@big", "nearest"], out=tmp_path)
    assert rows_of(comparison) == dict.fromkeys(
        ["zero-shot@small", "nearest", "zero-shot@big", "few-shot:k=2@big"], "ok"
    )
    assert [member.alias for member in comparison.models] == ["small", "big"]
    assert {run.spec: run.model for run in comparison.runs}["nearest"] == ""
    assert all(len(run.predictions) == len(numbers.test) for run in comparison.runs)


def test_a_model_that_is_added_later_is_paid_for_alone(numbers: Task, scripted: ModuleType, tmp_path: Path) -> None:
    (small,) = models(scripted, "small")
    compare(numbers, [small], ["zero-shot", "nearest"], out=tmp_path)
    again, big = models(scripted, "small", "big")
    comparison = compare(numbers, [again, big], ["zero-shot", "nearest"], out=tmp_path)
    assert not again.prompts
    assert {prompt.input for prompt in big.prompts} >= {example.input for example in numbers.test}
    assert rows_of(comparison) == dict.fromkeys(["zero-shot@small", "nearest", "zero-shot@big"], "ok")


def test_a_kill_before_the_second_model_leaves_its_rows_waiting(
    numbers: Task, scripted: ModuleType, tmp_path: Path
) -> None:
    compare(numbers, models(scripted, "small", "big"), ["zero-shot"], out=tmp_path)
    journal = tmp_path / JOURNAL
    kept = [line for line in lines(journal) if line.get("alias") != "big"]
    journal.write_text("".join(json.dumps(line) + "\n" for line in kept))
    comparison = read_comparison(tmp_path)
    assert rows_of(comparison) == {"zero-shot@small": "ok", "zero-shot@big": "interrupted"}
    report = advisor.report(decide(comparison))
    assert "zero-shot@big" in report
    assert "the same command goes on from there" in report
    small, big = models(scripted, "small", "big")
    assert rows_of(compare(numbers, [small, big], ["zero-shot"], out=tmp_path))["zero-shot@big"] == "ok"
    assert not small.prompts
    assert not big.prompts  # its runs had been recorded; only the head was lost


class Gone(ModelSource):
    """A model whose server is gone when it is to be loaded."""

    def load(self) -> Any:
        raise Interrupted("the server is gone (refused); the same command goes on from there")


def test_a_model_whose_server_is_gone_leaves_the_others_measured(
    numbers: Task, scripted: ModuleType, tmp_path: Path
) -> None:
    (small,), heard = models(scripted, "small"), Ear()
    gone = Gone("http://127.0.0.1:9/v1#big", Loading(alias="big"))
    comparison = compare(numbers, [gone, small], ["zero-shot", "few-shot:k=2@big"], out=tmp_path, progress=heard)
    assert rows_of(comparison) == {
        "zero-shot@small": "ok",
        "zero-shot@big": "interrupted",
        "few-shot:k=2@big": "interrupted",
    }
    assert "refused" in {run.spec: run.error or "" for run in comparison.runs}["zero-shot@big"]
    assert heard.ended["big"].startswith("interrupted: the server is gone (refused)")
    assert "zero-shot@big is not judged: interrupted (the server is gone" in advisor.report(decide(comparison))
    small, big = models(scripted, "small", "big")
    again = compare(numbers, [big, small], ["zero-shot", "few-shot:k=2@big"], out=tmp_path)
    assert set(rows_of(again).values()) == {"ok"}
    assert not small.prompts


def test_where_all_servers_are_gone_nothing_is_reported(numbers: Task, tmp_path: Path) -> None:
    gone = [Gone(f"http://127.0.0.1:9/v1#{alias}", Loading(alias=alias)) for alias in ("one", "two")]
    with pytest.raises(Interrupted, match="the server is gone"):
        compare(numbers, gone, ["zero-shot"], out=tmp_path)


def test_results_name_approach_and_model_apart(numbers: Task, scripted: ModuleType, tmp_path: Path) -> None:
    comparison = compare(numbers, models(scripted, "small", "big"), ["zero-shot", "few-shot@big"], out=tmp_path)
    found = document(decide(comparison))
    assert [model["alias"] for model in found["models"]] == ["small", "big"]
    named = {(row["spec"], row["model"]) for row in found["approaches"]}
    assert named == {("zero-shot", "small"), ("zero-shot", "big"), ("few-shot", "big")}
    chosen = found["recommendation"]
    assert (chosen["approach"], chosen["model"], chosen["row"]) == ("few-shot", "big", "few-shot@big")
    assert [item["name"] for item in found["diagnosis"]] == [
        "known without help (big)",
        "added by examples (big)",
        "known without help (small)",
        "big against small",
    ]


def test_one_model_is_reported_as_ever(numbers: Task, scripted: ModuleType, tmp_path: Path) -> None:
    comparison = compare(numbers, models(scripted, "small")[0], ["zero-shot@small"], out=tmp_path)
    found = document(decide(comparison))
    assert [(row["spec"], row["model"], row["row"]) for row in found["approaches"]] == [
        ("zero-shot", "small", "zero-shot")
    ]
    assert found["diagnosis"][0]["name"] == "known without help"


def test_a_predictor_of_several_models_names_its_model(numbers: Task, scripted: ModuleType, tmp_path: Path) -> None:
    small, big = models(scripted, "small", "big")
    compare(numbers, [small, big], ["zero-shot", "few-shot:k=2@big"], out=tmp_path)
    predictor = advisor.load_predictor(tmp_path, "zero-shot@big", big)
    assert predictor.predict([numbers.test[0].query])[0].text
    with pytest.raises(UserError, match=r"has several rows 'zero-shot'"):
        advisor.load_predictor(tmp_path, "zero-shot", big)
    with pytest.raises(UserError, match="was measured with maker/big"):
        other = models(scripted, "small")[0]
        other.revision = "r2"
        advisor.load_predictor(tmp_path, "few-shot:k=2@big", other)


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        (["zero-shot@huge"], "zero-shot@huge: no model is called 'huge'"),
        (["zero-shot@small"], "nothing is to run on the model big"),
    ],
)
def test_what_names_no_model_or_leaves_one_without_work_is_told(
    numbers: Task, scripted: ModuleType, tmp_path: Path, specs: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        compare(numbers, models(scripted, "small", "big"), specs, out=tmp_path)


def test_two_models_of_one_alias_are_refused(numbers: Task, scripted: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two models are called 'small'"):
        compare(numbers, models(scripted, "small", "small"), ["zero-shot"], out=tmp_path)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("embedded", "embedded"),
        ("openai:gpt-5-mini", "gpt-5-mini"),
        ("http://127.0.0.1:8000/v1#Qwen/qwen3-8b", "qwen3-8b"),
        ("HuggingFaceTB/SmolLM2", "SmolLM2"),
        ("/models/mine/", "mine"),
    ],
)
def test_a_model_without_an_alias_is_called_by_its_last_part(name: str, alias: str) -> None:
    assert last_part(name) == alias


def test_aliases_are_made_unique_and_those_given_twice_are_refused() -> None:
    named = model_sources(["embedded", "openai:embedded", "big=openai:gpt-5-mini"], Loading())
    assert [source.alias for source in named] == ["embedded", "embedded-2", "big"]
    assert named[2].name == "openai:gpt-5-mini"
    with pytest.raises(UserError, match="two models are called 'a'"):
        model_sources(["a=embedded", "a=openai:x"], Loading())


def test_an_alias_that_cannot_stand_in_a_rows_name_is_refused(
    numbers: Task, scripted: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="a model is called 'my model'"):
        compare(numbers, models(scripted, "my model"), ["zero-shot"], out=tmp_path)
    with pytest.raises(UserError, match="no model was given"):
        compare(numbers, [], ["zero-shot"], out=tmp_path)


def test_an_address_with_a_secret_gives_no_alias() -> None:
    with pytest.raises(UserError) as caught:
        model_sources(["small=embedded", "https://user:SECRET@host/v1#m"], Loading())
    assert "SECRET" not in str(caught.value)


def test_a_model_that_cannot_be_had_shows_before_anything_is_measured(numbers: Task, tmp_path: Path) -> None:
    named = model_sources(["small=embedded", "big=opnai:gpt"], Loading())
    with pytest.raises(UserError, match="nothing installed loads opnai: names"):
        compare(numbers, named, ["zero-shot"], out=tmp_path)
    assert not (tmp_path / JOURNAL).exists()


def test_what_was_recorded_of_a_model_that_is_gone_now_stands(
    numbers: Task, scripted: ModuleType, tmp_path: Path
) -> None:
    compare(numbers, models(scripted, "small", "big"), ["zero-shot"], out=tmp_path)
    journal = tmp_path / JOURNAL
    earlier = journal.read_text()
    compare(numbers, models(scripted, "small", "big"), ["zero-shot"], out=tmp_path)
    later = [
        line for line in journal.read_text()[len(earlier) :].splitlines() if json.loads(line).get("alias") != "big"
    ]
    journal.write_text(earlier + "".join(line + "\n" for line in later))  # as when its server was gone this time
    comparison = read_comparison(tmp_path)
    assert rows_of(comparison) == dict.fromkeys(["zero-shot@small", "zero-shot@big"], "ok")


def test_what_needs_no_model_stays_beside_the_model_that_it_was_measured_with(
    numbers: Task, scripted: ModuleType, tmp_path: Path
) -> None:
    first = compare(numbers, models(scripted, "small"), ["zero-shot", "nearest"], out=tmp_path)
    second = compare(numbers, models(scripted, "other", "small"), ["zero-shot", "nearest"], out=tmp_path)
    keys = [next(run.key for run in found.runs if run.spec == "nearest") for found in (first, second)]
    assert keys[0] == keys[1]
