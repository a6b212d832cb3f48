"""Decides, in microseconds and provably within budget, which memories go into a prompt.

A query and memories (working, project, long-term, retrieved) come in; each tier gets a token budget
that grows with the complexity of the query; the best memories by relevance, importance and freshness
are packed into it. Start with `MemoryBudgetAllocator`.
"""

import importlib
import typing

from memory_budget_allocator._core import (
    Allocation,
    MemoryPool,
    PoolSnapshot,
    TierAllocation,
    TokenCounter,
    __version__,
)
from memory_budget_allocator.allocator import MemoryBudgetAllocator
from memory_budget_allocator.complexity_rules import ComplexityRules
from memory_budget_allocator.context_windows import context_window
from memory_budget_allocator.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConfigurationError,
    ConfigurationNotFoundError,
    ConfigurationTypeError,
    DataError,
    ItemTypeError,
    ItemValueError,
    MemoryBudgetError,
    MissingExtraError,
    PinnedOverflowError,
    SessionBusyError,
    UnknownMemoryError,
)
from memory_budget_allocator.item_face import MemoryItem
from memory_budget_allocator.levels import MemoryTier, QueryComplexity
from memory_budget_allocator.ranking import Ranking
from memory_budget_allocator.workspace import WorkspaceConfig

if typing.TYPE_CHECKING:
    from memory_budget_allocator.options import AllocationOptions
    from memory_budget_allocator.prompt_template import PromptTemplate
    from memory_budget_allocator.protocols import ArrowArrayExport, ArrowStreamExport, Columns, MemoryLike
    from memory_budget_allocator.receipts import (
        AllocationDiff,
        AllocationReport,
        DiffEntry,
        Receipt,
        ScoreTerm,
    )
    from memory_budget_allocator.results import (
        AllocationAverages,
        AllocationLogEntry,
        AllocationResult,
        AllocationStatistics,
        BudgetSummary,
        ComplexityAnalysis,
        ComplexityContribution,
        LoggedMemory,
        LoggedTierResult,
        PromotionResult,
        ReceiptReason,
        ReceiptResult,
        ReceiptTerm,
        SelectedMemory,
        TierChange,
        TierChangeOutcome,
        TierMove,
        TierResult,
        TierStatistics,
        UnmatchedTierChange,
    )
    from memory_budget_allocator.session import AllocationSession, SessionAllocation
    from memory_budget_allocator.tokens import count_all_tokens, count_tokens, truncate_to_tokens

__all__ = [
    "Allocation",
    "AllocationAverages",
    "AllocationDiff",
    "AllocationLogEntry",
    "AllocationOptions",
    "AllocationReport",
    "AllocationResult",
    "AllocationSession",
    "AllocationStatistics",
    "ArgumentTypeError",
    "ArgumentValueError",
    "ArrowArrayExport",
    "ArrowStreamExport",
    "BudgetSummary",
    "Columns",
    "ComplexityAnalysis",
    "ComplexityContribution",
    "ComplexityRules",
    "ConfigurationError",
    "ConfigurationNotFoundError",
    "ConfigurationTypeError",
    "DataError",
    "DiffEntry",
    "ItemTypeError",
    "ItemValueError",
    "LoggedMemory",
    "LoggedTierResult",
    "MemoryBudgetAllocator",
    "MemoryBudgetError",
    "MemoryItem",
    "MemoryLike",
    "MemoryPool",
    "MemoryTier",
    "MissingExtraError",
    "PinnedOverflowError",
    "PoolSnapshot",
    "PromotionResult",
    "PromptTemplate",
    "QueryComplexity",
    "Ranking",
    "Receipt",
    "ReceiptReason",
    "ReceiptResult",
    "ReceiptTerm",
    "ScoreTerm",
    "SelectedMemory",
    "SessionAllocation",
    "SessionBusyError",
    "TierAllocation",
    "TierChange",
    "TierChangeOutcome",
    "TierMove",
    "TierResult",
    "TierStatistics",
    "TokenCounter",
    "UnknownMemoryError",
    "UnmatchedTierChange",
    "WorkspaceConfig",
    "__version__",
    "context_window",
    "count_all_tokens",
    "count_tokens",
    "truncate_to_tokens",
]

# What an allocation does not need is imported when somebody asks for it: a third of the time that
# importing this package takes.
_MODULES_OF_NAMES = {
    "options": ("AllocationOptions",),
    "prompt_template": ("PromptTemplate",),
    "protocols": ("ArrowArrayExport", "ArrowStreamExport", "Columns", "MemoryLike"),
    "receipts": ("AllocationDiff", "AllocationReport", "DiffEntry", "Receipt", "ScoreTerm"),
    "results": (
        "AllocationAverages",
        "AllocationLogEntry",
        "AllocationResult",
        "AllocationStatistics",
        "BudgetSummary",
        "ComplexityAnalysis",
        "ComplexityContribution",
        "LoggedMemory",
        "LoggedTierResult",
        "PromotionResult",
        "ReceiptReason",
        "ReceiptResult",
        "ReceiptTerm",
        "SelectedMemory",
        "TierChange",
        "TierChangeOutcome",
        "TierMove",
        "TierResult",
        "TierStatistics",
        "UnmatchedTierChange",
    ),
    "session": ("AllocationSession", "SessionAllocation"),
    "tokens": ("count_all_tokens", "count_tokens", "truncate_to_tokens"),
}
_MODULES = {name: module for module, names in _MODULES_OF_NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    """The public name of a module that is not imported yet."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value  # the next time it is simply there
    return value


def __dir__() -> list[str]:
    """All names, imported or not."""
    return sorted({*globals(), *__all__})
