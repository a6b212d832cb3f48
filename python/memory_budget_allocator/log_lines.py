"""The log lines of a call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from memory_budget_allocator.wording import one_line

if TYPE_CHECKING:
    from memory_budget_allocator._core import Allocation

__all__ = ["log_allocation", "warn_of_non_finite"]

logger = logging.getLogger("memory_budget_allocator")


def log_allocation(allocation: Allocation) -> None:
    """Log one INFO line of an allocation, and a DEBUG line of each tier."""
    logger.info(
        "Memory Budget Allocation - Workspace: %s, Complexity: %s, Tokens: %d, Memories: %d, Time: %.2fms",
        one_line(allocation.workspace_id),
        allocation.complexity.value,
        allocation.total_tokens,
        len(allocation),
        allocation.processing_time_ms,
    )
    if logger.isEnabledFor(logging.DEBUG):
        for name, tier in allocation.tiers.items():
            logger.debug(
                "Tier %s: %d/%d tokens (%.2f%% utilized), %d/%d memories",
                name.value,
                tier.used,
                tier.budget,
                tier.utilization,
                len(tier),
                tier.available,
            )


def warn_of_non_finite(count: int, memory_id: str, field: str) -> None:
    """Warn of score components that were counted as 0."""
    logger.warning(
        "%d NaN or infinite score component%s counted as 0, the first in memory %s: %s",
        count,
        "" if count == 1 else "s",
        one_line(memory_id),
        field,
    )
