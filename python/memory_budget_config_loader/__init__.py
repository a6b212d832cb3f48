"""The configuration loader under its documented import name."""

from memory_budget_allocator.loader import MemoryBudgetConfigLoader

__all__ = ["MemoryBudgetConfigLoader"]
