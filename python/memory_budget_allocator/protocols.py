"""What an object must offer to be taken for a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["MemoryLike"]


@runtime_checkable
class MemoryLike(Protocol):
    """An object with the attributes of a memory.

    `MemoryItem` is one. Objects of other classes are accepted wherever memories are, through a slower
    door: their attributes are read and checked in every call and written with ``setattr``. What is only
    read is stated as a property, so that a narrower type (a `MemoryTier` for ``tier``) is fine.
    """

    @property
    def memory_id(self) -> str:
        """Identifier, chosen by the caller."""
        ...

    @property
    def text(self) -> str:
        """The memory's content."""
        ...

    @property
    def tier(self) -> str:
        """A `MemoryTier` or its string value; assigned by `apply_tier_changes` alone."""
        ...

    @property
    def timestamp(self) -> datetime | None:
        """When the memory was created; naive means UTC."""
        ...

    @property
    def relevance_score(self) -> float:
        """Similarity to the query, usually 0 to 1."""
        ...

    @property
    def importance_score(self) -> float:
        """Intrinsic importance, usually 0 to 1."""
        ...

    freshness_score: float
    combined_score: float
    token_count: int
    access_count: int
    last_accessed: datetime | None
    promotion_score: float
