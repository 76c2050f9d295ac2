"""Rows of models of many kinds, each read in every way that there is, against what the model says of each row alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from advisor.models.clock import clock
from advisor.models.local.attention import part
from advisor.models.local.padded import PaddedRows, WholeRows
from advisor.models.local.reader import Reader
from advisor.models.local.rope import afresh
from tests.models.local.counted import Counted
from tests.models.local.readers import CHOICES, STEM, TREE, WAYS, OnGPU, reading, rows_of
from tests.models.tiny import GROUPED, GROWING, LINEAR, TURNING, log_likelihoods

BLOOM = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 400, "initializer_range": 0.2}
MPT = {"d_model": 32, "n_layers": 2, "n_heads": 4, "vocab_size": 400, "max_seq_len": 512, "initializer_range": 0.2}
TURNS = ["sliding_attention", "full_attention"]
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "attn_layer_indices": [1]}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8}

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "full attention": ("llama", {}),
    "a window that some rows fit": ("mistral", {"sliding_window": 64}),
    "a window in some layers": ("gemma3_text", {"head_dim": 8, "sliding_window": 20, "layer_types": TURNS}),
    "capped": ("gemma2", {"head_dim": 8, "sliding_window": 64, "attn_logit_softcapping": 1.0}),
    "sinks": ("gpt_oss", EXPERTS | {"sliding_window": 64, "layer_types": TURNS}),
    "distances by the mask": ("bloom", BLOOM),
    "distances by places": ("mpt", MPT),
    "states": ("qwen3_5_text", LINEAR | {"head_dim": 8}),
    "convolutions": ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    "state spaces": ("bamba", MAMBA),
    "a cache of its own": ("minimax", EXPERTS | {"layer_types": LINEAR["layer_types"], "block_size": 8}),
    "frequencies for long rows": ("phi3", TURNING | {"pad_token_id": 0}),
}
LENGTHS = [(3, 9, 5), (51,), (47, 48, 60, 20)]  # of the rows' own parts; some fit a window of 64 tokens, some do not


def made(kind: str, changed: dict[str, Any]) -> Any:
    torch.manual_seed(11)
    config = AutoConfig.for_model(kind, **(changed if kind in {"bloom", "mpt"} else GROUPED | changed))
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS.keys())
def module(request: pytest.FixtureRequest) -> Any:
    return made(*request.param)


@pytest.fixture(params=WAYS)
def reader(request: pytest.FixtureRequest, module: Any) -> Iterator[Reader]:
    reader = reading(module, request.param)
    with torch.inference_mode():
        yield reader


def logits(module: Any, ids: Sequence[int]) -> torch.Tensor:
    """What the model itself says behind each token, shape (tokens, vocabulary)."""
    afresh(module)
    found: torch.Tensor = module(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return found


def head_of(module: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    cap = getattr(module.config, "final_logit_softcapping", None)

    def head(hidden: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = module.get_output_embeddings()(hidden)
        return torch.tanh(found / cap) * cap if cap else found

    return head


def test_scores_are_those_of_the_model(reader: Reader) -> None:
    head = head_of(reader.module)
    for lengths in LENGTHS:
        rows = rows_of(lengths)
        seen = []
        for numbers in reader.alike([len(row.ids) for row in rows], len(TREE.tokens)):
            totals = reader.scores([rows[n] for n in numbers], TREE, head)
            for number, found in zip(numbers, totals.tolist(), strict=True):
                assert found == pytest.approx(log_likelihoods(reader.module, rows[number].ids, CHOICES), abs=1e-3)
            seen += numbers
        assert sorted(seen) == list(range(len(rows)))


def test_rows_go_on_as_the_model_does(reader: Reader) -> None:
    """Four steps, before one of which a row is given up."""
    head = head_of(reader.module)
    for lengths in LENGTHS:
        rows = rows_of(lengths)
        for numbers in reader.alike([len(row.ids) for row in rows], 4):
            hidden, read = reader.begin([rows[n] for n in numbers], 4)
            texts = [list(rows[n].ids) for n in numbers]
            for step in range(4):
                said = head(hidden)
                for text, found in zip(texts, said, strict=True):
                    assert (found - logits(reader.module, text)[-1]).abs().max() < 1e-3
                tokens = said.argmax(-1)
                for text, token in zip(texts, tokens.tolist(), strict=True):
                    text.append(token)
                if step == 1 and len(texts) > 1:
                    order = read.drop([0])
                    texts, tokens = [texts[n] for n in order], tokens[torch.tensor(order)]
                hidden = reader.step(read, tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_long_rows_are_read_in_pieces_where_that_changes_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a row that begins late, the first pieces are padding alone."""
    module = made(*KINDS[kind])
    reader = OnGPU(module)
    rows, head = rows_of((3, 100, 40)), head_of(module)
    monkeypatch.setattr("advisor.models.local.padded.TOKENS_AT_ONCE", 24)
    monkeypatch.setattr("advisor.models.local.padded.LARGEST_MASK", 2000)
    with torch.inference_mode():
        for numbers in reader.alike([len(row.ids) for row in rows], 4):
            own = [rows[n] for n in numbers]
            hidden, read = reader.begin(own, 4)
            stepped = reader.step(read, torch.full((len(own),), 30))
            totals = reader.scores(own, TREE, head)
            for place, row in enumerate(own):
                said = logits(module, (*row.ids, 30))
                assert (head(torch.stack([hidden[place], stepped[place]])) - said[-2:]).abs().max() < 1e-3
                assert totals[place].tolist() == pytest.approx(log_likelihoods(module, row.ids, CHOICES), abs=1e-3)


