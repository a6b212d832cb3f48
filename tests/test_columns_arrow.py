"""Columns through Arrow: tables of Polars, pyarrow, pandas and DuckDB, in and out."""

from __future__ import annotations

import gc
import resource
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from memory_budget_allocator import (
    Allocation,
    ArgumentTypeError,
    ArgumentValueError,
    ItemValueError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    WorkspaceConfig,
)

NOW = datetime(2026, 5, 6, tzinfo=UTC)
TIERS = [tier.value for tier in MemoryTier]
ROWS = 60


def allocate(columns: Any) -> Allocation:
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default", max_total_tokens=2000))
    return allocator.allocate("How do I use it?", columns, current_time=NOW)


def outcome(columns: Any) -> tuple[Any, ...]:
    allocation = allocate(columns)
    return allocation.selected_positions, allocation.selected


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    random = np.random.default_rng(11)
    start = np.datetime64("2026-05-01T00:00:00", "us")
    return pl.DataFrame(
        {
            "memory_id": [f"m{row}" for row in range(ROWS)],
            # Short ones lie within their views, long ones do not.
            "text": ["漢字 and more " * (row % 4) for row in range(ROWS)],
            "tier": [TIERS[tier] for tier in random.integers(0, 4, ROWS)],
            "timestamp": start + random.integers(0, 10**11, ROWS).astype("m8[us]"),
            "relevance_score": random.random(ROWS),
            "importance_score": random.random(ROWS),
            "token_count": random.integers(0, 200, ROWS),
            "access_count": random.integers(0, 9, ROWS),
            "user_id": [None if row % 3 else "ann" for row in range(ROWS)],
        }
    ).with_columns(timestamp=pl.when(pl.col.token_count > 20).then(pl.col.timestamp))


def chunked(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table[:0], table[:7], table[7:8], table[8:40], table[40:]])


def sliced(table: pa.Table) -> pa.Table:
    """The same rows, at an odd offset in every buffer."""
    return pa.concat_tables([table[-13:], table, table[:5]]).combine_chunks()[13 : 13 + ROWS]


def as_type(column: str, kind: pa.DataType) -> Any:
    def cast(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        return table.set_column(place, column, table[column].cast(kind))

    return cast


CASTS = [
    *(
        (column, kind)
        for column in ("text", "memory_id", "user_id")
        for kind in (pa.string(), pa.large_string())
    ),
    *((column, pa.string_view()) for column in ("text", "memory_id", "user_id", "tier")),
    *(("tier", pa.dictionary(keys, pa.string())) for keys in (pa.int8(), pa.uint8(), pa.int32(), pa.int64())),
    *(("user_id", pa.dictionary(keys, pa.large_string())) for keys in (pa.int16(), pa.uint32())),
    ("text", pa.dictionary(pa.int32(), pa.string())),
    *(
        ("timestamp", pa.timestamp(unit, zone))
        for unit in ("us", "ns")
        for zone in (None, "UTC", "Asia/Tokyo")
    ),
    *(("token_count", kind) for kind in (pa.uint8(), pa.int16(), pa.uint32(), pa.uint64())),
    *(("access_count", kind) for kind in (pa.int8(), pa.uint64())),
]


@pytest.mark.parametrize(("column", "kind"), CASTS, ids=str)
@pytest.mark.parametrize("shape", [lambda table: table, chunked, sliced], ids=["whole", "chunked", "sliced"])
def test_every_layout_gives_the_same(frame: pl.DataFrame, column: str, kind: pa.DataType, shape: Any) -> None:
    table = as_type(column, kind)(frame.to_arrow())
    assert table.schema.field(column).type == kind
    assert outcome(shape(table)) == outcome(frame)


def test_every_library_gives_the_same(frame: pl.DataFrame) -> None:
    table = frame.to_arrow()
    (batch,) = table.combine_chunks().to_batches()
    givers: list[Any] = [
        table,
        batch,
        batch.slice(0),
        pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches())),
        pa.chunked_array([batch.to_struct_array(), batch.to_struct_array()[:0]]),
        batch.to_struct_array(),
        frame.to_struct(),
        frame.with_columns(pl.col.tier.cast(pl.Categorical)),
        frame.with_columns(pl.col.tier.cast(pl.Enum(TIERS[::-1]))),
        frame.with_columns(tier=pl.col.tier.replace_strict(TIERS, range(4), return_dtype=pl.UInt8)),
        pl.concat([frame[:9], frame[9:9], frame[9:]], rechunk=False),
        frame.select(reversed(frame.columns)),
        {name: frame[name] for name in frame.columns},
        {name: table[name] for name in frame.columns},
        {name: batch[name] for name in frame.columns},
        {name: frame[name].to_list() for name in frame.columns},
        {name: frame[name].to_numpy() for name in frame.columns},
        # One column of every kind, from every library.
        {
            **{name: frame[name].to_numpy() for name in ("relevance_score", "importance_score")},
            **{name: table[name] for name in ("text", "timestamp")},
            **{name: frame[name] for name in ("tier", "token_count")},
            **{name: frame[name].to_list() for name in ("memory_id", "user_id", "access_count")},
        },
    ]
    for giver in givers:
        assert outcome(giver) == outcome(frame), type(giver)


