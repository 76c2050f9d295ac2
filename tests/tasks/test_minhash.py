"""Texts that are nearly the same, and those that only look so."""

from __future__ import annotations

import numpy as np
import pytest

from advisor.tasks.forms import normalised
from advisor.tasks.minhash import THRESHOLD, near_pairs, reworded, squeezed


def near(*texts: str) -> list[tuple[int, int]]:
    return [(pair.first, pair.second) for pair in near_pairs([squeezed(text) for text in texts], lambda a, b: True)]


def test_squeezing_leaves_the_words() -> None:
    assert squeezed("  Don't—STOP, (now)! ") == "don t stop now"
    assert squeezed("Ｆｕｌｌ　Ｗｉｄｔｈ Straße") == "full width strasse"
    assert squeezed("?!") == ""
    assert squeezed("हिन्दी में।") == "हिन्दी में"
    assert squeezed("天气很好。") == "天 气 很 好"
    assert normalised(" A \n b") == "a b"


def test_a_slip_of_the_pen_makes_a_near_pair() -> None:
    first = "Where can I park my car when I visit the office on a Sunday?"
    assert near(
        first, "Where can I park my car when I vsiit the office on a Sunday?", "Who cleans the coffee machine?"
    ) == [(0, 1)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("请问三楼的打印机卡纸了应该找谁来修理？", "三楼的打印机卡纸了，应该找谁来修理"),
        ("ถ้าฉันมาที่สำนักงานวันอาทิตย์ฉันจะจอดรถได้ที่ไหน", "ถ้าฉันมาที่สำนักงานวันอาทิตย์จะจอดรถได้ที่ไหน"),
        (
            "Где оставить машину, если я приеду в офис в воскресенье утром?",
            "Где оставить машину, если я приеду в офис в воскресенье?",
        ),
        ("शुक्रवार को कार्यालय आने पर मैं अपनी गाड़ी कहाँ खड़ी करूँ?", "शुक्रवार को कार्यालय आने पर मैं गाड़ी कहाँ खड़ी करूँ?"),
    ],
)
def test_near_pairs_are_found_in_every_script(first: str, second: str) -> None:
    assert near(first, second) == [(0, 1)]
    assert reworded(squeezed(first), squeezed(second))


def test_one_character_may_say_another_thing() -> None:
    first = "请问三楼的打印机卡纸了应该找谁来修理？"
    assert not reworded(squeezed(first), squeezed(first.replace("三", "二")))


def test_pairs_are_those_that_jaccard_gives() -> None:
    """All pairs of many texts of one word list, against the definition; banding may miss those at the threshold."""
    random = np.random.default_rng(0)
    words = [f"word{number}" for number in range(400)]
    texts = [" ".join(random.choice(words, 20)) for _ in range(60)]
    texts += [" ".join([*text.split()[:19], "other"]) for text in texts[:30]]

    def shingles(text: str) -> set[str]:
        return {f" {text} "[at : at + 4] for at in range(len(text) - 1)}

    sets = [shingles(text) for text in texts]
    frame = {s for held in sets for s in held if sum(s in other for other in sets) > 0.5 * len(sets)}
    sets = [held - frame for held in sets]
    expected = {
        (a, b)
        for a in range(len(texts))
        for b in range(a + 1, len(texts))
        if len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= THRESHOLD
    }
    assert len(expected) >= 20
    assert set(near(*texts)) == expected


def test_a_template_is_no_likeness() -> None:
    frame = "Please tell me politely and in one short sentence what the capital of the following country is: "
    names = (
        "Peru Chad Oman Fiji Cuba Iran Mali Togo Laos Iraq Niue Guam Nepal Benin Kenya Ghana Haiti Italy Japan Malta"
    )
    assert near(*(frame + name for name in names.split())) == []


@pytest.mark.parametrize(
    ("second", "same"),
    [
        ("how do i reset the passwrod of my account", True),
        ("how do i reset my account s the password of", True),
        ("so how do i reset the password of my account", True),
        ("how do i reset the username of my account", False),
        ("how do i reset the password of my 2 account", False),
    ],
)
def test_the_same_in_other_words(second: str, same: bool) -> None:
    assert reworded("how do i reset the password of my account", second) is same


def test_few_or_empty_texts_have_no_pair() -> None:
    assert near() == near("one") == []
    assert near_pairs(["", "a b c"], lambda a, b: True) == []
