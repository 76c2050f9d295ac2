"""What comes back of a server: answers in order, tokens, times, thought, and prompts that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.approaches.answering import decoding_for
from advisor.errors import Interrupted, NotApplicable, UserError
from advisor.measuring.comparing import compare
from advisor.models import Context, Decoding, Merged, Prompt, Shot
from advisor.models.clock import clock
from advisor.models.hosted.patience import Patience
from advisor.tasks import Example, Task

WORDS = Decoding(8, ("\n",))
Load = Callable[..., Any]


def asked(*inputs: str) -> list[Prompt]:
    return [Prompt("Say it again.", text) for text in inputs]


def test_nothing_is_sent_before_something_is_asked(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    assert (model.name, model.can.remote, model.can.rows_at_once) == (server.name, True, 256)
    assert server.requests == []


def test_answers_come_in_order_whatever_comes_first(server: Any, load_served: Load) -> None:
    server.answer = lambda messages: messages[-1]["content"].split("\n")[0]
    server.fault = lambda number: "500" if number % 5 == 0 else None
    model = load_served(server.name, concurrency=4)
    texts = [f"number {n}" for n in range(40)]
    assert [one.text for one in model.generate(asked(*texts), WORDS)] == texts
    assert model.answered_by == ("toy v1",)


def test_no_more_requests_are_under_way_than_asked_for(server: Any, load_served: Load) -> None:
    server.seconds = 0.01
    load_served(server.name, concurrency=3).generate(asked(*map(str, range(20))), WORDS)
    assert server.most_under_way == 3


def test_the_ledger_counts_what_was_asked(server: Any, load_served: Load) -> None:
    server.answer, server.cached = lambda messages: "two words", 3
    model = load_served(server.name, concurrency=2)
    model.generate(asked("warm"), WORDS)
    first = len(server.requests)
    server.fault = lambda number: "500" if number == first + 2 else None
    clock.drain()
    answers = model.generate(asked("a", "b", "c"), WORDS)
    ledger = clock.drain()
    assert (ledger.calls["requests"], ledger.calls["retried"]) == (3, 1)
    assert ledger.calls["completion"] == sum(one.completion_tokens for one in answers) == 6
    assert ledger.calls["cached"] == 9 and not ledger.calls["estimated"]
    assert answers[0].prompt_tokens > 0 and answers[0].cached_tokens == 3
    assert ledger.spans["request"].seconds > 0


def test_what_a_server_is_tried_with_is_counted_apart(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    clock.drain()
    answers = model.generate(asked("a", "b", "c"), WORDS)
    calls = clock.drain().calls
    assert calls["requests"] == 3
    assert calls["prompt"] == sum(one.prompt_tokens for one in answers)
    assert calls["completion"] == sum(one.completion_tokens for one in answers)
    assert calls["requests"] + calls["trial_requests"] == len(server.chats)
    assert calls["trial_requests"] > 0 and calls["trial_prompt"] > 0


def test_tokens_are_counted_here_where_the_server_does_not_say(server: Any, load_served: Load) -> None:
    server.usage, server.answer = False, lambda messages: "four words of text"
    model = load_served(server.name)
    clock.drain()
    for prompts in (asked("a"), asked("a", "b")):
        one = model.generate(prompts, WORDS)[0]
        assert one.estimated and one.prompt_tokens > 3 and one.completion_tokens >= 4
    assert clock.drain().calls["estimated"] > 0


def test_a_server_that_answers_as_a_whole_is_not_asked_for_pieces_again(server: Any, load_served: Load) -> None:
    server.streams = False
    model = load_served(server.name)
    for _ in range(2):
        (found,) = model.generate(asked("a"), WORDS)
        assert found.text
        assert 0 < found.ttft_seconds <= found.seconds
    assert [bool(chat.get("stream")) for chat in server.chats[-3:]] == [True, False, False]


def test_what_is_asked_alone_is_streamed_and_its_first_token_timed(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    alone = model.generate(asked("a"), WORDS)[0]
    assert server.chats[-1]["stream"] is True
    assert 0 < alone.ttft_seconds <= alone.seconds
    together = model.generate(asked("a", "b"), WORDS)
    assert "stream" not in server.chats[-1]
    assert together[0].text == alone.text


def test_a_request_says_what_every_model_is_told(server: Any, load_served: Load) -> None:
    load_served(server.name).generate([Prompt("Sort.", "x", ("a", "b"), Context((Shot("y", "b"),)))], WORDS)
    body = server.chats[-1]
    assert (body["temperature"], body["seed"], body["max_tokens"], body["stop"]) == (0, 0, 8, ["\n"])
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert [one["content"] for one in body["messages"]] == ["Sort.\nLabels: a, b", "y", "Answer: b", "x\nAnswer:"]


def test_where_an_answer_can_be_begun_the_cue_stands_in_the_models_turn(server: Any, load_served: Load) -> None:
    for how, told in (("always", False), ("told", True)):
        server.goes_on = how
        load_served(server.name).generate(asked("x"), WORDS)
        body = server.chats[-1]
        assert [one["content"] for one in body["messages"]][-2:] == ["x", "Answer:"]
        assert ("continue_final_message" in body) is told


def test_the_cue_that_an_answer_repeats_is_no_part_of_it(server: Any, load_served: Load) -> None:
    server.answer = lambda messages: "Answer: red\nand more"
    assert load_served(server.name).generate(asked("x"), WORDS)[0].text == "red"


@pytest.mark.parametrize("refused", ["temperature", "seed", "stop", "max_tokens", "chat_template_kwargs", "system"])
def test_what_a_server_does_not_take_is_left_out_from_then_on(server: Any, load_served: Load, refused: str) -> None:
    server.refuses = {refused}
    server.answer = lambda messages: "red\nand more"
    model = load_served(server.name, concurrency=1)
    assert [one.text for one in model.generate(asked("x", "y"), WORDS)] == ["red", "red"]
    assert len(server.answered) >= 2
    if refused == "max_tokens":
        assert server.chats[-1]["max_completion_tokens"] == 8
    if refused == "system":
        assert server.chats[-1]["messages"][0]["content"] == "Say it again.\n\ny\nAnswer:"
    said = " ".join(model.describe()["caveats"])
    assert bool(said) is (refused in ("temperature", "chat_template_kwargs", "system"))


def test_the_first_of_several_answers_counts(server: Any, load_served: Load) -> None:
    server.choices, server.answer = 2, lambda messages: "one answer"
    model = load_served(server.name)
    assert [one.text for one in model.generate(asked("x"), WORDS)] == ["one answer"]
    assert [one.text for one in model.generate(asked("x", "y"), WORDS)] == ["one answer"] * 2


@pytest.mark.parametrize(("apart", "reasoned", "answered"), [(True, 6, 1), (False, 12, 2)])
def test_thought_is_counted_and_taken_off(
    server: Any, load_served: Load, apart: bool, reasoned: int, answered: int
) -> None:
    """7 tokens, or 14 with the marks around the thought, six parts of seven of the text being thought."""
    server.thought, server.apart, server.answer = "let me see what it is", apart, lambda messages: "red"
    model = load_served(server.name, reasoning=True)
    for prompts in (asked("x"), asked("x", "y")):
        one = model.generate(prompts, WORDS)[0]
        assert (one.text, one.failure) == ("red", "")
        assert (one.reasoning_tokens, one.completion_tokens) == (reasoned, answered)
    body = server.chats[-1]
    assert body["max_tokens"] == 8 + 4096 and "stop" not in body
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    assert model.describe()["reasoning"] is True


def test_a_thought_that_is_cut_off_is_a_named_failure(server: Any, load_served: Load) -> None:
    server.thought, server.answer = "hm " * 6000, lambda messages: "red"
    model = load_served(server.name, reasoning=True)
    assert model.generate(asked("x", "y"), WORDS)[1].failure == "cut off while it reasoned"
    server.thought, server.answer = "", lambda messages: "red " * 6000
    assert model.generate(asked("x"), WORDS)[0].failure == "cut off while it reasoned"  # nothing ended a thought


def test_an_answer_behind_a_thought_that_reaches_the_cap_is_an_answer(server: Any, load_served: Load) -> None:
    server.thought, server.apart, server.answer = "let me see", True, lambda messages: "red " * 6000
    for one in load_served(server.name, reasoning=True).generate(asked("x", "y"), WORDS):
        assert one.text.startswith("red red") and one.failure == ""


@pytest.mark.parametrize(
    ("target", "least"),
    [
        ("3f2b8c1e-9d4a-4e6f-8b7c-5a1d2e3f4a5b", 35),  # tokens of the embedded model's tokenizer
        ("根据合同第三条的规定买方应当在收到货物后三十日内以银行转账方式支付全部货款余额", 51),
        ("4929 1234 5678 9012", 19),
    ],
)
def test_a_cap_that_is_made_of_estimates_cuts_no_usual_answer(
    light_task: Task, server: Any, load_served: Load, target: str, least: int
) -> None:
    task = replace(light_task, train=tuple(Example(str(n), "x", target) for n in range(4)))
    decoding = decoding_for(task, load_served(server.name))
    assert least <= decoding.max_tokens <= 160
    english = replace(task, train=tuple(Example(str(n), "x", "within five working days") for n in range(4)))
    assert decoding_for(english, load_served(server.name)).max_tokens <= 24


def test_requests_at_once_change_nothing_that_makes_records_comparable(
    server: Any, load_served: Load, light_task: Task, tmp_path: Path
) -> None:
    compare(light_task, load_served(server.name, concurrency=2), ["zero-shot"], out=tmp_path)
    asked_before = len(server.chats)
    compare(light_task, load_served(server.name, concurrency=16), ["zero-shot"], out=tmp_path)
    assert asked_before > 0 and len(server.chats) == asked_before


def test_a_thought_has_no_more_than_half_of_the_window(server: Any, load_served: Load) -> None:
    server.listed = {"max_model_len": 1000}
    load_served(server.name, reasoning=True).generate(asked("x"), WORDS)
    assert server.chats[-1]["max_tokens"] == 8 + 500


def test_a_model_that_reasons_unasked_is_given_room_for_it(server: Any, load_served: Load) -> None:
    server.thought, server.answer = "first this then that and so on and on", lambda messages: "red"
    model = load_served(server.name)
    assert [(one.text, one.failure) for one in model.generate(asked("x", "y"), WORDS)] == [("red", "")] * 2
    assert any("reasons before it answers" in note for note in model.describe()["caveats"])


def test_an_answer_at_its_cap_is_an_answer(server: Any, load_served: Load) -> None:
    server.answer = lambda messages: "a b c d e f g h i j k"
    one = load_served(server.name).generate(asked("x"), WORDS)[0]
    assert (one.text, one.failure, one.completion_tokens) == ("a b c d e f g h", "", 8)


def test_a_refusal_is_a_named_failure(server: Any, load_served: Load) -> None:
    server.finish, server.answer = "content_filter", lambda messages: ""
    assert load_served(server.name).generate(asked("x"), WORDS)[0].failure == "refused by a content filter"


def test_a_line_break_before_the_answer_does_not_end_it(server: Any, load_served: Load) -> None:
    server.answer = lambda messages: "" if "stop" in server.chats[-1] else "\nred\nand more"
    assert load_served(server.name).generate(asked("x"), WORDS)[0].text == "red"


def test_what_does_not_fit_is_left_out_by_what_the_server_says_of_itself(server: Any, load_served: Load) -> None:
    server.listed = {"meta": {"n_ctx": 60, "n_ctx_train": 8000}}
    model = load_served(server.name)
    assert model.context_window == 60
    shots = tuple(Shot(f"shown example {n}", "yes") for n in range(6))
    one = model.generate([Prompt("Say it.", "x", (), Context(shots))], WORDS)[0]
    assert 0 < one.dropped < 6 and one.cut == 0
    assert server.chats[-1]["messages"][-2]["content"] == "Answer: yes"
    assert model.generate(asked("word " * 200), WORDS)[0].cut > 100


def test_what_the_server_finds_too_long_is_asked_again_with_less(server: Any, load_served: Load) -> None:
    server.window = 60
    model = load_served(server.name)
    shots = tuple(Shot(f"shown example {n}", "yes") for n in range(6))
    one = model.generate([Prompt("Say it.", "x", (), Context(shots))], WORDS)[0]
    assert 0 < one.dropped < 6 and one.text
    assert model.generate(asked("word " * 100), WORDS)[0].cut > 20
    with pytest.raises(UserError, match="the instruction alone does not fit"):
        model.generate([Prompt("Say it. " * 100, "x")], WORDS)


def test_weights_of_ones_own_are_not_applied_elsewhere(server: Any, load_served: Load) -> None:
    with pytest.raises(NotApplicable, match="is served as it is"):
        load_served(server.name).generate(asked("x"), WORDS, Merged("tuned", {}))


def test_a_hosted_model_says_until_when_it_is_there(server: Any, load_served: Load, monkeypatch: Any) -> None:
    monkeypatch.setattr("advisor.models.hosted.address.is_loopback", lambda host: False)
    server.listed = {"shutdown_date": "2027-01-14"}
    model = load_served(server.name)
    assert model.describe()["caveats"] == ["A hosted model may change from one day to the next under the same name."]
    model.generate(asked("x"), WORDS)
    model.generate(asked("y"), WORDS)
    assert "Its provider is to shut it down on 2027-01-14." in model.describe()["caveats"]
    assert sum(one.path == "/v1/models/toy" for one in server.requests) == 1
    assert (model.describe()["place"], model.describe()["provider"]) == ("network", server.address[7:])


def test_a_deadline_ends_the_call_between_answers(server: Any, load_served: Load) -> None:
    class Over(Exception):
        pass

    def ring() -> None:
        if len(server.answered) > 5:
            raise Over

    server.seconds = 0.01
    with clock.ringing(ring), pytest.raises(Over):
        load_served(server.name, concurrency=2).generate(asked(*map(str, range(400))), WORDS)
    assert len(server.requests) < 40


def test_a_server_that_is_not_there_interrupts(load_served: Load) -> None:
    patience = Patience(connect_seconds=0.5, tries=4, first_wait=0.001, in_a_row=2, gone_seconds=0.0)
    model = load_served("http://127.0.0.1:9/v1#toy", patience=patience)
    with pytest.raises(Interrupted, match=r"the server is gone .*; the same command goes on from there"):
        model.generate(asked("x"), WORDS)


@pytest.mark.parametrize("goes_on", ["", "always", "told"])
def test_a_turn_that_is_begun_holds_what_was_reasoned(server: Any, load_served: Load, goes_on: str) -> None:
    """Where the server goes on with it; else it is a turn of its own."""
    server.goes_on = goes_on
    server.answer = lambda messages: "Reasoning: it says so" if "Think" in str(messages) else "Answer: card"
    model = load_served(server.name)
    plain, asked, behind = (Prompt("Sort.", "my card", reasoning=r) for r in (None, "", "It is a card."))
    texts = [model.generate([one, one], WORDS)[0].text for one in (asked, plain)]
    assert texts == ["it says so", "card"]
    server.answer = lambda messages: "Answer: card"
    assert model.generate([behind, behind], WORDS)[0].text == "card"
    question = {"role": "user", "content": "my card\nThink step by step."}
    turns = [body["messages"][1:] for body in server.chats[-6::2]]
    if goes_on:
        assert turns[0] == [question, {"role": "assistant", "content": "Reasoning:"}]
        assert turns[1] == [{"role": "user", "content": "my card"}, {"role": "assistant", "content": "Answer:"}]
        assert turns[2] == [question, {"role": "assistant", "content": "Reasoning: It is a card.\nAnswer:"}]
    else:
        assert turns == [one.messages()[1:] for one in (asked, plain, behind)]


def test_what_is_found_while_it_answers_stands_in_the_report(server: Any, load_served: Load, tmp_path: Path) -> None:
    """Once, whatever the number of rows."""
    server.refuses, server.answer = {"temperature"}, lambda messages: "red"
    rows = tuple(Example(str(number), f"thing {number}", "red") for number in range(6))
    task = Task("things", "qa", "Name the colour.", "exact_match", train=rows[:3], test=rows[3:])
    comparison = advisor.compare(task, load_served(server.name), ["zero-shot", "few-shot:k=1"], out=tmp_path)
    note = "It takes no temperature, so that its answers may differ from one time to the next."
    assert all(run.model_notes == (note,) for run in comparison.runs)
    assert advisor.decide(comparison).recommendation.caveats.count(note) == 1
    assert advisor.read_comparison(tmp_path).model.caveats == (note,)
