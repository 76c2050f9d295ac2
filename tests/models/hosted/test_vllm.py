"""`vllm:NAME`: a server that is started here. A program stands in for vLLM."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.commands.planning import planned_comparison
from advisor.errors import Interrupted, UserError
from advisor.forecast.plan import Scope
from advisor.measuring.comparing import compare
from advisor.measuring.lineup import asked, lineup
from advisor.measuring.progress import Silence
from advisor.measuring.records import facts_of
from advisor.models import Context, Decoding, Prompt, Shot
from advisor.models.hosted.address import Address
from advisor.models.hosted.client import Account, ServerClient
from advisor.models.hosted.own_server import HeldPort, OwnServer, Startup
from advisor.models.hosted.patience import Patience
from advisor.models.load import Loading, load_model
from advisor.tasks import Task
from advisor.verdict.prices import load_prices

STANDIN = Path(__file__).with_name("standin_vllm.py")
QUICK = Patience(request_seconds=5.0, tries=6, first_wait=0.001, longest_wait=0.1, in_a_row=3, gone_seconds=0.0)
ASKED = Prompt("Say it again.", "x")
GONE = 15.0  # seconds in which what is to end has ended
Load = Callable[..., Any]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What the stand-in was given. Where a test fails, what it started is ended here."""
    pytest.importorskip("openai", reason="pip install 'adaptation-advisor[api]'")
    program, notes = tmp_path / "bin" / "vllm", tmp_path / "notes.json"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{STANDIN}" "$@"\n')
    program.chmod(0o755)
    for name, value in {"ADVISOR_VLLM": str(program), "STANDIN_NOTES": str(notes)}.items():
        monkeypatch.setenv(name, value)
    for name in ("ADVISOR_VLLM_OPTIONS", "STANDIN_DOES"):
        monkeypatch.delenv(name, raising=False)
    yield notes
    for process in processes(notes):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def load(hashing_embedder: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    from advisor.models.hosted import vllm

    monkeypatch.setattr(Loading, "load_embedder", lambda self: hashing_embedder)
    made = []

    def load(name: Any, start_seconds: float = 30.0, **options: Any) -> Any:
        options = {"dtype": "float32", "device": "cpu", **options}
        made.append(vllm.load(f"vllm:{name}", Loading(**options), QUICK, start_seconds))
        return made[-1]

    yield load
    for model in made:
        model.close()


@pytest.fixture
def adapter(tmp_path: Path, llama_folder: Path) -> Path:
    folder = tmp_path / "lora_rank=16,alpha=32.seed0" / "tuned"  # as Advisor's own are called
    folder.mkdir(parents=True)
    said = {"peft_type": "LORA", "base_model_name_or_path": str(llama_folder), "r": 12, "rank_pattern": {"q_proj": 20}}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def processes(notes: Path) -> list[int]:
    return list(map(int, json.loads(notes.read_text())["processes"])) if notes.exists() else []


def alive(process: int) -> bool:
    """A process that ended and that nobody has asked for yet counts as gone."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def ended(notes: Path) -> bool:
    """Whether the server and what it started have ended, or do so soon."""
    until = time.monotonic() + GONE
    while any(map(alive, processes(notes))) and time.monotonic() < until:
        time.sleep(0.05)
    return bool(processes(notes)) and not any(map(alive, processes(notes)))


def log_of(error: UserError) -> Path:
    """Of a server that did not come up; it stays."""
    return Path(error.hint.split("its log is ")[1].partition(";")[0])


def test_it_runs_while_it_is_asked(notes: Path, load: Load, llama_folder: Path) -> None:
    model = load(llama_folder, offline=True)
    assert not notes.exists()  # nothing runs before it is needed
    one, other = model.generate([ASKED, Prompt("Say it again.", "y")], Decoding(8))
    assert (one.text, other.text, one.prompt_tokens) == ("said x", "said y", 9)
    assert model.answered_by == ("vllm-0.32.0-00",)
    assert all(map(alive, processes(notes)))
    model.close()
    assert ended(notes)


def test_what_it_is_told(
    notes: Path, load: Load, llama_folder: Path, loaded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_VLLM_OPTIONS", "--enforce-eager --max-log-len '2048'")
    monkeypatch.setenv("ADVISOR_API_KEY", "sk-that-is-for-others")
    monkeypatch.setenv("PYTHONPATH", "/of/this/process")
    load(llama_folder, trust_remote_code=False).generate([ASKED], Decoding(8))
    said = json.loads(notes.read_text())
    serve, folder, *options = said["arguments"]
    assert (serve, folder, options[-3:]) == ("serve", str(llama_folder), ["--enforce-eager", "--max-log-len", "2048"])
    told = dict(zip(options[:-3:2], options[1:-3:2], strict=True))
    assert told.pop("--port").isdigit()
    assert told == {
        "--host": "127.0.0.1",
        "--served-model-name": llama_folder.name,
        "--dtype": "float32",
        "--max-model-len": str(loaded(llama_folder).context_window),
        "--generation-config": "vllm",
        "--uvicorn-log-level": "warning",
        "--load-format": "safetensors",
    }
    environment = said["environment"]
    assert environment["VLLM_NO_USAGE_STATS"] == environment["DO_NOT_TRACK"] == environment["HF_HUB_OFFLINE"] == "1"
    assert "PYTHONPATH" not in environment and "sk-that-is-for-others" not in environment.values()


def test_a_model_without_a_chat_template_is_asked_in_plain_text_as_it_is_here(
    notes: Path, load: Load, base_llama: Any
) -> None:
    load(base_llama.source.path).generate([ASKED], Decoding(8))
    arguments = json.loads(notes.read_text())["arguments"]
    template = arguments[arguments.index("--chat-template") + 1]
    here = base_llama.renderer
    prompt = Prompt("Sort.", "a cat", ("yes", "no"), Context((Shot("a dog", "yes"), Shot("an oak", "no"))))
    begun = [*prompt.messages(begun=True), {"role": "assistant", "content": prompt.begun}]
    for messages, asking in ((begun, False), (prompt.messages(begun=False), True)):
        text = here.tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=asking
        )
        assert tuple(here.tokenizer(text, add_special_tokens=False)["input_ids"]) == here.encode(prompt, 8).ids


def test_what_its_record_says(notes: Path, load: Load, llama_folder: Path, loaded: Callable[..., Any]) -> None:
    model = load(llama_folder)
    facts = facts_of(model)
    assert (facts.id, facts.source, facts.place) == (f"vllm:{llama_folder}", "folder", "machine")
    here = facts_of(loaded(llama_folder))
    assert (facts.revision, facts.device_name, facts.context_window) == (
        here.revision,
        here.device_name,
        here.context_window,
    )
    assert (facts.engine, facts.dtype) == ("vLLM 0.32.0+cpu", "float32")
    assert not notes.exists()  # to say it, nothing runs
    model.generate([ASKED], Decoding(8))
    assert facts_of(model) == facts
    assert json.loads(notes.read_text())["environment"]["VLLM_API_KEY"] not in repr(facts)


def test_a_plan_and_a_comparison_that_is_measured_start_nothing(
    notes: Path, load: Load, llama_folder: Path, light_task: Task, tmp_path: Path
) -> None:
    def plan() -> Any:
        model = load(llama_folder)
        window = model.context_window
        rows = lineup(asked(["zero-shot"], light_task), [model])
        found = planned_comparison(light_task, [model], rows, load_prices(None), Scope(tmp_path / "runs"), Silence())
        assert model.context_window == facts_of(model).context_window == window > 0  # which nobody need be asked for
        return found

    plan()
    assert not notes.exists()
    compare(light_task, load(llama_folder), ["zero-shot"], out=tmp_path / "runs", workers=2)
    assert notes.exists()  # in this process, whatever workers there are to be
    notes.unlink()
    again = compare(light_task, load(llama_folder), ["zero-shot"], out=tmp_path / "runs")
    plan()
    assert [run.status for run in again.runs] == ["ok"] and not notes.exists()


@pytest.mark.parametrize(
    "said",
    [
        *("--api-key {}", "--api-key={}", "--api-k {}", "--hf-token {}", "--hf_token={}", "--port 80"),
        *("--host=0.0.0.0", "--uds /tmp/s", "--served-model-name other", "--lora-modules a=/b", "--config /its.yaml"),
    ],
)
def test_options_that_are_set_here_or_hold_a_secret_are_refused_without_being_shown(
    said: str, notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_VLLM_OPTIONS", f"--enforce-eager {said.format('hf_hidden')}")
    with pytest.raises(UserError, match=f"{said[:4]}.*, which is not for it") as caught:
        load(llama_folder)
    assert "hidden" not in str(caught.value) and not notes.exists()


def test_a_secret_in_the_options_stands_in_no_record(
    notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_TOKEN", "tok-987654321")
    monkeypatch.setenv("ADVISOR_VLLM_OPTIONS", "--enforce-eager --model-loader-extra-config tok-987654321")
    engine = facts_of(load(llama_folder)).engine
    assert engine.endswith("--enforce-eager --model-loader-extra-config [key]")


@pytest.mark.parametrize("said", ["--max-model-len 100", "--max_model_len=100"])
def test_a_window_is_as_the_user_says(
    said: str, notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_VLLM_OPTIONS", said)
    assert load(llama_folder).context_window == 100 and not notes.exists()
    for other in ("auto", "-1", "8k", ""):
        monkeypatch.setenv("ADVISOR_VLLM_OPTIONS", said.replace("100", other))
        with pytest.raises(UserError, match="not a whole number of tokens"):
            load(llama_folder)


def test_an_adapter_is_taken_as_it_is(notes: Path, load: Load, adapter: Path, llama_folder: Path) -> None:
    model = load(f"{llama_folder}+{adapter}")
    assert model.generate([ASKED], Decoding(8))[0].text == "said x"
    _, folder, *options = json.loads(notes.read_text())["arguments"]
    assert folder == str(llama_folder) and "--enable-lora" in options
    at = options.index
    assert options[at("--max-lora-rank") + 1] == "32"
    assert json.loads(options[at("--lora-modules") + 1]) == {"name": "tuned", "path": str(adapter)}
    facts = facts_of(model)
    assert facts.id == f"vllm:{llama_folder}+{adapter}"
    before = facts.revision
    (adapter / "adapter_model.safetensors").write_bytes(b"others")
    assert before not in (load(f"{llama_folder}+{adapter}").revision, load(llama_folder).revision)


def test_an_adapter_brings_its_tokenizer(
    notes: Path, load: Load, adapter: Path, llama_folder: Path, tokenizer_with: Callable[..., Any]
) -> None:
    tokenizer_with().save_pretrained(adapter)
    load(f"{llama_folder}+{adapter}").generate([ASKED], Decoding(8))
    arguments = json.loads(notes.read_text())["arguments"]
    assert arguments[arguments.index("--tokenizer") + 1] == str(adapter)


def test_an_adapter_that_cannot_be_taken_is_refused(notes: Path, load: Load, adapter: Path, llama_folder: Path) -> None:
    config = adapter / "adapter_config.json"
    said = json.loads(config.read_text())
    both = f"{llama_folder}+{adapter}"
    with pytest.raises(UserError, match="this is a LoRA adapter of"):
        load(adapter)
    config.write_text(json.dumps({**said, "r": None}))
    with pytest.raises(UserError, match="is not an adapter's"):
        load(both)
    config.write_text(json.dumps({**said, "r": 1024}))
    with pytest.raises(UserError, match="r is 1024"):
        load(both)
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(UserError, match=r"has no adapter_model\.safetensors"):
        load(both)
    assert not notes.exists()


def test_one_that_dies_while_it_starts_says_why(
    notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_DOES", "dies")
    with pytest.raises(UserError) as caught:
        load(llama_folder).generate([ASKED], Decoding(8))
    why = caught.value.what.partition("did not start: ")[2]
    assert why.startswith("ValueError: no room for keys and values; RuntimeError: Engine core initialization failed.")
    log = log_of(caught.value)
    assert "Using max model len 8192" in log.read_text()
    log.unlink()
    log.parent.rmdir()
    assert ended(notes)


def test_a_program_that_cannot_be_run_says_why(notes: Path, load: Load, llama_folder: Path) -> None:
    program = Path(os.environ["ADVISOR_VLLM"])
    program.write_text("#!/of/an/environment/that/is/gone/python\n")
    said = r"vLLM did not start: .*/vllm cannot be run, or what its first line names: No"
    with pytest.raises(UserError, match=said) as caught:
        load(llama_folder).generate([ASKED], Decoding(8))
    shutil.rmtree(log_of(caught.value).parent)


def test_one_that_does_not_become_ready_is_given_up(
    notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_DOES", "never")
    with pytest.raises(UserError, match=r"vLLM was not ready after \d+ s") as caught:
        load(llama_folder, start_seconds=2.0).generate([ASKED], Decoding(8))
    shutil.rmtree(log_of(caught.value).parent)
    assert ended(notes)


def test_one_that_ends_while_it_is_asked_interrupts(
    notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_DOES", "breaks")
    model, patient = load(llama_folder), Patience(tries=6, first_wait=GONE, in_a_row=6)
    with pytest.raises(Interrupted, match=r"vLLM has ended: OutOfMemoryError: CUDA out of memory; the same"):
        model.generate([ASKED], Decoding(8))
    assert ended(notes)
    model.calls.patience = patient
    began = time.monotonic()
    with pytest.raises(Interrupted, match=r"vLLM has ended: OutOfMemoryError"):  # nobody waits for it again
        model.generate([ASKED], Decoding(8))
    assert time.monotonic() - began < GONE / 2


def own_server(port: HeldPort) -> OwnServer:
    command = [os.environ["ADVISOR_VLLM"], "serve", "folder", "--port", str(port.number), "--served-model-name", "m"]
    environment = {**os.environ, "VLLM_API_KEY": "k", "VLLM_TARGET_DEVICE": "cpu"}
    client = ServerClient("m", Address(f"http://127.0.0.1:{port.number}/v1", "m"), Account("k"), Patience())
    return OwnServer(Startup("vLLM", command, environment, port, 30.0, ""), client.scrub, client.is_ready)


PARENT = f"""
from __future__ import annotations
import os, sys
from advisor.models.hosted.address import Address
from advisor.models.hosted.client import Account, ServerClient
from advisor.models.hosted.own_server import HeldPort, OwnServer, Startup
from advisor.models.hosted.patience import Patience
{getsource(own_server)}
server = own_server(HeldPort())
server.start("m")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_it_ends_with_the_process_that_asks_it_however_that_ends(notes: Path, how: signal.Signals | None) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin and parent.stdout
    try:
        assert parent.stdout.readline() == "ready\n"
        assert all(map(alive, processes(notes)))
        if how:
            parent.send_signal(how)
        parent.communicate(timeout=GONE)
        assert ended(notes)
    finally:
        parent.kill()
        parent.wait()


def test_it_ends_where_its_keeper_was_killed(notes: Path) -> None:
    server = own_server(HeldPort())
    server.start("m")
    found = subprocess.run(["ps", "-o", "ppid=", "-p", str(processes(notes)[0])], capture_output=True, check=True)
    os.kill(int(found.stdout), signal.SIGKILL)
    server.stop()
    assert ended(notes)


def test_its_port_is_nobody_elses_until_it_starts(notes: Path) -> None:
    port = HeldPort()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port.number))
    server = own_server(port)
    server.start("m")
    server.stop()
    assert ended(notes)


