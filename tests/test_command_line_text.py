"""Text on a terminal: widths, cutting, escaping, tables and bars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator.tables import Column, bar, number, table
from memory_budget_allocator.text_width import cut, display_width, displayable, padded


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("plain", 5),
        ("é", 1),
        ("e\u0301", 1),
        ("日本", 4),
        ("ｆｕｌｌ", 8),
        ("ﾊﾝｶｸ", 4),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),
        ("🙂", 2),
        ("हिन्दी", 5),
        ("می\u200cخواهم", 7),
    ],
)
def test_display_width(text: str, width: int) -> None:
    assert display_width(text) == width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202eabc", r"\u202eabc"),
        ("\ud800", r"\ud800"),
        ("a\u3000b\xa0c", "a\u3000b\xa0c"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u2028", r"\u2028"),
    ],
)
def test_displayable(text: str, shown: str) -> None:
    assert displayable(text) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("plain", 5, "plain"),
        ("plainly", 5, "pl..."),
        ("a word", 5, "a..."),
        ("日本語日本語", 12, "日本語日本語"),
        ("日本語日本語", 10, "日本語..."),
        ("日本語日本語", 3, "..."),
        ("abcdef", 2, ".."),
    ],
)
def test_cut(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@given(st.text(), st.integers(0, 40))
def test_a_cut_text_fits_and_fills(text: str, width: int) -> None:
    shown = cut(displayable(text), width)
    assert display_width(shown) <= width
    assert display_width(padded(shown, width)) == width
    assert display_width(padded(shown, width, right=True)) == width


@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60)), max_size=6),
    st.integers(70, 120),
)
def test_tables_keep_to_their_width(rows: list[tuple[str, str, str]], width: int) -> None:
    columns = [Column("A", least=5), Column("B", least=5, right=True), Column("C", least=5)]
    shown = table(columns, [tuple(map(displayable, row)) for row in rows], width)
    assert len(shown) == len(rows) + 1
    assert all(display_width(line) <= width for line in shown)


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 100, "[----------]"),
        (1, 100, "[#---------]"),
        (50, 100, "[#####-----]"),
        (99, 100, "[#########-]"),
        (100, 100, "[##########]"),
        (0, 0, "[----------]"),
        (2**53 - 1, 2**53 - 1, "[##########]"),
    ],
)
def test_bar(part: int, whole: int, shown: str) -> None:
    assert bar(part, whole, 10) == shown


def test_number() -> None:
    assert [number(value) for value in (8192, 0.3, 168.0, 2**53 - 1, 1e300)] == [
        *("8192", "0.3", "168", "9007199254740991", "1e+300")
    ]
