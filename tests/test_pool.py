"""`MemoryPool`: the same selection as a list of the same memories, and a map that keeps its versions."""

from __future__ import annotations

import array
import copy
import gc
import signal
import threading
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import strategies
from memory_budget_allocator import (
    Allocation,
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
    WorkspaceConfig,
)

NOW = datetime(2026, 5, 6, tzinfo=UTC)
FIELDS = [
    *("memory_id", "text", "tier", "timestamp", "user_id", "metadata", "relevance_score", "importance_score"),
    *("token_count", "access_count", "last_accessed", "promotion_score"),
]


def item(memory_id: str, **fields: Any) -> MemoryItem:
    options: dict[str, Any] = {"text": f"text of {memory_id}", "tier": "working", "timestamp": NOW}
    return MemoryItem(memory_id, **(options | fields))


def state(memory: MemoryItem) -> tuple[Any, ...]:
    return tuple(repr(getattr(memory, name)) for name in FIELDS)


def comparable(allocation: Allocation) -> dict[str, Any]:
    result: dict[str, Any] = dict(allocation.to_dict())
    del result["processing_time_ms"]
    return result


def allocator(**options: Any) -> MemoryBudgetAllocator:
    return MemoryBudgetAllocator(WorkspaceConfig("default", **options))


# The same as the list door


@given(
    st.lists(strategies.memories(), max_size=40),
    strategies.workspaces(),
    strategies.queries,
    st.sampled_from(["stored", "float32", "float64", "mapping", "exclude"]),
    st.data(),
)
def test_a_pool_selects_what_a_list_selects(
    drawn: list[dict[str, Any]], workspace: dict[str, Any], query: str, kind: str, data: st.DataObject
) -> None:
    by_id = {memory["memory_id"]: memory for memory in drawn}
    items = [MemoryItem(**memory) for memory in by_id.values()]
    pool = MemoryPool.from_items(items)
    config = WorkspaceConfig(**workspace)
    arguments: dict[str, Any] = {}
    wanted = items
    if kind in {"float32", "float64"}:
        scores = data.draw(st.lists(strategies.scores, min_size=len(items), max_size=len(items)))
        with np.errstate(over="ignore"):
            column = np.array(scores, dtype=kind)
        arguments["relevance"] = column
        for memory, score in zip(items, column, strict=True):
            memory.relevance_score = float(score)
    elif kind != "stored":
        scores = {memory.memory_id: data.draw(strategies.scores) for memory in items[::2]}
        arguments |= {"relevance": scores, "missing_relevance": "zero" if kind == "mapping" else kind}
        if kind == "exclude":
            wanted = items[::2]
        for memory in items:
            memory.relevance_score = scores.get(memory.memory_id, 0.0)
    from_pool, from_list = (MemoryBudgetAllocator(config) for _ in range(2))
    for _ in range(2):
        here = from_pool.allocate(query, pool, current_time=strategies.NOW, **arguments)
        there = from_list.allocate(query, wanted, current_time=strategies.NOW)
        assert comparable(here) == comparable(there)
        assert here.non_finite == there.non_finite
        assert [memory.memory_id for memory in here] == [memory.memory_id for memory in there]
        for mine, theirs in zip(here.selected, there.selected, strict=True):
            assert (mine.access_count, mine.last_accessed) == (theirs.access_count, theirs.last_accessed)
            assert mine.combined_score == theirs.combined_score
            assert mine.token_count == theirs.token_count


@given(strategies.many_memories(), st.integers(1, 20_000), st.booleans(), st.integers(0, 2))
def test_thousands(drawn: list[dict[str, Any]], max_total_tokens: int, buffer: bool, removed: int) -> None:
    items = [MemoryItem(**memory) for memory in drawn]
    pool = MemoryPool.from_items(items)
    for memory in items[:removed]:
        pool.remove(memory.memory_id)
    relevance = np.array([memory.relevance_score for memory in items]) if buffer else None
    here = allocator(max_total_tokens=max_total_tokens).allocate(
        "q", pool, current_time=NOW, relevance=relevance
    )
    there = allocator(max_total_tokens=max_total_tokens).allocate("q", items[removed:], current_time=NOW)
    assert comparable(here) == comparable(there)
    assert here.selected_positions == [position + removed for position in there.selected_positions]