@pytest.mark.parametrize("model", ["other", None])
def test_another_server_on_its_port_is_not_asked(notes: Path, model: str | None) -> None:
    """Whether it serves another model or wants another key, ours has found no place."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401 if model is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": [{"id": model}]}).encode())

    port = HeldPort()
    port.let_go()
    with ThreadingHTTPServer(("127.0.0.1", port.number), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match=r"did not start: .*in use") as caught:
            own_server(port).start("m")
        other.shutdown()
    shutil.rmtree(log_of(caught.value).parent)
    assert ended(notes)


@pytest.mark.parametrize("said", ["", "/no/such/vllm"])
def test_without_vllm_one_line_says_what_to_install(
    said: str, notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_VLLM", said)
    monkeypatch.setenv("PATH", str(notes.parent))
    with pytest.raises(UserError, match=said or "not on this machine's PATH") as caught:
        load(llama_folder)
    assert "pip install vllm" in caught.value.hint and "export ADVISOR_VLLM=" in caught.value.hint
    assert "\n" not in caught.value.what + caught.value.hint


def test_a_processor_beside_a_gpu_takes_a_build_for_processors(
    notes: Path, load: Load, llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert load(llama_folder).engine == "vLLM 0.32.0+cpu"
    other = tmp_path / "vllm"
    other.write_text("#!/bin/sh\necho 0.32.0\n")
    other.chmod(0o755)
    monkeypatch.setenv("ADVISOR_VLLM", str(other))
    with pytest.raises(UserError, match="vLLM takes the GPU unless it is built for processors"):
        load(llama_folder)
    assert not notes.exists()


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs, as torch tells of them."""
    empty = torch.empty
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr("torch.empty", lambda *size, device=None, **others: empty(*size, **others))
    monkeypatch.setenv("VLLM_TARGET_DEVICE", "cuda")  # what the stand-in looks for


