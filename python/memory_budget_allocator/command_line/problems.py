"""What can be wrong with a command, by the exit code it leads to."""

from __future__ import annotations

from memory_budget_allocator.errors import DataError, MemoryBudgetError

__all__ = ["DataError", "UsageError"]


class UsageError(MemoryBudgetError):
    """The command was called in a way that makes no sense."""