def test_filters() -> None:
    items = [
        item(f"m{n}", user_id=[None, "ada", "bob"][n % 3], tier=list(MemoryTier)[n % 4]) for n in range(2000)
    ]
    pool = MemoryPool.from_items(items)
    mine = [memory for memory in items if memory.user_id == "ada"]
    rag = [memory for memory in mine if memory.tier is MemoryTier.RAG]
    for arguments, wanted in [
        ({"user_id": "ada"}, mine),
        ({"user_id": "ada", "tiers": ["rag"]}, rag),
        ({"user_id": "nobody"}, []),
        ({"tiers": []}, []),
        ({"tiers": list(MemoryTier)}, items),
    ]:
        here = MemoryBudgetAllocator().allocate("q", pool, current_time=NOW, **arguments)  # type: ignore[arg-type]
        there = MemoryBudgetAllocator().allocate("q", wanted, current_time=NOW)
        for tier in MemoryTier:
            ours, theirs = here.tiers[tier], there.tiers[tier]
            assert [it.memory_id for it in ours] == [it.memory_id for it in theirs]
            assert ours.available == theirs.available
        for memory in items:
            memory.access_count = 0


@pytest.mark.parametrize("scale", [100.0, -100.0, 1e30, 1e-9, 0.0])
def test_scores_of_any_size_select_the_same(scale: float) -> None:
    size = 5000
    relevance = np.random.default_rng(1).random(size) * scale
    items = [
        item(f"m{n}", relevance_score=float(score), importance_score=n % 7 / 7, token_count=20 + n % 9)
        for n, score in enumerate(relevance)
    ]
    pool = MemoryPool.from_items(items)
    here = MemoryBudgetAllocator().allocate("q", pool, current_time=NOW, relevance=relevance)
    there = MemoryBudgetAllocator().allocate("q", items, current_time=NOW)
    assert comparable(here) == comparable(there)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_an_interrupt_stops_a_load_and_changes_nothing() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    pool = MemoryPool()
    items = [item("a")] * 3_000_000
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            pool.add_many(items)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (len(pool), pool.version) == (0, 0)


def test_any_buffer_of_floats() -> None:
    pool = MemoryPool.from_items([item("a"), item("b")])
    for relevance in (
        array.array("f", [0.25, 0.5]),
        array.array("d", [0.25, 0.5]),
        memoryview(array.array("f", [0.25, 0.5])),
    ):
        allocation = MemoryBudgetAllocator().allocate("q", pool, relevance=relevance)
        assert [memory.memory_id for memory in allocation] == ["b", "a"]


# A map of its own


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


# Refusals


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


def test_lists_have_no_use_for_a_pools_arguments() -> None:
    for name, value in {"relevance": {}, "relevance_version": 1, "user_id": "u", "tiers": []}.items():
        with pytest.raises(ArgumentTypeError, match=f"{name} is for a MemoryPool"):
            MemoryBudgetAllocator().allocate("q", [], **{name: value})  # type: ignore[arg-type]


# Columns


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


# Promotion


@given(st.lists(strategies.memories(), max_size=30), strategies.workspaces())
def test_promotions_of_a_pool(drawn: list[dict[str, Any]], workspace: dict[str, Any]) -> None:
    items = [MemoryItem(**memory) for memory in {memory["memory_id"]: memory for memory in drawn}.values()]
    pool = MemoryPool.from_items(items)
    config = WorkspaceConfig(**workspace)
    allocator = MemoryBudgetAllocator()
    for memory in items:
        allocator.calculate_memory_score(memory, config, strategies.NOW)
    here = allocator.evaluate_promotion_demotion(pool, config, current_time=strategies.NOW)
    there = allocator.evaluate_promotion_demotion(items, config, current_time=strategies.NOW)
    assert here == there
    assert [memory.promotion_score for memory in pool] == [memory.promotion_score for memory in items]
    outcomes = [allocator.apply_tier_changes(memories, here) for memories in (pool, items)]
    assert outcomes[0] == outcomes[1]
    assert [memory.tier for memory in pool] == [memory.tier for memory in items]


