"""A model folder as Transformers alone loads and asks it: `generate`, the folder's own tokenizer and chat template.

Nothing of the engine computes here, so that what is exported is tried as others will use it. Prompts are read one by
one, without padding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, StoppingCriteria, StoppingCriteriaList

from advisor.errors import UserError
from advisor.models.adaptation import Adaptation
from advisor.models.control import BREAK
from advisor.models.embedder import Embedder
from advisor.models.language_model import Capabilities, Decoding, Generation, LanguageModel, Scores
from advisor.models.local.choosing import Tokens, sequences
from advisor.models.local.loading import end_ids_of, loader_of, window_of
from advisor.models.local.onto import laid_beside
from advisor.models.prompt import Prompt
from advisor.models.render import Encoded, Renderer

RUNTIME = f"transformers {transformers.__version__}"


class PlainTransformers(LanguageModel):
    """Answers by a module and a tokenizer as Transformers loads them from a folder.

    Args:
        module: in evaluation mode.
        tokenizer: makes a tokenizer of the folder: one is asked as it is, and one may learn a token, by which prompts
            are made to fit the context window.
    """

    can = Capabilities(score=True, choose=True, rows_at_once=8)

    def __init__(self, name: str, module: Any, tokenizer: Callable[[], Any], embedder: Embedder) -> None:
        self.name, self.embedder = name, embedder
        self._module = module
        self._tokenizer = tokenizer()
        self._renderer = Renderer(tokenizer(), window_of(module.config, self._tokenizer), end_ids_of(module))
        self.context_window = self._renderer.window

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Greedy answers, by Transformers' own loop."""
        found = []
        for prompt in prompts:
            started, encoded = time.perf_counter(), self._encoded(prompt, decoding.max_tokens)
            ends = StoppingCriteriaList([_Ends(self._tokenizer, decoding, len(encoded.ids))])
            written = self._written(encoded, decoding.max_tokens, stopping_criteria=ends)
            text = decoding.ended(self._tokenizer.decode(written, skip_special_tokens=True))
            found.append(_generation(text, encoded, len(written), started))
        return found

    @torch.inference_mode()
    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Greedy answers that are held to the choices token by token."""
        rows, tree = sequences(self._renderer, choices)
        end, most = self._renderer.end_id, max(tree.lengths)
        following = _following(rows)
        found = []
        for prompt in prompts:
            started, encoded = time.perf_counter(), self._encoded(prompt, most)

            def allowed(_: int, ids: Any, start: int = len(encoded.ids)) -> list[int]:
                return following.get(tuple(ids[start:].tolist()), [end])

            written = self._written(encoded, most, prefix_allowed_tokens_fn=allowed)
            number = next(n for n, row in enumerate(rows) if tuple(written[: len(row)]) == row)
            found.append(_generation(choices[number], encoded, len(rows[number]), started))
        return found

    @torch.inference_mode()
    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Log-likelihood of every choice, each read behind its whole prompt."""
        rows, tree = sequences(self._renderer, choices)
        found = []
        for prompt in prompts:
            started = time.perf_counter()
            encoded = self._encoded(prompt, max(tree.lengths))
            totals = self._totals(encoded.ids, rows)
            seconds = time.perf_counter() - started
            found.append(Scores(totals, tree.lengths, len(encoded.ids), seconds, encoded.dropped, encoded.cut))
        return found

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone."""
        return self._renderer.count(text)

    def _encoded(self, prompt: Prompt, room: int) -> Encoded:
        return as_it_is(self._tokenizer, self._renderer, prompt, room)

    def _written(self, encoded: Encoded, most: int, **how: Any) -> list[int]:
        """Tokens that are written behind a prompt, greedily."""
        given = self._tensor([encoded.ids])
        more = {"max_new_tokens": most, "do_sample": False, "pad_token_id": self._renderer.end_id, **how}
        whole = self._module.generate(given, attention_mask=torch.ones_like(given), **more)
        found: list[int] = whole[0, given.shape[1] :].tolist()
        return found

    def _totals(self, ids: Tokens, rows: Sequence[Tokens]) -> tuple[float, ...]:
        """Log-likelihood of each row behind a prompt; what is behind a row's end is not looked at."""
        width = max(map(len, rows))
        padded = [(*row, *[row[0]] * (width - len(row))) for row in rows]
        likely = self._logits(ids, padded).float().log_softmax(-1)
        return tuple(sum(float(likely[n, p, token]) for p, token in enumerate(row)) for n, row in enumerate(rows))

    def _logits(self, ids: Tokens, rows: Sequence[Tokens]) -> torch.Tensor:
        """Of each token of rows of one length behind a prompt, shape (rows, length, vocabulary); the prompt is read
        once, unless a learned beginning stands before each call."""
        width = len(rows[0])
        if getattr(getattr(self._module, "active_peft_config", None), "is_prompt_learning", False):
            whole = self._tensor([(*ids, *row) for row in rows])
            logits: torch.Tensor = self._module(input_ids=whole, attention_mask=torch.ones_like(whole)).logits
            return logits[:, -width - 1 : -1]
        first = self._module(input_ids=self._tensor([ids]), use_cache=True)
        logits = first.logits[:, -1:].expand(len(rows), -1, -1)
        if width == 1:
            return logits
        first.past_key_values.batch_repeat_interleave(len(rows))
        read = self._tensor([row[:-1] for row in rows])
        behind = self._module(input_ids=read, past_key_values=first.past_key_values).logits
        return torch.cat([logits, behind], dim=1)

    def _tensor(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor([list(row) for row in rows], device=self._module.device)


class _Ends(StoppingCriteria):
    """An answer ends where a stop text stands in it, blanks before it aside.

    Args:
        start: tokens before the answer.
    """

    def __init__(self, tokenizer: Any, decoding: Decoding, start: int) -> None:
        self._tokenizer, self._decoding, self._start = tokenizer, decoding, start

    def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
        """Whether each row has ended."""
        texts = [self._tokenizer.decode(row[self._start :]).lstrip() for row in input_ids]
        ended = [any(stop in text for stop in self._decoding.stop) for text in texts]
        return torch.tensor(ended, device=input_ids.device)


def _generation(text: str, encoded: Encoded, written: int, started: float) -> Generation:
    seconds = time.perf_counter() - started
    return Generation(text, len(encoded.ids), written, seconds, seconds, encoded.dropped, encoded.cut)


def as_it_is(tokenizer: Any, renderer: Renderer, prompt: Prompt, room: int) -> Encoded:
    """A prompt as a tokenizer that nobody has taught anything reads what its chat template makes of it.

    Args:
        renderer: of another tokenizer of the same folder; makes the prompt fit.
        room: tokens that are left for the answer.
    """
    fitted = renderer.encode(prompt, room)
    if fitted.cut:
        return fitted
    for _ in range(fitted.dropped):
        prompt = replace(prompt, context=prompt.context.without_last())
    text = renderer.text(prompt)[0].replace(BREAK, "")
    return replace(fitted, ids=tuple(tokenizer(text, add_special_tokens=not renderer.chat)["input_ids"]))


def plain(
    folder: Path,
    embedder: Embedder,
    device: Any,
    trust_remote_code: bool = False,
    base: tuple[Path, torch.dtype] | None = None,
) -> PlainTransformers:
    """A model folder as Transformers loads it, in the number format that it states.

    Args:
        base: where the folder holds an adapter of PEFT's: the folder of its base model, and the number format.

    Raises:
        UserError: Transformers, or PEFT, does not load it.
    """
    if base is None:
        module = module_of(folder, device, trust_remote_code)
    else:
        module = laid_beside(module_of(base[0], device, trust_remote_code).to(base[1]), folder)
    return PlainTransformers(str(folder), module, lambda: _tokenizer(folder, trust_remote_code), embedder)


def module_of(folder: Path, device: Any, trust_remote_code: bool = False) -> Any:
    """The module in a folder, in evaluation mode on its device.

    Raises:
        UserError: Transformers does not load it.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
        module: Any = loader_of(config).from_pretrained(
            folder, dtype="auto", trust_remote_code=trust_remote_code, use_safetensors=True, device_map={"": device}
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{folder}: Transformers does not load it: {reason}") from error
    return module.eval()


def _tokenizer(folder: Path, trust_remote_code: bool) -> Any:
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)


def _following(rows: Sequence[Tokens]) -> Mapping[Tokens, list[int]]:
    """What may come behind each beginning of a row."""
    found: dict[Tokens, set[int]] = {}
    for row in rows:
        for place, token in enumerate(row):
            found.setdefault(row[:place], set()).add(token)
    return {beginning: sorted(tokens) for beginning, tokens in found.items()}
