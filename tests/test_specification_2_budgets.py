"""Section 2: how many tokens a tier may hold."""

from __future__ import annotations

from typing import Any

import pytest

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    QueryComplexity,
    WorkspaceConfig,
)


@pytest.mark.parametrize(
    ("level", "budgets"),
    [
        (QueryComplexity.COMPLEX, [3686, 3072, 2458, 3072]),
        (QueryComplexity.MEDIUM, [2458, 2048, 1638, 2048]),
        (QueryComplexity.SIMPLE, [1229, 1024, 819, 1024]),
        (QueryComplexity.EXPERT, [4915, 4096, 3277, 4096]),
    ],
)
def test_budgets_of_the_default_workspace(level: QueryComplexity, budgets: list[int]) -> None:
    config = WorkspaceConfig("default")
    assert [config.get_tier_budget(tier, level) for tier in MemoryTier] == budgets
    assert all(type(config.get_tier_budget(tier, level)) is int for tier in MemoryTier)


@pytest.mark.parametrize(("total", "budget"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_halves_go_to_the_even_neighbour(total: int, budget: int) -> None:
    config = WorkspaceConfig("w", max_total_tokens=total, rag_memory_pct=0.5)
    assert config.get_tier_budget(MemoryTier.RAG, QueryComplexity.MEDIUM) == budget


def test_tier_and_level_may_be_strings() -> None:
    config = WorkspaceConfig("w")
    assert config.get_tier_budget("long_term", "complex") == 2458


def test_a_level_missing_from_a_dict_counts_as_one() -> None:
    config = WorkspaceConfig("w", complexity_multipliers={"simple": 0.5})
    assert config.get_tier_budget(MemoryTier.RAG, QueryComplexity.SIMPLE) == 1024
    assert config.get_tier_budget(MemoryTier.RAG, QueryComplexity.EXPERT) == 2048
    allocator = MemoryBudgetAllocator(config)
    result = allocator.allocate_memory_budget("Explain the architecture", [])
    assert result["budget"]["complexity_multiplier"] == 1.0


def test_multipliers_may_be_keyed_by_members() -> None:
    keyed: Any = {QueryComplexity.EXPERT: 3.0}
    config = WorkspaceConfig("w", complexity_multipliers=keyed)
    assert config.get_tier_budget(MemoryTier.RAG, QueryComplexity.EXPERT) == 6144


def test_a_multiplier_above_one_exceeds_the_base_budget() -> None:
    config = WorkspaceConfig("w")
    assert sum(config.get_tier_budget(tier, QueryComplexity.COMPLEX) for tier in MemoryTier) == 12_288


def test_budgets_saturate_at_the_largest_count() -> None:
    config = WorkspaceConfig("w", max_total_tokens=2**53 - 1, complexity_multipliers={"simple": 1e300})
    assert config.get_tier_budget(MemoryTier.RAG, QueryComplexity.SIMPLE) == 2**53 - 1


def test_a_zero_budget_selects_nothing_that_costs_anything() -> None:
    config = WorkspaceConfig("w", working_memory_pct=0.0)
    items = [
        MemoryItem("costly", "text", MemoryTier.WORKING, None, relevance_score=1.0),
        MemoryItem("free", "", MemoryTier.WORKING, None),
    ]
    tier = MemoryBudgetAllocator(config).allocate_memory_budget("", items)["tiers"]["working"]
    assert [memory["memory_id"] for memory in tier["selected_memories"]] == ["free"]
    assert (tier["budget_tokens"], tier["tokens_used"], tier["memories_available"]) == (0, 0, 2)
    assert tier["utilization_pct"] == 0.0


@pytest.mark.parametrize(("tier", "level"), [("nowhere", "simple"), (MemoryTier.RAG, "hard"), (1, "simple")])
def test_unknown_tiers_and_levels_are_refused(tier: Any, level: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        WorkspaceConfig("w").get_tier_budget(tier, level)
