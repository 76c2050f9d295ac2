"""Plans: what a comparison is going to take, on models here, on a server of one's own, and paid by the token."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from advisor.approaches import Lengths, parse
from advisor.approaches.answering import USUAL_REASONING
from advisor.approaches.workload import RAMBLING, TAIL, TURN
from advisor.forecast.plan import AROUND_LABEL, BLANKS, ENDS, THOUGHT, ModelOutlook, Scope, plan
from advisor.forecast.planned import PlannedRow
from advisor.forecast.second import with_passes
from advisor.measuring import latency
from advisor.measuring.records import ModelFacts
from advisor.pilot.readings import Rates
from advisor.tasks import Document, Example, Task
from advisor.verdict.decision import LatencySummary, Row
from advisor.verdict.prices import HourlyPrice, Tariff
from advisor.verdict.token_prices import TokenPrice, TokenRates

HOUR = HourlyPrice("a box", 3.6, "a page", "2026-11-01")  # a tenth of a cent a second
TOKENS = TokenPrice("large", TokenRates(1.0, 10.0), "a page", "2026-11-01")
RATES = Rates(prefill=1000.0, prefill_alone=500.0, decode=100.0, decode_alone=20.0, train=300.0, embed=5000.0)
FACTS = ModelFacts("large", "", None, "api", "", "elsewhere", "", None, 0, "", (), place="network", provider="openai")


def made(kind: Any, answers: tuple[str, ...], test: int = 100) -> Task:
    """200 training examples of ten words, and documents of twenty."""
    text = "one two three four five six seven eight nine ten"
    examples = tuple(Example(str(i), f"{text} {i}", answers[i % len(answers)]) for i in range(200 + test))
    documents = tuple(Document(f"d{i}", "", f"{text} {text}") for i in range(10))
    return Task("t", kind, "Do it.", "accuracy" if kind == "classification" else "token_f1",
                train=examples[:200], test=examples[200:], documents=documents,
                labels=answers if kind == "classification" else ())  # fmt: skip


SORTING = made("classification", ("card lost", "card stolen", "parcel"))
ASKING = made("qa", ("it is on the second floor of the house",))


@pytest.fixture
def model() -> Callable[..., ModelOutlook]:
    def build(task: Task, tariff: Tariff, rates: Rates = Rates(), **facts: Any) -> ModelOutlook:  # noqa: B008
        here = facts.get("place") == "process"
        lengths = Lengths.of(task, lambda text: len(text.split()))
        return ModelOutlook("large", replace(FACTS, **facts), lengths, rates, trainable=here, tariff=tariff)

    return build


@pytest.fixture
def paid(model: Callable[..., ModelOutlook]) -> Callable[..., ModelOutlook]:
    return lambda task, **facts: model(task, Tariff(tokens=TOKENS, here=HOUR), Rates(embed=5000.0), **facts)


def row_of(task: Task, look: ModelOutlook, spec: str, scope: Scope | None = None) -> PlannedRow:
    (row,) = plan(task, [(look, [parse(spec)])], scope).rows
    return row


def test_a_hosted_model_answers_each_query_once_and_some_alone(paid: Callable[..., ModelOutlook]) -> None:
    look = paid(ASKING)
    row = row_of(ASKING, look, "few-shot:k=4")
    alone = latency.REQUESTS + latency.WARM_UPS
    assert (row.fit.calls, row.test.calls, row.alone.calls) == (0, 100, alone)
    lengths = look.lengths
    prompt = lengths.stem + 4 * (lengths.input + lengths.answer + 12) + lengths.input + TAIL
    assert row.test.tokens.prompt == pytest.approx(100 * prompt)
    written = lengths.answer + ENDS
    assert row.test.tokens.completion == pytest.approx(100 * written)
    assert row.test.usd == pytest.approx(100 * (prompt + 10 * written) / 1e6)
    assert row.total.usd == pytest.approx((100 + alone) * (prompt + 10 * written) / 1e6)
    assert row.total.seconds is None  # it was never asked


def test_labels_are_taken_to_be_tried_out_first(paid: Callable[..., ModelOutlook]) -> None:
    row = row_of(SORTING, paid(SORTING), "zero-shot")
    assert row.fit.calls == 48 + BLANKS
    assert row.test.calls == row.test.tokens.completion == 100
    plain = row_of(SORTING, paid(SORTING, labels_by="constraint"), "zero-shot")
    assert plain.fit.calls == 0
    assert plain.test.tokens.completion == pytest.approx(100 * (paid(SORTING).lengths.answer + AROUND_LABEL))


def test_reasoning_is_a_call_of_its_own_and_is_written(paid: Callable[..., ModelOutlook]) -> None:
    for task, spec in ((SORTING, "zero-shot:cot=true"), (SORTING, "few-shot:select=nearest,cot=true")):
        look = paid(task)
        row, lengths = row_of(task, look, spec), look.lengths
        assert (row.fit.calls, row.test.calls) == (2 * 48, 2 * 100)  # no prompt is asked blank behind reasoning
        assert row.test.tokens.completion == pytest.approx(100 * (USUAL_REASONING + ENDS + 1))
        shots = 8 * (lengths.input + lengths.answer + TURN) if spec.startswith("few-shot") else 0
        each = lengths.stem + shots + lengths.input + TAIL
        assert row.test.tokens.prompt == pytest.approx(100 * (2 * each + USUAL_REASONING))
        held = row_of(task, paid(task, labels_by="constraint"), spec).test
        assert held.calls == 200
        assert held.tokens.completion == pytest.approx(100 * (USUAL_REASONING + ENDS + lengths.answer + AROUND_LABEL))
    look = paid(ASKING)
    row, written = row_of(ASKING, look, "zero-shot:cot=true").test, RAMBLING * look.lengths.answer
    assert row.calls == 200
    assert row.tokens.completion == pytest.approx(100 * (USUAL_REASONING + written + 2 * ENDS))
    assert row.tokens.prompt == pytest.approx(
        100 * (2 * (look.lengths.stem + look.lengths.input + TAIL) + USUAL_REASONING)
    )


def test_what_is_asked_to_find_passages_is_paid_too(paid: Callable[..., ModelOutlook]) -> None:
    look = paid(ASKING)
    plain, judged, written = (
        row_of(ASKING, look, f"rag:retriever=bm25{more}").test for more in ("", ",rerank=llm,fetch=5", ",query=rewrite")
    )
    assert (plain.calls, judged.calls, written.calls) == (100, 600, 200)
    assert judged.tokens.prompt - plain.tokens.prompt > 500 * (20 + look.lengths.input)  # each a passage and the query
    assert written.tokens.completion - plain.tokens.completion > 100 * 10
    assert plain.usd and judged.usd and judged.usd > 2 * plain.usd
    sorting = paid(SORTING)
    plain, judged = (row_of(SORTING, sorting, f"rag:retriever=bm25{more}").fit for more in ("", ",rerank=llm,fetch=5"))
    # Labels are tried out behind 48 contexts, and behind each with an input that says nothing, for which none is found.
    assert (plain.calls, judged.calls) == (2 * 48, (1 + 5 + 1) * 48)


def test_what_is_shown_is_cut_to_the_window(paid: Callable[..., ModelOutlook]) -> None:
    look = paid(ASKING, context_window=400)
    each = {spec: row_of(ASKING, look, spec).test.tokens.prompt / 100 for spec in ("many-shot", "long-context")}
    assert each["many-shot"] == pytest.approx(300)
    assert each["long-context"] == pytest.approx(200 + look.lengths.stem + look.lengths.input + TAIL, rel=0.1)
    assert row_of(ASKING, paid(ASKING, context_window=4_000), "many-shot").test.tokens.prompt / 100 == pytest.approx(
        3_000
    )


def test_reasoning_is_asked_for_once_where_a_label_is_told_by_several_calls(
    model: Callable[..., ModelOutlook],
) -> None:
    look = model(SORTING, Tariff(hour=HOUR, here=HOUR), place="machine", provider="")
    row = row_of(SORTING, look, "zero-shot:cot=true")
    assert row.test.calls == 100 * (1 + 2)
    assert row.test.tokens.completion == pytest.approx(100 * (USUAL_REASONING + ENDS + 2))


def test_a_context_that_follows_the_query_may_be_asked_blank_too(paid: Callable[..., ModelOutlook]) -> None:
    row = row_of(SORTING, paid(SORTING), "few-shot:select=nearest")
    assert row.fit.calls == 2 * 48
    assert row.test.calls == pytest.approx(100 * math.sqrt(2))


def test_a_server_of_ones_own_is_asked_for_every_token_where_labels_part(model: Callable[..., ModelOutlook]) -> None:
    look = model(SORTING, Tariff(hour=HOUR, here=HOUR), place="machine", provider="")
    row = row_of(SORTING, look, "zero-shot")
    each = 2  # behind nothing, and behind "card"
    assert (row.fit.calls, row.test.calls) == ((48 + BLANKS) * each, 100 * each)
    assert row.total.usd is None and row.total.seconds is None


def test_a_model_that_thinks_is_paid_for_its_thought(paid: Callable[..., ModelOutlook]) -> None:
    look = paid(ASKING, reasoning=True)
    found = row_of(ASKING, look, "zero-shot").test
    assert found.tokens.reasoning == 100 * THOUGHT
    before = replace(earlier("few-shot:k=1"), reasoning_tokens=50.0)
    assert row_of(ASKING, replace(look, earlier=(before,)), "zero-shot").test.tokens.reasoning == 100 * 50


def test_a_model_here_takes_the_time_of_its_probe(model: Callable[..., ModelOutlook]) -> None:
    look = model(ASKING, Tariff(hour=HOUR, here=HOUR), RATES, place="process", provider="")
    whole = plan(ASKING, [(look, [parse(spec) for spec in ("zero-shot", "rag", "lora", "nearest")])])
    zero, rag, lora, nearest = whole.rows
    assert zero.total.seconds is not None and rag.total.seconds is not None and lora.fit.seconds is not None
    assert lora.fit.seconds > 2 * zero.total.seconds
    assert (zero.fit.seconds, lora.fit.calls) == (0, 0)
    assert rag.fit.seconds == pytest.approx(200 / 5000)
    assert zero.total.usd == pytest.approx(zero.total.seconds / 1000)
    assert (nearest.model, nearest.total.calls) == ("", 0)
    assert whole.total.seconds == pytest.approx(sum(row.total.seconds or 0.0 for row in whole.rows))
    assert whole.paid_usd == 0


def earlier(spec: str, **more: Any) -> Row:
    """A recorded row: 10 queries a second in batches, a second alone; 100 tokens read and 10 written."""
    known: dict[str, Any] = {"n": 100, "throughput_qps": 10.0, "prompt_tokens": 100.0, "completion_tokens": 10.0}
    known |= {"quality": None, "latency": LatencySummary(1000, 1000, 1, 16), **more}
    return Row(spec, "ok", None, False, True, True, (), **known)


def test_what_was_recorded_tells_how_fast_a_server_is_and_is_not_asked_again(paid: Callable[..., ModelOutlook]) -> None:
    look = paid(ASKING)
    written = 1.5 * look.lengths.answer + ENDS
    like = earlier("few-shot:k=1", completion_tokens=written)
    found = row_of(ASKING, replace(look, earlier=(like, earlier("rag", completion_tokens=9 * written))), "zero-shot")
    assert found.test.seconds == pytest.approx(10)
    assert found.alone.seconds == pytest.approx(latency.REQUESTS + latency.WARM_UPS)
    again = row_of(ASKING, replace(look, earlier=(like,)), "few-shot:k=1")
    assert (again.instead, again.test.calls) == ("", 100)  # such a row may be of another program
    done = row_of(ASKING, replace(look, earlier=(like,), done=frozenset({"few-shot:k=1"})), "few-shot:k=1")
    assert (done.instead, done.total.calls) == ("measured already", 0)


def test_slow_requests_are_fewer(paid: Callable[..., ModelOutlook]) -> None:
    slow = earlier("few-shot:k=1", completion_tokens=13.5, latency=LatencySummary(10_000, 10_000, 1, 5))
    look = replace(paid(ASKING), earlier=(slow,))
    assert row_of(ASKING, look, "zero-shot").alone.calls == latency.FEWEST + latency.WARM_UPS
    unknown = row_of(ASKING, paid(ASKING), "zero-shot", Scope(p95_seconds=1.0))
    assert latency.REQUESTS < unknown.alone.calls < latency.UNDER_A_LIMIT
    quick = replace(slow, latency=LatencySummary(100, 100, 1, 16))
    kept = row_of(ASKING, replace(look, earlier=(quick,)), "zero-shot", Scope(p95_seconds=1.0))
    assert kept.alone.calls == latency.UNDER_A_LIMIT + latency.WARM_UPS
    broken = row_of(ASKING, look, "zero-shot", Scope(p95_seconds=1.0))
    assert broken.alone.calls == latency.FEWEST + latency.WARM_UPS


def test_seeds_count_where_an_approach_depends_on_one(paid: Callable[..., ModelOutlook]) -> None:
    one, three = (row_of(ASKING, paid(ASKING), "few-shot:k=4", Scope(seeds=seeds)).total for seeds in (1, 3))
    factor = 3 if parse("few-shot:k=4").seeded else 1
    assert three.calls == factor * one.calls
    assert row_of(ASKING, paid(ASKING), "zero-shot", Scope(seeds=3)).total.calls == one.calls


def test_what_cannot_be_done_says_so(paid: Callable[..., ModelOutlook]) -> None:
    assert row_of(ASKING, paid(ASKING), "lora").instead == "skipped: the model cannot be trained here"
    bare = replace(ASKING, train=())
    assert row_of(bare, paid(bare), "few-shot").instead == "skipped: there are no training examples"


def test_several_models_share_what_leaves_models_aside(
    paid: Callable[..., ModelOutlook], model: Callable[..., ModelOutlook]
) -> None:
    small = replace(model(ASKING, Tariff(hour=HOUR, here=HOUR), RATES, place="process", provider=""), alias="small")
    specs = [parse("nearest"), parse("zero-shot")]
    found = plan(ASKING, [(paid(ASKING), specs), (small, specs)])
    assert [(row.spec, row.model) for row in found.rows] == [
        ("nearest", ""),
        ("zero-shot", "large"),
        ("zero-shot", "small"),
    ]
    assert found.paid == {"large"}
    assert found.paid_usd == pytest.approx(found.rows[1].total.usd)
    assert len(found.prices) == 2


def test_after_a_change_only_what_may_be_answered_otherwise_is_asked(paid: Callable[..., ModelOutlook]) -> None:
    new = tuple(Example(f"new{i}", f"something else {i}", "it is here") for i in range(7))
    documents = tuple(Document(d.id, d.title, f"{d.text} {d.text}") for d in ASKING.documents)
    task = replace(ASKING, documents_after=documents, test_after=(*ASKING.test, *new))
    look = paid(task)
    assert row_of(ASKING, look, "rag").after.calls == 0
    assert row_of(task, look, "rag").after.calls == 107
    bare = row_of(task, look, "few-shot:k=1")
    assert bare.after.calls == 7
    assert bare.total.calls == bare.fit.calls + bare.test.calls + bare.alone.calls + 7
    done = replace(look, done=frozenset({"rag"}))
    assert row_of(task, done, "rag").total.calls == 107
    assert row_of(task, replace(done, done_after=frozenset({"rag"})), "rag").instead == "measured already"
    rules = replace(ASKING, test_after=ASKING.test)
    assert row_of(rules, look, "rag").total.calls == row_of(ASKING, look, "rag").total.calls


def test_what_another_model_is_asked_before_a_fit_has_a_row_of_its_own(
    model: Callable[..., ModelOutlook], paid: Callable[..., ModelOutlook]
) -> None:
    here = replace(model(ASKING, Tariff(hour=HOUR, here=HOUR), RATES, place="process"), alias="small")
    asked = [(here, [parse("distil:teacher=large"), parse("distil:teacher=large,rank=4")]), (paid(ASKING), [])]
    found = with_passes(plan(ASKING, asked), ASKING, asked, Scope())
    first, *others = found.rows
    assert [(row.spec, row.model) for row in found.rows] == [
        ("teacher of distil:teacher=large", "large"),
        ("distil:teacher=large", "small"),
        ("distil:rank=4,teacher=large", "small"),
    ]
    zero_shot = row_of(ASKING, paid(ASKING), "zero-shot")
    assert first.total.calls == pytest.approx(2 * zero_shot.test.calls)  # 200 training inputs, 100 test inputs
    assert found.paid_usd == pytest.approx(first.total.usd)
    assert others[0].fit == row_of(ASKING, here, "lora").fit


def test_what_a_model_has_no_layer_for_is_told(model: Callable[..., ModelOutlook]) -> None:
    asked = [parse(spec) for spec in ("probe", "probe:layer=3", "probe:layer=99", "probe:unfreeze=4")]
    here = replace(model(SORTING, Tariff(here=HOUR), RATES, place="process"), layers=3)
    rows = plan(SORTING, [(here, asked)]).rows
    assert [row.instead for row in rows] == [
        "",
        "",
        "skipped: the model has 3 layers, and none is number 99",
        "skipped: unfreeze is 4, and the model has 3 layers",
    ]
    (none,) = plan(SORTING, [(replace(here, layers=0), asked[:1])]).rows
    assert "not the hidden states" in none.instead
