"""Loading: from a name to a language model that is ready to be asked.

The scheme before a colon names the loader, which is an entry point of the group `advisor.models`; a name without one is
a local model's. Embedders and rerankers are found in the same way, in the groups `advisor.embedders` and
`advisor.rerankers`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, Unpack, get_args

from advisor import progress
from advisor.errors import AdvisorError, UserError
from advisor.models.embedder import Embedder
from advisor.models.hosted.address import SCHEME, Address, place_of, refuse_if_offline, runs_here
from advisor.models.language_model import LabelsBy, LanguageModel
from advisor.models.reranker import Reranker
from advisor.models.store import expanded
from advisor.plugins import installed, plugin

DEFAULT = "embedded"
MODELS, EMBEDDERS, RERANKERS = "advisor.models", "advisor.embedders", "advisor.rerankers"
CONCURRENCY = 8
Quantize = Literal["4bit", "8bit"]
SPREAD = "auto"  # the device that stands for all there are
LOCAL_NAMES = "embedded, a public name, a folder, a .gguf file or BASE+ADAPTER_FOLDER"
LOCAL = "local"
"""The loader of names without a scheme: `embedded`, a public name, a folder, a `.gguf` file."""
ADAPTER = "adapter_config.json"  # PEFT's name
VLLM = "vllm:"  # before names of what lies on this machine too
TYPED = "typed"  # the field of `Loading` that no record keeps
_ALIAS = re.compile(r"([A-Za-z][\w.-]*)=(?=.)")


@dataclass(frozen=True)
class Loading:
    """What a loader is told beside the name; plain data, by which a model can be loaded again in another process.

    Attributes:
        embedder: name of the sentence embedder that goes with the model.
        device, dtype: where and in which number format to compute; chosen for the machine where None. A model that
            runs elsewhere has neither. The device `auto` spreads the weights over all GPUs, and what does not fit there
            over memory and disk.
        trust_remote_code: whether code that comes with the weights may run.
        alias: what the model is called beside others; a key for it may be named after that.
        labels_by: how labels are to be told; the model's best way where None.
        reasoning: whether a model that can reason before it answers is to do so.
        concurrency: requests at once, for a model that is served.
        offline: whether no text may leave the machine; a model or embedder that would send one is refused.
        quantize: to how many bits the weights of a model that runs here are rounded as they are read.
        typed: whether the user typed the name, here or in a program, rather than a file that may be somebody else's, as
            a record or `task.toml`: a name from a file is sent no key but one that is meant for it.
    """

    embedder: str = DEFAULT
    device: str | None = None
    dtype: str | None = None
    trust_remote_code: bool = False
    alias: str = ""
    labels_by: LabelsBy | None = None
    reasoning: bool = False
    concurrency: int = CONCURRENCY
    offline: bool = False
    quantize: Quantize | None = None
    typed: bool = True

    def load_embedder(self) -> Embedder:
        """The embedder that was named.

        Raises:
            UserError: it cannot be had.
        """
        found: Embedder = _loaded(EMBEDDERS, "embedder", self.embedder, replace(self, alias=""))
        return found


@dataclass(frozen=True)
class ModelSource:
    """A model by its name, which is loaded when its turn comes.

    Attributes:
        name: as `load_model` takes it.
        loading: the options, the alias among them.
    """

    name: str
    loading: Loading

    @property
    def alias(self) -> str:
        """What it is called in a comparison."""
        return self.loading.alias

    def load(self) -> LanguageModel:
        """The model.

        Raises:
            UserError: it cannot be had.
        """
        return load_model(self.name, **{field.name: getattr(self.loading, field.name) for field in fields(Loading)})


def model_sources(names: Sequence[str], loading: Loading) -> list[ModelSource]:
    """Models as they are named on the command line, `NAME` or `ALIAS=NAME`, each with an alias of its own.

    Args:
        loading: the options that all of them are loaded with.

    Raises:
        UserError: an alias is given twice.
    """
    found: dict[str, ModelSource] = {}
    for alias, name in map(apart_from_alias, names):
        if name.startswith(("http://", "https://")):
            Address.of(name)  # what an address may not carry stands in no alias either
        called = alias or _unused(last_part(name), found)
        if called in found:
            raise UserError(f"--model: two models are called {called!r}", "give each an alias of its own: ALIAS=NAME")
        found[called] = ModelSource(name, replace(loading, alias=called))
    return list(found.values())


def apart_from_alias(text: str) -> tuple[str, str]:
    """`ALIAS=NAME` as alias and name; the alias is empty where none is given."""
    found = _ALIAS.match(text)
    return (found[1], text[found.end() :]) if found and not Path(text).exists() else ("", text)


def _unused(alias: str, taken: Container[str]) -> str:
    """The alias, with a number behind it where it is taken."""
    return next(a for a in chain([alias], (f"{alias}-{number}" for number in count(2))) if a not in taken)


class LoadingOptions(TypedDict, total=False):
    """The fields of `Loading`, each of which may be left out."""

    embedder: str
    device: str | None
    dtype: str | None
    trust_remote_code: bool
    alias: str
    labels_by: LabelsBy | None
    reasoning: bool
    concurrency: int
    offline: bool
    quantize: Quantize | None
    typed: bool


class Loader(Protocol):
    """Makes a model of its name, the scheme included. Registered in the group `advisor.models` under its scheme."""

    def __call__(self, name: str, loading: Loading) -> LanguageModel:
        """Raises `UserError` where the model cannot be had."""
        ...


class EmbedderLoader(Protocol):
    """The same for embedders, in the group `advisor.embedders`."""

    def __call__(self, name: str, loading: Loading) -> Embedder:
        """Raises `UserError` where the embedder cannot be had."""
        ...


class RerankerLoader(Protocol):
    """The same for rerankers, in the group `advisor.rerankers`."""

    def __call__(self, name: str, loading: Loading) -> Reranker:
        """Raises `UserError` where the reranker cannot be had."""
        ...


def load_model(
    name: str = DEFAULT,
    **options: Unpack[LoadingOptions],
) -> LanguageModel:
    """Load a language model and the sentence embedder that goes with it.

    Args:
        name: `embedded` (SmolLM2-135M-Instruct in Q4_1 from its package), a public name, a local folder, a `.gguf`
            file, one of these with the folder of a LoRA adapter behind a plus, or a scheme that another package brings
            and what it is to load (`advisor models` lists them).
        options: the fields of `Loading` by name: `embedder`, `device`, `dtype`, `alias`, `labels_by`, ...

    Raises:
        UserError: the model cannot be had, or is not a causal language model.
    """
    loading = Loading(**options)
    checked_bits("quantize", loading.quantize)
    progress.step(f"load {name}", None)
    model = _loaded(MODELS, "model", name, loading)
    if not isinstance(model, LanguageModel):
        raise UserError(
            f"model {name}: its loader gave a {type(model).__name__}, which is no advisor.models.LanguageModel",
            "fix or uninstall the package that brings it; see CONTRIBUTING.md",
        )
    options_of_it = {option: value for option, value in asdict(loading).items() if option != TYPED}
    model.loaded_from = {"name": _whole(name), **options_of_it, "embedder": _whole(loading.embedder)}
    model.alias = checked_alias(loading.alias or last_part(name))
    model.labels_by, model.typed = loading.labels_by, loading.typed
    return model


def last_part(name: str) -> str:
    """What a model is called that was given no alias: `gpt-5-mini` of `openai:gpt-5-mini`, `qwen3` of
    `http://localhost:8000/v1#Qwen/qwen3`."""
    return re.sub(r"[^\w.-]", "-", re.split(r"[/\\:#]", name.rstrip("/"))[-1]) or "model"


def checked_alias(alias: str) -> str:
    """The alias, if it can stand behind `@` in the name of a row.

    Raises:
        UserError: it cannot.
    """
    if not re.fullmatch(r"[\w.-]+", alias):
        raise UserError(f"a model is called {alias!r}", "an alias has letters, digits, dots, _ and - only")
    return alias


def load_again(
    loaded_from: Mapping[str, Any], trust_remote_code: bool = False, offline: bool = False, typed: bool = False
) -> LanguageModel:
    """Load a model by what `LanguageModel.loaded_from` says, as a record keeps it.

    Args:
        trust_remote_code: whether code that comes with the weights may run; what the record says of it does not count,
            since a run folder may be somebody else's.
        offline: whether no text may leave the machine, if the record does not say so already.
        typed: as in `Loading`; what the record says of it does not count either.

    Raises:
        UserError: it cannot be had any more, or needs code that is not allowed to run.
    """
    known = {name: loaded_from.get(name) for name in ("name", *(field.name for field in fields(Loading)))}
    if not all(isinstance(known[name], str) for name in ("name", "embedder")):
        raise UserError("the record does not say by which name its model was loaded", "name it: --model")
    if loaded_from.get("trust_remote_code") and not trust_remote_code:
        raise UserError(
            f"{known['name']}: was loaded with code of its own", "--trust-remote-code, if you trust where it is from"
        )
    options = {name: value for name, value in known.items() if name != "name" and value is not None}
    return load_model(
        str(known["name"]),
        **{
            **options,
            "trust_remote_code": trust_remote_code,
            "offline": offline or options.get("offline", False),
            TYPED: typed,
        },
    )


def apart_from_adapter(name: str) -> tuple[str, str]:
    """`BASE+ADAPTER_FOLDER` as both; the folder is empty where none is given. A folder's name may hold a plus too."""
    both = [(name[:at], name[at + 1 :]) for at, letter in enumerate(name) if letter == "+"]
    if not both or expanded(name).exists():
        return name, ""
    return next((pair for pair in both if (expanded(pair[1]) / ADAPTER).is_file()), both[-1])


