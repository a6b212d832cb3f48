"""Columns without Arrow: mappings of NumPy arrays, other buffers, lists; what is read and what is refused."""

from __future__ import annotations

import array
import subprocess
import sys
import types
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from memory_budget_allocator import (
    Allocation,
    ArgumentTypeError,
    ArgumentValueError,
    ItemTypeError,
    ItemValueError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    WorkspaceConfig,
)

NOW = datetime(2026, 5, 6, tzinfo=UTC)
CONFIG = WorkspaceConfig("default", max_total_tokens=400)


def allocate(columns: Any, **options: Any) -> Allocation:
    return MemoryBudgetAllocator(CONFIG).allocate("How do I use it?", columns, current_time=NOW, **options)


def example() -> dict[str, Any]:
    return {
        "memory_id": ["r1", "w1", "big", "r2", "w2"],
        "text": ["one", "two", "three", "four " * 30, "five"],
        "tier": ["rag", "working", "rag", "rag", "working"],
        "relevance_score": np.array([0.5, 0.1, 0.9, 0.7, 0.8]),
        "importance_score": np.zeros(5),
        "token_count": np.array([30, 10, 500, 20, 10]),
        "timestamp": np.array(["2026-05-05", "NaT", "2026-05-05", "2026-05-04", "2027-01-01"], "M8[h]"),
        "user_id": ["ann", None, None, "ben", None],
        "access_count": np.array([0, 1, 2, 3, 4], np.uint8),
    }


def same_values(columns: Any) -> list[float]:
    """What the call says of the rows, in their order."""
    found = allocate(columns)
    scores = dict(zip(found.selected_positions, (m.combined_score for m in found), strict=True))
    return [scores[row] for row in sorted(scores)]


def test_the_selection_and_what_it_shows() -> None:
    allocation = allocate(example())
    assert allocation.selected_positions == [4, 1, 3, 0]
    assert allocation.tiers[MemoryTier.RAG].positions == [3, 0]
    assert allocation.total_tokens == 70
    assert [memory.memory_id for memory in allocation] == ["w2", "w1", "r2", "r1"]
    result = allocation.to_dict()
    assert result["tiers"]["rag"]["memories_available"] == 3
    first = result["tiers"]["rag"]["selected_memories"][0]
    assert first["text"] == "four " * 30
    assert first["text_preview"] == "four " * 20 + "..."
    assert (first["timestamp"], first["access_count"]) == ("2026-05-04T00:00:00+00:00", 4)


def test_the_selected_are_copies_as_a_list_would_have_left_them() -> None:
    allocation = allocate(example())
    copy = allocation.selected[2]
    assert copy == MemoryItem(
        "r2",
        "four " * 30,
        MemoryTier.RAG,
        datetime(2026, 5, 4, tzinfo=UTC),
        user_id="ben",
        relevance_score=0.7,
        importance_score=0.0,
        freshness_score=copy.freshness_score,
        combined_score=copy.combined_score,
        token_count=20,
        access_count=4,
        last_accessed=NOW,
    )
    assert 0 < copy.freshness_score < 1
    copy.access_count = 99
    assert allocation.selected[2].access_count == 4
    assert allocation.to_dict()["tiers"]["rag"]["selected_memories"][0]["access_count"] == 4


def test_nothing_is_written_back() -> None:
    columns = example()
    for values in columns.values():
        if isinstance(values, np.ndarray):
            values.flags.writeable = False
    before = {name: list(values) for name, values in columns.items()}
    allocate(columns)
    after = {name: list(values) for name, values in columns.items()}
    assert str(after) == str(before)


def test_the_defaults_of_absent_columns() -> None:
    allocation = allocate({"relevance_score": [0.5, 0.9], "token_count": [1, 2]})
    assert allocation.tiers[MemoryTier.WORKING].positions == [1, 0]
    second = allocation.selected[1]
    assert (second.memory_id, second.text, second.timestamp) == ("0", "", None)
    assert (second.importance_score, second.freshness_score, second.access_count) == (0.5, 1.0, 1)


