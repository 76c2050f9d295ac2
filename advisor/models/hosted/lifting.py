"""Log-probabilities of tokens that are too unlikely to be listed, from a server that tells what a bias does.

llama.cpp lists the likeliest tokens, and on demand as they stand after sampling. A bias of b nats on some tokens makes
them more likely by b less a constant, and all others less likely by that constant, which is read off a token that is
listed both times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from advisor.models.hosted.reading import alternatives, first_position

BIAS = 12.0  # nats: from e^-18 to among the first hundred; the likeliest of the others still stand there
LEFT = 1e-4  # of the probability, told in single precision


def lifting(body: Mapping[str, Any], ids: Sequence[int], width: int) -> dict[str, Any]:
    """A request by which these tokens are listed.

    Args:
        body: by which the likeliest were listed.
        ids: of the tokens.
        width: tokens that are listed beside them.
    """
    sampling = {"temperature": 1.0, "samplers": ["temperature"], "post_sampling_probs": True}
    return {**body, **sampling, "top_logprobs": width + len(ids), "logit_bias": {str(one): BIAS for one in ids}}


def lifted(plain: Any, biased: Any, tokens: Sequence[str]) -> dict[str, float]:
    """The log-probabilities of the tokens that were lifted; those that cannot be told are left out.

    Args:
        plain, biased: the answers without the bias and with it.
    """
    before, after = dict(alternatives(plain)), _after(biased)
    others = [after[token] - before[token] for token in before if token in after and token not in tokens]
    if not others:
        return {}
    fallen = sorted(others)[len(others) // 2]
    return {token: after[token] - BIAS - fallen for token in tokens if token in after}


def lifted_alone(biased: Any, tokens: Sequence[str]) -> dict[str, float]:
    """The same from the answer with the bias alone: what these tokens have together says how far all others fell.

    Nothing is told where so little is left to the others that it is lost in rounding.
    """
    after = _after(biased)
    if not all(token in after for token in tokens):
        return {}
    left = 1.0 - math.fsum(math.exp(after[token]) for token in tokens)
    if left < LEFT:
        return {}
    fallen = math.log1p(math.expm1(BIAS) * left)
    return {token: after[token] - fallen for token in tokens}


def _after(data: Any) -> dict[str, float]:
    listed = first_position(data).get("top_probs")
    found = {}
    for one in listed if isinstance(listed, list) else []:
        value = one.get("prob") if isinstance(one, Mapping) else None
        if isinstance(value, int | float) and 0 < value <= 1:
            found[str(one.get("token"))] = math.log(value)
    return found
