"""Section 8: totals that are exact, windows, and a log that is bounded."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig

NO_TIER = {"avg_utilization_pct": 0.0, "avg_memories_selected": 0.0, "avg_tokens_used": 0.0}


def quiet(**options: Any) -> MemoryBudgetAllocator:
    return MemoryBudgetAllocator(log_allocations=False, **options)


def allocate(
    allocator: MemoryBudgetAllocator,
    tokens: int = 100,
    query: str = "",
    workspace: str = "default",
    **options: Any,
) -> Any:
    item = MemoryItem(f"m{tokens}", "text", MemoryTier.WORKING, None, token_count=tokens)
    return allocator.allocate_memory_budget(query, [item], workspace, **options)


def test_the_shape_of_the_statistics(now: datetime) -> None:
    allocator = quiet()
    durations = [
        allocate(allocator, tokens, query, current_time=now)["processing_time_ms"]
        for tokens, query in [(100, ""), (300, "Explain the architecture"), (10**9, "")]
    ]
    found: Any = allocator.get_allocation_statistics(current_time=now)
    assert found["averages"].pop("processing_time_ms") == pytest.approx(sum(durations) / 3, abs=2e-6)
    assert found == {
        "total_allocations": 3,
        "workspace_id": "all",
        "time_window_hours": None,
        "averages": {"tokens_allocated": 400 / 3, "memories_selected": 2 / 3},
        "complexity_distribution": {"simple": 2, "medium": 1},
        "tier_statistics": {
            "working": {
                "avg_utilization_pct": pytest.approx((8.14 + 12.21 + 0.0) / 3),
                "avg_memories_selected": 2 / 3,
                "avg_tokens_used": 400 / 3,
            },
            "project": NO_TIER,
            "long_term": NO_TIER,
            "rag": NO_TIER,
        },
        "timestamp": now.isoformat(),
        "complete": True,
    }


def test_the_same_shape_and_a_message_when_nothing_was_recorded(now: datetime) -> None:
    found: Any = quiet().get_allocation_statistics("research", 24, current_time=now)
    message = found.pop("message")
    assert isinstance(message, str)
    assert message
    assert found == {
        "total_allocations": 0,
        "workspace_id": "research",
        "time_window_hours": 24,
        "averages": {"tokens_allocated": 0.0, "memories_selected": 0.0, "processing_time_ms": 0.0},
        "complexity_distribution": {},
        "tier_statistics": dict.fromkeys(["working", "project", "long_term", "rag"], NO_TIER),
        "timestamp": now.isoformat(),
        "complete": True,
    }
    recorded = quiet()
    allocate(recorded)
    assert "message" not in recorded.get_allocation_statistics()


def test_statistics_of_one_workspace() -> None:
    allocator = quiet()
    for workspace, tokens in [("default", 100), ("research", 200), ("research", 400), ("nowhere", 800)]:
        allocate(allocator, tokens, workspace=workspace)
    found = {
        name: (entry["total_allocations"], entry["averages"]["tokens_allocated"])
        for name in (None, "default", "research", "nowhere", "never used")
        for entry in [allocator.get_allocation_statistics(name)]
    }
    assert found == {
        None: (4, 375.0),
        "default": (1, 100.0),
        "research": (2, 300.0),
        "nowhere": (1, 800.0),
        "never used": (0, 0.0),
    }


@pytest.mark.parametrize(("hours", "counted"), [(None, 3), (0, 3), (1, 1), (5.5, 2), (48, 3)])
def test_windows(hours: float | None, counted: int, now: datetime) -> None:
    allocator = quiet()
    for age in (10, 5, 0):
        allocate(allocator, current_time=now - timedelta(hours=age))
    found = allocator.get_allocation_statistics(time_window_hours=hours, current_time=now)
    assert (found["total_allocations"], found["time_window_hours"]) == (counted, hours)
    assert found["complete"] is True
    of_one = allocator.get_allocation_statistics("default", hours, current_time=now)
    assert of_one["total_allocations"] == counted


@pytest.mark.parametrize(
    ("hours", "error"), [("24", TypeError), (-1, ValueError), (float("nan"), ValueError)]
)
def test_windows_that_cannot_be(hours: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="time_window_hours"):
        quiet().get_allocation_statistics(time_window_hours=hours)


def test_a_workspace_is_named_by_a_string() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="workspace_id"):
        quiet().get_allocation_statistics(wrong)


def test_totals_are_exact_for_numbers_no_float_sum_would_keep() -> None:
    allocator = quiet(default_config=WorkspaceConfig("w", max_total_tokens=2**53 - 1, working_memory_pct=1.0))
    for tokens in (2**52 - 1, 1, 1, 1):
        allocate(allocator, tokens, "word " * 20)
    found = allocator.get_allocation_statistics()
    assert found["averages"]["tokens_allocated"] == (2**52 + 2) / 4


def test_the_log_is_bounded_and_the_totals_are_not(now: datetime) -> None:
    allocator = quiet(history_limit=3)
    for step in range(10):
        allocate(allocator, 100 + step, current_time=now - timedelta(hours=10 - step))
    kept = [entry["total_tokens_allocated"] for entry in allocator.allocation_history]
    assert kept == [107, 108, 109]
    assert allocator.get_allocation_statistics()["total_allocations"] == 10
    within = allocator.get_allocation_statistics(time_window_hours=2.5, current_time=now)
    assert (within["total_allocations"], within["complete"]) == (2, True)
    beyond = allocator.get_allocation_statistics(time_window_hours=6.5, current_time=now)
    assert (beyond["total_allocations"], beyond["complete"]) == (3, False)


def test_a_limit_of_zero_is_none() -> None:
    allocator = quiet(history_limit=0)
    for _ in range(2500):
        allocator.allocate_memory_budget("", [])
    assert len(allocator.allocation_history) == 2500


@pytest.mark.parametrize(("limit", "error"), [(-1, ValueError), ("9", TypeError), (1.5, TypeError)])
def test_a_limit_that_cannot_be(limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="history_limit"):
        MemoryBudgetAllocator(history_limit=limit)


def test_an_entry_is_the_result_without_full_texts(now: datetime) -> None:
    allocator = quiet()
    text = "A long text. " * 20
    items = [
        MemoryItem("m1", text, MemoryTier.RAG, now, relevance_score=0.7),
        MemoryItem("m2", "short", MemoryTier.WORKING, None),
    ]
    result: Any = allocator.allocate_memory_budget("how", items, "research", project_id="p", current_time=now)
    (entry,) = allocator.allocation_history
    for tier in result["tiers"].values():
        for memory in tier["selected_memories"]:
            del memory["text"]
    assert entry == result | {"format": 1}
    assert text not in json.dumps(entry)


def test_a_changed_memory_does_not_change_the_log() -> None:
    allocator = quiet()
    item = MemoryItem("m", "the text", MemoryTier.WORKING, None)
    first = allocator.allocate_memory_budget("", [item])
    (before,) = allocator.allocation_history
    item.text, item.memory_id = "another text", "another id"
    allocator.allocate_memory_budget("", [item])
    first["tiers"]["working"]["selected_memories"].clear()
    assert next(iter(allocator.allocation_history)) == before


def test_entries_come_oldest_first() -> None:
    allocator = quiet()
    for query in "abc":
        allocator.allocate_memory_budget(query, [])
    assert [entry["query"] for entry in allocator.allocation_history] == ["a", "b", "c"]


def test_clearing_empties_the_log_and_keeps_the_totals(now: datetime) -> None:
    allocator = quiet()
    allocate(allocator, current_time=now)
    allocator.clear_allocation_history()
    assert len(allocator.allocation_history) == 0
    assert allocator.get_allocation_statistics()["total_allocations"] == 1
    window = allocator.get_allocation_statistics(time_window_hours=1, current_time=now)
    assert (window["total_allocations"], window["complete"]) == (0, False)
    allocate(allocator, current_time=now)
    assert len(allocator.allocation_history) == 1
    assert allocator.get_allocation_statistics()["total_allocations"] == 2


def test_recording_goes_on_without_log_lines() -> None:
    allocator = quiet()
    allocate(allocator)
    assert allocator.get_allocation_statistics()["total_allocations"] == 1
    assert len(allocator.allocation_history) == 1