def test_tokens_are_estimated_where_the_count_is_missing_or_zero() -> None:
    columns = {"relevance_score": [0.1, 0.2, 0.3], "text": ["", "four" * 4, "漢字"]}
    assert [memory.token_count for memory in allocate(columns)] == [1, 4, 0]
    counted = allocate(columns | {"token_count": np.array([7, 0, 0])})
    assert [memory.token_count for memory in counted] == [1, 4, 7]
    # Without texts there is nothing to estimate from: such rows cost nothing, as empty texts do.
    assert allocate({"relevance_score": [1.0], "token_count": [0]}).total_tokens == 0


def test_an_estimate_belongs_to_its_factor() -> None:
    copy = allocate({"relevance_score": [1.0], "text": ["x" * 40]}).selected[0]
    assert copy.token_count == 10
    other = MemoryBudgetAllocator(WorkspaceConfig("default", tokens_per_char=0.5))
    other.allocate("q", [copy], current_time=NOW)
    assert copy.token_count == 20


def test_no_rows() -> None:
    allocation = allocate({"relevance_score": np.zeros(0), "token_count": np.zeros(0, int), "text": []})
    assert (len(allocation), allocation.selected, allocation.total_tokens) == (0, [], 0)


NUMBERS = [0.0, 1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    "values",
    [
        np.array(NUMBERS),
        np.array(NUMBERS, np.float32),
        np.array(NUMBERS, np.float16),
        np.array(NUMBERS, ">f8"),
        np.array(NUMBERS, ">f4"),
        np.array(NUMBERS, ">f2"),
        np.array(NUMBERS[::-1])[::-1],
        np.array([[score, 9.0] for score in NUMBERS])[:, 0],
        np.frombuffer(b"x" + np.array(NUMBERS).tobytes(), np.uint8)[1:].view(np.float64),
        array.array("d", NUMBERS),
        array.array("f", NUMBERS),
        memoryview(array.array("d", NUMBERS)),
        memoryview(np.repeat(NUMBERS, 2))[::2],
        NUMBERS,
        tuple(NUMBERS),
        [0, 1, np.float32(0.5), 0.25],
        np.array(NUMBERS, object),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_every_way_to_give_numbers(values: Any) -> None:
    columns = {"relevance_score": np.array(NUMBERS), "token_count": np.ones(4, int)}
    assert same_values(columns | {"relevance_score": values}) == same_values(columns)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2", ">i4", ">i8", ">u8"])
def test_every_integer(kind: str) -> None:
    counts = [3, 1, 0, 60]
    columns = {"relevance_score": [0.4, 0.3, 0.2, 0.1], "token_count": np.array(counts, kind)}
    assert [memory.token_count for memory in allocate(columns)] == counts
    scored = allocate(columns | {"relevance_score": np.array(counts, kind)})
    assert sorted(memory.relevance_score for memory in scored) == [0.0, 1.0, 3.0, 60.0]
    tiered = allocate(columns | {"tier": np.array([3, 1, 0, 2], kind)})
    assert [memory.tier for memory in tiered] == list(MemoryTier)


@pytest.mark.parametrize(
    "tiers",
    [
        ["rag", "project", "working", "long_term"],
        [MemoryTier.RAG, MemoryTier.PROJECT, MemoryTier.WORKING, MemoryTier.LONG_TERM],
        [3, 1, 0, 2],
        ("rag", 1, MemoryTier.WORKING, 2),
        np.array(["rag", "project", "working", "long_term"]),
        np.array(["rag", "project", "working", "long_term"], object),
        bytes([3, 1, 0, 2]),
        bytearray([3, 1, 0, 2]),
        np.array([3, 1, 0, 2], np.uint8)[::1],
    ],
    ids=lambda tiers: type(tiers).__name__,
)
def test_every_way_to_give_tiers(tiers: Any) -> None:
    columns = {"relevance_score": np.ones(4), "token_count": np.ones(4, int), "tier": tiers}
    assert allocate(columns).selected_positions == [2, 1, 3, 0]


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "25s", "3M", "100ns"])
def test_datetime64_of_every_unit(unit: str) -> None:
    moments = np.array(["1969-07-20T20:17:40.5", "2026-05-05T12:34:56.789012345", "NaT"], f"M8[{unit}]")
    columns = {"relevance_score": np.ones(3), "token_count": np.ones(3, int)}
    expected = [
        None if np.isnat(moment) else moment.astype("M8[us]").item().replace(tzinfo=UTC) for moment in moments
    ]
    for values in (moments, moments.astype(f">M8[{unit}]"), np.repeat(moments, 2)[::2]):
        found = allocate(columns | {"timestamp": values})
        timestamps = {
            row: memory.timestamp for row, memory in zip(found.selected_positions, found, strict=True)
        }
        assert [timestamps[row] for row in range(3)] == expected


