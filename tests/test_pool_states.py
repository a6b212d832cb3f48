"""Pools under threads and under the garbage collector."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryPool,
    WorkspaceConfig,
)
from pool_helpers import NOW, comparable, item


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