def test_no_model_here_reads_its_rows_anew(module: Any) -> None:
    reader = Reader(module)
    with torch.inference_mode():
        for numbers in reader.alike([20, 23], 2):
            rows = [rows_of((8, 11))[n] for n in numbers]
            assert not isinstance(reader.begin(rows, 2)[1], WholeRows)


@pytest.mark.parametrize("kind", ["capped", "distances by the mask", "states"])
def test_a_prompt_is_read_once_for_all_labels(kind: str) -> None:
    """And what prompts begin with is read once for several calls, where a model goes on behind it."""
    module = made(*KINDS[kind])
    reader = Reader(module)
    goes_on = reader.padded.habits is not None and reader.padded.habits.goes_on
    read: list[int] = []
    module.base_model.register_forward_pre_hook(
        lambda _, arguments, named: read.append(named["input_ids"].numel()), with_kwargs=True
    )
    (row,) = rows_of((40,))
    paths = sum(map(len, TREE.paths()))
    with torch.inference_mode():
        clock.drain()
        for first in (True, False):
            read.clear()
            reader.scores([row], TREE, head_of(module))
            spans = clock.drain().spans
            assert set(spans) == {"prefill", "score"}
            before = 0 if goes_on and not first else len(STEM)
            assert spans["prefill"].tokens == before + 40 + len(TREE.tokens)
            assert before + 40 < sum(read) <= before + 40 + 2 * paths


def test_beyond_the_turn_nothing_is_shared_that_was_read_before_it() -> None:
    """Of rows on either side, each by itself; none is read together with one of the other side."""
    reader = Reader(made(*KINDS["frequencies for long rows"]))
    groups = list(reader.alike([20, 63, 90, 40, 64, 70], 3))
    assert groups == [[0, 3], [2, 5], [1], [4]]


def test_frequencies_may_grow_with_every_token() -> None:
    module = made("llama", {"max_position_embeddings": 64, "rope_parameters": GROWING})
    reader = Reader(module)
    rows = rows_of((80, 20, 49, 70))
    with torch.inference_mode():
        for numbers in reader.alike([len(row.ids) for row in rows], 4):
            totals = reader.scores([rows[n] for n in numbers], TREE, module.lm_head)
            for number, found in zip(numbers, totals.tolist(), strict=True):
                assert found == pytest.approx(log_likelihoods(module, rows[number].ids, CHOICES), abs=1e-3)


