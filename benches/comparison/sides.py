"""All rows of the table, and what is expected of their ratios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comparison import numpy_sides, ours, polars_side, rust_side
from comparison.side import MILLION, Side

if TYPE_CHECKING:
    from comparison.rounds import Measured

LOOP = "plain loop, dicts"
LOOP_ITEMS = "plain loop, items"
NUMPY_LIST = "NumPy from a list"
NUMPY_COLUMNS = "NumPy columns"
NUMPY_STORED = "NumPy columns, stored freshness"
NUMPY_SAMPLED = "NumPy columns, sampled cut"
LIST = "library: list of items"
LIST_DICT = "library: list, to_dict"
COLUMNS = "library: NumPy columns"
POOL = "library: pool"
BOUND = "reading the columns once"

SIDES = (
    Side(LOOP, ours.plain_loop, most=100_000),
    Side(LOOP_ITEMS, ours.plain_loop_without_entries, most=100_000),
    Side(NUMPY_LIST, numpy_sides.from_list, most=MILLION),
    Side(NUMPY_COLUMNS, numpy_sides.columns),
    Side(NUMPY_STORED, numpy_sides.columns_with_stored_freshness),
    Side(NUMPY_SAMPLED, numpy_sides.columns_with_sampled_cut),
    Side("Polars columns, top_k", polars_side.top_k),
    Side("Rust port, columns", rust_side.port),
    Side(LIST_DICT, ours.list_to_dict, most=MILLION, ours=True),
    Side(LIST, ours.list_of_items, most=MILLION, ours=True),
    Side(COLUMNS, ours.numpy_columns, ours=True),
    Side("library: Polars columns", ours.polars_columns, ours=True),
    Side(POOL, ours.pool, ours=True),
    Side(BOUND, rust_side.reading_once),
)


@dataclass(frozen=True)
class Target:
    """How many times as long `slower` shall take as `faster`, at least or at most."""

    slower: str
    faster: str
    factor: float
    at: int | None = None
    """Memories; None for every size."""
    at_most: bool = False

    def verdict(self, measured: Measured) -> tuple[str, bool] | None:
        """The target in words and whether it is met; None where it does not apply or could not be measured.

        A void baseline never meets a target.
        """
        ratio = measured.ratio(self.slower, self.faster)
        if ratio is None or self.at not in {None, measured.rows}:
            return None
        met = ratio <= self.factor if self.at_most else ratio >= self.factor
        asked = f"at {'most' if self.at_most else 'least'} {self.factor:g}x"
        text = f"{measured.rows:>10,}  {self.slower} / {self.faster}: {ratio:.2f}x, {asked}"
        if self.slower in {LOOP, LOOP_ITEMS} and measured.is_void(LOOP):
            return f"{text}: VOID", False
        return f"{text}: {'met' if met else 'MISSED'}", met


TARGETS = (
    Target(LOOP_ITEMS, LIST, 10.0, at=100),
    Target(LOOP_ITEMS, LIST, 15.0, at=1_000),
    Target(LOOP_ITEMS, LIST, 20.0, at=10_000),
    Target(NUMPY_LIST, LIST, 1.0),
    Target(NUMPY_COLUMNS, COLUMNS, 1.0),
    Target(NUMPY_COLUMNS, COLUMNS, 1.2, at=10_000),
    Target(NUMPY_COLUMNS, COLUMNS, 1.5, at=100_000),
    Target(NUMPY_COLUMNS, COLUMNS, 1.5, at=MILLION),
    Target(NUMPY_STORED, POOL, 1.0),
    Target(NUMPY_STORED, POOL, 2.5, at=MILLION),
    Target(POOL, BOUND, 8.0, at=MILLION, at_most=True),
    Target(POOL, BOUND, 4.0, at=10 * MILLION, at_most=True),
)
