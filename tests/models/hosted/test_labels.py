"""Doors by which labels are told: each is tried before it is trusted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from advisor.errors import Interrupted, NotApplicable, UserError
from advisor.models import Prompt
from advisor.models.clock import clock
from advisor.models.hosted.labels import LabelTree, spelt
from advisor.models.hosted.lifting import BIAS, lifted, lifted_alone, lifting
from advisor.models.hosted.patience import Patience

Load = Callable[..., Any]
LABELS = ("spare parts", "spare time", "sales")
BEGINNINGS = ("new york", "new york city", "boston")
PROMPTS = [Prompt("Sort.", text, LABELS) for text in ("likes sales", "likes spare parts", "likes spare time")]


def prefers(messages: list[dict[str, str]], begun: str, token: str) -> float:
    """Likelier where the input names the token; never certain."""
    word, asked = token.strip(), messages[-1]["content"]
    if word == "<|end|>":
        return -0.2 if asked.endswith(begun.removeprefix("Answer:").strip()) else -3.0
    return -0.5 if word and word in asked else -2.0 - 0.1 * len(word)


@pytest.fixture
def llama(server: Any) -> Any:
    """A server that goes on with answers and lists alternatives, as llama.cpp."""
    server.goes_on, server.gives, server.most_alternatives = "always", {"alternatives"}, 1000
    server.likes, server.tokenizes = prefers, True
    server.vocabulary = [
        " spare",
        " parts",
        " time",
        " sales",
        " new",
        " york",
        " city",
        " boston",
        " other",
        "<|end|>",
    ]
    return server


def best(scores: Any, labels: tuple[str, ...] = LABELS) -> list[str]:
    return [labels[max(range(len(labels)), key=lambda at: one.totals[at])] for one in scores]


def test_a_server_that_silently_leaves_out_what_is_asked_is_read_by_its_text(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    assert model.tells_labels_by(LABELS) == "text"
    sent = len(server.requests)
    assert model.tells_labels_by(LABELS) == "text" and len(server.requests) == sent
    with pytest.raises(NotApplicable, match="gives no likelihoods"):
        model.score(PROMPTS, LABELS)
    with pytest.raises(NotApplicable, match="cannot be held"):
        model.choose(PROMPTS, LABELS)


@pytest.mark.parametrize("way", ["likelihood", "constraint"])
def test_a_way_that_is_not_open_is_not_taken_for_the_asking(server: Any, load_served: Load, way: str) -> None:
    model = load_served(server.name, labels_by=way)
    with pytest.raises(NotApplicable, match=f"cannot tell labels by {way}, as --labels-by asks"):
        model.tells_labels_by(LABELS)


def test_a_way_that_was_asked_for_is_taken(llama: Any, load_served: Load) -> None:
    assert load_served(llama.name, labels_by="text").tells_labels_by(LABELS) == "text"
    assert llama.requests == []


def test_what_a_model_can_is_the_same_before_and_after_it_was_tried(llama: Any, load_served: Load) -> None:
    model = load_served(llama.name)
    before = model.can
    assert model.tells_labels_by(LABELS) == "likelihood"
    assert model.can == before


@pytest.mark.parametrize("tokenizes", [True, False])
def test_labels_are_told_token_by_token(llama: Any, load_served: Load, tokenizes: bool) -> None:
    llama.tokenizes = tokenizes
    model = load_served(llama.name, concurrency=2)
    assert model.tells_labels_by(LABELS) == "likelihood"
    sent = len(llama.chats)
    clock.drain()
    scores = model.score(PROMPTS, LABELS)
    assert len(llama.chats) - sent == 2 * len(PROMPTS)  # behind the cue, and behind "spare"
    assert best(scores) == ["sales", "spare parts", "spare time"]
    assert scores[0].lengths == (2, 2, 1)
    assert scores[1].totals == pytest.approx((-1.0, -2.9, -2.5))
    assert sum(one.prompt_tokens for one in scores) == clock.drain().calls["prompt"]
    assert best(model.score(PROMPTS[:1], LABELS)) == ["sales"]


def test_labels_of_which_one_begins_another_are_closed(llama: Any, load_served: Load) -> None:
    model = load_served(llama.name)
    prompts = [Prompt("Sort.", text, BEGINNINGS) for text in ("likes new york", "likes new york city", "likes boston")]
    scores = model.score(prompts, BEGINNINGS)
    assert scores[0].lengths == (3, 4, 2)
    assert best(scores, BEGINNINGS) == ["new york", "new york city", "boston"]


def test_a_token_that_is_not_listed_is_less_likely_than_those_that_are(llama: Any, load_served: Load) -> None:
    llama.vocabulary.remove(" sales")
    model = load_served(llama.name)
    assert model.tells_labels_by(LABELS) == "likelihood"
    total = model.score(PROMPTS[1:2], LABELS)[0].totals[2]
    assert total == pytest.approx(
        min(prefers([{"content": "likes spare parts"}], "", one) for one in llama.vocabulary) - 1
    )


def test_a_prompts_own_likelihoods_come_first(server: Any, load_served: Load) -> None:
    server.goes_on, server.gives, server.likes = "told", {"prompt"}, prefers
    model = load_served(server.name, concurrency=2)
    assert model.tells_labels_by(LABELS) == "likelihood"
    assert best(model.score(PROMPTS, LABELS)) == ["sales", "spare parts", "spare time"]
    assert model.score(PROMPTS[1:], LABELS)[0].totals == pytest.approx((-1.0, -2.9, -2.5))
    assert server.chats[-1]["prompt_logprobs"] == 0


@pytest.mark.parametrize("labels", [LABELS, BEGINNINGS])
def test_tokens_that_can_be_named_are_told_exactly(llama: Any, load_served: Load, labels: tuple[str, ...]) -> None:
    """As by vLLM: of a few that are listed, none is a label's."""
    expected = load_served(llama.name).score([Prompt("Sort.", "likes boston", labels)], labels)[0].totals
    llama.gives, llama.goes_on, llama.most_alternatives = {"alternatives", "named", "prompt"}, "told", 5
    llama.vocabulary = ["<|end|>", " other", " more", " less", " none", " never"]
    llama.likes = lambda messages, begun, token: (
        -0.1 if token in llama.vocabulary[1:] else prefers(messages, begun, token)
    )
    model = load_served(llama.name, concurrency=2)
    assert model.tells_labels_by(labels) == "likelihood"
    sent = len(llama.chats)
    found = model.score([Prompt("Sort.", "likes boston", labels)], labels)[0]
    assert not any("prompt_logprobs" in body for body in llama.chats[sent:])
    if labels == LABELS:
        assert found.totals == pytest.approx(expected)
        assert len(llama.chats) - sent == 2
    else:
        assert found.lengths == (3, 4, 2)
        assert found.totals[1] < found.totals[2]


