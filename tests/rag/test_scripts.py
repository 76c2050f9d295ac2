"""The same handbook in several scripts: every passage fits what reads it, and what is asked for is found."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from advisor.models import Context, LanguageModel, Vectors
from advisor.tasks import Document, Example, Task
from advisor.tasks.words import count_words, split_words
from rag import Oracle, PassageIndex, Rag, document_chunks, example_chunks
from rag.passage_budget import Room

WINDOW = 64
THINGS = {
    "English": (
        "printer door lift garden key lamp cellar canteen",
        "The {0} is looked after by team {1}. ",
        "Who looks after the {0}?",
    ),
    "Russian": (
        "принтером дверью лифтом садом ключом лампой подвалом столовой",
        "За {0} следит бригада {1}. ",
        "Кто следит за {0}?",
    ),
    "Arabic": (
        "الطابعة الباب المصعد الحديقة المفتاح المصباح القبو المطعم",
        "الفريق {1} مسؤول عن {0}؟ ",
        "من المسؤول عن {0}؟",
    ),
    "Hindi": (
        "मुद्रक दरवाज़ा लिफ़्ट बगीचा चाबी दीपक तहख़ाना भोजनालय",
        "{0} की देखभाल दल {1} करता है। ",
        "{0} की देखभाल कौन करता है?",
    ),
    "Chinese": ("打印机 大门 电梯 花园 钥匙 台灯 地下室 食堂", "{0}由{1}组负责维护。", "{0}由谁负责维护？"),
    "Thai": ("เครื่องพิมพ์ ประตู ลิฟต์ สวน กุญแจ โคมไฟ ห้องใต้ดิน โรงอาหาร", "ทีม {1} ดูแล{0}ทุกวัน ", "ใครดูแล{0}"),
}
FILLER = {
    "English": "Please read this notice to the end before you begin. ",
    "Russian": "Пожалуйста, прочитайте это объявление до конца. ",
    "Arabic": "يرجى قراءة هذا الإعلان حتى النهاية قبل البدء؟ ",
    "Hindi": "कृपया शुरू करने से पहले यह सूचना अंत तक पढ़ें। ",
    "Chinese": "请在开始之前把这份通知读完。",
    "Thai": "กรุณาอ่านประกาศนี้ให้จบก่อนเริ่มงาน ",
}


@dataclass
class HalfReader:
    """Hashed words of the first tokens of a text: a piece of up to five ASCII letters, or any other character."""

    window: int = WINDOW
    name: str = "half-reader"
    revision: str = "1"
    dimension: int = 2048

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_tokens(text)) + 2 for text in texts]

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            ends = [match.end() for match in _tokens(text)][: self.window - 2]
            words = split_words(text[: ends[-1] if ends else 0].casefold())
            for word in [*words, *map("".join, pairwise(words))]:
                row[zlib.crc32(word.encode()) % self.dimension] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)


def _tokens(text: str) -> list[re.Match[str]]:
    return list(re.finditer(r"[A-Za-z0-9]{1,5}|[^\sA-Za-z0-9]", text))


def handbook(language: str) -> Task:
    """Two long documents of one layout, each about half of the things, and a question to each thing."""
    things, sentence, question = THINGS[language]
    names = things.split()
    documents, train = [], []
    for number, half in enumerate((names[:4], names[4:])):
        parts = [FILLER[language] * 12 + sentence.format(thing, f"K{at}{number}") for at, thing in enumerate(half)]
        documents.append(Document(f"d{number}", "Notice", "".join(parts) + FILLER[language] * 12))
        train += [Example(thing, question.format(thing), "K", evidence=(f"d{number}",)) for thing in half]
    return Task("handbook", "qa", "Answer.", "token_f1", train=tuple(train), documents=tuple(documents))


@pytest.fixture
def reader(model: LanguageModel) -> LanguageModel:
    return replace(model, embedder=HalfReader())  # type: ignore[type-var]


@pytest.mark.parametrize("language", THINGS)
def test_every_passage_is_embedded_whole_and_nothing_is_lost(language: str, reader: LanguageModel) -> None:
    task = handbook(language)
    chunks = list(document_chunks(task.documents, 160, 0, Room(reader, 3, task.instruction).shares))
    lengths = HalfReader().count_tokens([chunk.embedded for chunk in chunks])
    assert max(lengths) <= WINDOW
    assert np.median(lengths) > WINDOW / 2
    for document in task.documents:
        whole = "".join(chunk.text for chunk in chunks if chunk.source == document.id)
        assert whole.split() == document.text.split() or "".join(whole.split()) == "".join(document.text.split())


@pytest.mark.parametrize("language", THINGS)
def test_what_is_asked_for_is_found_in_every_script(language: str, reader: LanguageModel) -> None:
    task = handbook(language)
    source = Rag(k=2).build(task, reader, seed=0)
    contexts = source.contexts([example.query for example in task.train])
    found = [_holds(context, example) for context, example in zip(contexts, task.train, strict=True)]
    assert sum(found) >= len(found) - 1
    assert not [note for note in source.facts.notes if "read only" in note]


def _holds(context: Context, example: Example) -> bool:
    return any(example.id in passage.text for passage in context.passages)


@pytest.mark.parametrize("language", ["Russian", "Arabic", "Hindi", "Chinese"])
def test_passages_end_where_sentences_do(language: str, reader: LanguageModel) -> None:
    task = handbook(language)
    chunks = list(document_chunks(task.documents, 160, 0, Room(reader, 3, task.instruction).shares))
    assert all(chunk.text.rstrip()[-1] in ".。।؟" for chunk in chunks)


def test_without_a_word_of_the_embedder_words_decide() -> None:
    task = handbook("Chinese")
    chunks = list(document_chunks(task.documents, 20, 0))
    assert len(chunks) > 4
    assert max(count_words(chunk.text) for chunk in chunks) <= 20


@pytest.mark.parametrize("text", ["=" * 900, "字" * 900, "x" * 900, "กำ" * 400, "👩‍🚀" * 300])
def test_a_run_without_a_place_to_cut_is_cut_all_the_same(text: str, reader: LanguageModel) -> None:
    chunks = list(document_chunks([Document("d", "Title", text)], 160, 30, Room(reader, 3, "").shares))
    assert max(HalfReader().count_tokens([chunk.embedded for chunk in chunks])) <= WINDOW
    assert {chunk.source for chunk in chunks} == {"d"}
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_an_english_chunk_that_fits_is_left_alone(reader: LanguageModel) -> None:
    texts = ["Short and simple words. " * 20, "Q7 X9 " * 60]
    documents = [Document(str(number), "", text) for number, text in enumerate(texts)]
    whole = list(document_chunks(documents, 30, 6))
    fitted = list(document_chunks(documents, 30, 6, Room(reader, 3, "").shares))
    assert [c.text for c in fitted if c.source == "0"] == [c.text for c in whole if c.source == "0"]


def test_a_title_that_leaves_no_room_is_not_embedded(reader: LanguageModel) -> None:
    title = "A title of many words " * 12
    (chunk,) = document_chunks([Document("d", title, "Level two.")], 160, 0, Room(reader, 3, "").shares)
    assert (chunk.title, chunk.embedded) == (title, "Level two.")


def test_a_title_that_leaves_no_room_in_the_prompt_is_not_shown() -> None:
    text = "Level two is closed. " * 500
    for words in (40, 60, 120, 10_000):
        model = SmallWindow(HalfReader(window=10_000), context_window=200)
        room = Room(model, 3, "")  # type: ignore[arg-type]
        chunks = list(document_chunks([Document("d", "long " * words, text)], 160, 0, room.shares))
        assert {bool(chunk.title) for chunk in chunks} == {False}
        assert min(len(chunk.text) for chunk in chunks) > 100
        assert max(room.shares(chunks)) <= 1


def test_a_title_that_fits_beside_the_text_is_shown_and_counted() -> None:
    room = Room(SmallWindow(HalfReader(window=10_000)), 3, "")  # type: ignore[arg-type]
    chunks = list(document_chunks([Document("d", "long " * 20, "Level two is closed. " * 500)], 160, 0, room.shares))
    assert all(chunk.title for chunk in chunks)
    assert max(room.shares(chunks)) <= 1


def test_passages_leave_room_in_a_small_window() -> None:
    model = SmallWindow(HalfReader(window=10_000))
    task = replace(handbook("English"), instruction="Answer in short. " * 20)
    chunks = list(document_chunks(task.documents, 160, 0, Room(model, 3, task.instruction).shares))  # type: ignore[arg-type]
    three = sorted((model.count_tokens(f"{chunk.title}: {chunk.text}") for chunk in chunks), reverse=True)[:3]
    assert sum(three) + model.count_tokens(task.instruction) < model.context_window


@dataclass
class SmallWindow:
    embedder: HalfReader
    name: str = "small"
    revision: str = "1"
    context_window: int = 200

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def test_what_the_embedder_cuts_is_said(reader: LanguageModel) -> None:
    examples = [Example("long", "word " * 200, "a"), Example("short", "word", "b")]
    index = PassageIndex.over(example_chunks(examples), reader.embedder)
    assert index.facts.notes == ("The embedder read only the first 64 tokens of 1 of 2 passages.",)


def test_an_index_brought_back_says_it_too(reader: LanguageModel, tmp_path) -> None:  # type: ignore[no-untyped-def]
    index = PassageIndex.over(example_chunks([Example("long", "word " * 200, "a")]), reader.embedder)
    index.save(tmp_path)
    assert PassageIndex.restore(tmp_path, reader.embedder).facts.notes == index.facts.notes


def test_sources_say_by_what_they_search(reader: LanguageModel) -> None:
    task = handbook("English")
    assert Rag().build(task, reader, 0).embedder is reader.embedder
    assert Oracle().build(task, reader, 0).embedder is reader.embedder
    assert Rag().build(replace(task, documents=()), reader, 0).embedder is reader.embedder
