"""What the tests of pools share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from memory_budget_allocator import (
    Allocation,
    MemoryBudgetAllocator,
    MemoryItem,
    WorkspaceConfig,
)

NOW = datetime(2026, 5, 6, tzinfo=UTC)
FIELDS = [
    *("memory_id", "text", "tier", "timestamp", "user_id", "metadata", "relevance_score", "importance_score"),
    *("token_count", "access_count", "last_accessed", "promotion_score"),
    *("pinned", "evergreen", "session_id", "position", "supersedes"),
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