def test_a_first_token_is_enough_where_it_tells_all_labels_apart(server: Any, load_served: Load) -> None:
    server.gives, server.likes, server.most_alternatives = {"alternatives"}, prefers, 20
    labels = ("billing", "returns")
    server.vocabulary = ["bill", "ret", "The", "x", "billing"]
    model = load_served(server.name)
    assert model.tells_labels_by(labels) == "likelihood"
    scores = model.score([Prompt("Sort.", "a bill that is wrong"), Prompt("Sort.", "ret it")], labels)
    assert best(scores, labels) == ["billing", "returns"] and scores[0].lengths == (1, 1)
    assert scores[0].totals[0] == pytest.approx(math.log(math.exp(-0.5) + math.exp(-2.7)))
    # "spare" begins two labels
    assert load_served(server.name).tells_labels_by(LABELS) == "text"


def test_what_a_server_takes_at_most_is_learned(llama: Any, load_served: Load) -> None:
    llama.most_alternatives = 7
    model = load_served(llama.name)
    assert model.tells_labels_by(LABELS) == "likelihood"
    widths = [body["top_logprobs"] for body in llama.chats if "logprobs" in body and "logit_bias" not in body]
    assert widths[:3] == [200, 20, 5] and set(widths[3:]) == {5}


@pytest.mark.parametrize("way", ["choice", "grammar", "schema"])
@pytest.mark.parametrize("goes_on", ["", "always"])
def test_answers_are_held_to_choices_in_the_way_that_was_seen_to_work(
    server: Any, load_served: Load, way: str, goes_on: str
) -> None:
    server.holds, server.goes_on = {way}, goes_on
    model = load_served(server.name)
    assert model.tells_labels_by(LABELS) == "constraint"
    answers = model.choose(PROMPTS, LABELS)
    assert [(one.text, one.failure) for one in answers] == [("sales", "")] * 3
    server.holds = set()
    server.answer = lambda messages: "something else"
    assert {one.failure for one in model.choose(PROMPTS, LABELS)} == {"answered none of the labels"}


