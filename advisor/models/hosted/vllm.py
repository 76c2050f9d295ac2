"""`vllm:NAME`: vLLM in a process of its own on this machine, with weights that are found as those of local models."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from advisor.errors import Interrupted, UserError
from advisor.intake import Bound, json_of, read_bytes
from advisor.models.clock import clock
from advisor.models.hosted.address import Address
from advisor.models.hosted.calls import GOES_ON, Calls, Peer, Round
from advisor.models.hosted.client import Account, ServerClient, ServerWire
from advisor.models.hosted.keys import without_secrets
from advisor.models.hosted.manners import Manners
from advisor.models.hosted.own_server import ENDING, LOOPBACK, HeldPort, OwnServer, Startup
from advisor.models.hosted.patience import STANDARD, Patience
from advisor.models.hosted.served import ServedModel
from advisor.models.load import ADAPTER, SPREAD, VLLM, Loading, last_part, weights_in
from advisor.models.local.device import choose_device, choose_dtype, device_name, gpus, in_words
from advisor.models.local.loading import cards, config_of, folder_of, tokenizer_of, window_of
from advisor.models.local.packages import SMOLLM2
from advisor.models.local.source import WEIGHTS, Source, find
from advisor.models.store import expanded

T = TypeVar("T")
R = TypeVar("R")
START_SECONDS = 1800.0  # for the largest models; how far it is is said meanwhile
VERSION_SECONDS = 120.0  # in which its program says its version, for which it loads its libraries
CALLED, CPU = "vLLM", "cpu"
PROGRAM, OPTIONS = "ADVISOR_VLLM", "ADVISOR_VLLM_OPTIONS"
INSTALL = (
    "python -m venv vllm-env && vllm-env/bin/pip install vllm (it wants an environment of its own), then export "
    f"{PROGRAM}=$PWD/vllm-env/bin/vllm"
)
HINT = f"vLLM's own options go in {OPTIONS}, such as '--max-model-len 8192 --gpu-memory-utilization 0.7'"
REFUSED = "the server's address, names and key are set by Advisor, and options stand in records"
SAFETENSORS = "save it anew: model.save_pretrained(FOLDER) writes safetensors"
WINDOW = "max-model-len"  # the option
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, that vLLM makes room for
LARGEST = Bound(1)
BASE = "-base"  # behind the name of an adapter, what its base is called
PLAIN = (
    "{% for turn in messages %}{% if turn.role == 'user' %}{{ '\\n\\nInput: ' + turn.content }}"
    "{% if not (loop.last and add_generation_prompt and turn.content.endswith(':')) %}{{ '\\n' }}{% endif %}"
    "{% else %}{{ turn.content }}{% endif %}{% endfor %}"
)
"""How models without a chat template are asked: as `advisor.models.render` does it. Where the answer is not begun for
the model, its cue ends what the user says."""
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
OURS = ("api-key", "config", "headless", "hf-token", "host", "lora-modules", "port", "served-model-name", "uds")
"""Options of vLLM's that are set here, that would hold a secret, or that would set these from a file."""
NOT_ITS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "VLLM_PORT")
"""Variables that are meant for this process's libraries, or that set what the command line says."""


