"""An interrupt finds an allocation done and recorded, or not begun."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier

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
