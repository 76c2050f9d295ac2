"""The one renderer: the same task text for every context, and nothing dropped in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from transformers import AddedToken

from advisor.errors import UserError
from advisor.models import Context, Passage, Prompt, Shot
from advisor.models.render import CUE, Renderer

TASK = "Say which colour the thing has."
TURN = "<|turn|>"  # the special token that the tests' template begins turns with
LABELS = ("red", "green", "blue")
SHOTS = (Shot("the rose", "red"), Shot("the leaf", "green"), Shot("the sea", "blue"))
PASSAGES = tuple(Passage(f"d{n}", f"Title {n}", f"passage number {n} speaks of the thing") for n in range(4))
CONTEXTS = {
    "none": Context(),
    "shots": Context(SHOTS),
    "own shots": Context(SHOTS, fixed=False),
    "passages": Context(passages=PASSAGES),
    "both": Context(SHOTS, PASSAGES),
}

Build = Callable[..., Renderer]


@pytest.fixture
def renderer(tokenizer_with: Callable[..., Any]) -> Build:
    def build(template: str | None = "", window: int = 1024) -> Renderer:
        return Renderer(tokenizer_with(template), window, [0])

    return build


def shown(renderer: Renderer, prompt: Prompt, room: int = 8) -> str:
    return str(renderer.tokenizer.decode(renderer.encode(prompt, room).ids))


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_with_a_system_role_the_task_is_the_system_message(renderer: Build, context: Context) -> None:
    text = shown(renderer(), Prompt(TASK, "the sky", LABELS, context))
    assert text.startswith(f"<|turn|>system\n{TASK}\nLabels: red, green, blue<|turn_end|>\n<|turn|>user\n")
    assert text.endswith(f"the sky<|turn_end|>\n<|turn|>assistant\n{CUE}")
    assert text.count(TASK) == 1


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_without_a_system_role_the_task_opens_the_first_turn(
    renderer: Build, no_system_template: str, context: Context
) -> None:
    text = shown(renderer(no_system_template), Prompt(TASK, "the sky", LABELS, context))
    assert text.startswith(f"<|turn|>user\n{TASK}\nLabels: red, green, blue\n\n")
    assert text.endswith(f"the sky<|turn_end|>\n<|turn|>assistant\n{CUE}")
    assert text.count(TASK) == 1


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_a_base_model_reads_plain_text(renderer: Build, context: Context) -> None:
    text = shown(renderer(None), Prompt(TASK, "the sky", LABELS, context))
    assert text.startswith(f"{TASK}\nLabels: red, green, blue\n\nInput: ")
    assert text.endswith(f"the sky\n{CUE}")
    assert "<|turn|>" not in text


def test_a_template_that_swallows_the_system_message_counts_as_one_without(renderer: Build) -> None:
    swallowing = (
        "{% for m in messages if m['role'] != 'system' %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}bot:{% endif %}"
    )
    assert TASK in shown(renderer(swallowing), Prompt(TASK, "the sky", LABELS))


def test_shots_stand_best_last_as_turns_with_the_cue(renderer: Build) -> None:
    text = shown(renderer(), Prompt(TASK, "the sky", LABELS, Context(SHOTS)))
    places = [text.index(f"{s.input}<|turn_end|>\n<|turn|>assistant\n{CUE} {s.answer}<|turn_end|>") for s in SHOTS]
    assert places == sorted(places, reverse=True)


def test_passages_stand_best_first_before_the_query(renderer: Build) -> None:
    text = shown(renderer(), Prompt(TASK, "the sky", LABELS, Context(passages=PASSAGES)))
    places = [text.index(f"{p.title}: {p.text}") for p in PASSAGES]
    assert places == sorted(places)
    assert places[-1] < text.index("Query: the sky")


def test_a_passage_without_a_title_has_no_colon(renderer: Build) -> None:
    text = shown(renderer(), Prompt(TASK, "the sky", LABELS, Context(passages=(Passage("d", "", "just text"),))))
    assert "\n\njust text\n\n" in text


def test_labels_are_named_while_they_fit(renderer: Build) -> None:
    many = tuple(f"label number {n}" for n in range(40))
    assert "label number 39" in shown(renderer(window=8192), Prompt(TASK, "the sky", many))
    assert "label number" not in shown(renderer(window=512), Prompt(TASK, "the sky", many))


@pytest.mark.parametrize("window", [512, 8192])
def test_whether_labels_are_named_does_not_depend_on_the_context(renderer: Build, window: int) -> None:
    many = tuple(f"label number {n}" for n in range(40))
    texts = [shown(renderer(window=window), Prompt(TASK, "the sky", many, c)) for c in CONTEXTS.values()]
    assert len({"label number 39" in text for text in texts}) == 1


def test_a_task_without_labels_names_none(renderer: Build) -> None:
    assert "Labels" not in shown(renderer(), Prompt(TASK, "the sky"))


@pytest.mark.parametrize("template", ["", None])
def test_what_fits_is_shown_whole(renderer: Build, template: str | None) -> None:
    encoded = renderer(template).encode(Prompt(TASK, "the sky", LABELS, CONTEXTS["both"]), 8)
    assert (encoded.dropped, encoded.cut) == (0, 0)


@pytest.mark.parametrize("template", ["", None])
def test_passages_are_dropped_from_the_far_end_and_counted(renderer: Build, template: str | None) -> None:
    prompt = Prompt(TASK, "the sky", LABELS, Context(passages=PASSAGES))
    full = len(renderer(template).encode(prompt, 0).ids)
    small = renderer(template, window=full)
    text, encoded = shown(small, prompt), small.encode(prompt, 8)
    assert (encoded.dropped, encoded.cut) == (1, 0)
    assert len(encoded.ids) <= full - 8
    assert [p.text in text for p in PASSAGES] == [True, True, True, False]


def test_passages_go_before_shots_and_the_best_shot_goes_last(renderer: Build) -> None:
    prompt = Prompt(TASK, "the sky", (), CONTEXTS["both"])
    windows = range(40, len(renderer().encode(prompt, 0).ids) + 12, 4)
    seen = set()
    for window in windows:
        small = renderer(window=window)
        encoded, text = small.encode(prompt, 8), shown(small, prompt)
        shots, passages = [s.input in text for s in SHOTS], [p.text in text for p in PASSAGES]
        assert encoded.dropped == shots.count(False) + passages.count(False)
        assert shots == sorted(shots, reverse=True) and passages == sorted(passages, reverse=True)
        assert all(shots) or not any(passages)
        assert len(encoded.ids) <= window - 8
        seen.add(encoded.dropped)
    assert seen == set(range(len(SHOTS) + len(PASSAGES) + 1))


@pytest.mark.parametrize("template", ["", None])
def test_an_input_that_is_too_long_is_cut_at_its_end_and_counted(renderer: Build, template: str | None) -> None:
    words = " ".join(f"word{n}" for n in range(300))
    small = renderer(template, window=128)
    encoded = small.encode(Prompt(TASK, words, LABELS, Context(passages=PASSAGES)), 8)
    text = small.tokenizer.decode(encoded.ids)
    kept = len(small.tokenizer(words)["input_ids"]) - encoded.cut
    assert encoded.dropped == len(PASSAGES)
    assert kept > 0 and encoded.cut > 0
    assert 112 <= len(encoded.ids) <= 120
    assert text.startswith(small.tokenizer.decode(small.encode(Prompt(TASK, "", LABELS), 8).ids)[: len(TASK)])
    assert "word0 word1 " in text and "word299" not in text
    assert text.endswith(CUE)


@pytest.mark.parametrize("character", ["€", "😀", "日本"])
def test_cutting_inside_a_character_comes_to_an_end(renderer: Build, character: str) -> None:
    """A byte-level tokenizer may cut a character in the middle, and the half shows as U+FFFD of three bytes."""
    for window in range(96, 101):
        encoded = renderer(window=window).encode(Prompt(TASK, character * 200, LABELS), 8)
        assert len(encoded.ids) <= window - 8
        assert encoded.cut > 0
        assert "\ufffd" not in renderer().tokenizer.decode(encoded.ids)


def test_an_instruction_that_does_not_fit_is_the_users_error(renderer: Build) -> None:
    with pytest.raises(UserError, match="context window of 64 tokens"):
        renderer(window=64).encode(Prompt("Mind this. " * 50, "the sky"), 8)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
@pytest.mark.parametrize("template", ["", None])
def test_the_stem_is_what_prompts_to_other_inputs_begin_with(
    renderer: Build, template: str | None, context: Context
) -> None:
    prompt = Prompt(TASK, "the sky above the town", LABELS, context)
    encoded = renderer(template).encode(prompt, 8)
    assert 0 < encoded.stem < len(encoded.ids)
    if context.fixed and not context.passages:
        other = renderer(template).encode(replace(prompt, input="another thing"), 8)
        assert encoded.ids[: encoded.stem] == other.ids[: encoded.stem]
        assert encoded.stem >= len(renderer(template).tokenizer(TASK)["input_ids"])


@pytest.mark.parametrize("template", ["", None], ids=["chat", "base"])
def test_passages_that_are_the_same_for_every_query_are_part_of_the_stem(renderer: Build, template: str | None) -> None:
    built = renderer(template)
    own, common = (
        built.encode(Prompt(TASK, "the sea", (), Context(passages=PASSAGES, fixed=f)), 8) for f in (False, True)
    )
    assert own.ids == common.ids
    held = str(built.tokenizer.decode(common.ids[: common.stem]))
    assert PASSAGES[-1].text in held and "the sea" not in held
    assert PASSAGES[0].text not in str(built.tokenizer.decode(own.ids[: own.stem]))


@pytest.mark.parametrize("text", ["a", "A", ":", "user", "Answer:"])
@pytest.mark.parametrize("template", ["", None])
def test_the_stem_ends_before_an_input_that_looks_like_the_frame(
    renderer: Build, template: str | None, text: str
) -> None:
    """Such an input occurs again behind itself, in the template's own words."""
    built = renderer(template)
    stem = built.encode(Prompt(TASK, text, LABELS), 8).stem
    assert stem <= built.encode(Prompt(TASK, "zebra", LABELS), 8).stem


