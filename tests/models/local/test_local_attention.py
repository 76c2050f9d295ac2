"""Attention in parts against torch's own, in either way of computing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from advisor.models.local.attention import BLOCK, FEW, by_products, causal_rows, joined, packed_attention, part
from advisor.models.local.engine import LocalModel
from advisor.models.local.prefixes import SHORTEST
from advisor.models.render import Encoded

SCALE = 0.3


def tensors(rows: int, queries: int, keys: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Queries of six heads, keys and values of two."""
    generator = torch.Generator().manual_seed(9)
    shapes = ((rows, 6, queries, 16), (rows, 2, keys, 16), (rows, 2, keys, 16))
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


def exact(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    inputs = (x.double() for x in (query, key, value))
    return scaled_dot_product_attention(*inputs, attn_mask=seen, scale=SCALE, enable_gqa=True)


NEAR = {torch.float32: 1e-5, torch.bfloat16: 0.02}


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("queries", [1, FEW, 2 * BLOCK + 3])
def test_parts_join_to_the_whole(dtype: torch.dtype, queries: int) -> None:
    query, key, value = tensors(3, queries, 50, dtype)
    own_key, own_value = tensors(3, queries, queries, dtype)[1:]
    first = part(query, key, value, SCALE)
    second = part(query, own_key, own_value, SCALE, causal=True)
    seen = torch.cat([torch.ones(queries, 50), torch.ones(queries, queries).tril()], dim=1).bool()
    whole = exact(query, torch.cat([key, own_key], 2), torch.cat([value, own_value], 2), seen)
    assert (joined(first, second).double() - whole).abs().max() < NEAR[dtype]


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("queries", [2, FEW + 3])
def test_a_mask_hides_keys_from_each_row(dtype: torch.dtype, queries: int) -> None:
    query, key, value = tensors(2, queries, 30, dtype)
    seen = torch.arange(30) < torch.tensor([30, 11])[:, None]
    mask = torch.zeros(2, 1, 1, 30, dtype=dtype).masked_fill_(~seen[:, None, None], -torch.inf)
    attended, total = part(query, key, value, SCALE, mask=mask.expand(-1, -1, queries, -1))
    assert (attended.double() - exact(query, key, value, seen[:, None, None])).abs().max() < NEAR[dtype]
    logits = (query.double() @ key.double().repeat_interleave(3, 1).transpose(2, 3) * SCALE) + mask.double()
    assert (total - logits.logsumexp(-1)).abs().max() < NEAR[dtype]


def test_one_mask_for_all_queries_hides_from_those_of_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of values smaller than the keys, for which there is no kernel here, in parts of some queries."""
    monkeypatch.setattr("advisor.models.local.attention.LOGITS_AT_ONCE", 2 * 6 * 30 * 4)
    query, key, value = tensors(2, 10, 30, torch.float32)
    seen = (torch.arange(30) < torch.tensor([30, 11])[:, None])[:, None, None]
    mask = torch.zeros(2, 1, 1, 30).masked_fill_(~seen, -torch.inf)
    attended, _ = part(query, key, value[..., :8], SCALE, mask=mask)
    assert (attended.double() - exact(query, key, value[..., :8], seen)).abs().max() < NEAR[torch.float32]


@pytest.fixture(params=[True, False], ids=["flash multiplies itself", "products"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on processors of either kind, whatever this one is."""
    monkeypatch.setattr("advisor.models.local.attention.flash_multiplies", lambda: request.param)


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("tokens", [1, 7, BLOCK, BLOCK + 1])
def test_rows_see_what_comes_before(dtype: torch.dtype, tokens: int) -> None:
    query, key, value = tensors(4, tokens, tokens, dtype)
    whole = exact(query, key, value, torch.ones(tokens, tokens).tril().bool())
    assert (causal_rows(query, key, value, SCALE).double() - whole).abs().max() < NEAR[dtype]


def test_rows_may_be_the_end_of_longer_ones_where_products_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.local.attention.flash_multiplies", lambda: False)
    query, key, value = tensors(4, FEW, FEW + 9, torch.bfloat16)
    assert by_products(query, FEW)
    whole = exact(query, key, value, torch.ones(FEW, FEW + 9).tril(9).bool())
    assert (causal_rows(query, key, value, SCALE).double() - whole).abs().max() < NEAR[torch.bfloat16]


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shared", [12, BLOCK + 2])
def test_rows_behind_a_prefix_are_read_as_the_model_reads_them_alone(
    llama_folder: Path, loaded: Callable[..., LocalModel], dtype: str, shared: int
) -> None:
    """Short rows and long ones, behind a prefix that is copied in front of them and one that is not."""
    model = loaded(llama_folder, dtype)
    tokens = torch.randint(5, 60, (shared + 3 * FEW,), generator=torch.Generator().manual_seed(1)).tolist()
    rows = [Encoded((*tokens[:shared], 5 + n, *tokens[shared : shared + n]), shared) for n in (2, FEW, FEW, 3 * FEW)]
    with packed_attention(model.module):
        found, _ = model.reader.read(rows, None, 0)
    for ours, row in zip(found[:, 0], rows, strict=True):
        ids = torch.tensor([row.ids])
        with torch.inference_mode():
            whole = model.module.base_model(input_ids=ids).last_hidden_state[0, -1]
            without = model.module.base_model(input_ids=ids[:, shared:]).last_hidden_state[0, -1]
        near = (ours - whole).abs().max()
        assert near < 0.05 * whole.abs().max()
        assert near < 0.2 * (without - whole).abs().max()


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shared", [0, 12])
@pytest.mark.parametrize("passage", [SHORTEST, BLOCK + 30])
def test_rows_with_passages_in_common_are_read_and_continued_as_the_model_reads_them_alone(
    llama_folder: Path, loaded: Callable[..., LocalModel], dtype: str, shared: int, passage: int
) -> None:
    """Some behind the same two passages, one behind the first of them alone, some behind others, out of order."""
    model = loaded(llama_folder, dtype)
    draw = torch.Generator().manual_seed(1)
    stem, a, b, c, d = (torch.randint(5, 60, (n,), generator=draw).tolist() for n in (shared, *[passage] * 4))
    own = [(*a, *b, 7, 8), (*d, 7), (*c, 9, 9), (*a, *b, 7, 9, 6), (*a, *c, 5), (*d, 8, 8), (*a, *b, 7, 8)]
    rows = [Encoded((*stem, *row), shared) for row in own]
    following = torch.arange(5, 5 + len(rows))
    with torch.inference_mode():
        found, read = model.reader.read(rows, None, 2)
        again = model.reader.step(read, following)
    for number, row in enumerate(rows):
        ids = torch.tensor([[*row.ids, int(following[number])]])
        with torch.inference_mode():
            whole = model.module.base_model(input_ids=ids).last_hidden_state[0]
            apart = model.module.base_model(input_ids=ids[:, -3:]).last_hidden_state[0]
        for place, ours in ((-2, found[number, 0]), (-1, again[number])):
            near = (ours - whole[place]).abs().max()
            assert near < (1e-4 if dtype == "float32" else 0.05) * whole[place].abs().max()
            assert near < 0.2 * (apart[place] - whole[place]).abs().max()
