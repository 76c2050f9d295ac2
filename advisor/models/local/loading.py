"""Loading a model into this process: its weights found, read and tried."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.utils import logging as transformers_logging

from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.contention import look
from advisor.models.embeddings import CachedEmbedder
from advisor.models.load import DEFAULT, SPREAD, Loading
from advisor.models.local.device import choose_device, choose_dtype, device_of, emulated, gpus
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.engine import LocalModel
from advisor.models.local.fitting import Weights, check_fits
from advisor.models.local.folder import check_folder
from advisor.models.local.gguf import converted
from advisor.models.local.gpu import others_on
from advisor.models.local.onto import merge
from advisor.models.local.packages import MINILM, SMOLLM2
from advisor.models.local.quantising import NAMES, check_codes, quantised, quantiser, unpacked
from advisor.models.local.reranker import LocalReranker
from advisor.models.local.shortage import give_back, left, out_of_memory, telling
from advisor.models.local.source import Source, find, is_gguf
from advisor.models.local.threads import choose
from advisor.models.render import Renderer
from advisor.models.store import scratch_folder

log = logging.getLogger(__name__)

HINT = "pass a causal model with safetensors weights and a tokenizer"
SURE = 0.5  # of the room on all devices; what takes less leaves none of its layers over, however they are divided
ENOUGH = 2**50  # bytes, of a device that does not say what is free
SHARE = 0.8  # of what is free of each device, for the weights of a model that is spread; the rest is for its numbers


def load(name: str, loading: Loading) -> LocalModel:
    """Load a causal language model into this process; see `advisor.models.load.load_model`.

    Raises:
        UserError: the weights cannot be had or are not those of a causal language model.
    """
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    where = choose_device(loading.device)
    number_format = choose_dtype(loading.dtype, where)
    if where.type == "cpu":
        clock.on(_nothing, look)
    else:
        looking = partial(look, others_on(where)) if where.type == "cuda" else look
        clock.on(partial(torch.accelerator.synchronize, where), looking)
    began = look()
    with clock.span("load"), telling(f"loading {name}", where):
        source = find(name, SMOLLM2, loading.trust_remote_code)
        if caveat := emulated(number_format, where):
            log.warning("note: %s", caveat)  # before the wait that it explains
            source = replace(source, caveats=(*source.caveats, caveat))
        check_codes(name, source.codes, loading.quantize, source.adapter is not None)
        folder = folder_of(name, source)
        read = partial(_ready, source, folder, where, loading)
        module, renderer = read(number_format)
        choose(began)
        caveats = renderer.notes
        if not _finite(name, module, renderer):
            caveats = (*caveats, _out_of_range(name, number_format, asked=loading.dtype is not None))
            del module
            give_back()
            module, renderer = read(torch.float32)
            if not _finite(name, module, renderer):
                _out_of_range(name, torch.float32, asked=True)
        thinking = renderer.for_thinking() if loading.reasoning else None
        if loading.reasoning and thinking is None:
            caveats = (*caveats, "The model's chat template knows of no thoughts, so it answered without one.")
        source = replace(source, caveats=(*source.caveats, *caveats))
        if bits := loading.quantize:
            before = f"{source.quantisation}, then " if source.quantisation else ""
            source = replace(source, quantisation=before + NAMES[bits], revision=f"{source.revision}-{bits}")
        return LocalModel(module, renderer, source, loading.load_embedder(), thinking)


def folder_of(name: str, source: Source) -> Path:
    """The folder of a whole language model, into which a GGUF file is converted first.

    Args:
        name: of the model, as messages call it.

    Raises:
        UserError: the file cannot be read, or the folder holds no such model.
    """
    folder = converted(source.path) if is_gguf(source.path) else source.path
    check_folder(name, folder)
    return folder


def load_sentence_embedder(name: str, loading: Loading) -> CachedEmbedder:
    """Load a sentence embedder into this process; see `advisor.models.load.load_embedder`.

    Raises:
        UserError: the weights cannot be had.
    """
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    where = choose_device(loading.device)
    embedder = SentenceEmbedder(find(name, MINILM), where, choose_dtype(loading.dtype, where))
    return CachedEmbedder(embedder, embedder.recipe)


def load_local_reranker(name: str, loading: Loading) -> LocalReranker:
    """Load a reranker into this process; see `advisor.models.load.load_reranker`.

    Raises:
        UserError: the weights cannot be had, or are not those of a reranker.
    """
    transformers_logging.disable_progress_bar()
    if name == DEFAULT:
        raise UserError("reranker 'embedded': no reranker comes with Advisor", "pass a public name or a folder")
    where = choose_device(loading.device)
    return LocalReranker(find(name, MINILM), where, choose_dtype(loading.dtype, where))


def _ready(
    source: Source, folder: Path, where: torch.device, loading: Loading, number_format: torch.dtype
) -> tuple[Any, Renderer]:
    """The model on its device, in this number format, and its renderer."""
    weights = Weights(source.id, folder, number_format, loading.quantize, source.codes is not None)
    check_fits(weights, where, _spread(where, loading))
    tokenizer = tokenizer_of(source, folder, loading.trust_remote_code)
    module = unpacked(_read(weights, _placed(weights, where, loading), loading.trust_remote_code))
    if source.adapter is not None:
        module = merge(source.id, module, source.adapter)
    renderer = Renderer(tokenizer, window_of(module.config, tokenizer), end_ids_of(module))
    rows = module.get_input_embeddings().weight.shape[0]
    if renderer.highest_id >= rows:
        raise UserError(
            f"{folder}: the tokenizer (tokenizer.json, tokenizer_config.json, chat_template.jinja) uses tokens up to "
            f"number {renderer.highest_id:,}, and the model's embedding ends at {rows - 1:,}",
            "save the model anew behind model.resize_token_embeddings(len(tokenizer)), or take the base model's "
            "tokenizer files",
        )
    return module.eval().requires_grad_(False), renderer


def _spread(where: torch.device, loading: Loading) -> bool:
    """Whether weights may lie on several devices; quantised ones stay on one."""
    return loading.device == SPREAD and loading.quantize is None and where.type != "mps"


def cards() -> list[torch.device]:
    """The GPUs that weights may be spread over."""
    return [torch.device("cuda", number) for number in range(gpus())]


def _placed(weights: Weights, where: torch.device, loading: Loading) -> dict[str, Any]:
    """Where weights go as they are read, and how they are quantised, as `from_pretrained` takes it.

    Straight to their device: a host's memory need not hold what goes to a GPU.
    """
    if loading.quantize:
        quantiser_of_it = quantiser(weights.name, loading.quantize, weights.number_format, where)
        return {"device_map": {"": where}, "quantization_config": quantiser_of_it}
    if not _spread(where, loading):
        return {"device_map": {"": where}}
    free = {device.index: left(device)[0] for device in cards()} | {"cpu": left(torch.device("cpu"))[0]}
    most = {device: ENOUGH if number is None else int(SHARE * number) for device, number in free.items()}
    beyond = not 0 < weights.size < SURE * sum(most.values())
    return {"device_map": "auto", "max_memory": most, "offload_folder": scratch_folder("offloaded") if beyond else None}


@torch.inference_mode()
def _finite(name: str, module: Any, renderer: Renderer) -> bool:
    """Whether the logits of a prompt are numbers.

    Raises:
        UserError: it cannot be read: its code and its configuration disagree, or what quantised it does not run here.
    """
    try:
        logits = module(input_ids=torch.tensor([renderer.sample], device=device_of(module))).logits
    except Exception as error:  # whatever code that reads a foreign config.json may raise
        if out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if quantised(module):
            hint = "leave --quantize out, take other bits, or another device"
            what = f"{name}: its quantised weights cannot be multiplied on {device_of(module)}: {reason}"
            raise UserError(what, hint) from error
        raise UserError(
            f"{name}: {type(module).__name__} reads no prompt: {reason}", "compare its config.json"
        ) from error
    return bool(torch.isfinite(logits).all())


def _out_of_range(name: str, number_format: torch.dtype, asked: bool) -> str:
    """What is said where a model's logits are not numbers.

    Raises:
        UserError: no other number format is left to try, or the user has asked for this one.
    """
    called = str(number_format).removeprefix("torch.")
    if number_format == torch.float32:
        raise UserError(
            f"{name}: the model's scores are not numbers: its weights are damaged, or their training diverged",
            "pass other weights",
        )
    if asked:
        raise UserError(f"{name}: the model's scores are not numbers in {called}", "--dtype float32")
    return f"The model's scores are not numbers in {called}, whose range they exceed, so it ran in float32."


def tokenizer_of(source: Source, folder: Path, trust_remote_code: bool) -> Any:
    """The tokenizer of a model, or its adapter's own.

    Raises:
        UserError: it cannot be read.
    """
    with _reading(source.id):
        return AutoTokenizer.from_pretrained(source.tokenizer or folder, trust_remote_code=trust_remote_code)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Whatever the readers of foreign files may raise, in a line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{name}: cannot be loaded as a causal language model: {reason}", HINT) from error


def config_of(name: str, folder: Path, trust_remote_code: bool) -> Any:
    """The configuration in a model's folder.

    Args:
        name: of the model, as messages call it.

    Raises:
        UserError: it cannot be read.
    """
    with _reading(name):
        return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)


def _read(weights: Weights, placed: Mapping[str, Any], trust_remote_code: bool) -> Any:
    name = weights.name
    config = config_of(name, weights.folder, trust_remote_code)
    with _reading(name):
        loaded: Any = loader_of(config).from_pretrained(
            weights.folder,
            dtype=weights.number_format,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **placed,
        )
    module, found = loaded
    # Transformers only logs these, and goes on with random numbers in their place.
    unfit = {str(entry[0]) for entry in found["mismatched_keys"]}
    absent = sorted((set(found["missing_keys"]) | unfit) & set(dict(module.named_parameters())))
    if absent:
        what = "of the wrong shape" if absent[0] in unfit else "missing"
        raise UserError(f"{name}: {len(absent)} of its weights do not fit its config.json: {absent[0]} is {what}", HINT)
    return module


def loader_of(config: Any) -> Any:
    """Transformers' loader for a configuration: models that see and write are listed apart from those that only write,
    unless these are the same."""
    sees = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING
    return AutoModelForImageTextToText if sees else AutoModelForCausalLM


def window_of(config: Any, tokenizer: Any) -> int:
    """Tokens that prompt and answer may take together, as a configuration and the tokenizer beside it state them."""
    text = config.get_text_config(decoder=True)
    window = int(getattr(text, "max_position_embeddings", 0) or getattr(text, "n_positions", 0) or 2048)
    stated = int(getattr(tokenizer, "model_max_length", 0) or 0)
    return min(window, stated) if 0 < stated < 10**9 else window


def end_ids_of(module: Any) -> list[int]:
    """Tokens that end an answer, as a model's generation configuration states them, else its configuration."""
    text = module.config.get_text_config(decoder=True)
    for holder in (module.generation_config, text):
        end = getattr(holder, "eos_token_id", None)
        if end is not None:
            return [int(e) for e in end] if isinstance(end, list) else [int(end)]
    return []


def _nothing() -> None:
    """A processor is done when a call returns."""