def test_a_sliced_struct_shifts_its_columns(frame: pl.DataFrame) -> None:
    (batch,) = frame.to_arrow().combine_chunks().to_batches()
    for start, length in ((0, 5), (7, 30), (59, 1), (60, 0)):
        part = batch.to_struct_array()[start : start + length]
        assert outcome(part) == outcome(frame[start : start + length])


def test_pandas(frame: pl.DataFrame) -> None:
    pytest.importorskip("pandas", minversion="2.2")
    pandas = frame.to_pandas()
    assert outcome(pandas) == outcome(frame)
    columns = {name: pandas[name] for name in frame.columns}
    assert outcome(columns) == outcome(frame)


def test_duckdb(frame: pl.DataFrame) -> None:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("memories", frame)
    assert outcome(connection.sql("from memories")) == outcome(frame)
    selected = allocate(frame)  # found by its name in the next line
    connection.register("chosen", pa.table(selected))
    (row,) = connection.sql("select count(*), sum(token_count) from chosen").fetchall()
    assert row == (len(selected), selected.total_tokens)


def test_days_are_midnights() -> None:
    columns = {"relevance_score": [1.0, 1.0], "token_count": [1, 1]}
    days = [date(2026, 5, 5), None]
    for kind in (pa.date32(), pa.date64()):
        found = allocate(pa.table(columns | {"timestamp": pa.array(days, kind)})).selected
        assert [memory.timestamp for memory in found] == [None, datetime(2026, 5, 5, tzinfo=UTC)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_before_1970_are_cut_to_the_microsecond_before(unit: str) -> None:
    times = pa.array([-1, None, 1], pa.timestamp(unit))
    table = pa.table({"relevance_score": [3.0, 2.0, 1.0], "token_count": [1, 1, 1], "timestamp": times})
    found = {
        row: memory.timestamp
        for allocation in [allocate(table)]
        for row, memory in zip(allocation.selected_positions, allocation, strict=True)
    }
    microseconds = {"s": 1_000_000, "ms": 1000, "us": 1}.get(unit)
    before, after = (-microseconds, microseconds) if microseconds else (-1, 0)
    epoch = np.datetime64(0, "us")
    expected = [(epoch + np.timedelta64(tick, "us")).item().replace(tzinfo=UTC) for tick in (before, after)]
    assert [found[0], found[1], found[2]] == [expected[0], None, expected[1]]


def test_columns_without_type_are_all_unknown() -> None:
    nothing = pa.nulls(2)
    columns = {"relevance_score": [0.9, 0.1], "token_count": [1, 1]}
    found = allocate(pa.table(columns | {"timestamp": nothing, "user_id": nothing})).selected
    assert [(memory.timestamp, memory.user_id) for memory in found] == [(None, None)] * 2


def test_no_rows_and_no_batches(frame: pl.DataFrame) -> None:
    schema = frame.to_arrow().schema
    for empty in (frame[:0], schema.empty_table(), pa.Table.from_batches([], schema)):
        assert len(allocate(empty)) == 0


def changed(frame: pl.DataFrame, **columns: Any) -> Any:
    table = frame.to_arrow()
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.append_column(name, values) if place < 0 else table.set_column(place, name, values)
    return table


def nulls_at(row: int, kind: pa.DataType, value: Any) -> pa.Array:
    return pa.array([None if at == row else value for at in range(ROWS)], kind)


@pytest.mark.parametrize(
    ("name", "values", "error", "message"),
    [
        (
            "relevance_score",
            nulls_at(17, pa.float64(), 0.5),
            ItemValueError,
            "row 17: must be a value, got null",
        ),
        (
            "importance_score",
            nulls_at(0, pa.float32(), 0.5),
            ItemValueError,
            "row 0: must be a value, got null",
        ),
        ("token_count", nulls_at(59, pa.int64(), 5), ItemValueError, "row 59: must be a value, got null"),
        ("token_count", pa.nulls(ROWS), ItemValueError, "row 0: must be a value, got null"),
        ("tier", nulls_at(3, pa.string(), "rag"), ItemValueError, "row 3: must be .* got null"),
        ("tier", nulls_at(3, pa.dictionary(pa.int8(), pa.string()), "rag"), ItemValueError, "row 3: .* null"),
        (
            "tier",
            nulls_at(3, pa.int8(), 1),
            ItemValueError,
            "row 3: must be an integer from 0 to 3, got null",
        ),
        (
            "tier",
            pa.DictionaryArray.from_arrays(pa.array([0] * 59 + [1]), pa.array(["rag", None])),
            ItemValueError,
            "row 59: .* got null",
        ),
        (
            "tier",
            pa.array(["rag"] * 9 + ["Rag"] * 51),
            ItemValueError,
            "row 9: must be 'working'.* got 'Rag'",
        ),
        (
            "tier",
            pa.array(["rag"] * 9 + ["a tier of many letters"] * 51, pa.string_view()),
            ItemValueError,
            "row 9: .* got 'a tier of many letters'",
        ),
        ("tier", pa.array([2] * 5 + [7] * 55, pa.uint8()), ItemValueError, "row 5: .* from 0 to 3, got 7"),
        (
            "memory_id",
            nulls_at(8, pa.large_string(), "m"),
            ItemValueError,
            "row 8: must be a string, got null",
        ),
        ("text", nulls_at(8, pa.string_view(), "m"), ItemValueError, "row 8: must be a string, got null"),
        ("text", pa.array([b"x"] * ROWS), ArgumentTypeError, "must be strings, not bytes"),
        ("memory_id", pa.array(range(ROWS)), ArgumentTypeError, "must be strings, not int64"),
        ("user_id", pa.array([1.5] * ROWS), ArgumentTypeError, "must be strings, not float64"),
        ("token_count", pa.array([1.5] * ROWS), ArgumentTypeError, "must be integers, not float64"),
        ("token_count", pa.array([True] * ROWS), ArgumentTypeError, "must be integers, not booleans"),
        ("relevance_score", pa.array([[1.0]] * ROWS), ArgumentTypeError, "must be numbers, not lists"),
        ("relevance_score", pa.array([{"a": 1}] * ROWS), ArgumentTypeError, "must be numbers, not a struct"),
        (
            "relevance_score",
            pa.array([1] * ROWS).cast(pa.decimal128(25, 2)),
            ArgumentTypeError,
            "must be numbers, not decimals",
        ),
        (
            "relevance_score",
            pa.array([1.0] * ROWS).dictionary_encode(),
            ArgumentTypeError,
            "must be numbers, not a dictionary of something other than strings",
        ),
        ("timestamp", pa.array(["2026"] * ROWS), ArgumentTypeError, "must be timestamps, .* not strings"),
        (
            "timestamp",
            pa.array([1] * ROWS, pa.duration("s")),
            ArgumentTypeError,
            "must be timestamps, .* not durations",
        ),
        (
            "timestamp",
            pa.array([1] * ROWS, pa.time64("us")),
            ArgumentTypeError,
            "must be timestamps, .* times of day",
        ),
        (
            "timestamp",
            pa.array([0] * 5 + [2**50] * 55, pa.timestamp("s")),
            ItemValueError,
            "row 5: .* 1125899906842624 t",
        ),
    ],
    ids=str,
)
def test_a_refusal_names_the_column_and_the_row(
    frame: pl.DataFrame, name: str, values: Any, error: type[Exception], message: str
) -> None:
    for table in (changed(frame, **{name: values}), chunked(changed(frame, **{name: values}))):
        with pytest.raises(error, match=f"^column {name},? {message}"):
            allocate(table)


def test_refusals_of_a_table_as_a_whole(frame: pl.DataFrame) -> None:
    table = frame.to_arrow()
    twice = table.append_column("token_count", table["token_count"])
    with pytest.raises(ArgumentValueError, match=r"^column token_count appears twice"):
        allocate(twice)
    with pytest.raises(ArgumentValueError, match=r'^unknown column "score"; columns are named'):
        allocate(frame.with_columns(score=1))
    with pytest.raises(ArgumentValueError, match=r"^columns lack relevance_score"):
        allocate(frame.drop("relevance_score"))
    with pytest.raises(ArgumentTypeError, match=r"^columns must be a table"):
        allocate(frame["relevance_score"])
    with pytest.raises(ArgumentTypeError, match=r"^columns must be a table"):
        allocate(pa.array([1.0]))
    rows = pa.StructArray.from_arrays(
        [pa.array([1.0, 2.0]), pa.array([1, 2])],
        ["relevance_score", "token_count"],
        mask=pa.array([False, True]),
    )
    with pytest.raises(ArgumentValueError, match="row 1 of the table is null as a whole"):
        allocate(rows)


def test_a_stream_that_fails_says_why(frame: pl.DataFrame) -> None:
    table = frame.to_arrow()

    def batches() -> Any:
        yield from table.to_batches()
        raise RuntimeError("the disk is gone")

    reader = pa.RecordBatchReader.from_batches(table.schema, batches())
    with pytest.raises(ArgumentValueError, match=r"columns: the Arrow stream failed: .*the disk is gone"):
        allocate(reader)


class Broken:
    """Something that offers Arrow data and gives something else."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        if isinstance(self.given, BaseException):
            raise self.given
        return self.given


def test_what_is_no_stream(frame: pl.DataFrame) -> None:
    schema_capsule = frame.to_arrow().schema.__arrow_c_schema__()
    for given in (None, 5, schema_capsule):
        with pytest.raises(ArgumentTypeError, match="__arrow_c_stream__ did not return what Arrow asks for"):
            allocate(Broken(given))
    with pytest.raises(ArgumentTypeError, match=r"__arrow_c_stream__ failed: .*no such table") as caught:
        allocate(Broken(RuntimeError("no such table")))
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(KeyboardInterrupt):
        allocate(Broken(KeyboardInterrupt()))
    capsule = frame.__arrow_c_stream__()
    assert len(allocate(Broken(capsule))) > 0
    with pytest.raises(ArgumentValueError, match="already used up"):
        allocate(Broken(capsule))


# Out


def test_an_allocation_is_a_table(frame: pl.DataFrame) -> None:
    allocation = allocate(frame)
    table = pl.DataFrame(allocation)
    assert table.columns == [
        *("row", "memory_id", "tier", "token_count"),
        *("combined_score", "relevance_score", "importance_score", "freshness_score"),
    ]
    assert table["row"].to_list() == allocation.selected_positions
    assert table["token_count"].sum() == allocation.total_tokens
    for name in table.columns[1:]:
        values = [getattr(memory, name) for memory in allocation]
        assert table[name].to_list() == values, name
    assert pa.table(allocation).to_pylist() == table.to_dicts()
    assert frame["memory_id"].gather(table["row"]).to_list() == table["memory_id"].to_list()


def test_an_allocation_of_items_is_one_as_well() -> None:
    items = [MemoryItem(f"m{row}", "", "rag", None, token_count=row) for row in range(3)]  # type: ignore[arg-type]
    table = pl.DataFrame(allocate(items))
    assert table["memory_id"].to_list() == ["m0", "m1", "m2"]
    assert table["tier"].unique().to_list() == ["rag"]


def test_without_ids_the_table_has_none() -> None:
    allocation = allocate({"relevance_score": [0.5, 0.9], "token_count": [1, 2]})
    assert "memory_id" not in pl.DataFrame(allocation).columns
    assert [memory.memory_id for memory in allocation] == ["1", "0"]


def test_a_table_of_nothing() -> None:
    empty = pl.DataFrame(allocate([]))
    assert empty.shape == (0, 8)
    assert pa.table(allocate([])).validate(full=True) is None


def test_an_id_that_no_table_can_hold() -> None:
    allocation = allocate([MemoryItem("\ud800", "", "rag", None)])  # type: ignore[arg-type]
    with pytest.raises(ItemValueError, match="memory_id has no UTF-8"):
        pl.DataFrame(allocation)


def test_streams_are_released_whether_used_or_not() -> None:
    rows = 20_000
    allocation = allocate({"relevance_score": np.ones(rows), "token_count": np.zeros(rows, int)})
    assert len(allocation) == rows

    def use() -> None:
        for _ in range(30):
            allocation.__arrow_c_stream__()  # never consumed: 1.2 MB each
            reader = pa.RecordBatchReader.from_stream(allocation)
            assert reader.schema.names[0] == "row"  # the schema taken, the batch not
            table = pa.table(allocation)
            column = table["row"]
            del table
            assert column[rows - 1].as_py() == rows - 1  # a column outlives its table
        gc.collect()

    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(4):
        use()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60_000  # KiB; a leak of any of the three would be 140,000