@pytest.mark.parametrize("unit", ["ps", "fs", "as"])
def test_units_finer_than_anybody_needs(unit: str) -> None:
    moments = np.array([-1, 0, 10**18], f"M8[{unit}]")
    found = allocate({"relevance_score": [3, 2, 1], "token_count": [1, 1, 1], "timestamp": moments})
    expected = [np.datetime64(moment, "us").item().replace(tzinfo=UTC) for moment in moments]
    assert [memory.timestamp for memory in found] == expected


def test_times_as_integers_and_as_objects() -> None:
    berlin = timezone(timedelta(hours=2))
    moments = [datetime(2026, 5, 5, 12, tzinfo=UTC), None, datetime(2026, 5, 5, 14, tzinfo=berlin)]
    microseconds = 1_777_982_400_000_000
    columns = {"relevance_score": [3, 2, 1], "token_count": [1, 1, 1]}
    not_a_time = -(2**63)
    for values in (
        moments,
        [datetime(2026, 5, 5, 12), None, microseconds],
        np.array([microseconds, not_a_time, microseconds]),
        np.array(moments, object),
    ):
        found = allocate(columns | {"timestamp": values}).selected
        assert [memory.timestamp for memory in found] == [moments[0], None, moments[0]]


def test_any_mapping_and_any_order_of_columns() -> None:
    columns = example()
    shuffled = types.MappingProxyType(dict(reversed(columns.items())))
    assert allocate(shuffled).selected_positions == allocate(columns).selected_positions


def test_columns_that_a_call_computes_itself_may_be_there() -> None:
    ignored = ("metadata", "freshness_score", "combined_score", "last_accessed", "promotion_score")
    columns = example() | dict.fromkeys(ignored, object())
    assert allocate(columns).selected_positions == allocate(example()).selected_positions


