"""Section 7: the ladder of tiers, who should climb it and who should go down."""

from __future__ import annotations

import json
import logging
import math
from datetime import datetime, timedelta
from typing import Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig

LONG_TERM, RAG, PROJECT, WORKING = (
    MemoryTier.LONG_TERM,
    MemoryTier.RAG,
    MemoryTier.PROJECT,
    MemoryTier.WORKING,
)
CONFIG = WorkspaceConfig("w")


def memory(memory_id: str = "m", tier: MemoryTier = PROJECT, **fields: Any) -> MemoryItem:
    return MemoryItem(memory_id, "text", tier, fields.pop("timestamp", None), **fields)


def strong(memory_id: str = "m", tier: MemoryTier = PROJECT, **fields: Any) -> MemoryItem:
    return memory(memory_id, tier, **({"combined_score": 0.9, "access_count": 3} | fields))


def weak(memory_id: str = "m", tier: MemoryTier = PROJECT, **fields: Any) -> MemoryItem:
    long_ago = datetime(2000, 1, 1)
    return memory(memory_id, tier, **({"combined_score": 0.1, "timestamp": long_ago} | fields))


def score(item: MemoryItem, now: datetime, config: WorkspaceConfig = CONFIG) -> float:
    MemoryBudgetAllocator().evaluate_promotion_demotion([item], config, now)
    return item.promotion_score


def moves(items: list[Any], now: datetime, config: WorkspaceConfig = CONFIG) -> list[tuple[str, str, str]]:
    result = MemoryBudgetAllocator().evaluate_promotion_demotion(items, config, now)
    return [
        (move["memory_id"], move["current_tier"], move["target_tier"])
        for move in [*result["promotions"], *result["demotions"]]
    ]


@pytest.mark.parametrize(("accesses", "frequency"), [(0, 0.0), (1, 1 / 3), (2, 2 / 3), (3, 1.0), (9, 1.0)])
def test_access_frequency(accesses: int, frequency: float, now: datetime) -> None:
    item = memory(combined_score=0.4, access_count=accesses, last_accessed=now)
    assert score(item, now) == 0.5 * 0.4 + 0.3 * frequency + 0.2 * 1.0


def test_an_access_threshold_of_zero_counts_as_fully_used(now: datetime) -> None:
    assert score(memory(), now, WorkspaceConfig("w", promotion_access_threshold=0)) == 0.3 + 0.2


def test_recency_decays_by_the_day_without_rounding(now: datetime) -> None:
    for days in (0.25, 1.0, 1.5, 30.0):
        item = memory(last_accessed=now - timedelta(days=days), timestamp=now)
        assert score(item, now) == 0.2 * math.exp(-0.1 * days)


def test_recency_falls_back_to_creation_and_then_to_one(now: datetime) -> None:
    assert score(memory(timestamp=now - timedelta(days=10)), now) == 0.2 * math.exp(-1.0)
    assert score(memory(), now) == 0.2
    assert score(memory(last_accessed=now + timedelta(days=10)), now) == 0.2


@pytest.mark.parametrize("combined", [math.nan])
def test_a_combined_score_that_is_no_number_counts_as_zero(combined: float, now: datetime) -> None:
    assert score(memory(combined_score=combined), now) == 0.2


@pytest.mark.parametrize(
    ("tier", "above", "below"),
    [(LONG_TERM, RAG, None), (RAG, PROJECT, LONG_TERM), (PROJECT, WORKING, RAG), (WORKING, None, PROJECT)],
)
def test_the_ladder(
    tier: MemoryTier, above: MemoryTier | None, below: MemoryTier | None, now: datetime
) -> None:
    assert moves([strong(tier=tier)], now) == ([("m", tier.value, above.value)] if above else [])
    assert moves([weak(tier=tier)], now) == ([("m", tier.value, below.value)] if below else [])


def test_the_ladder_is_configurable(now: datetime) -> None:
    allocator = MemoryBudgetAllocator(tier_order=(WORKING, PROJECT, RAG, LONG_TERM))
    items = [strong("up"), weak("down"), strong("top", LONG_TERM), weak("bottom", WORKING)]
    result = allocator.evaluate_promotion_demotion(items, CONFIG, now)
    assert [(move["memory_id"], move["target_tier"]) for move in result["promotions"]] == [("up", "rag")]
    assert [(move["memory_id"], move["target_tier"]) for move in result["demotions"]] == [("down", "working")]


@pytest.mark.parametrize("order", [(WORKING, WORKING), (), ("attic", "cellar"), "working", None])
def test_an_impossible_ladder_is_refused(order: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="tier_order"):
        MemoryBudgetAllocator(tier_order=order)


def test_promotion_needs_the_score_and_the_accesses(now: datetime) -> None:
    # 0.5 * 0.6 + 0.3 + 0.2: the threshold exactly, which is enough.
    assert moves([strong(combined_score=0.6)], now) == [("m", "project", "working")]
    assert moves([strong(combined_score=0.59)], now) == []
    eager = WorkspaceConfig("w", promotion_threshold=0.5)
    assert moves([strong(access_count=2)], now, eager) == []
    assert moves([strong(access_count=3)], now, eager) == [("m", "project", "working")]


def test_demotion_is_strictly_below_the_threshold(now: datetime) -> None:
    exactly = WorkspaceConfig("w", demotion_threshold=0.2)
    assert moves([memory()], now, exactly) == []
    above = WorkspaceConfig("w", demotion_threshold=math.nextafter(0.2, 1.0))
    assert moves([memory()], now, above) == [("m", "project", "rag")]


