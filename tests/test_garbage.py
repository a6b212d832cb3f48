"""What nobody uses any more is collected, and nothing else is kept: cycles, and memory that stays flat."""

from __future__ import annotations

import gc
import sys
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryPool,
    WorkspaceConfig,
)
from pool_helpers import item
from reference import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.thread_unsafe(reason="counts references and bytes of the process")

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Owner:
    """Something that can be waited for."""

    held: Any


def through_metadata(owner: Owner) -> None:
    owner.held = item("m", metadata={"owner": owner})


def through_a_time(owner: Owner) -> None:
    class Moment(datetime):
        owner: Any

    moment = Moment(2026, 1, 1, tzinfo=UTC)
    moment.owner = owner
    owner.held = item("m", timestamp=moment)


def through_an_id(owner: Owner) -> None:
    class Name(str):
        owner: Any
        __slots__ = ("owner",)

    name = Name("m")
    name.owner = owner
    owner.held = item(name)


def through_a_subclass(owner: Owner) -> None:
    class Extended(MemoryItem):
        owner: Any

    owner.held = Extended("m", "text", "rag", NOW)  # type: ignore[arg-type]
    owner.held.owner = owner


def through_a_pool(owner: Owner) -> None:
    owner.held = MemoryPool.from_items([item("m", metadata={"owner": owner})])


def through_an_allocation(owner: Owner) -> None:
    owner.held = MemoryBudgetAllocator().allocate("q", [item("m", metadata={"owner": owner})])


def through_an_allocation_of_a_pool(owner: Owner) -> None:
    pool = MemoryPool.from_items([item("m", metadata={"owner": owner})])
    owner.held = MemoryBudgetAllocator().allocate("q", pool)


def through_a_foreign_memory(owner: Owner) -> None:
    memory: Any = Memory("m", "text", "rag", NOW, metadata={"owner": owner})
    owner.held = MemoryBudgetAllocator().allocate("q", [memory])


def through_a_snapshot(owner: Owner) -> None:
    owner.held = MemoryPool.from_items([item("m", metadata={"owner": owner})]).snapshot()


def through_an_iterator(owner: Owner) -> None:
    owner.held = iter(MemoryPool.from_items([item("m", metadata={"owner": owner})]))


def through_a_configuration(owner: Owner) -> None:
    config: Any = WorkspaceConfig("w")
    config.owner = owner
    allocator = MemoryBudgetAllocator(config)
    allocator.allocate("q", [item("m")])
    owner.held = allocator


@pytest.mark.parametrize(
    "make",
    [
        through_metadata,
        through_a_time,
        through_an_id,
        through_a_subclass,
        through_a_pool,
        through_an_allocation,
        through_a_foreign_memory,
        through_a_configuration,
    ],
)
def test_a_cycle_is_collected(make: Callable[[Owner], None]) -> None:
    owner = Owner()
    make(owner)
    reference = weakref.ref(owner)
    del owner
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("make", [through_an_allocation_of_a_pool, through_a_snapshot, through_an_iterator])
def test_a_cycle_through_shared_rows_stays_until_it_is_broken(make: Callable[[Owner], None]) -> None:
    """A limit: rows belong to a pool, its snapshots and allocations together, so no one shows them."""
    owner = Owner()
    make(owner)
    reference = weakref.ref(owner)
    owner.held = None
    del owner
    gc.collect()
    assert reference() is None


def test_what_failed_is_not_kept() -> None:
    """An error, its traceback and its cause hold the memories no longer than the error lives."""
    owner = Owner()
    reference = weakref.ref(owner)
    memories: list[Any] = [item("m", metadata={"owner": owner}), Memory("bad", "text", "attic", NOW)]
    with pytest.raises(MemoryBudgetError):
        MemoryBudgetAllocator().allocate("q", memories)
    del owner, memories
    gc.collect()
    assert reference() is None


