"""What an object must offer to be taken for a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from memory_budget_allocator.levels import MemoryTier

__all__ = ["MemoryLike"]


@runtime_checkable
class MemoryLike(Protocol):
    """An object with the attributes of a memory.

    `MemoryItem` is one. Objects of other classes are accepted wherever memories are, through a slower
    door: their attributes are read and checked in every call and written with ``setattr``.
    """

    memory_id: str
    text: str
    tier: MemoryTier
    timestamp: datetime | None
    relevance_score: float
    importance_score: float
    freshness_score: float
    combined_score: float
    token_count: int
    access_count: int
    last_accessed: datetime | None
    promotion_score: float
