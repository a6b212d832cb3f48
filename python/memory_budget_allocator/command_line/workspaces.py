"""The allocator that a command's options ask for, and which of its settings apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_budget_allocator.allocator import MemoryBudgetAllocator
from memory_budget_allocator.command_line.problems import UsageError
from memory_budget_allocator.errors import ArgumentTypeError, ArgumentValueError
from memory_budget_allocator.text_width import displayable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from memory_budget_allocator.results import ConfigScope
    from memory_budget_allocator.workspace import WorkspaceConfig

__all__ = ["check_context", "make_allocator", "scope_phrase"]


def make_allocator(config_file: str | None) -> MemoryBudgetAllocator:
    """An allocator with the packaged workspaces and those of a file."""
    if config_file is None:
        return MemoryBudgetAllocator(log_allocations=False)
    return MemoryBudgetAllocator.from_yaml(config_file, log_allocations=False)


def check_context(allocator: MemoryBudgetAllocator, context: Mapping[str, Any] | None) -> None:
    """Refuse a context with impossible values, as wrong usage."""
    try:
        allocator.estimate_query_complexity("", context)
    except (ArgumentTypeError, ArgumentValueError) as error:
        raise UsageError(f"argument --context: {error}") from error


def scope_phrase(workspace: str, project: str | None, scope: ConfigScope, config: WorkspaceConfig) -> str:
    """Whose settings apply, in words."""
    phrase = displayable(workspace[:200])
    if scope == "default":
        phrase += " (unknown: the default settings apply)"
    if project is not None:
        phrase += f", project {displayable(project[:200])}"
        if scope != "project":
            phrase += " (without settings of its own)"
    return f"{phrase}, {config.max_total_tokens} tokens"