def test_a_model_that_reasons_tells_no_likelihoods(llama: Any, load_served: Load) -> None:
    assert load_served(llama.name, reasoning=True).tells_labels_by(LABELS) == "text"
    llama.holds = {"schema"}
    assert load_served(llama.name, reasoning=True).tells_labels_by(LABELS) == "constraint"


@pytest.mark.parametrize(("window", "most"), [(512, 48 + 256), (100_000, 48 + 4096)])
def test_a_thought_before_a_choice_has_no_more_room_than_the_window(
    llama: Any, load_served: Load, window: int, most: int
) -> None:
    """Also where the door is tried: a server refuses what its window does not hold."""
    llama.holds, llama.listed = {"schema"}, {"max_model_len": window}
    llama.fault = lambda number: "400: max_tokens is too large" if _most(llama.requests[-1].body) > window else None
    model = load_served(llama.name, reasoning=True)
    assert model.tells_labels_by(LABELS) == "constraint"
    assert llama.chats[-1]["max_tokens"] == most
    assert [one.text for one in model.choose(PROMPTS[:1], LABELS)] == ["sales"]


def _most(body: dict[str, Any]) -> int:
    return int(body.get("max_tokens", 0))


def test_a_server_that_fails_on_a_trial_has_that_door_shut(llama: Any, load_served: Load) -> None:
    llama.fault = lambda number: "500" if "structured_outputs" in llama.requests[-1].body else None
    llama.holds, llama.gives = {"grammar"}, set()
    model = load_served(llama.name)
    assert model.tells_labels_by(LABELS) == "constraint"


STARTING = Patience(first_wait=0.001, longest_wait=0.01, tries=8, gone_seconds=5.0)


def test_a_server_that_is_starting_is_waited_for(llama: Any, load_served: Load) -> None:
    """Longer than a trial takes, both where it is asked what it serves and where a door is tried."""
    llama.listed = {"max_model_len": 512}
    llama.fault = lambda number: "503: Loading model" if number <= 6 or 8 <= number <= 13 else None
    model = load_served(llama.name, patience=STARTING)
    assert model.context_window == 512
    assert model.tells_labels_by(LABELS) == "likelihood"
    assert best(model.score(PROMPTS, LABELS)) == ["sales", "spare parts", "spare time"]


@pytest.mark.parametrize("answered", range(9))
def test_of_a_server_that_fails_for_long_nothing_is_concluded(llama: Any, load_served: Load, answered: int) -> None:
    llama.listed = {"max_model_len": 512}
    llama.fault = lambda number: "503: Loading model" if number > answered else None
    model = load_served(llama.name)
    for _ in range(2):
        with pytest.raises(Interrupted, match=r"the server is gone \(503 Loading model\); the same command goes on"):
            model.tells_labels_by(LABELS), model.context_window
    llama.fault = lambda number: None
    assert (model.tells_labels_by(LABELS), model.context_window) == ("likelihood", 512)
    assert best(model.score(PROMPTS, LABELS)) == ["sales", "spare parts", "spare time"]


