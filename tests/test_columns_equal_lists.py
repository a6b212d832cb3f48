"""The door for columns against the one for lists: the same values, whatever they lie in, give the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig
from strategies import NOW, TIERS, contexts, many_memories, memory_lists, queries, workspaces

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NOT_A_TIME = np.iinfo(np.int64).min
READ = (
    *("memory_id", "text", "tier", "timestamp", "user_id"),
    *("relevance_score", "importance_score", "token_count", "access_count"),
)

Values = list[Any]


def microseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def within_the_calendar(moment: datetime | None) -> datetime | None:
    """Arrays hold UTC; a moment that UTC cannot write within the years 1 to 9999 becomes another."""
    try:
        return moment if moment is None or moment.utcoffset() is None else moment.astimezone(UTC)
    except OverflowError:
        return NOW


def ticks(values: Values) -> np.ndarray:
    counted = [microseconds(moment) for moment in values]
    return np.array([NOT_A_TIME if tick is None else tick for tick in counted], np.int64)


def array(kind: str) -> Callable[[Values], Any]:
    return lambda values: np.array(values, kind)


def every_third(values: Values) -> Any:
    padded = np.zeros(len(values) * 3)
    padded[1::3] = values
    return padded[1::3]


def arrow(kind: pa.DataType) -> Callable[[Values], Any]:
    return lambda values: pa.array(values, kind)


def chunked(kind: pa.DataType) -> Callable[[Values], Any]:
    def cut(values: Values) -> Any:
        middle = len(values) // 3
        whole = pa.array(values + values[:5], kind)  # sliced off again: the buffers are longer
        return pa.chunked_array([whole[:middle], whole[middle:middle], whole[middle : len(values)]])

    return cut


def times(values: Values) -> Any:
    return pa.array([microseconds(moment) for moment in values], pa.timestamp("us", "Europe/Berlin"))


def names(tiers: Values) -> list[str]:
    return [MemoryTier(tier).value for tier in tiers]


def places(tiers: Values) -> list[int]:
    return [TIERS.index(name) for name in names(tiers)]


NUMBERS: list[Callable[[Values], Any]] = [
    *(list, tuple, array("f8"), array(">f8"), every_third),
    *(arrow(pa.float64()), chunked(pa.float64()), pl.Series),
]
COUNTS: list[Callable[[Values], Any]] = [
    *(list, array("i8"), array("u8"), array(">i8")),
    *(arrow(pa.int64()), arrow(pa.uint64()), chunked(pa.int64())),
]
TIMES: list[Callable[[Values], Any]] = [
    *(
        list,
        ticks,
        times,
        lambda values: ticks(values).view("M8[us]"),
        lambda values: pa.chunked_array([times(values)]),
    ),
    lambda values: [microseconds(moment) for moment in values],
]
TIER_FORMS: list[Callable[[Values], Any]] = [
    *(list, names, places, lambda tiers: bytes(places(tiers)), lambda tiers: np.array(places(tiers), ">i4")),
    *(
        lambda tiers: np.array(names(tiers), "U9"),
        lambda tiers: pl.Series(names(tiers), dtype=pl.Enum(TIERS)),
    ),
    *(lambda tiers, kind=kind: arrow(kind)(names(tiers)) for kind in (pa.string(), pa.string_view())),
    lambda tiers: chunked(pa.string())(names(tiers)).dictionary_encode(),
]
OBJECTS: list[Callable[[Values], Any]] = [list, tuple, lambda values: np.array([*values, None], object)[:-1]]
TEXTS: list[Callable[[Values], Any]] = [
    *OBJECTS,
    *(make(kind) for make in (arrow, chunked) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    arrow(pa.dictionary(pa.int32(), pa.string())),
]


def is_unicode(values: Values) -> bool:
    return not any(
        value is not None and any("\ud800" <= letter <= "\udfff" for letter in value) for value in values
    )


def forms(name: str, values: Values) -> list[Callable[[Values], Any]]:
    match name:
        case "memory_id" | "text" | "user_id":
            return TEXTS if is_unicode(values) else OBJECTS
        case "tier":
            return TIER_FORMS
        case "timestamp":
            return TIMES
        case "relevance_score" | "importance_score":
            return NUMBERS
        case _:
            return COUNTS


def state(memory: Any) -> tuple[Any, ...]:
    values = (getattr(memory, name) for name in MemoryItem.__match_args__ if name != "timestamp")
    return (*map(repr, values), microseconds(memory.timestamp))


def compare(
    rows: list[dict[str, Any]], columns: dict[str, Any], config: WorkspaceConfig, query: str, context: Any
) -> None:
    items = [MemoryItem(**row) for row in rows]
    results: list[Any] = []
    selections: list[Any] = []
    for memories in (items, columns):
        allocation = MemoryBudgetAllocator(config).allocate(
            query, memories, context=context, current_time=NOW
        )
        result = dict(allocation.to_dict())
        del result["processing_time_ms"]
        results.append(result)
        selections.append((allocation.selected_positions, [state(memory) for memory in allocation]))
    assert selections[0] == selections[1]
    assert results[0] == results[1]


@given(
    rows=memory_lists,
    users=st.lists(st.sampled_from([None, "ann", "ben"]), min_size=30, max_size=30),
    settings=workspaces(),
    query=queries,
    context=contexts,
    data=st.data(),
)
def test_columns_give_what_a_list_gives(
    *,
    rows: list[dict[str, Any]],
    users: list[str | None],
    settings: dict[str, Any],
    query: str,
    context: Any,
    data: st.DataObject,
) -> None:
    rows = [
        row | {"timestamp": within_the_calendar(row["timestamp"]), "user_id": user}
        for row, user in zip(rows, users, strict=False)
    ]
    columns: dict[str, Any] = {}
    for name in data.draw(st.permutations(READ)):
        values = [row[name] for row in rows]
        form = data.draw(st.sampled_from(forms(name, values)))
        columns[name] = form(values)
    compare(rows, columns, WorkspaceConfig(**settings), query, context)


@given(rows=many_memories(), settings=workspaces(), query=queries)
def test_many_rows_in_tables(rows: list[dict[str, Any]], settings: dict[str, Any], query: str) -> None:
    schema = {
        **dict.fromkeys(("memory_id", "text", "tier"), pl.String),
        "timestamp": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("relevance_score", "importance_score"), pl.Float64),
        "token_count": pl.Int64,
    }
    frame = pl.DataFrame(rows, schema)
    compare(rows, frame, WorkspaceConfig(**settings), query, None)


@given(
    rows=memory_lists,
    absent=st.sets(st.sampled_from(["tier", "timestamp", "importance_score", "access_count"])),
)
def test_absent_columns_are_the_defaults_of_an_item(rows: list[dict[str, Any]], absent: set[str]) -> None:
    rows = [row | {"timestamp": within_the_calendar(row["timestamp"]), "user_id": None} for row in rows]
    columns = {name: [row[name] for row in rows] for name in READ if name not in absent}
    defaults: dict[str, Any] = {
        "tier": "working",
        "timestamp": None,
        "importance_score": 0.5,
        "access_count": 0,
    }
    rows = [row | {name: defaults[name] for name in absent} for row in rows]
    compare(rows, columns, WorkspaceConfig("default"), "How?", None)