def weights_in(name: str) -> str:
    """Which weights a model runs, by its name: those by vLLM are named as those that run here."""
    return name.removeprefix(VLLM)


def paid_elsewhere(name: str) -> bool:
    """Whether a name is that of a model which others may want to be paid for."""
    return not runs_here(name) and not name.startswith(VLLM)


def checked_bits(what: str, bits: str | None) -> Quantize | None:
    """The number of bits to which weights are rounded, if it is one.

    Args:
        what: asked for it, for the error.

    Raises:
        UserError: it is none.
    """
    found = next((known for known in get_args(Quantize) if known == bits), None)
    if bits is not None and found is None:
        raise UserError(f"{what}: {bits!r} is no number of bits", " or ".join(get_args(Quantize)))
    return found


def _whole(name: str) -> str:
    """A name with its paths in full, so that they are found from elsewhere."""
    weights = weights_in(name)
    if not runs_here(weights):
        return name
    base, adapter = apart_from_adapter(weights)
    parts = [_in_full(part) for part in (base, adapter) if part]
    return name.removesuffix(weights) + "+".join(parts)


def _in_full(name: str) -> str:
    path = expanded(name)
    return str(path.absolute()) if name != DEFAULT and path.exists() else name


def load_embedder(
    name: str = DEFAULT, *, device: str | None = None, dtype: str | None = None, offline: bool = False
) -> Embedder:
    """Load a sentence embedder alone: the one that `load_model` gives to a model.

    Args:
        offline: whether no text may leave the machine.

    Raises:
        UserError: it cannot be had.
    """
    found: Embedder = _loaded(EMBEDDERS, "embedder", name, Loading(name, device, dtype, offline=offline))
    return found


