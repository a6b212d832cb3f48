"""What an object must offer to be taken for a memory, or for columns of memories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["ArrowArrayExport", "ArrowStreamExport", "Columns", "MemoryLike"]


@runtime_checkable
class MemoryLike(Protocol):
    """An object with the attributes of a memory.

    `MemoryItem` is one. Objects of other classes are accepted wherever memories are, through a slower
    door: their attributes are read and checked in every call and written with ``setattr``. What is only
    read is stated as a property, so that a narrower type (a `MemoryTier` for ``tier``) is fine.

    ``pinned``, ``evergreen``, ``session_id``, ``position`` and ``supersedes`` are optional: an object without
    them has none.
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


@runtime_checkable
class ArrowStreamExport(Protocol):
    """A table that hands out its batches through the Arrow C stream interface.

    Polars and pandas data frames, pyarrow tables, DuckDB relations and `Allocation` are such.
    """

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule named "arrow_array_stream"."""
        ...


@runtime_checkable
class ArrowArrayExport(Protocol):
    """One batch or struct array that hands itself out through the Arrow C data interface."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Two capsules named "arrow_schema" and "arrow_array"."""
        ...


Columns: TypeAlias = ArrowStreamExport | ArrowArrayExport | Mapping[str, object]
"""Memories as columns that are named as the fields of `MemoryItem`, one row a memory.

A table that speaks Arrow, or a mapping from names to NumPy arrays, other buffers, Arrow arrays, lists
or tuples.
"""