def test_promotions_by_a_relevance_of_the_moment() -> None:
    pool = MemoryPool.from_items(
        [item("a", access_count=9, importance_score=1.0, last_accessed=NOW, tier="rag")]
    )
    allocator = MemoryBudgetAllocator()
    config = WorkspaceConfig("default")
    for relevance, expected in [(None, 0), ({"a": 1.0}, 1), (array.array("f", [1.0]), 1), ({}, 0)]:
        result = allocator.evaluate_promotion_demotion(pool, config, NOW, relevance=relevance)
        assert len(result["promotions"]) == expected
    result = allocator.evaluate_promotion_demotion(pool, config, NOW, relevance={"a": 1.0})
    stale = copy.deepcopy(result)
    assert len(allocator.apply_tier_changes(pool, result)["moved"]) == 1
    pool.remove("a")
    assert len(allocator.apply_tier_changes(pool, stale)["unknown"]) == 1


# Memory and threads


def test_the_bytes_of_a_memory() -> None:
    rows = 50_000
    columns: dict[str, Any] = {
        "memory_id": [f"memory-{row}" for row in range(rows)],
        "token_count": np.full(rows, 20),
        "importance_score": np.linspace(0.0, 1.0, rows),
        "relevance_score": np.linspace(1.0, 0.0, rows),
        "timestamp": np.arange(rows) * 10**9,
        "user_id": ["ada", "bob"] * (rows // 2),
    }
    pool = MemoryPool.from_columns(columns)
    MemoryBudgetAllocator().allocate("q", pool, current_time=NOW)
    assert pool.nbytes / rows <= 64


def test_a_pool_and_what_its_metadata_holds_are_collected() -> None:
    class Holder:
        pool: MemoryPool

    holder = Holder()
    holder.pool = MemoryPool.from_items([item("a", metadata={"holder": holder})])
    reference = weakref.ref(holder)
    del holder
    gc.collect()
    assert reference() is None


def test_allocations_keep_what_they_show() -> None:
    pool = MemoryPool.from_items([item("a", metadata={"k": 1})])
    allocation = MemoryBudgetAllocator().allocate("q", pool, current_time=NOW)
    before = comparable(allocation)
    pool.remove("a")
    pool.compact()
    del pool
    gc.collect()
    assert comparable(allocation) == before
    assert allocation.selected[0].metadata == {"k": 1}


def test_threads_add_change_remove_compact_and_allocate() -> None:
    steady = [item(f"steady-{n}", token_count=5, importance_score=1.0) for n in range(200)]
    pool = MemoryPool.from_items(steady)
    errors: list[BaseException] = []
    selections = [0] * 3
    done = threading.Event()

    def allocate(number: int) -> None:
        allocator = MemoryBudgetAllocator(WorkspaceConfig("default", max_total_tokens=400), history_limit=10)
        for _ in range(300):
            allocation = allocator.allocate("q", pool, current_time=NOW)
            assert all(tier.used <= tier.budget for tier in allocation.tiers.values())
            ids = [memory.memory_id for memory in allocation]
            assert len(set(ids)) == len(ids)
            assert all(memory.text.endswith(memory.memory_id) for memory in allocation)
            selections[number] += sum(memory_id.startswith("steady") for memory_id in ids)

    def change(number: int) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            memory_id = f"passing-{number}-{turn % 40}"
            pool.add(item(memory_id, token_count=3, importance_score=turn % 7 / 7))
            pool.update(memory_id, importance_score=0.5)
            assert pool[memory_id].importance_score == 0.5
            if turn % 3:
                pool.remove(memory_id)
            if turn % 10 == 0:
                pool.compact()

    def run(work: Any, number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=run, args=(allocate, number)) for number in range(3)]
    writers = [threading.Thread(target=run, args=(change, number)) for number in range(2)]
    for thread in readers + writers:
        thread.start()
    for thread in readers:
        thread.join()
    done.set()
    for thread in writers:
        thread.join()
    assert not errors
    counts = {memory.memory_id: memory.access_count for memory in pool}
    assert sum(count for memory_id, count in counts.items() if memory_id.startswith("steady")) == sum(
        selections
    )
    assert set(pool.ids) - {None} == set(counts)
    assert len(pool) == len(counts)