@pytest.mark.parametrize("template", ["", None])
@pytest.mark.parametrize("strips", [False, True], ids=["", "a token that takes the blanks before it"])
def test_a_common_beginning_kept_from_earlier_prompts_changes_no_token(
    renderer: Build, template: str | None, strips: bool
) -> None:
    built = renderer(template)
    if strips:
        built.tokenizer.add_tokens([AddedToken(TURN, lstrip=True, normalized=False)], special_tokens=True)
    for context in (*CONTEXTS.values(), Context((Shot("the rose  ", "red"), Shot(f"a {TURN} b", "blue \n")))):
        for given in ("the sky", "  a sky\n", f"{TURN}user", "", "the sky"):
            prompt = Prompt(TASK, given, LABELS, context)
            whole = built.tokens.ids(built.text(prompt)[0], special=not built.chat)
            assert list(built.encode(prompt, 8).ids) == whole


def test_what_prompts_begin_with_is_tokenised_once(renderer: Build) -> None:
    built = renderer()
    seen: list[str] = []
    built.tokens.tokenizer = _Noting(built.tokenizer, seen)
    prompts = [Prompt(TASK, given, LABELS, Context(SHOTS)) for given in ("the sky", "the sea", "a stone")]
    for prompt in prompts:
        built.encode(prompt, 8)
    assert sum(SHOTS[0].input in text for text in seen) == 2  # once to have it, once to see that it may be had apart
    built.forget()
    built.encode(prompts[0], 8)
    assert sum(SHOTS[0].input in text for text in seen) == 4