def load_reranker(name: str, beside: LanguageModel) -> Reranker:
    """Load a reranker: a public name or a folder, or whatever another package loads by its scheme.

    Args:
        beside: the model in whose comparison it ranks, whose device, number format and word on staying offline are its
            own.

    Raises:
        UserError: it cannot be had.
    """
    given = beside.loaded_from or {}
    options = {key: given[key] for key in ("device", "dtype", "offline") if given.get(key) is not None}
    found: Reranker = _loaded(RERANKERS, "reranker", name, Loading(**options))
    return found


def reranker_beside(model: LanguageModel, name: str) -> Reranker:
    """As `load_reranker` has it, with its errors; once for each model."""
    if name not in model.rerankers:
        model.rerankers = {**model.rerankers, name: load_reranker(name, model)}
    return model.rerankers[name]


def embedder_beside(model: LanguageModel, name: str, offline: bool = False) -> Embedder:
    """Another embedder than a model's own, loaded with the options that the model was loaded with; once for each model.

    Args:
        name: as `load_embedder` takes it. It may stand in a file that is somebody else's: it is sent no key but one
            that is meant for it.
        offline: whether no text may leave the machine, if the model was not loaded so already.

    Raises:
        UserError: it cannot be had.
    """
    given = model.loaded_from or {}
    offline = offline or bool(given.get("offline"))
    refuse_if_offline("embedder", name, place_of(name), offline)
    if name not in model.beside:
        options: Any = {key: given[key] for key in ("device", "dtype", "concurrency") if given.get(key) is not None}
        loading = Loading(name, **options, offline=offline, typed=False)
        model.beside = {**model.beside, name: loading.load_embedder()}
    return model.beside[name]


def _loaded(group: str, what: str, name: str, loading: Loading) -> Any:
    """What the loader of a name makes of it. Whatever another package's raises is told in a line; a fault of our own
    keeps its trace."""
    loader = _loader_of(name, group, what)
    load = plugin(group, loader, f"loader of {what}s")
    try:
        return load(name, loading)
    except AdvisorError:
        raise
    except Exception as error:
        if loader == LOCAL:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{what} {name}: cannot be loaded: {reason}", "check the name, or update its package"
        ) from error


def _loader_of(name: str, group: str, what: str) -> str:
    """The scheme of a name; local where it has none, or is a path that is there."""
    found = SCHEME.match(name)
    if found is None or runs_here(name):
        return LOCAL
    schemes = [scheme for scheme in installed(group) if scheme != LOCAL]
    if found[1] not in schemes:
        near = get_close_matches(found[1], schemes, n=1)
        meant = f"did you mean {near[0]}:? " if near else ""
        raise UserError(
            f"{what} {name!r}: nothing installed loads {found[1]}: names",
            f"{meant}advisor models lists what is; a name without a colon, a folder or a .gguf file is loaded here",
        )
    return found[1]