def load(name: str, loading: Loading, patience: Patience = STANDARD, start_seconds: float = START_SECONDS) -> VllmModel:
    """Load `vllm:NAME`, NAME as that of a local model or the folder of a LoRA adapter. Nothing is started before
    something is asked.

    Args:
        patience: how long the server is waited for, once it runs.
        start_seconds: how long it may take until it does.

    Raises:
        UserError: the weights cannot be had, vLLM is not there, or it would not run where it is to.
    """
    program = _program(name)
    if loading.quantize is not None:
        raise UserError(f"{name}: --quantize is for models that run in this process", HINT)
    source, folder = _found(name, loading.trust_remote_code)
    where = choose_device(loading.device)
    if where.type == "cpu" and gpus() and CPU not in _version(program):
        raise UserError(
            f"{name}: --device cpu was asked for, and vLLM takes the GPU unless it is built for processors",
            f"leave --device out, or name such a build, whose version has +{CPU}, in {PROGRAM}",
        )
    over = (loading.device == SPREAD and cards()) or [where]
    dtype = str(choose_dtype(loading.dtype, where)).removeprefix("torch.")
    tokenizer = tokenizer_of(source, folder, loading.trust_remote_code)
    options = _options()
    window = _stated_window(options) or window_of(config_of(source.id, folder, loading.trust_remote_code), tokenizer)
    port, key = HeldPort(), secrets.token_hex(16)  # others on this machine reach the port too
    address = Address(f"http://{LOOPBACK}:{port.number}/v1", last_part(source.id))
    client = ServerClient(name, address, Account(key), patience)
    command = [program, "serve", str(folder), *_arguments(source, address.model, loading), "--dtype", dtype]
    command += ["--tensor-parallel-size", str(len(over))] * (len(over) > 1)
    command += ["--port", str(port.number), f"--{WINDOW}", str(window), *_template(tokenizer), *options]
    startup = Startup(CALLED, command, _environment(key, loading), port, start_seconds, HINT)
    server = OwnServer(startup, client.scrub, client.is_ready)
    wire = ServerWire(client, Manners(), loading.reasoning, effort=False)
    peer = Peer(VLLM + source.id, address.model, "", "machine")
    calls = OwnCalls(peer, wire, loading.concurrency, patience, server)
    setup = Setup(program, tuple(options), window, dtype, ", ".join(map(str, over)), in_words(map(device_name, over)))
    return VllmModel(calls, wire, loading, source, setup)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a record says of how vLLM runs.

    Attributes:
        program: path of vLLM's.
        options: that the user has it told.
        window: tokens that prompt and answer may take together.
        dtype, device, device_name: as in `advisor.measuring.records.ModelFacts`.
    """

    program: str
    options: tuple[str, ...]
    window: int
    dtype: str
    device: str
    device_name: str


class OwnCalls(Calls):
    """Calls to a server that is started when it is first asked something, and ended with them."""

    def __init__(self, peer: Peer, wire: ServerWire, at_once: int, patience: Patience, server: OwnServer) -> None:
        super().__init__(peer, wire, at_once, patience)
        self._server = server

    def each(self, items: Sequence[T], work: Callable[[T, Round], R], trial: bool = False) -> list[R]:
        """As every model's; the server is there."""
        return self._while_it_runs(lambda: super(OwnCalls, self).each(items, work, trial))

    def look(self, ask: Callable[[], R], hasty: bool = False) -> R:
        """As every model's; the server is there."""
        return self._while_it_runs(lambda: super(OwnCalls, self).look(ask, hasty))

    def close(self) -> None:
        """Give back the connections, and end the server."""
        super().close()
        self._server.stop()

    def _while_it_runs(self, work: Callable[[], R]) -> R:
        if not self._server.started:
            with clock.stopped(), clock.span("load"):
                self._server.start(self.peer.name)
        self._see_that_it_runs(0.0)
        try:
            return work()
        except Interrupted:
            self._see_that_it_runs(ENDING)
            raise

    def _see_that_it_runs(self, seconds: float) -> None:
        if words := self._server.ended(seconds):
            raise Interrupted(f"{self.peer.name}: {CALLED} has ended: {words}; {GOES_ON}") from None


