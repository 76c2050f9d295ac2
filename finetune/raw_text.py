"""Raw text as tokens: no chat template and no instruction, as a model reads it when it is pre-trained."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from advisor.models import Adaptation
from advisor.models.local.engine import LocalModel
from advisor.models.render import Renderer
from advisor.tasks import Document
from finetune.fused.packing import TokenRow

BETWEEN = "\n\n"
SAMPLE, PIECE = 4_096, 256  # tokens on which perplexity is measured, and of each text
SEED = 0  # by which they are drawn: the same for all that is compared


def text_of(document: Document) -> str:
    """A document as it is read."""
    return f"{document.title}\n{document.text}" if document.title else document.text


def lead(renderer: Renderer) -> tuple[int, ...]:
    """What a text begins with, and its first word is predicted from."""
    begun = renderer.encode_text("")
    return begun.ids[: begun.stem]


def ids_of(renderer: Renderer, text: str) -> tuple[int, ...]:
    """A text's own tokens."""
    return tuple(renderer.tokens.ids(renderer.tokens.guarded(text)))


def blocks(renderer: Renderer, texts: Sequence[str], size: int) -> list[TokenRow]:
    """Rows of at most `size` tokens, every one of which is learned.

    A block begins where a text or a part of one does. A text that does not fit into one is cut evenly; where one has
    room behind a text's end, the next follows behind a blank line. No token that ends an answer is learned, since a
    document is none.
    """
    first, gap = lead(renderer), tuple(renderer.tokens.ids(BETWEEN))
    room, rows = max(1, min(size, renderer.window) - len(first)), []
    block: tuple[int, ...] = ()
    for text in texts:
        for piece in _evenly(ids_of(renderer, text.strip()), room):
            if block and len(block) + len(gap) + len(piece) > room:
                rows.append(TokenRow(first, 0, block))
                block = ()
            block = (*block, *gap, *piece) if block else piece
    return [*rows, TokenRow(first, 0, block)] if block else rows


def perplexity(model: LocalModel, texts: Sequence[str], adaptation: Adaptation | None) -> float | None:
    """Per token, of pieces drawn from these texts, each on its own; None where they hold nothing."""
    pieces = list(_drawn(model.renderer, texts))
    encoded = [model.renderer.encode_text(piece) for piece in pieces]
    tokens = sum(len(one.ids) - one.stem for one in encoded)
    if not tokens:
        return None
    try:
        return math.exp(-sum(model.log_likelihoods(pieces, adaptation)) / tokens)
    finally:
        model.activate(None)


def _evenly(ids: tuple[int, ...], room: int) -> Iterator[tuple[int, ...]]:
    parts = math.ceil(len(ids) / room)
    for number in range(parts):
        yield ids[number * len(ids) // parts : (number + 1) * len(ids) // parts]


def _drawn(renderer: Renderer, texts: Sequence[str]) -> Iterator[str]:
    """Pieces of texts in an order of chance, one of each, until there are enough."""
    rng, left, longest = random.Random(SEED), SAMPLE, min(PIECE, renderer.window // 2)
    for text in rng.sample(texts, len(texts)):
        ids = ids_of(renderer, text)
        start = rng.randrange(max(1, len(ids) - longest + 1))
        piece = renderer.tokenizer.decode(ids[start : start + min(longest, left)]).strip("\ufffd")
        if piece.strip():
            yield piece
            left -= longest
        if left <= 0:
            return