def test_a_model_is_spread_over_all_gpus(cards: None, notes: Path, load: Load, llama_folder: Path) -> None:
    model = load(llama_folder, device="auto")
    facts = facts_of(model)
    assert (facts.device, facts.device_name) == ("cuda:0, cuda:1", "2 x NVIDIA H200")
    model.generate([ASKED], Decoding(8))
    arguments = json.loads(notes.read_text())["arguments"]
    assert arguments[arguments.index("--tensor-parallel-size") + 1] == "2"
    facts = facts_of(load(llama_folder, device=None))
    assert (facts.device, facts.device_name) == ("cuda:0", "NVIDIA H200")


@pytest.mark.parametrize(
    ("asked_for", "there", "seen"),
    [
        ("cuda:1", None, "1"),
        ("cuda:1", "", "1"),
        ("cuda:1", "4,6", "6"),  # of those that this process has
        ("cuda:0", "GPU-5f,GPU-7a", "GPU-5f"),
        ("cuda", "4,6", "4,6"),
        (None, "4,6", "4,6"),
        ("auto", None, None),
    ],
)
def test_which_gpu_it_sees(
    asked_for: str | None,
    there: str | None,
    seen: str | None,
    cards: None,
    notes: Path,
    load: Load,
    llama_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if there is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", there)
    load(llama_folder, device=asked_for).generate([ASKED], Decoding(8))
    said = json.loads(notes.read_text())
    assert said["environment"].get("CUDA_VISIBLE_DEVICES") == seen
    assert ("--tensor-parallel-size" in said["arguments"]) == (asked_for == "auto")


def test_code_that_comes_with_the_weights_may_be_fetched(
    notes: Path, load: Load, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    load(llama_folder, trust_remote_code=True).generate([ASKED], Decoding(8))
    said = json.loads(notes.read_text())
    assert "--trust-remote-code" in said["arguments"] and "HF_HUB_OFFLINE" not in said["environment"]


def test_what_is_no_language_model_is_refused_before_anything_runs(notes: Path, load: Load, tmp_path: Path) -> None:
    for name, message in {"": "names no model", str(tmp_path): "has no config.json", "./none": "no such model"}.items():
        with pytest.raises(UserError, match=message):
            load(name)
    assert not notes.exists()


def test_pickled_weights_are_refused(notes: Path, load: Load, llama_folder: Path, tmp_path: Path) -> None:
    """Quantised ones too, of which vLLM itself looks for the format."""
    folder = shutil.copytree(llama_folder, tmp_path / "quantised")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    load(folder).generate([ASKED], Decoding(8))
    assert "--load-format" not in json.loads(notes.read_text())["arguments"]
    notes.unlink()
    for file in folder.glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(UserError, match="has no weights in safetensors"):
        load(folder)
    assert not notes.exists()


def test_a_tokenizer_that_cannot_be_read_is_told_in_a_line(
    notes: Path, load: Load, llama_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(llama_folder, tmp_path / "broken")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"^.*/broken: cannot be loaded as a causal language model: ") as caught:
        load(folder)
    assert "\n" not in caught.value.what and not notes.exists()


def test_a_gguf_file_is_converted_for_it(notes: Path, load: Load) -> None:
    model = load("embedded")
    model.generate([ASKED], Decoding(8))
    _, folder, *options = json.loads(notes.read_text())["arguments"]
    assert any(Path(folder).glob("*.safetensors"))
    assert options[options.index("--load-format") + 1] == "safetensors"
    assert facts_of(model).quantisation == "Q4_1"


def test_it_is_loaded_by_its_name_and_found_from_elsewhere(
    notes: Path, hashing_embedder: Any, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loading, "load_embedder", lambda self: hashing_embedder)
    monkeypatch.chdir(llama_folder.parent)
    model = load_model(f"vllm:{llama_folder.name}", device="cpu", dtype="float32")
    assert model.loaded_from and model.loaded_from["name"] == f"vllm:{llama_folder}"
    assert model.alias == llama_folder.name and not notes.exists()
    model.close()
