"""Rows that begin alike: what they have in common stands once, and every row can be put together again."""

from __future__ import annotations

import random
from itertools import chain

import pytest

from advisor.models.local.prefixes import SHORTEST, families, stretches

Rows = list[tuple[int, ...]]


def rows_of(*words: str) -> Rows:
    """Each letter stands for a passage of `SHORTEST` tokens of its own."""
    return [tuple(chain.from_iterable([ord(letter)] * SHORTEST for letter in word)) for word in words]


def rebuilt(rows: Rows, family: list[int]) -> dict[int, tuple[int, ...]]:
    found = stretches(rows, family)
    whole = {}
    for stretch in found:
        if len(stretch.rows) == 1:
            parts = [*(found[number] for number in stretch.path), stretch]
            assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
            (row,) = stretch.rows
            assert row not in whole and stretch.stop > stretch.start
            whole[row] = tuple(chain.from_iterable(rows[part.rows[-1]][part.start : part.stop] for part in parts))
    return whole


def test_rows_that_begin_alike_are_a_family() -> None:
    rows = rows_of("abc", "xyz", "abd", "aef", "qrs", "xyq")
    found = sorted(sorted(family) for family in families(rows, 0, 10_000))
    assert found == [[0, 2, 3], [1, 5], [4]]


def test_what_is_in_common_stands_once() -> None:
    rows = rows_of("abc", "abd", "aef")
    (family,) = families(rows, 0, 10_000)
    found = {stretch.rows: (stretch.start // SHORTEST, stretch.stop // SHORTEST) for stretch in stretches(rows, family)}
    assert found == {(0, 1, 2): (0, 1), (0, 1): (1, 2), (0,): (2, 3), (1,): (2, 3), (2,): (1, 3)}


def test_the_last_token_of_a_row_is_its_own() -> None:
    rows = rows_of("ab", "ab", "abc")
    (family,) = families(rows, 0, 10_000)
    assert rebuilt(rows, family) == dict(enumerate(rows))


@pytest.mark.parametrize("common", [SHORTEST - 1, SHORTEST])
def test_little_in_common_is_read_for_each(common: int) -> None:
    rows = [(*[1] * common, 2, 3), (*[1] * common, 4, 5)]
    assert len(list(families(rows, 0, 10_000))) == (2 if common < SHORTEST else 1)


@pytest.mark.parametrize("extra", [0, 7])
def test_a_family_keeps_to_its_bound(extra: int) -> None:
    rows = rows_of(*(f"a{letter}" for letter in "bcdefghij"))
    most = 2 * SHORTEST + 2 * (2 * SHORTEST - 1) + 3 * extra
    found = list(families(rows, extra, most))
    assert sorted(chain.from_iterable(found)) == list(range(len(rows)))
    assert [len(family) for family in found] == [3, 3, 3]
    for family in found:
        assert sum(s.stop - s.start for s in stretches(rows, family)) + extra * len(family) <= most
    assert list(map(len, families(rows, extra, 1))) == [1] * len(rows)


@pytest.mark.parametrize("seed", range(5))
def test_every_row_can_be_put_together_again(seed: int) -> None:
    draw = random.Random(seed)
    rows = rows_of(*("".join(draw.choices("ab", k=draw.randint(1, 5))) for _ in range(40)))
    rows = [(*row, *draw.choices(range(3), k=draw.randint(0, 3))) for row in rows]
    seen: dict[int, tuple[int, ...]] = {}
    for family in families(rows, 0, 300):
        seen |= rebuilt(rows, family)
        read = sum(stretch.stop - stretch.start for stretch in stretches(rows, family))
        assert read <= min(sum(len(rows[row]) for row in family), 300)
    assert seen == dict(enumerate(rows))
