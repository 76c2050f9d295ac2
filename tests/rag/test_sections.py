"""Documents cut at sentences, headings and changes of subject; where passages stand, and what is shown around them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.approaches import Lengths, parse
from advisor.errors import UserError
from advisor.forecast.foresight import foresee
from advisor.models import Adaptation, Decoding, Generation, LanguageModel, Prompt, Vectors
from advisor.pilot import Rates
from advisor.tasks import Document, Example, GroundedQuery, Outline, Query, Task
from advisor.tasks.words import count_words
from rag import Oracle, Rag
from rag.headings import Places, headings
from rag.sentences import sentences

HANDBOOK = """Written for all staff.

# Leave
## Holidays
Staff take thirty days a year. They may carry over ten.
## Illness
Call before nine. A note is due on day three.
# Travel
Tickets are booked through the portal.
```
# no heading, a comment
```
"""


@pytest.fixture
def handbook() -> Task:
    document = Document("handbook", "Handbook", HANDBOOK, pages=(0, HANDBOOK.index("## Illness")))
    other = Document("canteen", "", "The canteen serves lunch from noon until two.")
    asked = Example("1", "When is a note due?", "on day three", evidence=("handbook",))
    return Task("handbook", "qa", "Answer.", "token_f1", train=(asked,), documents=(document, other))


def _passages(rag: Rag | Oracle, task: Task, model: LanguageModel, text: str) -> list[Any]:
    return list(rag.build(task, model, 0).contexts([GroundedQuery("q", text, ("handbook",))])[0].passages)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One here. Two there! Three?  Four", ["One here. ", "Two there! ", "Three?  ", "Four"]),
        ("Dr. Smith came, e.g. by car. He left.", ["Dr. Smith came, e.g. by car. ", "He left."]),
        ("Am 3. Oktober, z. B. hier, vgl. Abb. Dann.", ["Am 3. Oktober, z. B. hier, vgl. Abb. ", "Dann."]),
        (
            "See Fig. 3 and No. 5. The answer is no. Next one.",
            ["See Fig. 3 and No. 5. ", "The answer is no. ", "Next one."],
        ),
        ('He said "Stop." Then he left. version 2. is old', ['He said "Stop." ', "Then he left. version 2. is old"]),
        ("第一句。第二句！还有", ["第一句。", "第二句！", "还有"]),
        ("पहला वाक्य। दूसरा वाक्य।", ["पहला वाक्य। ", "दूसरा वाक्य।"]),
        (
            "wrapped in\nthe middle\n\nnext part\n- item one\n- item two",
            ["wrapped in\nthe middle\n\n", "next part\n", "- item one\n", "- item two"],
        ),
        ("1. First item\n2. Second item", ["1. First item\n", "2. Second item"]),
        ("", [""]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected
    assert "".join(sentences(text)) == text


def test_no_sentence_is_cut_unless_it_is_longer_than_a_passage(model: LanguageModel) -> None:
    said = [f"Sentence {n} has {' '.join(['many'] * (n % 9))} words." for n in range(60)]
    said[30] = "long " * 50 + "end."
    task = Task("t", "qa", "i", "token_f1", documents=(Document("d", "", " ".join(said)),))
    chunks = Rag(chunk=25, overlap=8, split="sentences").build(task, model, 0).index.searcher.chunks
    assert all(count_words(chunk.text) <= 25 for chunk in chunks)
    whole = [chunk.text for chunk in chunks if "long" not in chunk.text]
    assert all(text.startswith("Sentence") and text.endswith(".") for text in whole)
    assert all(any(sentence in chunk.text for chunk in chunks) for sentence in said if "long" not in sentence)
    repeated = [one for one, other in itertools.pairwise(whole) if other.startswith(sentences(one)[-1].strip())]
    assert len(repeated) > len(whole) / 3


def test_sections_are_kept_apart_under_their_headings(handbook: Task, model: LanguageModel) -> None:
    source = Rag(split="headings").build(handbook, model, 0)
    chunks = source.index.searcher.chunks
    assert [(chunk.id, chunk.title, chunk.where) for chunk in chunks] == [
        ("handbook#0", "Handbook", "page 1"),
        ("handbook#1", "Handbook > Leave > Holidays", "page 1, Leave > Holidays"),
        ("handbook#2", "Handbook > Leave > Illness", "page 2, Leave > Illness"),
        ("handbook#3", "Handbook > Travel", "page 2, Travel"),
        ("canteen#0", "", ""),
    ]
    assert chunks[1].text.startswith("# Leave\n## Holidays\nStaff")
    assert chunks[2].embedded.startswith("Handbook > Leave > Illness\n")
    plain = Rag(split="headings", context="none").build(handbook, model, 0).index.searcher.chunks
    assert [chunk.title for chunk in plain] == ["Handbook"] * 4 + [""]
    assert all(chunk.embedded == chunk.text for chunk in plain)


def test_headings_in_code_are_none() -> None:
    assert [headline.path for headline in headings(HANDBOOK)] == [
        ("Leave",), ("Leave", "Holidays"), ("Leave", "Illness"), ("Travel",)
    ]  # fmt: skip
    assert headings("#hashtag and 5 # 3") == []


def test_where_passages_stand_is_kept(handbook: Task, model: LanguageModel, tmp_path: Path) -> None:
    rag = Rag(k=1, chunk=12, overlap=0)
    source = rag.build(handbook, model, 0)
    source.save(tmp_path)
    for one in (source, rag.restore(tmp_path, handbook.brief, model)):
        (passage,) = one.contexts([Query("q", "note is due on day three")])[0].passages
        assert passage.where.endswith("Leave > Illness")
        assert passage.score is not None
        assert 0 < passage.score <= 1
    assert Places(replace(handbook.documents[0], text="a b", pages=(0, 1))).of(0, 3) == "pages 1-2"


def test_documents_are_cut_where_the_subject_changes(model: LanguageModel) -> None:
    pets = [f"Cats and dogs eat pet food number {n}." for n in range(5)]
    cars = [f"Engines and wheels need motor oil number {n}." for n in range(5)]
    task = Task("t", "qa", "i", "token_f1", documents=(Document("d", "", " ".join(pets + cars)),))
    chunks = Rag(chunk=60, overlap=0, split="semantic").build(task, model, 0).index.searcher.chunks
    assert [chunk.text for chunk in chunks] == [" ".join(pets) + " ", " ".join(cars)]
    short = Rag(chunk=24, overlap=0, split="semantic").build(task, model, 0).index.searcher.chunks
    assert all(count_words(chunk.text) <= 24 for chunk in short)
    assert "".join(chunk.text for chunk in short).split() == task.documents[0].text.split()


def test_small_passages_are_found_and_larger_ones_shown_once(
    manual: Task, model: LanguageModel, tmp_path: Path
) -> None:
    rag = Rag(k=3, chunk=12, overlap=0, parent=60)
    source = rag.build(manual, model, 0)
    chunks = source.index.searcher.chunks
    assert all(count_words(chunk.embedded) <= 14 for chunk in chunks)  # with its title
    assert any(count_words(chunk.text) > 40 for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    source.save(tmp_path)
    for one in (source, rag.restore(tmp_path, manual.brief, model)):
        passages = one.contexts([Query("q", "How many working days do refunds need?")])[0].passages
        assert len(set(passages)) == len(passages) == 3
        assert "five working days" in passages[0].text
    shown = Oracle(k=5, chunk=12, overlap=0, parent=60).build(manual, model, 0)
    (context,) = shown.contexts([GroundedQuery("q", "refunds", ("manual",))])
    assert {passage.source for passage in context.passages} == {"manual"}
    assert len(set(context.passages)) == 5


def test_what_parents_show_is_foreseen(manual: Task) -> None:
    outline = Outline.of(manual)
    small, large = Rag(chunk=40, overlap=0).load(outline), Rag(chunk=40, overlap=0, parent=120).load(outline)
    assert small.words < large.words == Rag(chunk=120).load(outline).words
    assert Rag(split="semantic", retriever="bm25").load(outline).indexed == outline.documents.total


@dataclass
class Summing(LanguageModel):
    """Says of each passage what its first word is."""

    embedder: Any
    name: str = "summing"
    revision: str = "1"
    context_window: int = 1024
    asked: list[Prompt] = field(default_factory=list)

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        self.asked += prompts
        found = [prompt.input.rpartition("Passage")[2].split(":", 1)[1].split()[0] for prompt in prompts]
        return [Generation(f"About {word}, and {'more ' * 60}", 100, 9, 0.0, 0.0) for word in found]


@pytest.mark.parametrize("parent", [0, 60])
def test_the_model_says_where_passages_stand(manual: Task, embedder: Any, parent: int, tmp_path: Path) -> None:
    model = Summing(embedder)
    rag = Rag(chunk=40, overlap=0, parent=parent, context="summary")
    source = rag.build(manual, model, 0)
    chunks = source.index.searcher.chunks
    long = [chunk for chunk in chunks if chunk.source == "manual"]
    assert all(chunk.text.startswith("About ") and count_words(chunk.text) <= 30 + (parent or 40) for chunk in long)
    assert all(chunk.embedded.startswith("Manual\nAbout ") for chunk in long)
    assert {chunk.text for chunk in chunks} > {manual.documents[1].text}  # a whole document stands for itself
    count = len({chunk.text for chunk in long})
    assert len(model.asked) == count
    assert model.asked[0].input.startswith("Document:\nManual\nrefunds0 filler")
    assert any(
        f"on {count} of {count} passages" in note and f"{100 * count:,} tokens read" in note
        for note in source.facts.notes
    )
    source.save(tmp_path)
    model.asked.clear()
    again = rag.restore(tmp_path, manual.brief, model)
    assert again.contexts([Query("q", "toner")]) == source.contexts([Query("q", "toner")])
    assert model.asked == []


def test_where_no_document_is_cut_it_is_said_that_there_are_no_sentences(manual: Task, embedder: Any) -> None:
    model = Summing(embedder)
    short = replace(manual, documents=manual.documents[1:])
    source = Rag(context="summary").build(short, model, 0)
    assert model.asked == []
    assert any("wrote no sentence on any" in note for note in source.facts.notes)


@pytest.mark.parametrize("split", ["words", "headings"])
@pytest.mark.parametrize("parent", [0, 60])
def test_sentences_are_kept_of_documents_that_are_as_they_were(
    manual: Task, embedder: Any, parent: int, split: Any, tmp_path: Path
) -> None:
    task = replace(manual, documents=(*manual.documents, Document("h", "H", HANDBOOK + "\n\n" + "more words " * 90)))
    model = Summing(embedder)
    rag = Rag(chunk=40, overlap=5, split=split, parent=parent, context="summary")
    rag.build(task, model, 0).save(tmp_path)
    source = rag.restore(tmp_path, task.brief, model)
    chunks = source.index.searcher.chunks
    model.asked.clear()
    same = source.reindexed(task.documents, model)
    assert model.asked == []
    assert [c.text for c in same.index.searcher.chunks] == [c.text for c in chunks]
    changed = [replace(d, text=d.text.replace("toner", "ink")) if d.id == "manual" else d for d in task.documents]
    after = source.reindexed(changed, model)
    fresh = rag.build(replace(task, documents=tuple(changed)), Summing(embedder), 0)
    assert [c.text for c in after.index.searcher.chunks] == [c.text for c in fresh.index.searcher.chunks]
    count = len({c.text for c in chunks if c.source == "manual"})
    assert len(model.asked) == count
    assert any(f"wrote a sentence on {count} of" in note and "kept theirs" in note for note in after.facts.notes)
    (renamed,) = [replace(d, title="Another") for d in task.documents if d.id == "h"]
    model.asked.clear()
    source.reindexed([renamed], model)
    assert model.asked  # which are told the title


@pytest.mark.parametrize("k", [3, 10, 26, 60])
def test_a_sentence_is_left_out_where_it_leaves_no_room(manual: Task, embedder: Any, k: int) -> None:
    model, plain = Summing(embedder), Rag(chunk=40, overlap=0, k=k)
    source = replace(plain, context="summary").build(manual, model, 0)
    shown = [chunk.text for chunk in source.index.searcher.chunks]
    without = plain.build(manual, model, 0).index.searcher.chunks
    assert len(shown) <= 2 * len(without)
    if k > 20:
        assert shown == [chunk.text for chunk in without]
        assert model.asked == []
        assert any("there is no room beside their text" in note for note in source.facts.notes)


def test_what_the_model_writes_of_passages_is_foreseen(manual: Task) -> None:
    lengths = Lengths.of(manual, lambda text: len(text.split()))
    rates = Rates(embed=100.0, prefill=100.0, decode=10.0)
    plain, told = (
        foresee(parse(f"rag:chunk=40{more}"), Outline.of(manual), lengths, rates, None)
        for more in ("", ",context=summary")
    )
    assert told.fit_tokens is not None
    assert told.fit_tokens.prompt > 0
    assert (told.fit_seconds or 0) > (plain.fit_seconds or 0)
    assert (told.prompt_tokens or 0) > (plain.prompt_tokens or 0)


@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        ({"split": "pages"}, "split=pages is unknown"),
        ({"context": "all"}, "context=all is unknown"),
        ({"parent": 160}, "parent=160 words around a passage of chunk=160"),
        ({"parent": -1}, "parent=-1"),
    ],
)
def test_cuts_that_do_not_go_together(wrong: dict[str, Any], seen: str) -> None:
    for builder in (Rag, Oracle):
        with pytest.raises(UserError, match=seen):
            builder(**wrong)


@pytest.mark.parametrize("split", ["words", "sentences", "headings", "semantic"])
@pytest.mark.parametrize("parent", [0, 30])
@pytest.mark.parametrize("context", ["title", "none"])
def test_every_cut_keeps_every_word(split: Any, parent: int, context: Any, manual: Task, model: LanguageModel) -> None:
    empty = Document("empty", "", "")
    task = replace(manual, documents=(*manual.documents, empty, Document("h", "H", HANDBOOK)))
    rag = Rag(chunk=20, overlap=0, split=split, parent=parent, context=context)
    chunks = rag.build(task, model, 0).index.searcher.chunks
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    for document in task.documents:
        shown = list(dict.fromkeys(chunk.text for chunk in chunks if chunk.source == document.id))
        assert " ".join(shown).split() == document.text.split()


@dataclass
class Window:
    """Reads twenty words of a text."""

    name: str = "window"
    revision: str = "1"
    dimension: int = 4
    window: int = 20
    longest: int = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.longest = max([self.longest, *(len(text.split()) for text in texts)])
        return np.ones((len(texts), 4), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


@pytest.mark.parametrize("split", ["words", "sentences", "headings"])
@pytest.mark.parametrize("parent", [0, 90])
def test_what_the_embedder_does_not_read_is_cut_further(split: Any, parent: int, manual: Task, model: Any) -> None:
    window = Window()
    rag = Rag(chunk=60, overlap=0, split=split, parent=parent)
    source = rag.build(manual, replace(model, embedder=window), 0)
    assert 10 < window.longest <= 20
    assert not [note for note in source.facts.notes if "read only" in note]
