"""Receipts of many candidates: their time grows with the number, and other threads have their turns."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, Ranking, WorkspaceConfig

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


def memories(count: int) -> list[MemoryItem]:
    return [
        MemoryItem(
            f"m{n}",
            f"word{n % 97} word{n % 89}",
            "rag",
            NOW,
            relevance_score=n * 7 % 101 / 101,
            token_count=5 + n % 23,
        )
        for n in range(count)
    ]


@pytest.mark.thread_unsafe(reason="the time of the process is measured")
def test_a_report_takes_time_in_proportion_to_its_rows() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)

    def seconds(count: int) -> float:
        allocation = allocator.what_if("q", memories(count), "w", current_time=NOW)
        assert len(allocation) == count
        times = []
        for _ in range(2):
            began = time.process_time()
            rows = allocation._receipts(None, True)
            times.append(time.process_time() - began)
            assert len(rows) == count
        return min(times)

    allocator.register_workspace(WorkspaceConfig("w", 10**8, 0, 0, 0, 1))
    assert seconds(80_000) < 30 * seconds(8_000)


@pytest.mark.thread_unsafe(reason="the turns of one thread are counted")
def test_other_threads_have_their_turns_while_budgets_are_looked_for() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    chosen = Ranking(kind="evidence", packer="knapsack")
    allocation = allocator.what_if("word1", memories(1500), ranking=chosen, receipts=True, current_time=NOW)
    turns, is_over = [0], threading.Event()

    def take_turns() -> None:
        while not is_over.wait(0.001):
            turns[0] += 1

    thread = threading.Thread(target=take_turns)
    thread.start()
    try:
        before = turns[0]
        allocation._receipts(None, True)
        taken = turns[0] - before
    finally:
        is_over.set()
        thread.join()
    assert taken >= 4
