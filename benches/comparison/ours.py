"""The library through each of its doors, and the plain loop that it is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import memory_budget_allocator
from comparison.side import MissingSideError, Prepared
from comparison.workload import CONFIG
from measuring import NOW, QUERY, reference
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from comparison.workload import Selection, Workload


def allocator() -> MemoryBudgetAllocator:
    return MemoryBudgetAllocator(WorkspaceConfig("default"), log_allocations=False)


def positions(allocation: Any) -> Selection:
    return [list(allocation.tiers[tier].positions) for tier in MemoryTier]


def rows_of_ids(result: dict[str, Any]) -> Selection:
    """The ids are `memory-ROW`."""
    return [
        [int(entry["memory_id"].partition("-")[2]) for entry in result["tiers"][tier]["selected_memories"]]
        for tier in reference.TIERS
    ]


# The plain loop


def plain_loop(workload: Workload) -> Prepared:
    memories = [reference.Memory(**fields) for fields in workload.fields()]
    return Prepared(lambda: reference.allocate_memory_budget(QUERY, memories, CONFIG, now=NOW), rows_of_ids)


def plain_loop_without_entries(workload: Workload) -> Prepared:
    """The same loop with the selected memories themselves in its result instead of a dict for each of them:
    what `allocate` does without `to_dict`."""
    memories = [reference.Memory(**fields) for fields in workload.fields()]

    def itself(item: reference.Memory, *_: object) -> Any:
        return item

    def call() -> dict[str, Any]:
        entry_of, reference.selected_entry = reference.selected_entry, itself
        try:
            return reference.allocate_memory_budget(QUERY, memories, CONFIG, now=NOW)
        finally:
            reference.selected_entry = entry_of

    def rows(result: dict[str, Any]) -> Selection:
        return [
            [int(item.memory_id.partition("-")[2]) for item in result["tiers"][tier]["selected_memories"]]
            for tier in reference.TIERS
        ]

    return Prepared(call, rows)


# The library


def list_of_items(workload: Workload) -> Prepared:
    memories = [MemoryItem(**fields) for fields in workload.fields()]  # type: ignore[arg-type]
    allocate = allocator().allocate
    return Prepared(lambda: allocate(QUERY, memories, current_time=NOW), positions)


def list_to_dict(workload: Workload) -> Prepared:
    memories = [MemoryItem(**fields) for fields in workload.fields()]  # type: ignore[arg-type]
    allocate = allocator().allocate_memory_budget
    return Prepared(lambda: allocate(QUERY, memories, current_time=NOW), rows_of_ids)


def column_mapping(workload: Workload) -> dict[str, Any]:
    """NumPy arrays, named as `MemoryItem`'s fields; times are microseconds since 1970."""
    return {
        "relevance_score": workload.relevance,
        "importance_score": workload.importance,
        "timestamp": workload.timestamp_us,
        "token_count": workload.tokens,
        "tier": workload.tier,
    }


def require_columns() -> None:
    try:
        allocator().allocate(QUERY, {"relevance_score": [0.5], "token_count": [1]}, current_time=NOW)  # type: ignore[arg-type]
    except TypeError:
        raise MissingSideError("this build of the library has no door for columns") from None


def numpy_columns(workload: Workload) -> Prepared:
    require_columns()
    table: Any = column_mapping(workload)
    allocate = allocator().allocate
    return Prepared(lambda: allocate(QUERY, table, current_time=NOW), positions)


def polars_columns(workload: Workload) -> Prepared:
    require_columns()
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise MissingSideError("pip install polars") from None
    table: Any = pl.DataFrame(column_mapping(workload))
    allocate = allocator().allocate
    return Prepared(lambda: allocate(QUERY, table, current_time=NOW), positions)


def make_pool(workload: Workload) -> Any:
    pool_class: Any = getattr(memory_budget_allocator, "MemoryPool", None)
    if pool_class is None:
        raise MissingSideError("this build of the library has no MemoryPool")
    stored = column_mapping(workload)
    del stored["relevance_score"]  # a new one comes with every query
    return pool_class.from_columns({"memory_id": list(workload.ids), **stored})


def pool(workload: Workload) -> Prepared:
    resident = make_pool(workload)
    allocate: Callable[..., Any] = allocator().allocate
    relevance = workload.relevance
    return Prepared(lambda: allocate(QUERY, resident, relevance=relevance, current_time=NOW), positions)
