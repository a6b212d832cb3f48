"""Section 6: what is selected, and what the result says about it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig

MEDIUM = "Explain the architecture"


def memory(memory_id: str, tokens: int, relevance: float = 0.5, **fields: Any) -> MemoryItem:
    given = {"text": memory_id, "tier": MemoryTier.WORKING, "timestamp": None} | fields
    return MemoryItem(memory_id, token_count=tokens, relevance_score=relevance, **given)


def one_tier(budget: int) -> MemoryBudgetAllocator:
    return MemoryBudgetAllocator(WorkspaceConfig("w", max_total_tokens=budget, working_memory_pct=1.0))


def ids(result: Any, tier: str = "working") -> list[str]:
    return [entry["memory_id"] for entry in result["tiers"][tier]["selected_memories"]]


def test_best_first_and_ties_in_input_order() -> None:
    items = [
        memory(name, 1, score) for name, score in zip("abcdef", [0.1, 0.9, 0.5, 0.9, 0.5, 0.9], strict=True)
    ]
    assert ids(one_tier(100).allocate_memory_budget(MEDIUM, items)) == ["b", "d", "f", "c", "e", "a"]


def test_what_does_not_fit_is_skipped_and_the_rest_still_tried() -> None:
    items = [memory("a", 60, 0.9), memory("b", 50, 0.8), memory("c", 40, 0.7), memory("d", 1, 0.6)]
    result = one_tier(100).allocate_memory_budget(MEDIUM, items)
    assert ids(result) == ["a", "c"]
    tier = result["tiers"]["working"]
    assert (tier["tokens_used"], tier["tokens_remaining"], tier["utilization_pct"]) == (100, 0, 100.0)
    assert (tier["memories_available"], tier["memories_selected"]) == (4, 2)


@pytest.mark.parametrize("budget", range(1, 30))
def test_never_over_budget(budget: int) -> None:
    items = [memory(f"m{i}", i * 7 % 11, i * 13 % 17 / 17) for i in range(40)]
    tier = one_tier(budget).allocate_memory_budget(MEDIUM, items)["tiers"]["working"]
    assert sum(entry["token_count"] for entry in tier["selected_memories"]) == tier["tokens_used"] <= budget
    left = [item for item in items if item.access_count == 0]
    assert all(item.token_count > tier["tokens_remaining"] for item in left)


def test_tiers_do_not_share_budgets() -> None:
    items = [memory(tier.value, 30, tier=tier) for tier in MemoryTier for _ in range(2)]
    config = WorkspaceConfig(
        "w",
        max_total_tokens=100,
        working_memory_pct=0.7,
        project_memory_pct=0.3,
        long_term_memory_pct=0.0,
        rag_memory_pct=0.0,
    )
    result = MemoryBudgetAllocator(config).allocate_memory_budget(MEDIUM, items)
    assert [entry["memories_selected"] for entry in result["tiers"].values()] == [2, 1, 0, 0]
    assert (result["total_tokens_allocated"], result["total_memories_selected"]) == (90, 3)


def test_the_shape_of_a_result(now: datetime) -> None:
    written = now - timedelta(hours=1)
    text = "é" * 101
    item = memory("m", 0, 0.9, text=text, timestamp=written, importance_score=0.8, access_count=6)
    result = MemoryBudgetAllocator().allocate_memory_budget(MEDIUM, [item], current_time=now)
    duration = result.pop("processing_time_ms")  # type: ignore[misc]
    assert isinstance(duration, float)
    assert duration > 0.0
    empty = {
        "tokens_used": 0,
        "memories_available": 0,
        "memories_selected": 0,
        "utilization_pct": 0.0,
        "selected_memories": [],
    }
    assert result == {
        "query": MEDIUM,
        "workspace_id": "default",
        "project_id": None,
        "config_scope": result["config_scope"],
        "complexity": "medium",
        "timestamp": "2026-03-14T15:09:26.535897+00:00",
        "budget": {
            "max_total_tokens": 8192,
            "tier_percentages": {"working": 0.30, "project": 0.25, "long_term": 0.20, "rag": 0.25},
            "complexity_multiplier": 1.0,
        },
        "tiers": {
            "working": {
                "budget_tokens": 2458,
                "tokens_used": 25,
                "tokens_remaining": 2433,
                "memories_available": 1,
                "memories_selected": 1,
                "utilization_pct": 1.02,
                "selected_memories": [
                    {
                        "memory_id": "m",
                        "tier": "working",
                        "text": text,
                        "text_preview": "é" * 100 + "...",
                        "token_count": 25,
                        "combined_score": 0.8892,
                        "relevance_score": 0.9,
                        "importance_score": 0.8,
                        "freshness_score": 0.9959,
                        "access_count": 7,
                        "timestamp": "2026-03-14T14:09:26.535897+00:00",
                    }
                ],
            },
            "project": empty | {"budget_tokens": 2048, "tokens_remaining": 2048},
            "long_term": empty | {"budget_tokens": 1638, "tokens_remaining": 1638},
            "rag": empty | {"budget_tokens": 2048, "tokens_remaining": 2048},
        },
        "total_tokens_allocated": 25,
        "total_memories_selected": 1,
    }
    assert list(result["tiers"]) == ["working", "project", "long_term", "rag"]


def test_a_short_text_is_its_own_preview() -> None:
    result = one_tier(1000).allocate_memory_budget(MEDIUM, [memory("m", 1, text="x" * 100)])
    assert result["tiers"]["working"]["selected_memories"][0]["text_preview"] == "x" * 100


@pytest.mark.parametrize(
    ("timestamp", "shown"),
    [
        (None, None),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05+00:00"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05+00:00"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), "0001-01-01T00:00:00+14:00"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), "9999-12-31T23:59:59.999999-05:00"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_timestamps_are_shown_in_utc_where_they_can_be(timestamp: datetime | None, shown: str | None) -> None:
    result = one_tier(9).allocate_memory_budget(MEDIUM, [memory("m", 1, timestamp=timestamp)])
    assert result["tiers"]["working"]["selected_memories"][0]["timestamp"] == shown


def test_a_naive_current_time_is_utc(now: datetime) -> None:
    item = memory("m", 1)
    result = one_tier(9).allocate_memory_budget(MEDIUM, [item], current_time=now.replace(tzinfo=None))
    assert result["timestamp"] == now.isoformat()
    assert item.last_accessed == now


def test_results_are_plain_json_whatever_the_memories_hold() -> None:
    items = [
        memory("\ud800\n\x00", 1, float("nan"), text="\udfff text"),
        memory("huge", 1, 1e308, importance_score=float("-inf"), freshness_score=float("nan")),
    ]
    result = one_tier(9).allocate_memory_budget("how \ud800", items, workspace_id="\udc00")
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_numpy_scalars_do_not_reach_the_result() -> None:
    numpy = pytest.importorskip("numpy")
    config = WorkspaceConfig("w", max_total_tokens=numpy.int64(64), working_memory_pct=numpy.float64(1.0))
    item = memory("m", numpy.int32(5), numpy.float32(0.25))
    result = MemoryBudgetAllocator(config).allocate_memory_budget(MEDIUM, [item])
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_an_empty_allocation_has_the_whole_shape() -> None:
    result = MemoryBudgetAllocator().allocate_memory_budget("", [])
    assert (result["total_tokens_allocated"], result["total_memories_selected"]) == (0, 0)
    assert [tier["budget_tokens"] for tier in result["tiers"].values()] == [1229, 1024, 819, 1024]


def test_duplicate_ids_are_separate_candidates() -> None:
    items = [memory("same", 10, 0.9), memory("same", 10, 0.8)]
    assert ids(one_tier(100).allocate_memory_budget(MEDIUM, items)) == ["same", "same"]
    assert [item.access_count for item in items] == [1, 1]


def test_the_same_object_twice_is_two_candidates() -> None:
    item = memory("twice", 10)
    result = one_tier(100).allocate_memory_budget(MEDIUM, [item, item])
    entries = result["tiers"]["working"]["selected_memories"]
    assert [entry["access_count"] for entry in entries] == [2, 2]
    assert item.access_count == 2
    assert result["tiers"]["working"]["tokens_used"] == 20


def test_an_unknown_workspace_uses_the_default_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    with caplog.at_level(logging.WARNING, logger="memory_budget_allocator"):
        for _ in range(3):
            result = allocator.allocate_memory_budget("", [], workspace_id="nowhere")
        assert (result["workspace_id"], result["config_scope"]) == ("nowhere", "default")
        assert result["budget"]["max_total_tokens"] == 8192
        assert len(caplog.records) == 1
        allocator.allocate_memory_budget("", [], workspace_id="elsewhere")
        MemoryBudgetAllocator(log_allocations=False).allocate_memory_budget("", [], workspace_id="nowhere")
    assert len(caplog.records) == 3
    assert "nowhere" in caplog.records[0].getMessage()


def test_projects_have_configurations_of_their_own() -> None:
    allocator = MemoryBudgetAllocator()
    own = WorkspaceConfig("development", max_total_tokens=100)
    allocator.register_project("development", "apollo", own)
    assert allocator.resolve_config("development", "apollo") == (own, "project")
    assert allocator.resolve_config("development", "apollo")[0] is own
    workspace, scope = allocator.resolve_config("development", "gemini")
    assert (workspace is allocator.workspace_configs["development"], scope) == (True, "workspace")
    assert allocator.resolve_config("development")[1] == "workspace"
    assert allocator.resolve_config("nowhere")[1] == "default"
    result = allocator.allocate_memory_budget("", [], "development", project_id="apollo")
    assert (result["project_id"], result["config_scope"]) == ("apollo", "project")
    assert result["budget"]["max_total_tokens"] == 100
    other = allocator.allocate_memory_budget("", [], "development", project_id="gemini")
    assert (other["project_id"], other["config_scope"]) == ("gemini", "workspace")
    assert other["budget"]["max_total_tokens"] == 4096


def test_a_default_of_ones_own_is_stored_under_default() -> None:
    own = WorkspaceConfig("mine", max_total_tokens=77)
    allocator = MemoryBudgetAllocator(own)
    assert allocator.workspace_configs["default"] is own
    assert allocator.allocate_memory_budget("", [])["budget"]["max_total_tokens"] == 77


def test_configurations_are_live() -> None:
    allocator = MemoryBudgetAllocator()
    config = WorkspaceConfig("desk", max_total_tokens=100)
    allocator.register_workspace(config)

    def allocated() -> tuple[int, int]:
        result = allocator.allocate_memory_budget("", [], "desk")
        return result["budget"]["max_total_tokens"], result["tiers"]["rag"]["budget_tokens"]

    assert allocated() == (100, 12)
    config.max_total_tokens = 200
    assert allocated() == (200, 25)
    config.complexity_multipliers["simple"] = 1.0
    assert allocated() == (200, 50)
    allocator.workspace_configs["desk"] = WorkspaceConfig("desk", max_total_tokens=40)
    assert allocated() == (40, 5)
    allocator.workspace_configs["desk"].rag_memory_pct = float("nan")
    with pytest.raises(ValueError, match="rag_memory_pct"):
        allocated()
