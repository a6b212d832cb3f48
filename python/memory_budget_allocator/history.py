"""What a journal is asked for: statistics over its allocations, and its detailed history as a file."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from memory_budget_allocator import _core
from memory_budget_allocator.arguments import require_text, window_us

if TYPE_CHECKING:
    import os
    from datetime import datetime

    from memory_budget_allocator.results import AllocationStatistics

__all__ = ["allocation_statistics", "write_history"]


def allocation_statistics(
    journal: _core.Journal,
    workspace_id: str | None,
    time_window_hours: float | None,
    current_time: datetime | None,
) -> AllocationStatistics:
    """See `MemoryBudgetAllocator.get_allocation_statistics`."""
    if workspace_id is not None:
        require_text("workspace_id", workspace_id)
    end_us = _core.epoch_microseconds(current_time)
    since_us = None
    if time_window_hours:
        since_us = end_us - window_us(time_window_hours)
    elif time_window_hours is not None:
        window_us(time_window_hours)
    sums, complete = journal.statistics(workspace_id, since_us)
    statistics: AllocationStatistics = {
        "total_allocations": sums["total_allocations"],
        "workspace_id": "all" if workspace_id is None else workspace_id,
        "time_window_hours": time_window_hours,
        "averages": sums["averages"],
        "complexity_distribution": sums["complexity_distribution"],
        "tier_statistics": sums["tier_statistics"],
        "timestamp": _core.isoformat(end_us),
        "complete": complete,
    }
    if not sums["total_allocations"]:
        statistics["message"] = "no allocations recorded"
    return statistics


def write_history(journal: _core.Journal, filepath: str | os.PathLike[str]) -> None:
    """See `MemoryBudgetAllocator.export_allocation_log`."""
    import json

    from memory_budget_allocator.durable_write import write_text

    encoded = (json.dumps(entry, allow_nan=False) for entry in journal.entries())
    separated = (",\n" + line if position else line for position, line in enumerate(encoded))
    write_text(filepath, chain(["[\n"], separated, ["\n]\n"]))
