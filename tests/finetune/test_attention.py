"""The training attention against torch's own, forth and back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from advisor.models.local.attention import BLOCK
from finetune.fused.attention import causal
from finetune.fused.packing import Segments

SCALE = 0.35


def tensors(queries: int, tokens: int, dtype: torch.dtype = torch.float64, heads: int = 2) -> list[torch.Tensor]:
    """Queries of `heads` heads, keys and values of two."""
    generator = torch.Generator().manual_seed(5)
    shapes = ((heads, queries, 4), (2, tokens, 4), (2, tokens, 4))
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def reference(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    mask = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool).tril(key.shape[1] - query.shape[1])
    key, value = (x.repeat_interleave(len(query) // len(x), dim=0) for x in (key, value))
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=SCALE)


SIZES = [(1, 1), (1, 9), (5, 5), (BLOCK, BLOCK), (BLOCK + 1, BLOCK + 1), (2 * BLOCK, 2 * BLOCK + 7), (3, 2 * BLOCK)]


@pytest.mark.parametrize("heads", [2, 6])
@pytest.mark.parametrize(("queries", "tokens"), SIZES)
def test_outputs_and_gradients_are_torchs(queries: int, tokens: int, heads: int) -> None:
    inputs = tensors(queries, tokens, heads=heads)
    ours, theirs = causal(*inputs, SCALE), reference(*inputs)
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn(ours.shape, dtype=ours.dtype, generator=torch.Generator().manual_seed(6))
    for left, right in zip(
        torch.autograd.grad((ours * weight).sum(), inputs),
        torch.autograd.grad((theirs * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize(("queries", "tokens"), [(1, 1), (7, 7), (5, 8)])
def test_gradients_are_the_numerical_ones(queries: int, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.local.attention.BLOCK", 3)  # several blocks, the last of them incomplete
    assert torch.autograd.gradcheck(lambda *inputs: causal(*inputs, SCALE), tensors(queries, tokens, heads=4))


def test_values_may_be_of_another_size_than_keys() -> None:
    """As in DeepSeek's latent attention."""
    query, key, value = tensors(BLOCK + 5, BLOCK + 9)
    narrow = value.detach()[:, :, :3].clone().requires_grad_()
    ours, theirs = causal(query, key, narrow, SCALE), reference(query, key, narrow)
    torch.testing.assert_close(ours, theirs)
    for left, right in zip(
        torch.autograd.grad(ours.square().sum(), (query, key, narrow)),
        torch.autograd.grad(theirs.square().sum(), (query, key, narrow)),
        strict=True,
    ):
        torch.testing.assert_close(left, right)


def test_no_token_sees_a_later_one() -> None:
    query, key, value = (t.detach() for t in tensors(100, 100))
    before = causal(query, key, value, SCALE)
    key[:, 60:], value[:, 60:] = 7, -7
    assert torch.equal(causal(query, key, value, SCALE)[:, :60], before[:, :60])


def test_bfloat16_is_rounded_in_the_products_only() -> None:
    """Shares are computed in float32: the error stays that of bfloat16's eight bits."""
    inputs = tensors(100, 120, torch.bfloat16)
    exact = reference(*(t.detach().double() for t in inputs))
    ours = causal(*inputs, SCALE)
    assert ours.dtype == torch.bfloat16
    assert (ours.double() - exact).abs().max() < 0.02
    ours.float().sum().backward()
    assert all(t.grad is not None and t.grad.isfinite().all() for t in inputs)


SHORT, LONGER = (5, 9, 1, 7), (40, 33, 47, 36)  # together up to as many tokens as are attended at once, and more
LONG = (BLOCK + 1, 3)  # row by row


@pytest.mark.parametrize("prefix", [0, 9])
@pytest.mark.parametrize("lengths", [SHORT, LONGER, LONG])
def test_rows_of_a_pack_are_attended_as_they_are_one_by_one(prefix: int, lengths: tuple[int, ...]) -> None:
    together = Segments.of(prefix, lengths, torch.device("cpu"))
    assert (together.filled is None) is (lengths is LONG)
    inputs = tensors(prefix + sum(lengths), prefix + sum(lengths), heads=6)
    ours, theirs = together.attend(0, *inputs, SCALE), one_by_one(prefix, lengths, inputs)
    torch.testing.assert_close(ours, theirs)
    for left, right in zip(
        torch.autograd.grad(ours.square().sum(), inputs),
        torch.autograd.grad(theirs.square().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize(("lengths", "one"), [(SHORT, True), (LONGER, False)])
def test_a_small_pack_is_one_step_for_the_gradient(lengths: tuple[int, ...], one: bool) -> None:
    found = Segments.of(9, lengths, torch.device("cpu")).attend(0, *tensors(9 + sum(lengths), 9 + sum(lengths)), SCALE)
    assert found.grad_fn is not None
    (before, _), *_ = found.grad_fn.next_functions
    assert (type(before).__name__ == "_BlocksBackward") is one


def one_by_one(prefix: int, lengths: Sequence[int], inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Shape (tokens, heads, size); the prefix first, then each row behind it."""
    before, own = zip(*(x.tensor_split([prefix], dim=1) for x in inputs), strict=True)
    found = [reference(*before)] if prefix else []
    for query, key, value in zip(*(x.split(lengths, dim=1) for x in own), strict=True):
        found.append(reference(query, torch.cat([before[1], key], 1), torch.cat([before[2], value], 1)))
    return torch.cat(found, dim=1).transpose(0, 1)


@pytest.mark.parametrize("lengths", [SHORT, LONGER])
def test_rows_attended_in_one_are_rounded_in_the_products_only(lengths: tuple[int, ...]) -> None:
    inputs = tensors(9 + sum(lengths), 9 + sum(lengths), torch.bfloat16, heads=6)
    exact = one_by_one(9, lengths, [x.detach().double() for x in inputs])
    found = Segments.of(9, lengths, torch.device("cpu")).attend(0, *inputs, SCALE)
    assert found.dtype == torch.bfloat16
    assert (found.double() - exact).abs().max() < 0.02
    found.float().sum().backward()
    assert all(t.grad is not None and t.grad.isfinite().all() for t in inputs)


@pytest.mark.parametrize("lengths", [(BLOCK + 1, BLOCK + 1), (BLOCK, 2, 2, 2), (5,)])
def test_rows_that_are_long_unlike_or_alone_are_not_filled_up(lengths: tuple[int, ...]) -> None:
    assert Segments.of(3, lengths, torch.device("cpu")).filled is None