def test_reference_counts_are_exact() -> None:
    """After a call, whether it succeeds or fails, every object has as many references as before."""
    text, metadata, moment, user = (
        "a text " * 3,
        {"k": object()},
        datetime(2026, 1, 1, tzinfo=UTC),
        "user " * 2,
    )
    memory = MemoryItem("m" * 3, text, "rag", moment, user, metadata)  # type: ignore[arg-type]
    foreign: Any = Memory("f" * 3, text, "rag", moment, user, metadata)
    query = "Explain " * 2
    allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=1)
    config = allocator.workspace_configs["default"]
    pool = MemoryPool()
    bad: Any = Memory("bad", text, "attic", moment)
    objects = [text, metadata, metadata["k"], moment, user, memory, foreign, query, config, bad]

    def calls() -> None:
        allocator.allocate(query, [memory, foreign], current_time=moment).to_dict()
        allocator.evaluate_promotion_demotion([memory, foreign], config, moment)
        allocator.calculate_memory_score(memory, config, moment)
        pool.add(memory)
        pool.add(foreign)
        allocator.allocate(query, pool, current_time=moment).to_dict()
        for entry in pool:
            assert entry.text == text
        pool.update(memory.memory_id, importance_score=0.3)
        pool.remove(memory.memory_id)
        pool.remove(foreign.memory_id)
        pool.compact()
        for refused in (lambda: allocator.allocate(query, [memory, bad]), lambda: pool.add(bad)):
            with pytest.raises(MemoryBudgetError):
                refused()
        allocator.clear_allocation_history()

    for _ in range(3):
        calls()
    memory.last_accessed = foreign.last_accessed = None
    gc.collect()
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(50):
        calls()
    memory.last_accessed = foreign.last_accessed = None
    gc.collect()
    assert [sys.getrefcount(each) for each in objects] == before


def resident_bytes() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def memory_stays_flat(calls: int, settle: int) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=100)
    config = allocator.workspace_configs["default"]
    memories: list[Any] = [
        *(item(f"m{number}", token_count=5) for number in range(4)),
        Memory("foreign", "text", "rag", NOW),
    ]
    columns = {"relevance_score": np.linspace(0.0, 1.0, 5), "token_count": np.full(5, 3)}
    pool = MemoryPool.from_items(memories)
    relevance = np.linspace(0.0, 1.0, pool.rows)
    bad: Any = [Memory("bad", "text", "attic", NOW)]

    def one(number: int) -> None:
        match number % 10:
            case 0:
                allocator.allocate_memory_budget(f"Query {number}", memories)
            case 1:
                allocator.allocate("q", columns)
            case 2:
                allocator.allocate("q", pool, relevance=relevance)
            case 3:
                pool.update("m1", text=f"text {number}", metadata={"n": number})
            case 4:
                pool.add(item("passing", user_id="ada", metadata={"n": number}))
                pool.remove("passing")
                pool.compact()
            case 5:
                allocator.evaluate_promotion_demotion(memories, config)
            case 6:
                memories[0].text = f"text {number}"
                memories[1].metadata = {"n": number}
                memories[2] = item("m2", text=f"text {number}")
            case 7:
                try:
                    allocator.allocate("q", bad)
                except MemoryBudgetError:
                    return
                raise AssertionError
            case 8:
                allocator.analyze_query_complexity(f"Explain {number}", {"turns": number})
            case _:
                _ = allocator.allocation_history if number % 1000 == 9 else allocator.tier_order

    for number in range(settle):
        one(number)
    gc.collect()
    before = resident_bytes()
    for number in range(calls):
        one(number)
    gc.collect()
    # Less than a byte a call: one lost reference would be a hundred times that.
    assert resident_bytes() - before < max(calls, 1 << 20)


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@needs_proc
def test_memory_stays_flat() -> None:
    memory_stays_flat(calls=40_000, settle=5_000)


@needs_proc
@pytest.mark.verify
def test_memory_stays_flat_over_a_million_calls() -> None:
    memory_stays_flat(calls=1_000_000, settle=20_000)
