"""`MemoryPool`: a map of memories that keeps its versions, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import strategies
from memory_budget_allocator import (
    ArgumentTypeError,
    ArgumentValueError,
    ItemTypeError,
    ItemValueError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    PoolSnapshot,
    UnknownMemoryError,
)
from pool_helpers import FIELDS, NOW, item


@dataclass
class Note:
    """A memory of another class."""

    memory_id: str
    text: str
    tier: str
    timestamp: datetime | None
    relevance_score: float = 0.25
    importance_score: float = 0.5
    freshness_score: float = 1.0
    combined_score: float = 0.0
    token_count: int = 0
    access_count: int = 2
    last_accessed: datetime | None = None
    promotion_score: float = 0.0


@given(strategies.memories())
def test_what_goes_in_comes_out(drawn: dict[str, Any]) -> None:
    memory = MemoryItem(**drawn)
    memory.metadata["key"] = [1]
    memory.promotion_score = 0.25
    pool = MemoryPool()
    assert pool.add(memory) == 0
    copied = pool[memory.memory_id]
    # A time of last access reads back in UTC, a creation time as it was given.
    names = [name for name in FIELDS if name != "last_accessed"]
    assert [repr(getattr(copied, name)) for name in names] == [repr(getattr(memory, name)) for name in names]


def test_objects_of_other_classes() -> None:
    pool = MemoryPool.from_items([Note("n", "words", "rag", None)])
    memory = pool["n"]
    assert (memory.tier, memory.relevance_score, memory.access_count) == (MemoryTier.RAG, 0.25, 2)


def test_copies_are_copies() -> None:
    memory = item("a", metadata={"k": 1})
    pool = MemoryPool.from_items([memory])
    memory.text = "changed"
    memory.metadata["k"] = 2
    taken = pool["a"]
    taken.text = "changed"
    taken.metadata["k"] = 3
    [selected] = MemoryBudgetAllocator().allocate("q", pool, current_time=NOW)
    selected.tier = MemoryTier.RAG  # type: ignore[misc]
    assert (pool["a"].text, pool["a"].metadata, pool["a"].tier) == ("text of a", {"k": 1}, MemoryTier.WORKING)


def test_times_read_back_as_they_were_given() -> None:
    far = timezone(timedelta(hours=5))
    times = [None, NOW, NOW.replace(tzinfo=None), NOW.astimezone(far), datetime.min.replace(tzinfo=far)]
    pool = MemoryPool.from_items([item(str(n), timestamp=moment) for n, moment in enumerate(times)])
    assert [repr(memory.timestamp) for memory in pool] == [repr(moment) for moment in times]


def test_rows_are_fixed_until_compaction() -> None:
    pool = MemoryPool()
    assert pool.add_many([item("a"), item("b"), item("a", text="again"), item("c")]) == [0, 1, 0, 2]
    assert (pool["a"].text, len(pool), pool.rows) == ("again", 3, 3)
    pool.remove("b")
    assert (pool.ids, len(pool), pool.rows) == (["a", None, "c"], 2, 3)
    assert pool.add(item("d")) == 3
    before = pool.snapshot()
    assert pool.compact() == [0, 2, 3]
    assert pool.ids == ["a", "c", "d"]
    assert before.ids == ["a", None, "c", "d"]
    assert [memory.memory_id for memory in pool] == ["a", "c", "d"]
    assert "b" not in pool
    assert 3 not in pool


def test_a_snapshot_stays() -> None:
    pool = MemoryPool.from_items([item("a"), item("b")])
    snapshot = pool.snapshot()
    pool.remove("a")
    pool.update("b", text="new")
    pool.compact()
    assert isinstance(snapshot, PoolSnapshot)
    assert (snapshot.ids, snapshot.rows, len(snapshot)) == (["a", "b"], 2, 2)
    allocation = MemoryBudgetAllocator().allocate(
        "q", snapshot, current_time=NOW, relevance={"a": 0.5, "b": 0.9}, relevance_version=snapshot.version
    )
    assert [memory.text for memory in allocation] == ["text of b", "text of a"]
    # The row of b has moved and the count went with it.
    assert pool["b"].access_count == 1


def test_the_version_grows_with_rows_alone() -> None:
    pool = MemoryPool.from_items([item("a")])
    version = pool.version
    MemoryBudgetAllocator().allocate("q", pool)
    pool.add_many([])
    assert pool.version == version
    pool.update("a", text="new")
    assert pool.version > version


def test_only_selected_rows_are_written() -> None:
    pool = MemoryPool.from_items([item("a", token_count=10), item("b", token_count=10**6)])
    MemoryBudgetAllocator().allocate("q", pool, current_time=NOW)
    taken, left = pool["a"], pool["b"]
    assert (taken.access_count, taken.last_accessed) == (1, NOW)
    assert (left.access_count, left.last_accessed) == (0, None)
    assert taken.combined_score == 0.0


def test_update() -> None:
    pool = MemoryPool.from_items([item("a", access_count=3)])
    pool.update(
        "a", text="x" * 40, tier="rag", timestamp=None, user_id="u", metadata={"k": 1}, relevance_score=0.5,
        importance_score=0.25, last_accessed=NOW, promotion_score=0.75,
    )  # fmt: skip
    memory = pool["a"]
    assert (memory.text, memory.tier, memory.timestamp, memory.user_id) == (
        "x" * 40,
        MemoryTier.RAG,
        None,
        "u",
    )
    assert (memory.metadata, memory.relevance_score, memory.importance_score) == ({"k": 1}, 0.5, 0.25)
    assert (memory.access_count, memory.last_accessed, memory.promotion_score) == (3, NOW, 0.75)
    pool.update("a", token_count=7, access_count=0)
    assert (pool["a"].token_count, pool["a"].access_count) == (7, 0)


def test_what_a_pool_refuses() -> None:
    pool = MemoryPool.from_items([item("a"), item("b")])
    version = pool.version
    for error, call in [
        (UnknownMemoryError, lambda: pool.remove("x")),
        (UnknownMemoryError, lambda: pool.update("x", text="")),
        (UnknownMemoryError, lambda: pool["x"]),
        (ArgumentTypeError, lambda: pool.get(3)),  # type: ignore[arg-type]
        (ItemTypeError, lambda: pool.add_many([item("c"), object()])),  # type: ignore[list-item]
        (ArgumentTypeError, lambda: pool.add_many("ab")),  # type: ignore[arg-type]
        (ArgumentTypeError, lambda: pool.update("a", memory_id="z")),  # type: ignore[call-arg]
        (ArgumentTypeError, lambda: pool.update("a", combined_score=1.0)),  # type: ignore[call-arg]
        (ArgumentTypeError, lambda: pool.update("a", colour="red")),  # type: ignore[call-arg]
        (ItemTypeError, lambda: pool.update("a", text="new", importance_score="high")),  # type: ignore[arg-type]
        (ItemValueError, lambda: pool.update("a", token_count=-1)),
    ]:
        with pytest.raises(error):
            call()
    assert (pool.version, pool.ids, pool["a"].text) == (version, ["a", "b"], "text of a")
    with pytest.raises(KeyError, match=r"^the pool has no memory 'x'$"):
        pool.remove("x")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"relevance": np.zeros(3)}, ArgumentValueError, "relevance has 3 values, the pool has 2 rows"),
        ({"relevance": np.zeros((2, 1))}, ArgumentValueError, "it has 2 dimensions"),
        ({"relevance": np.zeros(4)[::2]}, ArgumentValueError, "not contiguous"),
        ({"relevance": np.zeros(2, dtype=int)}, ArgumentTypeError, "relevance must be a mapping"),
        ({"relevance": [0.5, 0.5]}, ArgumentTypeError, "relevance must be a mapping"),
        ({"relevance": "ab"}, ArgumentTypeError, "relevance must be a mapping"),
        ({"relevance": {"a": "high"}}, ArgumentTypeError, r"relevance\['a'\] must be a number"),
        ({"relevance": {1: 0.5}}, ArgumentTypeError, "an id in relevance must be a str"),
        (
            {"relevance": dict.fromkeys("awxyz", 0.5)},
            ArgumentValueError,
            "relevance names memories that the pool does not have: 'w', 'x', 'y' and 1 more",
        ),
        ({"relevance_version": 77}, ArgumentValueError, "relevance_version is 77, the pool is at version 1"),
        ({"relevance_version": "1"}, ArgumentTypeError, "relevance_version must be an integer"),
        ({"user_id": 3}, ArgumentTypeError, "user_id must be a str or None"),
        ({"tiers": "rag"}, ArgumentTypeError, "tiers must be a sequence of tiers"),
        ({"tiers": ["attic"]}, ArgumentValueError, "an entry of tiers must be"),
        ({"missing_relevance": "half"}, ArgumentValueError, "missing_relevance must be 'zero' or 'exclude'"),
    ],
)
def test_what_an_allocation_refuses(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    pool = MemoryPool.from_items([item("a"), item("b")])
    allocator = MemoryBudgetAllocator()
    for source in (pool, pool.snapshot()):
        with pytest.raises(error, match=message):
            allocator.allocate("q", source, **arguments)
    assert [memory.access_count for memory in pool] == [0, 0]
    assert not allocator.allocation_history


def test_columns() -> None:
    moments = [NOW, None]
    columns: dict[str, Any] = {
        "memory_id": ["a", "b"],
        "text": ["one", "two words"],
        "tier": ["rag", MemoryTier.PROJECT],
        "timestamp": moments,
        "user_id": [None, "u"],
        "metadata": [{}, {"k": 1}],
        "relevance_score": np.array([0.1, 0.2], dtype=np.float32),
        "importance_score": (0.3, 0.4),
        "token_count": np.array([0, 5], dtype=np.int32),
        "access_count": [1, np.int64(2)],
        "last_accessed": [None, NOW],
        "promotion_score": [0.0, 0.5],
    }
    pool = MemoryPool.from_columns(columns)
    expected = [
        MemoryItem(
            columns["memory_id"][row], columns["text"][row], columns["tier"][row], moments[row],
            columns["user_id"][row], columns["metadata"][row], float(columns["relevance_score"][row]),
            columns["importance_score"][row], token_count=int(columns["token_count"][row]),
            access_count=int(columns["access_count"][row]), last_accessed=columns["last_accessed"][row],
            promotion_score=columns["promotion_score"][row],
        )
        for row in range(2)
    ]  # fmt: skip
    assert list(pool) == expected


def test_few_columns_are_enough() -> None:
    pool = MemoryPool.from_columns({"memory_id": ["a"], "token_count": [3]})
    assert list(pool) == [MemoryItem("a", "", MemoryTier.WORKING, None, token_count=3)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "h"])
def test_times_of_numpy(unit: str) -> None:
    times = np.array([NOW.replace(tzinfo=None), None], dtype=f"datetime64[{unit}]")
    pool = MemoryPool.from_columns({"memory_id": ["a", "b"], "token_count": [1, 1], "timestamp": times})
    assert [memory.timestamp for memory in pool] == [NOW, None]
    whole = times.astype("datetime64[us]").astype(np.int64)[:1]
    pool = MemoryPool.from_columns(
        {"memory_id": ["a"], "token_count": [1], "timestamp": whole, "tier": np.array([3])}
    )
    assert [(memory.timestamp, memory.tier) for memory in pool] == [(NOW, MemoryTier.RAG)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory_id": None}, "columns must have memory_id"),
        ({"token_count": None}, "columns must have token_count or text"),
        ({"colour": ["red"]}, "unknown column 'colour'"),
        ({"token_count": [1, 2]}, "column token_count has 2 values, memory_id has 1"),
        ({"token_count": [-1]}, "column token_count, row 0: must be an integer from 0"),
        ({"token_count": np.array([-1])}, "column token_count, row 0: must be an integer from 0"),
        ({"token_count": np.array([2**63], dtype=np.uint64)}, "column token_count, row 0: must be"),
        ({"token_count": np.array([[1]])}, "column token_count must have one dimension, it has 2"),
        ({"importance_score": ["high"]}, "column importance_score, row 0: must be a number"),
        ({"importance_score": 0.5}, "column importance_score must be a sequence"),
        ({"memory_id": [3]}, "column memory_id, row 0: must be a str"),
        ({"memory_id": "a"}, "column memory_id must be a sequence"),
        ({"tier": [4]}, "column tier, row 0: must be a tier"),
        ({"tier": ["attic"]}, "column tier, row 0: must be"),
        ({"timestamp": [3.5]}, "column timestamp, row 0: must be a datetime"),
        ({"timestamp": np.array([2**62])}, "column timestamp, row 0: must be a time"),
        ({"metadata": [None]}, "column metadata, row 0: must be a dict"),
        ({"user_id": [3]}, "column user_id, row 0: must be a str"),
    ],
)
def test_what_columns_are_refused(change: dict[str, Any], message: str) -> None:
    columns = {"memory_id": ["a"], "token_count": [1]} | change
    columns = {name: column for name, column in columns.items() if column is not None}
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=message):
        MemoryPool.from_columns(columns)
