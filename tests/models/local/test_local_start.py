"""Keys and values in front of every row: behind them a model says what it says behind the tokens they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from advisor.errors import NotApplicable, UserError
from advisor.models import Attached, Decoding, Merged, Prefixed, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.reader import Reader
from advisor.models.local.start import Start, keys_of
from tests.models.local.readers import CHOICES, STEM, TREE, WAYS, reading, rows_of
from tests.models.tiny import GROUPED, GROWING, LINEAR, SMALL, TURNING, greedy, log_likelihoods, text_of

HEADS = GROUPED | {"head_dim": 8}
TURNS = ["sliding_attention", "full_attention"]
BLOOM = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 400, "initializer_range": 0.2}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "vocab_size": 400, "initializer_range": 0.2}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("llama", GROUPED),
    "Qwen 3": ("qwen3", GROUPED | {"head_dim": 16}),
    "Gemma 3, a window shorter than the start": (
        "gemma3_text",
        HEADS | {"query_pre_attn_scalar": 8, "sliding_window": 16, "layer_types": TURNS},
    ),
    "Gemma 3, a window that some rows fit": (
        "gemma3_text",
        HEADS | {"query_pre_attn_scalar": 8, "sliding_window": 64, "layer_types": TURNS},
    ),
    "Phi 3": ("phi3", GROUPED | {"pad_token_id": 0}),
    "Phi 3, whose frequencies change": ("phi3", GROUPED | TURNING | {"pad_token_id": 0}),
    "GPT-NeoX": ("gpt_neox", SMALL),
    "GPT-2": ("gpt2", GPT),
    "Bloom, distances by the mask": ("bloom", BLOOM),
    "GPT OSS, sinks": (
        "gpt_oss",
        HEADS | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 64, "layer_types": TURNS},
    ),
}
STATES = {
    "Qwen 3.5": ("qwen3_5_text", HEADS | LINEAR),
    "LFM 2": ("lfm2", GROUPED | {"layer_types": ["conv", "full_attention"]}),
}
START = tuple(range(100, 124))
LENGTHS = [(3, 9, 5), (14,)]  # behind the stem


def made(kind: str, values: dict[str, Any]) -> Any:
    torch.manual_seed(11)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values), dtype=torch.float32).eval()


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS.keys())
def module(request: pytest.FixtureRequest) -> Any:
    return made(*request.param)


@pytest.fixture(params=WAYS)
def reader(request: pytest.FixtureRequest, module: Any) -> Iterator[Reader]:
    """Behind the keys and values of `START`."""
    reader = reading(module, request.param)
    with torch.inference_mode():
        assert reader.takes_start
        reader.start = Start.of(module, keys_of(module, input_ids=torch.tensor([START])), cached=not reader.packs_all)
        yield reader


@pytest.mark.parametrize("stem", [STEM, ()], ids=["a stem", "nothing in common"])
def test_scores_are_those_behind_the_tokens(reader: Reader, stem: tuple[int, ...]) -> None:
    for lengths in LENGTHS:
        rows = rows_of(lengths, stem)
        for numbers in reader.alike([len(row.ids) for row in rows], TREE.deepest):
            totals = reader.scores([rows[n] for n in numbers], TREE, reader.module.get_output_embeddings())
            for number, found in zip(numbers, totals.tolist(), strict=True):
                expected = log_likelihoods(reader.module, (*START, *rows[number].ids), CHOICES)
                assert found == pytest.approx(expected, abs=1e-4)


def test_rows_go_on_as_behind_the_tokens(reader: Reader) -> None:
    """Three steps, before one of which a row is given up."""
    head = reader.module.get_output_embeddings()
    for lengths in LENGTHS:
        rows = rows_of(lengths)
        for numbers in reader.alike([len(row.ids) for row in rows], 3):
            hidden, read = reader.begin([rows[n] for n in numbers], 3)
            texts = [[*START, *rows[n].ids] for n in numbers]
            for step in range(3):
                said = head(hidden)
                for text, found in zip(texts, said, strict=True):
                    alone = reader.module(input_ids=torch.tensor([text]), use_cache=False).logits[0, -1]
                    assert (found - alone).abs().max() < 1e-4
                tokens = said.argmax(-1)
                for text, token in zip(texts, tokens.tolist(), strict=True):
                    text.append(token)
                if step == 1 and len(texts) > 1:
                    order = read.drop([0])
                    texts, tokens = [texts[n] for n in order], tokens[torch.tensor(order)]
                hidden = reader.step(read, tokens)


@pytest.mark.parametrize("kind", STATES.values(), ids=STATES.keys())
def test_a_model_that_keeps_other_things_takes_none(kind: tuple[str, dict[str, Any]]) -> None:
    assert not Reader(made(*kind)).takes_start


@pytest.mark.parametrize("values", [TURNING, {"rope_parameters": GROWING, "max_position_embeddings": 64}])
def test_rows_beyond_a_turn_of_frequencies_are_refused(values: dict[str, Any]) -> None:
    kind = "phi3" if values is TURNING else "llama"
    module = made(kind, GROUPED | values | {"pad_token_id": 0})
    reader = Reader(module)
    with torch.inference_mode():
        reader.start = Start.of(module, keys_of(module, input_ids=torch.tensor([START])), cached=not reader.packs_all)
        (row,) = rows_of((40,))
        with pytest.raises(UserError, match=r"behind a learnt beginning of 24: this model changes .* at 64 tokens"):
            reader.begin([row], 4)


def prefixed(model: LocalModel, tokens: Sequence[int] = START, over: Merged | Attached | None = None) -> Prefixed:
    """The keys and values of real tokens, by the weights that are active."""
    with torch.inference_mode():
        layers = keys_of(model.module, input_ids=torch.tensor([list(tokens)]))
    return Prefixed(f"start-{hash(tuple(tokens))}{over.key if over else ''}", layers, over)


ANSWERS = ["red", "dark blue", "dark green"]


def totals(model: LocalModel, prompts: list[Prompt], adaptation: Any = None) -> list[tuple[float, ...]]:
    return [scores.totals for scores in model.score(prompts, ANSWERS, adaptation)]


def expected(model: LocalModel, prompts: list[Prompt], before: Sequence[int] = START) -> list[list[float]]:
    tokens = [[*model.renderer.encode_answer(choice)] for choice in ANSWERS]
    room = max(map(len, tokens)) + len(before)
    return [log_likelihoods(model.module, (*before, *model.renderer.encode(p, room).ids), tokens) for p in prompts]


def test_a_model_answers_behind_a_start(llama: LocalModel, prompts: list[Prompt]) -> None:
    start = prefixed(llama)
    for found, wanted in zip(totals(llama, prompts, start), expected(llama, prompts), strict=True):
        assert list(found) == pytest.approx(wanted, abs=1e-4)
    for prompt, answer in zip(prompts, llama.generate(prompts, Decoding(5), start), strict=True):
        ids = (*START, *llama.renderer.encode(prompt, 5 + len(START)).ids)
        assert answer.text == text_of(llama, greedy(llama.module, ids, 5, llama.renderer.stop_ids))
        assert answer.prompt_tokens == len(ids) - len(START)


def test_starts_are_switched_and_leave_the_model_as_it_was(llama: LocalModel, prompts: list[Prompt]) -> None:
    before = {name: tensor.clone() for name, tensor in llama.module.named_parameters()}
    bare, likely, said = totals(llama, prompts), llama.log_likelihoods(["the sea"]), llama.describe()
    one, other = prefixed(llama), prefixed(llama, START[:7])
    first, second = totals(llama, prompts, one), totals(llama, prompts, other)
    assert first != second and bare not in (first, second)
    assert (totals(llama, prompts, one), totals(llama, prompts, other)) == (first, second)
    assert totals(llama, prompts) == bare
    totals(llama, prompts, one)
    assert (llama.log_likelihoods(["the sea"]), llama.describe()) == (likely, said)
    totals(llama, prompts, one)
    llama.forget()
    assert totals(llama, prompts, one) == first
    assert totals(llama, prompts) == bare
    assert all(torch.equal(tensor, before[name]) for name, tensor in llama.module.named_parameters())


def test_a_start_stands_before_other_weights(llama: LocalModel, prompts: list[Prompt]) -> None:
    """Both merged and attached, of which each puts the same numbers into the same place."""
    name = "model.layers.0.mlp.down_proj.weight"
    own = llama.module.get_parameter(name).detach().clone()
    changed = own * 1.5

    def attach(module: Any) -> Callable[[], None]:
        module.get_parameter(name).data.copy_(changed)
        return lambda: module.get_parameter(name).data.copy_(own)

    bare = totals(llama, prompts)
    found = []
    for over in (Merged("merged", {name: changed}), Attached("attached", attach)):
        llama.activate(over)
        start = prefixed(llama, over=over)
        llama.activate(over)
        wanted = expected(llama, prompts)
        found.append(totals(llama, prompts, start))
        for row, values in zip(found[-1], wanted, strict=True):
            assert list(row) == pytest.approx(values, abs=1e-4)
        assert totals(llama, prompts, over) not in (bare, found[-1])
    torch.testing.assert_close(found[0], found[1])
    assert totals(llama, prompts) == bare
    assert torch.equal(llama.module.get_parameter(name), own)


def test_prompts_are_cut_to_leave_room_for_it(llama: LocalModel) -> None:
    """What stands in front counts against the context window."""
    long = Prompt("Say which.", "sea " * 2 * llama.context_window)
    cut = llama.score([long], ANSWERS)[0].cut
    assert llama.score([long], ANSWERS, prefixed(llama))[0].cut == pytest.approx(cut + len(START), abs=2)


def test_one_that_fills_the_window_is_refused(llama: LocalModel) -> None:
    pairs = prefixed(llama).layers
    times = -(-llama.context_window // len(START))
    layers = [(key.repeat(1, 1, times, 1), value.repeat(1, 1, times, 1)) for key, value in pairs]  # type: ignore[attr-defined]
    bare = totals(llama, [Prompt("Say which.", "the sea")])
    with pytest.raises(UserError, match="fills the context window"):
        llama.activate(Prefixed("long", layers))
    assert totals(llama, [Prompt("Say which.", "the sea")]) == bare


def test_a_model_of_states_says_that_it_takes_none(
    tmp_path: Path, tokenizer_with: Callable[..., Any], loaded: Callable[..., LocalModel], llama: LocalModel
) -> None:
    made(*STATES["LFM 2"]).save_pretrained(tmp_path)
    tokenizer_with().save_pretrained(tmp_path)
    model = loaded(tmp_path)
    with pytest.raises(NotApplicable, match="takes no keys and values before its prompts"):
        model.generate([Prompt("Go on.", "once")], Decoding(2), prefixed(llama))
