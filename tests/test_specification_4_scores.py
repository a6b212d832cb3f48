"""Section 4: freshness and the combined score."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig

DEFAULT = WorkspaceConfig("default")


def scored(
    timestamp: datetime | None, now: datetime, config: WorkspaceConfig = DEFAULT, **fields: Any
) -> MemoryItem:
    item = MemoryItem("m", "text", MemoryTier.RAG, timestamp, **fields)
    assert MemoryBudgetAllocator().calculate_memory_score(item, config, now) == item.combined_score
    return item


@pytest.mark.parametrize(("relevance", "hours", "golden"), [(0.9, 1, 0.889177), (0.7, 24, 0.771149)])
def test_golden_values(relevance: float, hours: int, golden: float, now: datetime) -> None:
    item = scored(now - timedelta(hours=hours), now, relevance_score=relevance, importance_score=0.8)
    assert round(item.combined_score, 6) == golden
    freshness = math.exp(-0.693 * float(hours) / 168.0)
    assert item.freshness_score == freshness
    assert item.combined_score == relevance * 0.5 + 0.8 * 0.3 + freshness * 0.2


def test_age_counts_microseconds(now: datetime) -> None:
    item = scored(now - timedelta(microseconds=123_456_789_123), now)
    assert item.freshness_score == math.exp(-0.693 * (123_456_789_123.0 / 1e6 / 3600.0) / 168.0)


def test_a_future_or_missing_timestamp_is_fresh(now: datetime) -> None:
    assert scored(now + timedelta(days=9), now).freshness_score == 1.0
    assert scored(None, now).freshness_score == 1.0


def test_a_naive_datetime_is_utc(now: datetime) -> None:
    hour_ago = now - timedelta(hours=1)
    elsewhere = hour_ago.astimezone(timezone(timedelta(hours=5, minutes=45)))
    expected = scored(hour_ago, now).freshness_score
    assert scored(hour_ago.replace(tzinfo=None), now).freshness_score == expected
    assert scored(elsewhere, now).freshness_score == expected
    assert scored(hour_ago, now.replace(tzinfo=None)).freshness_score == expected


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
def test_the_ends_of_the_calendar(zone: timezone | None, now: datetime) -> None:
    assert scored(datetime.min.replace(tzinfo=zone), now).freshness_score == 0.0
    assert scored(datetime.max.replace(tzinfo=zone), now).freshness_score == 1.0
    endless = WorkspaceConfig("w", freshness_half_life_hours=1e9)
    assert 0.98 < scored(datetime.min.replace(tzinfo=zone), now, endless).freshness_score < 0.99


def test_the_half_life_is_the_configurations(now: datetime) -> None:
    config = WorkspaceConfig("w", freshness_half_life_hours=24.0)
    item = scored(now - timedelta(hours=24), now, config)
    assert item.freshness_score == math.exp(-0.693)


def test_only_the_combined_score_is_clamped(now: datetime) -> None:
    item = scored(now, now, relevance_score=7.0, importance_score=-1.0)
    assert (item.relevance_score, item.importance_score, item.combined_score) == (7.0, -1.0, 1.0)
    assert scored(now, now, relevance_score=-7.0).combined_score == 0.0
    part = scored(now, now, relevance_score=1.5, importance_score=-0.5)
    assert part.combined_score == 1.5 * 0.5 + -0.5 * 0.3 + 1.0 * 0.2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_counts_as_zero(value: float, now: datetime) -> None:
    assert scored(now, now, relevance_score=value).combined_score == 0.0 * 0.5 + 0.5 * 0.3 + 1.0 * 0.2
    assert scored(now, now, importance_score=value, relevance_score=1.0).combined_score == 0.5 + 0.0 + 0.2
    allocator = MemoryBudgetAllocator()
    item = MemoryItem("m", "text", MemoryTier.RAG, now, relevance_score=value)
    (entry,) = allocator.allocate_memory_budget("", [item], current_time=now)["tiers"]["rag"][
        "selected_memories"
    ]
    assert (entry["relevance_score"], entry["combined_score"]) == (0.0, 0.35)


def test_it_is_reported_once_a_call(now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    items = [MemoryItem(f"m{i}", "", MemoryTier.RAG, now, relevance_score=math.nan) for i in range(5)]
    allocator = MemoryBudgetAllocator(log_allocations=False)
    with caplog.at_level(logging.WARNING, logger="memory_budget_allocator"):
        allocator.allocate_memory_budget("", items, current_time=now)
        assert len(caplog.records) == 1
        assert "relevance_score" in caplog.text
        assert "m0" in caplog.text
        allocator.allocate_memory_budget("", items, current_time=now)
        assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("relevance", "importance", "expected"), [(1e308, 0.0, 1.0), (-1e308, 0.0, 0.0), (1e308, -1e308, 0.0)]
)
def test_a_score_that_overflows(relevance: float, importance: float, expected: float, now: datetime) -> None:
    config = WorkspaceConfig("w", relevance_weight=1e300, importance_weight=1e300)
    item = scored(now, now, config, relevance_score=relevance, importance_score=importance)
    assert item.combined_score == expected


def test_no_fused_multiply_add(now: datetime) -> None:
    """Sums of products whose last bit a fused operation would change."""
    differing = 0
    for step in range(2000):
        relevance, importance = step / 1999, (step * 7 % 2000) / 1999
        item = scored(now, now, relevance_score=relevance, importance_score=importance)
        assert item.combined_score == min(1.0, relevance * 0.5 + importance * 0.3 + 1.0 * 0.2)
        differing += item.combined_score != round(item.combined_score, 12)
    assert differing


def test_one_now_for_a_whole_call() -> None:
    before = datetime.now(UTC)
    items = [MemoryItem(f"m{i}", "", MemoryTier.RAG, before - timedelta(hours=1)) for i in range(500)]
    result = MemoryBudgetAllocator().allocate_memory_budget("", items)
    assert len({item.freshness_score for item in items}) == 1
    assert {item.last_accessed for item in items} == {datetime.fromisoformat(result["timestamp"])}
    assert before <= datetime.fromisoformat(result["timestamp"]) <= datetime.now(UTC)


def test_every_entry_point_takes_the_time(now: datetime) -> None:
    allocator = MemoryBudgetAllocator()
    item = MemoryItem("m", "text", MemoryTier.RAG, now - timedelta(hours=168))
    allocator.calculate_memory_score(item, DEFAULT, current_time=now)
    assert item.freshness_score == math.exp(-0.693)
    later = allocator.allocate_memory_budget("", [item], current_time=now + timedelta(hours=168))
    assert item.freshness_score == math.exp(-0.693 * 336.0 / 168.0)
    assert later["timestamp"] == (now + timedelta(hours=168)).isoformat()
    evaluated = allocator.evaluate_promotion_demotion([item], DEFAULT, current_time=now)
    assert evaluated["timestamp"] == now.isoformat()
    assert allocator.get_allocation_statistics(current_time=now)["timestamp"] == now.isoformat()


@pytest.mark.parametrize("moment", ["2026-01-01", 1_767_225_600, 1.5])
def test_the_time_is_a_datetime(moment: Any) -> None:
    allocator = MemoryBudgetAllocator()
    with pytest.raises(TypeError, match="current_time"):
        allocator.allocate_memory_budget("", [], current_time=moment)
    with pytest.raises(TypeError, match="current_time"):
        allocator.calculate_memory_score(MemoryItem("m", "", MemoryTier.RAG, None), DEFAULT, moment)


def test_a_narrow_float_is_widened_first(now: datetime) -> None:
    numpy = pytest.importorskip("numpy")
    narrow = numpy.float32(0.1)
    item = scored(None, now, relevance_score=narrow, importance_score=0.0)
    assert item.relevance_score == float(narrow) != 0.1
    assert item.combined_score == float(narrow) * 0.5 + 0.0 * 0.3 + 1.0 * 0.2
