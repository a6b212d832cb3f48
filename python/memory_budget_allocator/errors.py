"""The exception tree: every error the library raises is a `MemoryBudgetError`.

Each child is also the built-in exception a Python programmer would expect, so both
``except MemoryBudgetError`` and ``except ValueError`` work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memory_budget_allocator.levels import MemoryTier

__all__ = [
    "ArgumentTypeError",
    "ArgumentValueError",
    "ConfigurationError",
    "ConfigurationNotFoundError",
    "ConfigurationTypeError",
    "DataError",
    "ItemTypeError",
    "ItemValueError",
    "MemoryBudgetError",
    "MissingExtraError",
    "PinnedOverflowError",
    "SessionBusyError",
    "UnknownMemoryError",
]


class MemoryBudgetError(Exception):
    """Base of every error raised by this library."""


class ItemTypeError(MemoryBudgetError, TypeError):
    """A memory, or one of its fields, has the wrong type."""


class ItemValueError(MemoryBudgetError, ValueError):
    """A field of a memory has a value that cannot be."""


class ArgumentTypeError(MemoryBudgetError, TypeError):
    """An argument that is not a memory (query, context, current_time, ...) has the wrong type."""


class ArgumentValueError(MemoryBudgetError, ValueError):
    """An argument that is not a memory has a value that cannot be."""


class PinnedOverflowError(MemoryBudgetError, ValueError):
    """The pinned memories of a tier do not fit its budget; nothing was allocated.

    Attributes:
        tier: the `MemoryTier`, or None.
        needed: tokens of all its pinned memories.
        budget: tokens the tier may use.
    """

    def __init__(
        self, message: str = "", *, tier: MemoryTier | None = None, needed: int = 0, budget: int = 0
    ) -> None:
        super().__init__(message)
        self.tier = tier
        self.needed = needed
        self.budget = budget


class SessionBusyError(MemoryBudgetError, RuntimeError):
    """Another call of the same `AllocationSession` is under way; one conversation is one call at a time."""


class UnknownMemoryError(MemoryBudgetError, KeyError):
    """A pool holds, or an allocation considered, no memory of that id."""

    __str__ = Exception.__str__  # KeyError would show the message as a quoted key


class ConfigurationError(MemoryBudgetError, ValueError):
    """A configuration cannot be used.

    Attributes:
        field: name of the offending `WorkspaceConfig` or `ComplexityRules` field, or None.
        value: the offending value, or None.
    """

    def __init__(self, message: str = "", *, field: str | None = None, value: object = None) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


class ConfigurationTypeError(ConfigurationError, TypeError):
    """A configuration field has the wrong type; a `ConfigurationError` and a `TypeError`."""


class ConfigurationNotFoundError(MemoryBudgetError, FileNotFoundError):
    """A configuration file does not exist."""


class DataError(MemoryBudgetError, ValueError):
    """A file of data cannot be used.

    Each argument is one problem on one line: file, place in it, field and value.
    """


class MissingExtraError(MemoryBudgetError, ImportError):
    """A package is not installed that only an optional part of the library needs; the message says which."""
