"""The two vocabularies every other module speaks: memory tiers and query complexity levels."""

from __future__ import annotations

from enum import Enum

__all__ = ["MemoryTier", "QueryComplexity"]


class MemoryTier(str, Enum):  # noqa: UP042 - StrEnum would change format(); the documented base is (str, Enum)
    """Where a memory lives. Members equal their string values: ``MemoryTier.RAG == "rag"``."""

    WORKING = "working"
    """The conversation at hand: very recent, highest priority."""
    PROJECT = "project"
    """The current project or task."""
    LONG_TERM = "long_term"
    """Facts and preferences kept over time."""
    RAG = "rag"
    """Retrieved documents."""


class QueryComplexity(str, Enum):  # noqa: UP042 - as above
    """How much context a query is worth. Members equal their string values."""

    SIMPLE = "simple"
    """0 or 1 points under the default rules."""
    MEDIUM = "medium"
    """2 to 4 points."""
    COMPLEX = "complex"
    """5 to 7 points."""
    EXPERT = "expert"
    """8 points and more."""
