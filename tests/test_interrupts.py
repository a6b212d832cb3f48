"""An interrupt finds an allocation done and recorded, or not begun."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryPool, MemoryTier

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.thread_unsafe(reason="signals belong to the process")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DELAYS = [step * 5e-6 for step in range(1, 300)]


class InterruptError(Exception):
    """What the timer raises, as Ctrl-C raises KeyboardInterrupt."""


@pytest.fixture
def timer() -> Iterator[None]:
    def interrupt(number: int, frame: object) -> None:
        raise InterruptError

    earlier = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, earlier)


@pytest.mark.usefixtures("timer")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_memories_history_and_totals_agree_whenever_an_interrupt_comes() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    items = [MemoryItem(str(row), "text", MemoryTier.RAG, NOW, token_count=1) for row in range(1000)]
    interrupted = 0
    for delay in DELAYS:
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            allocator.allocate("q", items, current_time=NOW)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except InterruptError:
            interrupted += 1
    recorded = allocator.get_allocation_statistics()["total_allocations"]
    assert interrupted > 0
    assert recorded >= len(DELAYS) - interrupted
    assert [item.access_count for item in items] == [recorded] * len(items)
    assert len(allocator.allocation_history) == recorded


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
@pytest.mark.parametrize("does", ["returns", "allocates", "raises"])
def test_signals_are_handled_while_the_texts_of_a_pool_are_read(does: str) -> None:
    pool, other = (
        MemoryPool.from_items(
            MemoryItem(str(row), f"word{row % 97} and more", MemoryTier.RAG, NOW, token_count=1)
            for row in range(30_000)
        )
        for _ in range(2)
    )
    allocator = MemoryBudgetAllocator(log_allocations=False)

    def selected(pool: MemoryPool) -> list[str]:
        allocation = allocator.allocate("word5", pool, ranking="evidence", current_time=NOW)
        return [memory.memory_id for memory in allocation.selected]

    handled = 0

    def handle(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        if handled == 10 and does == "allocates":
            assert selected(pool) == expected
        if handled == 10 and does == "raises":
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise InterruptError

    expected = selected(other)
    earlier = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
        if does == "raises":
            with pytest.raises(InterruptError):
                selected(pool)
        else:
            assert selected(pool) == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    # A call looks at signals once or twice when it does not read.
    assert handled >= 10
    assert selected(pool) == expected