class VllmModel(ServedModel):
    """A model that vLLM serves to this process alone.

    Args:
        setup: how vLLM runs.
    """

    def __init__(self, calls: OwnCalls, wire: ServerWire, loading: Loading, source: Source, setup: Setup) -> None:
        super().__init__(calls, wire, loading.load_embedder(), loading.reasoning, own=True)
        self.revision = source.revision
        self._source = source
        self._setup = setup

    @cached_property
    def context_window(self) -> int:  # type: ignore[override]
        """Tokens that prompt and answer may take together: what vLLM is told, so that it need not be asked."""
        return self._setup.window

    def assume_window(self, tokens: int) -> None:
        """It is known."""

    @cached_property
    def engine(self) -> str:
        """What computes: vLLM, its version, and how the user has set it."""
        words = [CALLED, _version(self._setup.program), *self._setup.options]
        return self._wire.client.scrub(" ".join(filter(None, words)))

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What a reader of the report must know."""
        return (*self._source.caveats, *super().notes)

    def describe(self) -> dict[str, Any]:
        """What a record says of the model."""
        found, source, setup = super().describe(), self._source, self._setup
        found |= {"quantisation": source.quantisation, "source": source.origin, "engine": self.engine}
        return found | {"dtype": setup.dtype, "device": setup.device, "device_name": setup.device_name}


def _program(name: str) -> str:
    """The path of vLLM's program.

    Raises:
        UserError: there is none.
    """
    said = os.environ.get(PROGRAM, "").strip()
    found = shutil.which(expanded(said) if said else "vllm")
    if found is None:
        why = f"{PROGRAM} names {said}, which is no program" if said else "vLLM is not on this machine's PATH"
        raise UserError(f"{name}: {why}", INSTALL)
    return found


@cache
def _version(program: str) -> str:
    """Which vLLM a program is, as it says without a server; empty where it does not say it."""
    said = ""
    with suppress(OSError, subprocess.SubprocessError):
        asked = [program, "--version"]
        environment = _without_ours()
        done = subprocess.run(asked, env=environment, capture_output=True, timeout=VERSION_SECONDS, check=True)
        said = done.stdout.decode("utf-8", "replace")
    found = re.findall(r"^(?:vllm )?v?(\d[\w.+-]*)$", said, re.MULTILINE)
    return str(found[-1]) if found else ""


def _found(name: str, trusted: bool) -> tuple[Source, Path]:
    """The weights, and the folder in which vLLM reads them.

    Raises:
        UserError: they cannot be had, are no language model's, or are pickled.
    """
    wanted = weights_in(name)
    if not wanted:
        raise UserError(
            f"{name}: names no model", f"write it as {VLLM}NAME: a public name, a folder, BASE+ADAPTER_FOLDER"
        )
    source = find(wanted, SMOLLM2, trusted)
    folder = folder_of(name, source)
    if next(folder.glob(WEIGHTS), None) is None:  # vLLM would unpickle what else is there
        raise UserError(f"{name}: has no weights in safetensors, and others are not read", SAFETENSORS)
    return source, folder.absolute()


def _arguments(source: Source, model: str, loading: Loading) -> list[str]:
    """What `vllm serve` is told of the model.

    Defaults of the model's maker for sampling are left out, since answers are greedy.
    """
    called = model + BASE if source.adapter else model
    found = ["--host", LOOPBACK, "--served-model-name", called]
    found += ["--generation-config", "vllm", "--uvicorn-log-level", "warning"]
    if source.adapter:
        found += ["--enable-lora", "--max-lora-rank", str(_rank(source.adapter))]
        module = {"name": model, "path": str(source.adapter.absolute())}
        found += ["--lora-modules", json.dumps(module)]  # as NAME=PATH it would have no comma in it
    found += ["--tokenizer", str(source.tokenizer.absolute())] if source.tokenizer else []
    if source.codes is None:  # else the format may be their own (bitsandbytes)
        found += ["--load-format", "safetensors"]
    return found + ["--trust-remote-code"] * loading.trust_remote_code


def _stated_window(options: Sequence[str]) -> int | None:
    """Tokens that prompt and answer may take together as the user says; None where it is to be the model's own, as it
    is here. What fits vLLM's memory is not asked for, since it is another number from one start to the next.

    Raises:
        UserError: the user says no number.
    """
    for word, after in zip(options, [*options, ""][1:], strict=True):
        if (option := _option(word)) and WINDOW.startswith(option):
            said = word.partition("=")[2] or after
            if not (said.isdecimal() and int(said)):
                raise UserError(f"{OPTIONS} has --{WINDOW} {said}, which is not a whole number of tokens", HINT)
            return int(said)
    return None


def _template(tokenizer: Any) -> list[str]:
    """What a model without a chat template has vLLM told."""
    if tokenizer.chat_template:
        return []
    begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]  # which vLLM leaves to templates
    return ["--chat-template", "{{ bos_token }}" * begins + PLAIN]


def _rank(adapter: Path) -> int:
    """The least that vLLM makes room for and that an adapter's ranks fit in.

    Raises:
        UserError: its configuration cannot be read, or its rank is too high.
    """
    file = adapter / ADAPTER
    try:
        said = json_of(read_bytes(file, LARGEST))
        ranks = [int(said["r"]), *map(int, (said.get("rank_pattern") or {}).values())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: is not an adapter's configuration: {error!r}", "copy it anew") from None
    rank = next((one for one in RANKS if one >= max(ranks)), None)
    if rank is None:
        raise UserError(
            f"{file}: r is {max(ranks)}", f"vLLM takes {RANKS[-1]} at most: merge the adapter into its base"
        )
    return rank


def _environment(key: str, loading: Loading) -> dict[str, str]:
    """The environment of vLLM's process: this one's, without secrets. The weights are here, so that nothing is fetched;
    where code comes with them it may name more."""
    found = _without_ours() | {"VLLM_API_KEY": key}
    if not loading.trust_remote_code:
        found["HF_HUB_OFFLINE"] = "1"
    kind, _, number = (loading.device or "").partition(":")
    if kind == "cuda" and number.isdigit():
        there = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        found["CUDA_VISIBLE_DEVICES"] = there[int(number)] if len(there) > int(number) and there[0] else number
    return found


def _without_ours() -> dict[str, str]:
    """This process's environment, without secrets and what is for it alone."""
    found = {name: value for name, value in without_secrets(os.environ).items() if name not in NOT_ITS} | QUIET
    if choose_device(None).type == CPU:
        found.setdefault("VLLM_TARGET_DEVICE", CPU)  # without it not even the version is said
    return found


def _options() -> list[str]:
    """What the user has vLLM told beside.

    Raises:
        UserError: it cannot be read as a command line is, or sets what is set here.
    """
    try:
        words = shlex.split(os.environ.get(OPTIONS, ""))
    except ValueError as error:
        raise UserError(f"{OPTIONS} cannot be read: {error}", HINT) from None
    for name in map(_option, words):
        if any(ours.startswith(name) for ours in OURS if name):  # a beginning is enough for vLLM
            raise UserError(f"{OPTIONS} has --{name}, which is not for it: {REFUSED}", HINT)
    return words


def _option(word: str) -> str:
    """The name of the option that a word sets, without its dashes; empty where it sets none."""
    return word[2:].partition("=")[0].replace("_", "-") if word.startswith("--") else ""