def test_who_cannot_be_promoted_may_still_be_demoted(now: datetime) -> None:
    inverted = WorkspaceConfig("w", promotion_threshold=0.1, demotion_threshold=1.0)
    assert moves([memory(access_count=1)], now, inverted) == [("m", "project", "rag")]
    assert moves([memory(access_count=3)], now, inverted) == [("m", "project", "working")]
    assert moves([strong(tier=WORKING, combined_score=0.5)], now, inverted) == [("m", "working", "project")]


def test_the_shape_of_an_evaluation(now: datetime) -> None:
    items = [strong("up", RAG), memory("still", combined_score=0.5), weak("down")]
    result: Any = MemoryBudgetAllocator().evaluate_promotion_demotion(items, CONFIG, now)
    assert list(result) == ["promotions", "demotions", "total_evaluated", "timestamp"]
    (promotion,) = result["promotions"]
    reason = promotion.pop("reason")
    assert isinstance(reason, str)
    assert reason
    assert promotion == {
        "memory_id": "up",
        "current_tier": "rag",
        "target_tier": "project",
        "promotion_score": 0.5 * 0.9 + 0.3 + 0.2,
        "access_count": 3,
        "combined_score": 0.9,
    }
    assert type(promotion["current_tier"]) is type(promotion["target_tier"]) is str
    assert (result["total_evaluated"], result["timestamp"]) == (3, now.isoformat())
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_an_evaluation_is_json_even_for_scores_that_are_no_numbers(now: datetime) -> None:
    items = [weak(combined_score=value) for value in (math.nan, -math.inf, math.inf)]
    result = MemoryBudgetAllocator().evaluate_promotion_demotion(items, CONFIG, now)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_evaluating_only_recommends(now: datetime) -> None:
    items = [strong("up", relevance_score=0.1), weak("down")]
    MemoryBudgetAllocator().evaluate_promotion_demotion(items, CONFIG, now)
    assert [item.tier for item in items] == [PROJECT, PROJECT]
    assert [item.combined_score for item in items] == [0.9, 0.1]
    assert [item.access_count for item in items] == [3, 0]
    assert items[0].promotion_score == 0.5 * 0.9 + 0.3 + 0.2


def test_any_iterable_may_be_evaluated_even_an_empty_one(now: datetime) -> None:
    allocator = MemoryBudgetAllocator()
    result = allocator.evaluate_promotion_demotion((strong(f"m{i}") for i in range(3)), CONFIG, now)
    assert (len(result["promotions"]), result["total_evaluated"]) == (3, 3)
    assert allocator.evaluate_promotion_demotion([], CONFIG, now)["total_evaluated"] == 0


def test_a_stranger_among_the_items_changes_nothing(now: datetime) -> None:
    first = strong("first")
    stranger: Any = object()
    with pytest.raises(TypeError, match="1"):
        MemoryBudgetAllocator().evaluate_promotion_demotion([first, stranger], CONFIG, now)
    assert first.promotion_score == 0.0


def test_applying_moves_what_was_recommended(now: datetime) -> None:
    allocator = MemoryBudgetAllocator()
    items = [strong("up"), memory("still", combined_score=0.5), weak("down")]
    result = allocator.evaluate_promotion_demotion(items, CONFIG, now)
    outcome = allocator.apply_tier_changes(items, result)
    assert outcome == {
        "moved": [
            {"memory_id": "up", "from_tier": "project", "to_tier": "working"},
            {"memory_id": "down", "from_tier": "project", "to_tier": "rag"},
        ],
        "stale": [],
        "unknown": [],
    }
    assert [item.tier for item in items] == [WORKING, PROJECT, RAG]
    assert all(isinstance(item.tier, MemoryTier) for item in items)


def test_applying_twice_moves_nothing_the_second_time(now: datetime) -> None:
    allocator = MemoryBudgetAllocator()
    items = [strong("up")]
    result = allocator.evaluate_promotion_demotion(items, CONFIG, now)
    allocator.apply_tier_changes(items, result)
    outcome = allocator.apply_tier_changes(items, result)
    assert (outcome["moved"], outcome["unknown"]) == ([], [])
    assert outcome["stale"] == [{"memory_id": "up", "current_tier": "project", "target_tier": "working"}]
    assert items[0].tier is WORKING


def test_applying_to_items_that_are_gone(now: datetime) -> None:
    allocator = MemoryBudgetAllocator()
    result = allocator.evaluate_promotion_demotion([strong("up")], CONFIG, now)
    outcome = allocator.apply_tier_changes([memory("somebody else")], result)
    assert outcome == {
        "moved": [],
        "stale": [],
        "unknown": [{"memory_id": "up", "current_tier": "project", "target_tier": "working"}],
    }


def test_applying_moves_every_item_with_that_id_and_tier(now: datetime) -> None:
    allocator = MemoryBudgetAllocator()
    result = allocator.evaluate_promotion_demotion([strong("up")], CONFIG, now)
    items = [memory("up"), memory("up"), memory("up", RAG)]
    allocator.apply_tier_changes(items, result)
    assert [item.tier for item in items] == [WORKING, WORKING, RAG]


@pytest.mark.parametrize(("promote", "demote", "warned"), [(0.8, 0.3, 0), (0.5, 0.5, 1), (0.3, 0.8, 1)])
def test_a_gap_that_is_none_is_warned_about(
    promote: float, demote: float, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="memory_budget_allocator"):
        WorkspaceConfig("w", promotion_threshold=promote, demotion_threshold=demote)
    assert len(caplog.records) == warned
