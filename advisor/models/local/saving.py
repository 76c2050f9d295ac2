"""The weights that answer, written as a model folder that Transformers, vLLM and Text Generation Inference load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, GenerationConfig

from advisor.models.adaptation import Adaptation, Merged, Prefixed, levels
from advisor.models.control import BREAK
from advisor.models.language_model import Decoding, LanguageModel
from advisor.models.local.engine import LocalModel
from advisor.models.local.linear import unarranged
from advisor.models.local.loading import folder_of, tokenizer_of
from advisor.models.local.plain import PlainTransformers, as_it_is, module_of
from advisor.models.local.quantising import quantised
from advisor.models.prompt import Prompt
from advisor.models.render import Renderer

OF_THIS_MACHINE = ("is_local", "local_files_only")  # how the tokenizer was loaded here
LARGEST = "5GB"  # of a file of weights
OLDER_CLASS = "PreTrainedTokenizerFast"  # what Transformers 5 calls TokenizersBackend, and 4 knows by this name alone


def cannot_save(model: LanguageModel, adaptation: Adaptation | None) -> str:
    """Why a model with an adaptation is not written as weights alone; empty where it is."""
    if not isinstance(model, LocalModel):
        return f"the weights of {model.name} are not in this process"
    if quantised(model.module):
        return f"the weights of {model.name} are codes (--quantize), which other runtimes do not multiply alike"
    for level in levels(adaptation):
        if isinstance(level, Prefixed):
            return "what it has learned stands before every prompt as keys and values, and no weights can hold it"
        if not isinstance(level, Merged):
            return "what it has learned was measured beside the weights, attached, and not in them"
    return ""


def save_whole(model: LocalModel, adaptation: Adaptation | None, decoding: Decoding, folder: Path) -> None:
    """Write the weights that answer, in their number format, with configuration, tokenizer, chat template and how an
    answer is generated.

    Args:
        adaptation: merged; None for the model's own weights.
        folder: is there, and empty.
    """
    model.activate(adaptation)
    module = model.module
    own = module.generation_config
    module.generation_config = generation_of(model, decoding)
    try:
        module.save_pretrained(folder, max_shard_size=LARGEST)
    finally:
        module.generation_config = own
    _for_older_readers(folder / "config.json")
    save_tokenizer(model, folder)


def save_tokenizer(model: LocalModel, folder: Path) -> None:
    """Write the tokenizer as it was before it learned to break control tokens, with its chat template inside its
    configuration, where every server looks for it."""
    trusted = bool((model.loaded_from or {}).get("trust_remote_code"))
    weights = folder_of(model.name, model.source)
    tokenizer_of(model.source, weights, trusted).save_pretrained(folder, save_jinja_files=False)
    _change(folder / "tokenizer_config.json", _older_class)
    for code in weights.glob("*.py") if trusted else ():
        shutil.copyfile(code, folder / code.name)


def generation_of(model: LocalModel, decoding: Decoding) -> Any:
    """How an answer is generated, in Transformers' terms: greedily, up to any token that ends one."""
    ends = sorted(model.renderer.stop_ids)
    tokenizer = model.renderer.tokenizer
    pad = ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return GenerationConfig(
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends,
        pad_token_id=pad,
        max_new_tokens=decoding.max_tokens,
    )


@torch.inference_mode()
def differing_weights(model: LocalModel, adaptation: Adaptation | None, folder: Path) -> tuple[int, list[str]]:
    """How many tensors answer, and the names of those that Transformers does not find in a folder bit for bit."""
    trusted = bool((model.loaded_from or {}).get("trust_remote_code"))
    there = module_of(folder, "cpu", trusted).state_dict()
    model.activate(adaptation)
    here = model.module.state_dict()
    different = [
        name
        for name in sorted({*there, *here})
        if name not in there
        or name not in here
        or there[name].dtype != here[name].dtype
        or not torch.equal(there[name], here[name].cpu())
    ]
    return len(here), different


def differing_prompts(model: LocalModel, folder: Path, prompts: Sequence[Prompt], room: int) -> tuple[int, list[str]]:
    """How many prompts were read, and the inputs of those that a folder's tokenizer and chat template make other tokens
    of. A text that names a control token is left out: without a guard it is read as one.

    Args:
        room: tokens that are left for the answer.
    """
    trusted = bool((model.loaded_from or {}).get("trust_remote_code"))
    own = model.renderer
    there = AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted)
    bare = Renderer(AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted), own.window, sorted(own.stop_ids))
    read, different = 0, []
    for prompt in prompts:
        if BREAK in own.text(prompt)[0]:
            continue
        read += 1
        if own.encode(prompt, room).ids != as_it_is(there, bare, prompt, room).ids:
            different.append(prompt.input)
    return read, different


@contextmanager
def asked_plainly(model: LocalModel, adaptation: Adaptation | None) -> Iterator[PlainTransformers]:
    """The weights that answer, asked by Transformers alone, as what was written is asked."""
    trusted = bool((model.loaded_from or {}).get("trust_remote_code"))
    weights = folder_of(model.name, model.source)
    model.activate(adaptation)
    with unarranged(model.module):
        tokenizer = partial(tokenizer_of, model.source, weights, trusted)
        yield PlainTransformers(model.name, model.module, tokenizer, model.embedder)


def base_folder(model: LocalModel) -> Path:
    """Where the weights lie that the model was loaded from, as a folder that Transformers loads."""
    return folder_of(model.name, model.source)


def _for_older_readers(file: Path) -> None:
    """What Transformers 5 writes under new names stands under the old ones too: a reader that does not know the new
    ones would take a default, and answer otherwise without a word."""

    def older(config: dict[str, Any]) -> dict[str, Any]:
        rope = config.get("rope_parameters")
        if isinstance(rope, dict) and "rope_theta" in rope:
            config.setdefault("rope_theta", rope["rope_theta"])
            if rope.get("rope_type", "default") != "default":
                config.setdefault("rope_scaling", {k: v for k, v in rope.items() if k != "rope_theta"})
        if "dtype" in config:
            config.setdefault("torch_dtype", config["dtype"])
        return config

    _change(file, older)


def _older_class(config: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key not in OF_THIS_MACHINE}
    found = config.get("tokenizer_class")
    return {**kept, "tokenizer_class": OLDER_CLASS if found == "TokenizersBackend" else found}


def _change(file: Path, change: Any) -> None:
    found = change(json.loads(file.read_text(encoding="utf-8")))
    file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
