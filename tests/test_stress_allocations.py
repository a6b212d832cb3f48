"""Sixteen threads over the same memories: each result is what the call gives alone, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import strategies
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier
from threads import eager_switching, together, without_what_others_change

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.thread_unsafe(reason="starts sixteen threads itself")

NOW = strategies.NOW
THREADS = 16
WORKSPACES = ("conversation", "research")  # tokens_per_char agrees
QUERIES = ("Hello", "Explain the architecture", "Compare and evaluate both designs: why, and how?")


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    with eager_switching():
        yield


def shared_memories(count: int) -> list[MemoryItem]:
    return [
        MemoryItem(
            f"m{number}",
            "x" * (number % 90),
            list(MemoryTier)[number % 4],
            NOW - timedelta(minutes=number * 37 % 5000),
            relevance_score=number * 31 % 101 / 100,
            importance_score=number * 17 % 11 / 10,
            token_count=0 if number % 3 else number % 50,
        )
        for number in range(count)
    ]


def allocations_at_once(count: int, rounds: int) -> None:
    """Every thread alternates between two workspaces and three queries, a barrier before each round."""
    calls = [
        (WORKSPACES[turn % 2], QUERIES[turn % 3], timedelta(hours=turn % 6))
        for turn in range(len(WORKSPACES) * len(QUERIES))
    ]
    alone: list[Any] = []
    for workspace, query, later in calls:
        quiet = MemoryBudgetAllocator(log_allocations=False)
        alone.append(
            quiet.allocate_memory_budget(query, shared_memories(count), workspace, current_time=NOW + later)
        )
    allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=0)
    memories = shared_memories(count)
    made = [0] * len(calls)
    for round_number in range(rounds):

        def work(number: int, first: int = round_number) -> tuple[int, Any]:
            which = (number * 5 + first) % len(calls)
            workspace, query, later = calls[which]
            result = allocator.allocate_memory_budget(query, memories, workspace, current_time=NOW + later)
            return which, result

        for which, result in together(THREADS, work):
            made[which] += 1
            assert without_what_others_change(result) == without_what_others_change(alone[which])

    # Every call selects what it selects alone: the counts are known exactly.
    expected = {memory.memory_id: 0 for memory in memories}
    for times, result in zip(made, alone, strict=True):
        for tier in result["tiers"].values():
            for entry in tier["selected_memories"]:
                expected[entry["memory_id"]] += times
    assert {memory.memory_id: memory.access_count for memory in memories} == expected
    assert sum(expected.values()) > THREADS * rounds

    total = THREADS * rounds
    history = allocator.allocation_history
    statistics = allocator.get_allocation_statistics()
    assert sum(made) == len(history) == statistics["total_allocations"] == total
    assert sum(statistics["complexity_distribution"].values()) == total
    for number, workspace in enumerate(WORKSPACES):
        of_workspace = allocator.get_allocation_statistics(workspace)
        assert of_workspace["total_allocations"] == sum(made[number::2])
        assert sum(entry["workspace_id"] == workspace for entry in history) == sum(made[number::2])
    tokens = sum(times * result["total_tokens_allocated"] for times, result in zip(made, alone, strict=True))
    assert sum(entry["total_tokens_allocated"] for entry in history) == tokens
    assert statistics["averages"]["tokens_allocated"] == pytest.approx(tokens / total, abs=0.005)


@pytest.mark.parametrize(("count", "rounds"), [(40, 24), (4000, 3)])
def test_sixteen_threads_two_workspaces(count: int, rounds: int) -> None:
    allocations_at_once(count, rounds)


@pytest.mark.verify
@pytest.mark.parametrize(("count", "rounds"), [(40, 1500), (1200, 150), (60_000, 6)])
def test_sixteen_threads_two_workspaces_for_longer(count: int, rounds: int) -> None:
    allocations_at_once(count, rounds)


def test_a_bounded_history_holds_the_last_calls_while_sixteen_threads_write_and_read_it() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=7)
    memories = shared_memories(8)

    def work(number: int) -> None:
        for turn in range(40):
            if number % 4:
                allocator.allocate(f"{number}:{turn}", memories, current_time=NOW)
                continue
            history = allocator.allocation_history
            assert len(history) <= 7
            # An entry is whole: its parts belong to one and the same call.
            for entry in history:
                of_tiers = [tier["tokens_used"] for tier in entry["tiers"].values()]
                assert sum(of_tiers) == entry["total_tokens_allocated"]
            seen: dict[str, int] = {}
            for entry in history:
                thread, _, turn_text = entry["query"].partition(":")
                assert seen.get(thread, -1) < int(turn_text)  # a thread's own calls stay in their order
                seen[thread] = int(turn_text)

    together(THREADS, work)
    assert len(allocator.allocation_history) == 7
    assert allocator.get_allocation_statistics()["total_allocations"] == 12 * 40


def test_configurations_change_while_sixteen_threads_allocate() -> None:
    """One call sees one version throughout: its budgets belong to its total."""
    allocator = MemoryBudgetAllocator(log_allocations=False)
    memories = shared_memories(20)
    config = allocator.workspace_configs["default"]

    def work(number: int) -> None:
        for turn in range(40):
            if number == 0:
                config.max_total_tokens = 1000 * (turn % 9 + 1)
            elif number == 1:
                allocator.project_configs["default", "p"] = config
                allocator.project_configs.pop(("default", "p"))
            else:
                result = allocator.allocate_memory_budget("Hello", memories, project_id="p")
                total = result["budget"]["max_total_tokens"]
                budgets = [tier["budget_tokens"] for tier in result["tiers"].values()]
                assert budgets == [round(total * share * 0.5) for share in (0.3, 0.25, 0.2, 0.25)]
                assert all(tier["tokens_used"] <= tier["budget_tokens"] for tier in result["tiers"].values())

    together(THREADS, work)
    assert allocator.get_allocation_statistics()["total_allocations"] == 14 * 40
