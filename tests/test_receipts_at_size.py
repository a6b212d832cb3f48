"""Receipts of many candidates: their time grows with the number, and other threads have their turns."""

from __future__ import annotations

import gc
import threading
import time
from datetime import UTC, datetime
from typing import Any

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
        gc.disable()  # it looks at all objects there are, the more often the more are made
        try:
            for _ in range(3):
                began = time.process_time()
                rows = allocation._receipts(None, True)
                times.append(time.process_time() - began)
                assert len(rows) == count
        finally:
            gc.enable()
        return min(times)

    allocator.register_workspace(WorkspaceConfig("w", 10**8, 0, 0, 0, 1))
    # A hundred times as long, if it looked at all of them for each.
    assert seconds(80_000) < 30 * seconds(8_000)


def test_under_a_ceiling_the_budgets_of_a_whole_report_are_found() -> None:
    """What is looked at is limited by counted work, so that this does not depend on the machine."""
    tiers = ("working", "project", "long_term", "rag")
    items = [
        MemoryItem(
            f"m{n}",
            f"note {n}: " + "tea " * (9 + n % 31),
            tiers[n % 4],
            NOW,
            relevance_score=n * 7 % 101 / 101,
        )
        for n in range(1_000)
    ]
    allocator = MemoryBudgetAllocator(WorkspaceConfig("w", 60_000), log_allocations=False)
    options: dict[str, Any] = {"max_prompt_tokens": 900, "tokenizer": "o200k_base", "receipts": True}
    allocation = allocator.what_if("q", items, "w", current_time=NOW, **options)
    left_out = [receipt for receipt in allocation.report() if receipt.decision == "left_out"]
    assert len(left_out) > 900
    assert all(receipt.fits_at_known for receipt in left_out[:100])
    for receipt in left_out[1:100:33]:
        assert receipt.fits_at is not None
        for budget in (receipt.fits_at - 1, receipt.fits_at):
            options["max_prompt_tokens"] = budget
            taken = allocator.what_if("q", items, "w", current_time=NOW, **options).selected_positions
            assert (receipt.position in taken) == (budget == receipt.fits_at)


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