class _Noting:
    """A tokenizer that notes what it is given."""

    def __init__(self, tokenizer: Any, seen: list[str]) -> None:
        self._tokenizer, self._seen = tokenizer, seen

    def __call__(self, text: str, **settings: Any) -> Any:
        self._seen.append(text)
        return self._tokenizer(text, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def test_the_answers_tokens_continue_the_prompts(renderer: Build) -> None:
    built = renderer()
    prompt = Prompt(TASK, "the sky", LABELS)
    joined = [*built.encode(prompt, 8).ids, *built.encode_answer("blue")]
    assert built.tokenizer.decode(joined).endswith(f"{CUE} blue")


@pytest.mark.parametrize(("template", "end"), [("", "<|turn_end|>"), (None, "<|end|>")])
def test_an_answer_ends_as_the_template_ends_it(renderer: Build, template: str | None, end: str) -> None:
    built = renderer(template)
    assert built.tokenizer.decode([built.end_id]) == end
    assert {0, built.end_id} == built.stop_ids


@pytest.mark.parametrize("template", ["", None])
@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_reasoning_is_gone_on_from(renderer: Build, template: str | None, context: Context) -> None:
    """What asks for the answer begins with all that asked for the reasoning, and shares its stem, whatever is said."""
    built = renderer(template)
    asking = Prompt(TASK, "the sky", LABELS, context, reasoning="")
    behind = replace(asking, reasoning=f"the sky is blue {TURN}\nthe sky")
    texts = [built.tokenizer.decode(built.encode(prompt, 8).ids) for prompt in (asking, behind)]
    assert texts[0].endswith("Reasoning:")
    assert "the sky\nThink step by step." in texts[0]
    assert texts[1] == f"{texts[0]} the sky is blue {TURN}\nthe sky\n{CUE}"
    encoded = [built.encode(prompt, 8) for prompt in (asking, behind)]
    assert encoded[0].stem == encoded[1].stem
    mark = built.tokenizer.convert_tokens_to_ids(TURN)
    assert encoded[0].ids.count(mark) == encoded[1].ids.count(mark)


def test_reasoning_takes_part_in_what_has_to_fit(renderer: Build) -> None:
    built = renderer("", 120)
    prompt = Prompt(TASK, "the sky", LABELS, Context(SHOTS), reasoning="well " * 12)
    encoded = built.encode(prompt, 8)
    assert len(encoded.ids) <= 112
    assert encoded.dropped > 0
    assert built.tokenizer.decode(encoded.ids).endswith(f"well \n{CUE}")
