"""Section 6: several threads over the same memories. Each test proves what its name says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig
from threads import eager_switching, together
from threads import without_what_others_change as comparable

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY = "Explain the architecture"


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads take turns as often as the interpreter can make them."""
    with eager_switching():
        yield


def memories(count: int, now: datetime, tokens: int = 7) -> list[MemoryItem]:
    return [
        MemoryItem(
            f"m{i}",
            "some text",
            list(MemoryTier)[i % 4],
            now - timedelta(hours=i % 97),
            relevance_score=i * 31 % 101 / 100,
            token_count=tokens and tokens + i % 5,
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [40, 3000])
def test_two_workspaces_each_get_the_result_they_would_get_alone(count: int, now: datetime) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    workspaces = ("conversation", "code_analysis")
    alone = [
        comparable(allocator.allocate_memory_budget(QUERY, memories(count, now), name, current_time=now))
        for name in workspaces
    ]
    shared = memories(count, now)

    def work(number: int) -> list[Any]:
        name = workspaces[number % 2]
        calls = 4000 // count + 2
        return [
            comparable(allocator.allocate_memory_budget(QUERY, shared, name, current_time=now))
            for _ in range(calls)
        ]

    for number, results in enumerate(together(4, work)):
        assert all(result == alone[number % 2] for result in results)


def test_no_access_count_is_lost(now: datetime) -> None:
    config = WorkspaceConfig("default", max_total_tokens=10**6)
    allocator = MemoryBudgetAllocator(config, log_allocations=False)
    shared = memories(60, now)

    def work(_: int) -> None:
        for _ in range(50):
            allocator.allocate_memory_budget(QUERY, shared)

    together(8, work)
    assert {item.access_count for item in shared} == {8 * 50}


def test_no_allocation_is_lost_from_totals_or_log(now: datetime) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    names = ("default", "research")

    def work(number: int) -> None:
        for _ in range(50):
            allocator.allocate_memory_budget(QUERY, memories(3, now), names[number % 2], current_time=now)

    together(8, work)
    statistics = allocator.get_allocation_statistics()
    assert statistics["total_allocations"] == 400
    assert statistics["complexity_distribution"] == {"medium": 400}
    assert statistics["averages"]["tokens_allocated"] == 7 + 8 + 9
    assert allocator.get_allocation_statistics("research")["total_allocations"] == 200
    assert len(allocator.allocation_history) == 400


def test_estimates_agree_where_the_counters_do(now: datetime) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    for _ in range(20):
        shared = memories(200, now, tokens=0)
        names = ("default", "research", "conversation", "production")

        def work(number: int, shared: list[MemoryItem] = shared, names: tuple[str, ...] = names) -> None:
            allocator.allocate_memory_budget(QUERY, shared, names[number])

        together(4, work)
        assert {item.token_count for item in shared} == {2}


def test_fields_can_be_written_while_they_are_read(now: datetime) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    shared = memories(100, now)

    def work(number: int) -> None:
        for round_number in range(60):
            if number % 2:
                allocator.allocate_memory_budget(QUERY, shared)
            else:
                for item in shared:
                    item.text = "x" * (round_number + 1)
                    item.relevance_score = round_number / 60
                    item.timestamp = now - timedelta(hours=round_number)
                    item.metadata = {"round": round_number}
                    assert item.text.strip("x") == ""
                    assert set(item.metadata) == {"round"}

    together(4, work)
    assert {item.text for item in shared} == {"x" * 60}
    assert {item.relevance_score for item in shared} == {59 / 60}


def test_workspaces_can_be_registered_while_others_allocate(now: datetime) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    shared = memories(20, now)

    def work(number: int) -> None:
        for step in range(40):
            name = f"workspace {number} {step}"
            allocator.register_workspace(WorkspaceConfig(name, max_total_tokens=1000 + step))
            result = allocator.allocate_memory_budget(QUERY, shared, name)
            assert result["budget"]["max_total_tokens"] == 1000 + step
            assert result["config_scope"] == "workspace"

    together(4, work)
    assert allocator.get_allocation_statistics()["total_allocations"] == 160


@dataclass
class Foreign:
    """A memory of another class; only its own reads and writes are as atomic as Python makes them."""

    memory_id: str
    text: str = "some text"
    tier: str = "working"
    timestamp: datetime | None = None
    user_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    relevance_score: float = 0.5
    importance_score: float = 0.5
    freshness_score: float = 1.0
    combined_score: float = 0.0
    token_count: int = 5
    access_count: int = 0
    last_accessed: datetime | None = None
    promotion_score: float = 0.0


def test_foreign_memories_give_the_same_results_under_threads(now: datetime) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    shared: list[Any] = [Foreign(f"m{i}", relevance_score=i * 7 % 13 / 13) for i in range(30)]
    alone = comparable(allocator.allocate_memory_budget(QUERY, shared, current_time=now))

    def work(_: int) -> list[Any]:
        return [
            comparable(allocator.allocate_memory_budget(QUERY, shared, current_time=now)) for _ in range(20)
        ]

    for results in together(4, work):
        assert all(result == alone for result in results)
