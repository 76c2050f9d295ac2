from __future__ import annotations

from advisor.tasks import Document, Example
from advisor.tasks.words import count_words
from rag import document_chunks, example_chunks


def _words(count: int, start: int = 0) -> str:
    return " ".join(f"w{n}" for n in range(start, start + count))


def test_a_document_of_just_the_size_stays_whole_to_the_letter() -> None:
    text = "  one two\n\nthree  four "
    assert [chunk.text for chunk in document_chunks([Document("d", "", text)], 4, 0)] == [text]


def test_one_word_more_is_cut_and_nothing_is_lost() -> None:
    chunks = list(document_chunks([Document("d", "T", _words(9))], 4, 0))
    assert [count_words(chunk.text) for chunk in chunks] == [4, 4, 1]
    assert " ".join(chunk.text for chunk in chunks) == _words(9)
    assert [(chunk.id, chunk.source, chunk.title) for chunk in chunks] == [(f"d#{n}", "d", "T") for n in range(3)]


def test_neighbours_overlap_by_so_many_words() -> None:
    first, second, *_ = document_chunks([Document("d", "", _words(30))], 10, 3)
    assert first.text.split()[-3:] == second.text.split()[:3]


def test_cuts_fall_between_paragraphs_then_sentences() -> None:
    text = f"{_words(6)}.\n\n{_words(3, 10)}. {_words(3, 20)}. {_words(3, 30)}."
    chunks = [chunk.text for chunk in document_chunks([Document("d", "", text)], 7, 0)]
    assert chunks == [f"{_words(6)}.", f"{_words(3, 10)}. {_words(3, 20)}.", f"{_words(3, 30)}."]


def test_no_chunk_is_longer_than_asked() -> None:
    text = "\n".join(f"{_words(n * 7 % 23, n)}. {_words(5)}; {_words(n)}?" for n in range(40))
    chunks = list(document_chunks([Document("d", "", text)], 12, 4))
    assert max(count_words(chunk.text) for chunk in chunks) <= 12
    assert {word for chunk in chunks for word in chunk.text.split()} == set(text.split())


def test_the_title_is_embedded_and_not_shown() -> None:
    (chunk,) = document_chunks([Document("d", "Parking", "Level two.")], 10, 0)
    assert (chunk.text, chunk.embedded) == ("Level two.", "Parking\nLevel two.")
    (plain,) = document_chunks([Document("d", "", "Level two.")], 10, 0)
    assert plain.embedded == "Level two."


def test_an_empty_document_is_one_empty_chunk() -> None:
    assert [chunk.text for chunk in document_chunks([Document("d", "", "")], 10, 0)] == [""]


def test_an_example_is_shown_with_its_answer_and_found_by_its_input() -> None:
    (chunk,) = example_chunks([Example("e", "Is it open?", "yes")])
    assert (chunk.source, chunk.text, chunk.embedded) == ("e", "Is it open?\nyes", "Is it open?")