class Tensor:
    """An array of another library, which knows how to become one of NumPy's."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self) -> Any:
        return np.asarray(self.values)


def test_arrays_of_other_libraries() -> None:
    columns = example()
    columns["relevance_score"] = Tensor(columns["relevance_score"])
    columns["timestamp"] = Tensor(columns["timestamp"])
    assert allocate(columns).selected_positions == allocate(example()).selected_positions


# Refusals


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"relevance_score": None}, ArgumentValueError, "columns lack relevance_score"),
        ({"token_count": None, "text": None}, ArgumentValueError, "columns lack token_count, or text"),
        ({"importance": [1]}, ArgumentValueError, 'unknown column "importance"; columns are named'),
        ({5: [1]}, ArgumentTypeError, "names of columns must be str, got 5 "),
        (
            {"token_count": np.ones(3, int)},
            ArgumentValueError,
            "column token_count has 3 values, relevance_score has 5",
        ),
        ({"tier": ["rag"]}, ArgumentValueError, "column tier has 1 values, relevance_score has 5"),
        (
            {"relevance_score": np.ones((5, 1))},
            ArgumentValueError,
            "column relevance_score must have one dimension, not 2",
        ),
        ({"text": np.array([["x"]] * 5)}, ArgumentValueError, "column text must have one dimension, not 2"),
        (
            {"relevance_score": np.float64(1)},
            ArgumentValueError,
            "column relevance_score must have one dimension, not 0",
        ),
        (
            {"relevance_score": np.array(1.0)},
            ArgumentValueError,
            "column relevance_score must have one dimension, not 0",
        ),
        (
            {"relevance_score": np.ones(5, bool)},
            ArgumentTypeError,
            "column relevance_score must be numbers, not bool",
        ),
        (
            {"relevance_score": np.ones(5, complex)},
            ArgumentTypeError,
            "column relevance_score must be numbers, not complex128",
        ),
        (
            {"relevance_score": np.ma.masked_array(np.ones(5), [0, 1, 0, 0, 0])},
            ArgumentTypeError,
            "column relevance_score is a masked array",
        ),
        (
            {"relevance_score": np.array(["a"] * 5)},
            ItemTypeError,
            "column relevance_score, row 0: must be a number",
        ),
        (
            {"relevance_score": [1, 2, None, 4, 5]},
            ItemTypeError,
            "column relevance_score, row 2: must be a number",
        ),
        (
            {"relevance_score": [1, 2, True, 4, 5]},
            ItemTypeError,
            "column relevance_score, row 2: must be a number",
        ),
        ({"relevance_score": "12345"}, ArgumentTypeError, "column relevance_score must be a NumPy array"),
        ({"relevance_score": 5}, ArgumentTypeError, "column relevance_score must be a NumPy array"),
        ({"relevance_score": {1, 2}}, ArgumentTypeError, "column relevance_score must be a NumPy array"),
        ({"token_count": np.ones(5)}, ArgumentTypeError, "column token_count must be integers, not float64"),
        (
            {"token_count": np.array([1, 2, -3, 4, 5])},
            ItemValueError,
            "column token_count, row 2: must be an integer from 0 to 9007199254740991, got -3",
        ),
        (
            {"token_count": np.array([1, 2, -3, 4, 5], "i1")},
            ItemValueError,
            "column token_count, row 2: must be an integer from 0 to 9007199254740991, got -3",
        ),
        (
            {"token_count": np.array([1, 2**53, 3, 4, 2**64 - 1], np.uint64)},
            ItemValueError,
            "column token_count, row 1: .* got 9007199254740992",
        ),
        ({"token_count": [1, 2, 3.0, 4, 5]}, ItemTypeError, "column token_count, row 2: must be an integer"),
        (
            {"access_count": [1, 2, -3, 4, 5]},
            ItemValueError,
            "column access_count, row 2: must be an integer",
        ),
        (
            {"tier": ["rag"] * 4 + ["attic"]},
            ItemValueError,
            "column tier, row 4: must be 'working'.* got 'attic'",
        ),
        (
            {"tier": np.array([0, 1, 2, 3, 4])},
            ItemValueError,
            "column tier, row 4: must be an integer from 0 to 3",
        ),
        ({"tier": np.array([0, 1, 2, -1, 4], "i1")}, ItemValueError, "column tier, row 3: .* got -1"),
        (
            {"tier": [0, 1, 2, 3, 4]},
            ItemValueError,
            "column tier, row 4: must be an integer from 0 to 3, got 4",
        ),
        ({"tier": np.ones(5)}, ArgumentTypeError, "column tier must be strings, .* not float64"),
        ({"tier": [None] * 5}, ItemTypeError, "column tier, row 0: must be 'working'"),
        ({"timestamp": np.ones(5)}, ArgumentTypeError, "column timestamp must be timestamps, .* not float64"),
        (
            {"timestamp": np.ones(5, "m8[s]")},
            ArgumentTypeError,
            "column timestamp must be timestamps, .* timedelta",
        ),
        (
            {"timestamp": np.ones(5, "i8").view("M8")},
            ArgumentTypeError,
            "column timestamp must be .* with a unit",
        ),
        (
            {"timestamp": np.array([0, 0, 0, 2**60, 0])},
            ItemValueError,
            "column timestamp, row 3: must be a time in the years 1 to 9999, or None, got 115292150460684",
        ),
        (
            {"timestamp": np.array([0, 0, 0, 0, 2**62], "M8[s]")},
            ItemValueError,
            "column timestamp, row 4: .* ticks",
        ),
        (
            {"timestamp": np.array([0, 0, 0, 0, 10**5], "M8[Y]")},
            ItemValueError,
            "column timestamp, row 4: .* ticks",
        ),
        (
            {"timestamp": np.array([2**63] * 5, "u8")},
            ItemValueError,
            "column timestamp, row 0: .* 9223372036854775808",
        ),
        (
            {"timestamp": [None, "now", None, None, None]},
            ItemTypeError,
            "column timestamp, row 1: must be a datetime",
        ),
        (
            {"timestamp": [None, 2**70, None, None, None]},
            ItemValueError,
            "column timestamp, row 1: must be a time",
        ),
        ({"text": ["a", "b", None, "d", "e"]}, ItemTypeError, "column text, row 2: must be a str, got None"),
        ({"text": np.ones(5)}, ArgumentTypeError, "column text must be strings, not float64"),
        ({"memory_id": [1, 2, 3, 4, 5]}, ItemTypeError, "column memory_id, row 0: must be a str, got 1"),
        (
            {"user_id": [None, "x", 3, "y", "z"]},
            ItemTypeError,
            "column user_id, row 2: must be a str or None, got 3",
        ),
    ],
)
def test_a_refusal_names_the_column_and_the_row(
    change: dict[Any, Any], error: type[Exception], message: str
) -> None:
    columns = {name: values for name, values in (example() | change).items() if values is not None}
    allocator = MemoryBudgetAllocator(CONFIG)
    with pytest.raises(error, match=f"^{message}"):
        allocator.allocate("q", columns, current_time=NOW)
    assert allocator.allocation_history == []


def test_non_finite_scores_count_as_zero_and_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    columns = {"relevance_score": np.array([np.nan, np.inf, 0.5]), "token_count": [1, 1, 1]}
    allocation = allocate(columns)
    assert allocation.non_finite == (2, "0", "relevance_score")
    assert allocation.selected_positions == [2, 0, 1]
    assert "2 NaN or infinite score components counted as 0" in caplog.text
    assert np.isnan(allocation.selected[1].relevance_score)


def test_history_statistics_and_html_work_as_for_lists() -> None:
    allocator = MemoryBudgetAllocator(CONFIG)
    allocation = allocator.allocate("q", example(), current_time=NOW)
    (entry,) = allocator.allocation_history
    assert entry["tiers"]["working"]["selected_memories"][0]["memory_id"] == "w2"
    assert allocator.get_allocation_statistics(current_time=NOW)["total_allocations"] == 1
    assert "w2" in allocation._repr_html_()


def test_an_allocation_stays_the_memories_it_selected() -> None:
    first = allocate([MemoryItem("a", "", "rag", None, token_count=3)])
    assert allocate(first).selected[0] is first.selected[0]


def test_columns_are_not_kept() -> None:
    scores = np.ones(3)
    references = sys.getrefcount(scores)
    allocation = allocate({"relevance_score": scores, "token_count": [1, 2, 3]})
    assert sys.getrefcount(scores) == references
    scores[:] = 9.0
    assert allocation.selected[0].relevance_score == 1.0


def test_many_rows_detach_and_agree_with_few() -> None:
    random = np.random.default_rng(5)
    rows = 50_000
    columns = {
        "relevance_score": random.random(rows),
        "token_count": random.integers(1, 50, rows),
        "tier": random.integers(0, 4, rows),
    }
    items = [
        MemoryItem("m", "", list(MemoryTier)[tier], None, relevance_score=relevance, token_count=tokens)
        for relevance, tokens, tier in zip(*columns.values(), strict=True)
    ]
    assert allocate(columns).selected_positions == allocate(items).selected_positions


def test_without_numpy() -> None:
    program = (
        "import sys, array; sys.modules['numpy'] = None\n"
        "from memory_budget_allocator import MemoryBudgetAllocator\n"
        "columns = {'relevance_score': array.array('d', [.1, .9]), 'token_count': array.array('q', [3, 4])}\n"
        "print(MemoryBudgetAllocator().allocate('q', columns).selected_positions)"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[1, 0]"