def test_a_tokenizer_that_fails_for_a_while_is_used_all_the_same(llama: Any, load_served: Load) -> None:
    failed = []
    llama.fault = lambda number: (
        failed.append(number) or "503" if llama.requests[number - 1].path == "/tokenize" and len(failed) < 4 else None
    )
    assert load_served(llama.name, patience=STARTING).tells_labels_by(LABELS) == "likelihood"
    assert sum(one.path == "/tokenize" for one in llama.requests) > len(failed) + 3


def test_a_failure_ends_what_is_asked_for_other_prompts(llama: Any, load_served: Load) -> None:
    """Each takes many requests, one after the other."""
    labels = tuple(f"a b{number} c{number} d{number} e{number}" for number in range(6))
    llama.vocabulary = [*sorted({f" {one}" for label in labels for one in label.split()}), "<|end|>"]
    model = load_served(llama.name, concurrency=8)
    assert model.tells_labels_by(labels) == "likelihood"
    llama.seconds = 0.05
    refused = len(llama.requests) + 12
    llama.fault = lambda number: "401" if number == refused else None
    with pytest.raises(UserError, match="takes no such key"):
        model.score([Prompt("Sort.", f"text {number}", labels) for number in range(16)], labels)
    assert len(llama.requests) - refused <= 7  # those that were under way beside it


def test_a_tree_asks_about_what_labels_share_once() -> None:
    tree = LabelTree.of(((" a", "b"), (" a", "c"), (" d",)))
    assert (tree.starts, tree.tokens, tree.lengths) == (("", " a"), ((" a", " d"), ("b", "c")), (2, 2, 1))
    assert tree.totals([(-1.0, -2.0), (-0.1, -3.0)]) == pytest.approx((-1.1, -4.0, -2.0))


def test_a_text_is_spelt_by_the_longest_tokens() -> None:
    known = {"": [" re", " returns", " r"], " re": ["x"], " returns": []}
    assert spelt(" returns", lambda begun: known[begun]) == [" returns"]
    assert spelt(" rex", lambda begun: known[begun]) == [" re", "x"]
    assert spelt(" zoo", lambda begun: known[begun]) is None


@pytest.mark.parametrize("share", [1e-6, 0.01, 0.6])
def test_what_a_bias_does_tells_how_likely_a_token_was(share: float) -> None:
    """By softmax over 1,000 tokens, of which two are wanted."""
    wanted = {"a": 0.9 * share, "b": 0.1 * share}
    rest = {f"t{n}": (1 - share) * 0.5 ** (n + 1) for n in range(40)}
    lifted_by = {token: p * math.exp(BIAS) for token, p in wanted.items()}
    total = sum(lifted_by.values()) + sum(rest.values())
    plain = position(top_logprobs=[{"token": token, "logprob": math.log(p)} for token, p in list(rest.items())[:20]])
    after = {**lifted_by, **rest}
    biased = position(top_probs=[{"token": token, "prob": p / total} for token, p in after.items()])
    expected = pytest.approx({token: math.log(p) for token, p in wanted.items()}, abs=1e-6)
    assert lifted(plain, biased, ["a", "b"]) == expected
    alone = lifted_alone(biased, ["a", "b"])
    assert alone == (expected if share < 0.05 else {})
    assert lifted_alone(biased, ["a", "missing"]) == {}
    assert lifting({"temperature": 0}, [5, 7], 20)["logit_bias"] == {"5": BIAS, "7": BIAS}


def position(**said: Any) -> dict[str, Any]:
    """A completion that says this of its first token."""
    return {"choices": [{"message": {"content": "x"}, "logprobs": {"content": [said]}}]}