def kernels(layers: int) -> dict[str, Counted]:
    """What a model of so many layers asks of the device, by what is done."""
    module = made("qwen2", {"num_hidden_layers": layers})
    reader = Reader(module)
    rows = rows_of((3, 9, 5, 7, 12, 6))
    found = {}
    with torch.inference_mode():
        for name, launches in (("packed", False), ("scored", True)):
            reader.launches = launches
            reader.scores(rows, TREE, module.lm_head)  # reads what they begin with
            found[name] = Counted.of(lambda: reader.scores(rows, TREE, module.lm_head))
        _, read = reader.begin(rows, 6)
        found["stepped"] = Counted.of(lambda: reader.step(read, torch.full((6,), 5)))
        ids = torch.randint(5, 390, (6, 30))
        found["plain"] = Counted.of(lambda: module.base_model(input_ids=ids, use_cache=False))
    return found


def test_a_gpu_is_given_few_kernels() -> None:
    """Per layer about as many as one padded pass through Transformers takes, and no wait for any result."""
    one, three = kernels(1), kernels(3)
    layer = {name: (three[name].kernels - one[name].kernels) / 2 for name in one}
    assert three["scored"].waits == three["stepped"].waits == 0
    assert layer["scored"] <= 1.25 * layer["plain"]
    assert layer["stepped"] <= 1.25 * layer["plain"]
    assert layer["packed"] > 2 * layer["plain"]


def test_on_a_gpu_rows_go_on_in_place() -> None:
    module = made("qwen2", {})
    reader = OnGPU(module)
    with torch.inference_mode():
        _, read = reader.begin(rows_of((3, 9, 5, 7)), 4)
        assert isinstance(read, PaddedRows)
        held = [layer.keys.data_ptr() for layer in read.cache.layers]
        for _ in range(3):
            reader.step(read, torch.full((4,), 5))
        assert read.drop([1]) == [0, 1, 2, 3]  # fewer than half of them: not worth it
        assert [layer.keys.data_ptr() for layer in read.cache.layers] == held
        assert read.drop([1, 2]) == [0, 3]


@pytest.mark.parametrize("kind", ["full attention", "capped", "sinks"])
def test_a_long_row_is_never_attended_all_at_once_on_a_gpu(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a mask nor logits, where a model takes its attention by plain products, of all tokens by all tokens."""
    module = made(*KINDS[kind])
    if kind != "full attention":
        module.set_attn_implementation("eager")
    reader = OnGPU(module)
    most = 2**19
    monkeypatch.setattr("advisor.models.local.padded.LARGEST_MASK", most)
    monkeypatch.setattr("advisor.models.local.padded.LOGITS_AT_ONCE", most)
    rows = rows_of((1000,))
    with torch.inference_mode():
        counted = Counted.of(lambda: reader.scores(rows, TREE, head_of(module)))
    assert counted.largest <= 1.1 * most < 0.6 * 1000 * 1000


@pytest.mark.parametrize("causal", [True, False])
def test_attention_never_holds_all_logits(causal: bool) -> None:
    """Where no kernel tells their sums, here since the values are smaller than the keys."""
    draw = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(1, heads, 3000, size, generator=draw) for heads, size in ((4, 8), (2, 8), (2, 4)))
    results: list[tuple[torch.Tensor, torch.Tensor]] = []
    counted = Counted.of(lambda: results.append(part(query, key, value, 0.3, causal=causal)))
    assert counted.largest <= 2**24 < 4 * 3000 * 3000
    ((attended, total),) = results
    for place in (0, 1500, 2999):
        seen = place + 1 if causal else 3000
        wanted = key.repeat_interleave(2, 1)[0, :, :seen] @ query[0, :, place, :, None] * 0.3
        assert (total[0, :, place] - wanted[..., 0].logsumexp(-1)).abs().max() < 1e-4
        shares = wanted.softmax(1).transpose(1, 2)
        assert (attended[0, :, place] - (shares @ value.repeat_interleave(2, 1)[0, :, :seen])[:, 0]).abs().max() < 1e-4


def test_what_is_read_once_is_what_is_said_to_be(reader: Reader) -> None:
    """By the tokens that are read when a prompt comes again: what both begin with is not among them."""
    (row,) = rows_of((5,))
    read = []
    for _ in range(2):
        clock.drain()
        reader.scores([row], TREE, head_of(reader.module))
        read.append(clock.drain().spans["prefill"].tokens if reader.padded.habits is not None or reader.packs else 0)
    assert (read[1] < read[0]) == reader.reads_once