# Against a dict


class PoolAgainstDict(RuleBasedStateMachine):
    """A pool does what a dict of items and a list of row numbers do."""

    ids = st.sampled_from(["a", "b", "c", "é", "\ud800", "", "a" * 50])

    def __init__(self) -> None:
        super().__init__()
        self.pool = MemoryPool()
        self.model: dict[str, MemoryItem] = {}
        self.rows: list[str | None] = []
        self.snapshots: list[tuple[PoolSnapshot, list[str | None]]] = []

    @rule(drawn=strategies.memories(), memory_id=ids, user_id=st.sampled_from([None, "ada"]))
    def add(self, drawn: dict[str, Any], memory_id: str, user_id: str | None) -> None:
        memory = MemoryItem(**drawn | {"memory_id": memory_id, "user_id": user_id, "last_accessed": None})
        if memory_id not in self.model:
            self.rows.append(memory_id)
        self.model[memory_id] = memory
        assert self.pool.add(memory) == self.rows.index(memory_id)

    @rule(memory_id=ids)
    def remove(self, memory_id: str) -> None:
        if self.model.pop(memory_id, None) is None:
            with pytest.raises(UnknownMemoryError):
                self.pool.remove(memory_id)
            return
        self.pool.remove(memory_id)
        self.rows[self.rows.index(memory_id)] = None

    @rule(memory_id=ids, text=strategies.texts, importance=strategies.scores)
    def update(self, memory_id: str, text: str, importance: float) -> None:
        if memory_id in self.model:
            self.pool.update(memory_id, text=text, importance_score=importance)
            self.model[memory_id].text = text
            self.model[memory_id].importance_score = importance

    @rule()
    def compact(self) -> None:
        kept = [row for row, memory_id in enumerate(self.rows) if memory_id is not None]
        assert self.pool.compact() == kept
        self.rows = [self.rows[row] for row in kept]

    @rule()
    def look(self) -> None:
        self.snapshots.append((self.pool.snapshot(), list(self.rows)))

    @rule(query=strategies.queries)
    def allocate(self, query: str) -> None:
        ordered = [self.model[memory_id] for memory_id in self.rows if memory_id is not None]
        counted = {id(memory): memory.token_count for memory in ordered}
        here = MemoryBudgetAllocator().allocate(query, self.pool, current_time=strategies.NOW)
        there = MemoryBudgetAllocator().allocate(query, ordered, current_time=strategies.NOW)
        assert comparable(here) == comparable(there)
        for memory in ordered:
            if not counted[id(memory)]:
                memory.token_count = 0  # a pool writes no estimate back

    @precondition(lambda self: self.snapshots)
    @rule()
    def snapshots_stay(self) -> None:
        for snapshot, rows in self.snapshots:
            assert (snapshot.ids, snapshot.rows) == (rows, len(rows))

    @invariant()
    def the_same(self) -> None:
        assert self.pool.ids == self.rows
        assert len(self.pool) == len(self.model)
        found = {memory.memory_id: state(memory) for memory in self.pool}
        assert found == {memory_id: state(memory) for memory_id, memory in self.model.items()}


TestPoolAgainstDict = PoolAgainstDict.TestCase
