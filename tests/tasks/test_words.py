from __future__ import annotations

import pytest

from advisor.tasks.words import count_words, first_words, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Don't—STOP, (now)!", ["Don", "t", "STOP", "now"]),
        ("Где лежит ключ?", ["Где", "лежит", "ключ"]),
        ("कुंजी कहाँ रखी है?", ["कुंजी", "कहाँ", "रखी", "है"]),
        ("أين المفتاح؟", ["أين", "المفتاح"]),
        ("钥匙在哪里？", ["钥", "匙", "在", "哪", "里"]),
        ("鍵はロッカー・ABC12", ["鍵", "は", "ロ", "ッ", "カ", "ー", "ABC12"]),
        ("ที่นี่", ["ที่", "นี่"]),
    ],
)
def test_words_are_what_stands_between_spaces_or_single_characters(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" a  key - here ", 4),
        ("“Где” лежит ключ?", 3),
        ("कुंजी कहाँ रखी है?", 4),
        ("열쇠는 어디에 있나요?", 3),
        ("钥匙在门卫室的抽屉里，请先登记。", 5),
        ("请带上 PDF 文件", 3),
        ("กุญแจอยู่ที่ไหน", 3),
    ],
)
def test_lengths_are_counted_by_spaces_or_told_from_characters(text: str, count: int) -> None:
    assert count_words(text) == count


def test_a_text_of_a_script_without_spaces_is_as_long_as_its_translation() -> None:
    english = "The spare key is kept in the porter's office; please sign the book before you take it away with you."
    chinese = "备用钥匙放在门卫室里。请您先在登记本上签名，然后再把钥匙拿走，用完以后请尽快还回来。"
    assert 0.5 < count_words(chinese) / count_words(english) < 1.5


def test_a_beginning_has_no_more_words_than_asked_for() -> None:
    assert first_words(" one  two\nthree ", 2) == "one two"
    beginning = first_words("钥匙在门卫室的抽屉里。" * 50, 20)
    assert beginning.startswith("钥匙在门卫室")
    assert 15 <= count_words(beginning) <= 20
