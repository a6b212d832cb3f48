"""Aligned tables for people, as wide as the terminal at most, and bars."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from memory_budget_allocator.text_width import cut, display_width, padded, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Column", "bar", "facts", "number", "table", "terminal_width"]

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    right: bool = False
    """Whether its cells stand on the right, as numbers do."""
    least: int | None = None
    """To how many columns of the terminal it may shrink where room is short; None: it may not."""
    wraps: bool = False
    """Whether a cell that is too long goes on below, and is not cut."""


def terminal_width() -> int:
    """Columns of the terminal (or of the variable COLUMNS), 80 where there is none."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None) -> list[str]:
    """A heading and the rows, aligned, within a width or as wide as they are. A row of a single cell stands
    on a line of its own, uncut."""
    rows = list(rows)
    full = [row for row in rows if len(row) == len(columns)]
    widths = [
        max([display_width(column.heading), *(display_width(row[at]) for row in full)])
        for at, column in enumerate(columns)
    ]
    if width is not None:
        _shrink(columns, widths, width)
    lines = [_line(columns, widths, [column.heading for column in columns])]
    for row in rows:
        lines += _lines(columns, widths, row) if len(row) == len(columns) else [row[0]]
    return lines


def _shrink(columns: Sequence[Column], widths: list[int], width: int) -> None:
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    flexible = [(at, column.least) for at, column in enumerate(columns) if column.least is not None]
    # Names longer than a quarter of the line give way first, then texts (which stand right of the names),
    # then names of any length.
    for at, least in [*((at, width // 4) for at, _ in flexible[:-1]), *reversed(flexible)]:
        given = max(0, min(excess, widths[at] - max(least, display_width(columns[at].heading))))
        widths[at] -= given
        excess -= given


def _lines(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> Iterable[str]:
    parts = (
        wrapped(cell, width) if column.wraps else [cell]
        for column, width, cell in zip(columns, widths, cells, strict=True)
    )
    return (_line(columns, widths, line) for line in zip_longest(*parts, fillvalue=""))


def _line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    parts = (
        padded(cut(cell, width), width, right=column.right)
        for column, width, cell in zip(columns, widths, cells, strict=True)
    )
    return GAP.join(parts).rstrip()


def facts(pairs: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Names and what they are, one a line, the second column aligned."""
    pairs = list(pairs)
    longest = max(len(name) for name, _ in pairs)
    room = max(10, width - longest - len(GAP))
    return [f"{name:{longest}}{GAP}{cut(value, room)}".rstrip() for name, value in pairs]


def bar(part: int, whole: int, length: int) -> str:
    """A bar that is full only if all is used, and empty only if nothing is."""
    filled = 0
    if part and whole:
        filled = min(length, max(1, part * length // whole))
    return f"[{'#' * filled}{'-' * (length - filled)}]"


def number(value: float | str) -> str:
    """A setting as people write it: 8192, 0.3, 168, estimate."""
    if isinstance(value, str):
        return value
    is_plain = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    return str(int(value)) if is_plain else repr(value)
