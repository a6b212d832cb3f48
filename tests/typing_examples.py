"""Uses of the public API as a type checker must accept them; checked, and run by a test."""

from __future__ import annotations

import dataclasses
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_type

from memory_budget_allocator import (
    Allocation,
    ArrowStreamExport,
    ComplexityRules,
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    QueryComplexity,
    WorkspaceConfig,
)
from memory_budget_allocator.evaluation import (
    Candidate,
    Estimate,
    Evaluation,
    Question,
    dataset_from_records,
    evaluate,
)
from memory_budget_config_loader import MemoryBudgetConfigLoader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memory_budget_allocator import AllocationResult, Columns, MemoryLike, PromotionResult, SelectedMemory

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class Note(MemoryItem):
    """A user's dataclass over the item."""

    author: str = "unknown"


class Shout(MemoryItem):
    """A user's plain subclass."""

    def loud(self) -> str:
        return self.text.upper()


@dataclass
class Foreign:
    """Any class with the attributes is a memory."""

    memory_id: str
    text: str
    tier: str
    timestamp: datetime
    relevance_score: float = 0.0
    importance_score: float = 0.5
    freshness_score: float = 1.0
    combined_score: float = 0.0
    token_count: int = 0
    access_count: int = 0
    last_accessed: datetime | None = None
    promotion_score: float = 0.0
    extra: list[str] = field(default_factory=list[str])


def items() -> list[MemoryLike]:
    """One memory of each kind."""
    item = MemoryItem("m1", "text", MemoryTier.WORKING, NOW, relevance_score=0.9)
    changed = dataclasses.replace(item, memory_id="m2")
    assert_type(changed, MemoryItem)
    note = Note("m3", "text", MemoryTier.RAG, None, author="me")
    shout = Shout("m4", "text", MemoryTier.PROJECT, NOW)
    shout.loud()
    return [item, changed, note, shout, Foreign("m5", "text", "long_term", NOW)]


def allocate() -> SelectedMemory:
    """The allocation API."""
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default", max_total_tokens=1000), history_limit=5)
    allocation = allocator.allocate("How?", items(), context={"turn_count": 4}, current_time=NOW)
    assert_type(allocation, Allocation)
    assert_type(allocation.complexity, QueryComplexity)
    assert_type(allocation.selected, list["MemoryLike"])
    result: AllocationResult = allocator.allocate_memory_budget("How?", items(), current_time=NOW)
    used: int = result["tiers"]["working"]["tokens_used"]
    assert used > 0
    return result["tiers"]["working"]["selected_memories"][0]


class Table:
    """Any class that speaks Arrow is a table."""

    def __init__(self, allocation: Allocation) -> None:
        self.allocation = allocation

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.allocation.__arrow_c_stream__(requested_schema)


def columns() -> list[int]:
    """Columns in place of memories."""
    allocator = MemoryBudgetAllocator()
    given: Columns = {"relevance_score": array("d", [0.5, 0.9]), "token_count": [10, 20], "tier": b"\x00\x03"}
    allocation = allocator.allocate("How?", given, current_time=NOW)
    assert_type(allocation.tiers[MemoryTier.RAG].positions, list[int])
    tables: list[ArrowStreamExport] = [allocation, Table(allocation)]
    assert all(isinstance(table, ArrowStreamExport) for table in tables)
    return allocator.allocate("How?", {"relevance_score": [0.5], "text": ["words"]}).selected_positions


def promote() -> PromotionResult:
    """Promotion, statistics, export."""
    allocator = MemoryBudgetAllocator(complexity=ComplexityRules(domain_keywords=()))
    config, scope = allocator.resolve_config("research", "thesis")
    assert scope == "workspace"
    memories = items()
    for memory in memories:
        assert_type(allocator.calculate_memory_score(memory, config, NOW), float)
    result = allocator.evaluate_promotion_demotion(memories, config, NOW)
    outcome = allocator.apply_tier_changes(memories, result)
    assert isinstance(outcome["moved"], list)
    assert_type(allocator.get_allocation_statistics()["total_allocations"], int)
    return result


def pool() -> MemoryPool:
    """Resident memories."""
    pool = MemoryPool.from_items(items())
    pool.update(pool.ids[0] or "", text="new", tier=MemoryTier.RAG, importance_score=0.75)
    snapshot = pool.snapshot()
    assert_type(pool.get("nobody"), MemoryItem | None)
    allocator = MemoryBudgetAllocator()
    relevance = array("f", [0.5] * snapshot.rows)
    allocation = allocator.allocate("q", snapshot, relevance=relevance, tiers=["rag"], user_id=None)
    assert_type(allocation, Allocation)
    allocator.allocate_memory_budget("q", pool, relevance={}, missing_relevance="exclude")
    result = allocator.evaluate_promotion_demotion(pool, WorkspaceConfig("w"), relevance=relevance)
    allocator.apply_tier_changes(pool, result)
    return pool


def newest(_question: Question, candidates: Sequence[Candidate], _budget: int) -> list[str]:
    """A policy of the user: the last candidate first."""
    return [each.candidate_id for each in reversed(candidates)]


def judge() -> Evaluation:
    """An evaluation with a policy of the user."""
    candidates = [{"id": "a", "text": "a text", "relevance": 0.5}]
    data = dataset_from_records([{"question": "q", "candidates": candidates, "gold": ["a"]}])
    report = evaluate(data, policies={"newest": newest}, budgets=[8])
    assert_type(report.recall["newest"][0], Estimate)
    return report


def configure() -> dict[str, WorkspaceConfig]:
    """Configuration."""
    try:
        return MemoryBudgetConfigLoader.load_default()
    except MemoryBudgetError:
        raise


if __name__ == "__main__":
    allocate()
    columns()
    promote()
    pool()
    judge()
    configure()
