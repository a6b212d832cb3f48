"""Bad and awkward input: each has one defined outcome, and after an error nothing has changed."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    WorkspaceConfig,
)
from reference import Memory

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NAN, INFINITY = math.nan, math.inf
FIELDS = [field.name for field in dataclasses.fields(MemoryItem)]


class NoOffset(tzinfo):
    """A time zone that cannot say where it is."""

    def utcoffset(self, moment: datetime | None, /) -> timedelta:
        raise RuntimeError("lost")


class Explosive:
    """A number that explodes when it is asked for its value."""

    def __float__(self) -> float:
        raise RuntimeError("boom")

    __index__ = __float__  # type: ignore[assignment]


TEXTS = [(None, TypeError), (5, TypeError), (b"bytes", TypeError), (["m"], TypeError)]
NUMBERS = [
    *((None, TypeError), ("0.5", TypeError), (True, TypeError), (1j, TypeError), ([0.5], TypeError)),
    *((10**400, ValueError), (Explosive(), ValueError), (np.array([1.0, 2.0]), TypeError)),
]
COUNTS = [
    *((None, TypeError), ("3", TypeError), (True, TypeError), (2.0, TypeError), (NAN, TypeError)),
    *((-1, ValueError), (2**53, ValueError), (10**400, ValueError), (Decimal(3), TypeError)),
    *((np.float64(3), TypeError), (np.int64(-1), ValueError), (Explosive(), ValueError)),
]
FLAGS = [(None, TypeError), (1, TypeError), (0.0, TypeError), ("true", TypeError), (np.int64(1), TypeError)]
TIMES = [
    *(("2026-01-01", TypeError), (0, TypeError), (NOW.date(), TypeError)),
    (NOW.replace(tzinfo=NoOffset()), ValueError),
]
BAD = {
    "memory_id": TEXTS,
    "text": TEXTS,
    "tier": [
        (None, TypeError),
        (0, TypeError),
        ("attic", ValueError),
        ("WORKING", ValueError),
        ("", ValueError),
    ],
    "timestamp": TIMES,
    "user_id": TEXTS[1:],
    "metadata": [(None, TypeError), ([], TypeError), ("{}", TypeError)],
    "relevance_score": NUMBERS,
    "importance_score": NUMBERS,
    "freshness_score": NUMBERS,
    "combined_score": NUMBERS,
    "promotion_score": NUMBERS,
    "token_count": COUNTS,
    "access_count": COUNTS,
    "last_accessed": TIMES,
    "pinned": FLAGS,
    "evergreen": FLAGS,
    "session_id": TEXTS[1:],
    "position": [row for row in COUNTS if row[0] is not None],
    "supersedes": TEXTS[1:],
}
ROWS = [(field, value, error) for field, rows in BAD.items() for value, error in rows]
READ_BY_ALLOCATE = {
    *("memory_id", "text", "tier", "timestamp", "relevance_score", "importance_score"),
    *("token_count", "access_count", "pinned", "evergreen"),
}


def good(**changes: Any) -> dict[str, Any]:
    return {"memory_id": "good", "text": "some text", "tier": "rag", "timestamp": NOW} | changes


def state(memories: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(getattr(memory, field) for field in FIELDS) for memory in memories]


def test_every_field_has_bad_values() -> None:
    assert set(BAD) == set(FIELDS)


@pytest.mark.parametrize(("field", "value", "error"), ROWS)
def test_construction_refuses(field: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=field) as caught:
        MemoryItem(**good(**{field: value}))
    assert isinstance(caught.value, MemoryBudgetError)


@pytest.mark.parametrize(("field", "value", "error"), ROWS)
def test_assignment_refuses_and_changes_nothing(field: str, value: Any, error: type[Exception]) -> None:
    item = MemoryItem(**good())
    before = state([item])
    with pytest.raises(error, match=rf"memory 'good': {field}"):
        setattr(item, field, value)
    assert state([item]) == before


@pytest.mark.parametrize(("field", "value", "error"), [row for row in ROWS if row[0] in READ_BY_ALLOCATE])
def test_an_allocation_refuses_foreign_memories_and_changes_nothing(
    field: str, value: Any, error: type[Exception]
) -> None:
    allocator = MemoryBudgetAllocator()
    memories = [MemoryItem(**good()), Memory(**good()), Memory(**good(**{field: value}))]
    before = state(memories)
    with pytest.raises(error, match=field) as caught:
        allocator.allocate_memory_budget("q", memories, current_time=NOW)
    assert isinstance(caught.value, MemoryBudgetError)
    after = state(memories)
    assert repr(after) == repr(before)
    assert allocator.get_allocation_statistics()["total_allocations"] == 0
    assert allocator.allocation_history == []


EXTREME_TIMES = [
    datetime.min,
    datetime.max,
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    datetime(2026, 3, 4, 5, 6, 7),
    datetime(2026, 3, 4, 5, 6, 7, 999_999, tzinfo=timezone(timedelta(hours=5, minutes=30, seconds=1))),
    None,
]


@pytest.mark.parametrize("timestamp", EXTREME_TIMES)
def test_far_away_and_naive_times_are_fine(timestamp: datetime | None) -> None:
    item = MemoryItem(**good(timestamp=timestamp))
    assert item.timestamp is timestamp
    result = MemoryBudgetAllocator().allocate_memory_budget("q", [item], current_time=NOW)
    assert 0 <= item.freshness_score <= 1
    shown = result["tiers"]["rag"]["selected_memories"][0]["timestamp"]
    if timestamp is not None and timestamp.tzinfo is None:
        timestamp = timestamp.replace(tzinfo=UTC)
    assert (None if shown is None else datetime.fromisoformat(shown)) == timestamp


@pytest.mark.parametrize("moment", [EXTREME_TIMES[2], EXTREME_TIMES[3]])
def test_a_call_cannot_take_place_outside_of_the_calendar(moment: datetime) -> None:
    item = MemoryItem(**good())
    with pytest.raises(ValueError, match="current_time must lie in the years 1 to 9999"):
        MemoryBudgetAllocator().allocate_memory_budget("q", [item], current_time=moment)
    assert item.access_count == 0


AWKWARD = {
    "lone surrogate": "a\ud800b",
    "nul": "a\0b",
    "newlines": "a\nb\r\nc\u2028d",
    "empty": "",
    "emoji": "\U0001f469\u200d\U0001f680" * 30,
    "right to left": "\u202eabc",
    "very long": "x" * 10_000_000,
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_awkward_texts_and_ids_pass_through(text: str) -> None:
    item = MemoryItem(**good(memory_id=text[:1000], text=text))
    allocator = MemoryBudgetAllocator()
    allocator.workspace_configs["default"].max_total_tokens = 100_000_000
    result = allocator.allocate_memory_budget(text[:10_000], [item], current_time=NOW)
    (entry,) = result["tiers"]["rag"]["selected_memories"]
    assert (entry["memory_id"], entry["text"]) == (text[:1000], text)
    assert entry["text_preview"] == (text if len(text) <= 100 else text[:100] + "...")
    assert item.token_count == (max(1, len(text) // 4) if text else 0)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_newline_in_an_id_forges_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    forged = "w\nINFO:memory_budget_allocator:all is well"
    item = MemoryItem(**good(memory_id=forged, relevance_score=NAN))
    with caplog.at_level(logging.DEBUG, logger="memory_budget_allocator"):
        MemoryBudgetAllocator().allocate("q", [item], forged)
    assert len(caplog.messages) == 7  # two warnings, one line of information, four of debugging
    assert not any("\n" in message for message in caplog.messages)


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("field", ["relevance_score", "importance_score"])
@pytest.mark.parametrize("kind", [MemoryItem, Memory])
def test_components_that_are_no_numbers_count_as_zero_and_are_reported_once(
    kind: Any, field: str, value: float, caplog: pytest.LogCaptureFixture
) -> None:
    bad, zero = kind(**good(**{field: value})), kind(**good(**{field: 0.0}))
    allocator = MemoryBudgetAllocator(log_allocations=False)
    result = allocator.allocate_memory_budget("q", [zero, bad, bad], current_time=NOW)
    assert bad.combined_score == zero.combined_score
    assert [entry[field] for entry in result["tiers"]["rag"]["selected_memories"]] == [0.0] * 3  # type: ignore[literal-required]
    (message,) = caplog.messages
    assert field in message
    assert "'good'" in message or "good" in message
    assert math.isnan(getattr(bad, field)) or math.isinf(getattr(bad, field))


@pytest.mark.parametrize("value", [-5.0, 1.5, 1e300, -1e300, 5e-324])
def test_scores_outside_of_the_unit_interval_are_accepted(value: float) -> None:
    item = MemoryItem(**good(relevance_score=value))
    MemoryBudgetAllocator().allocate("q", [item], current_time=NOW)
    assert item.relevance_score == value
    assert 0 <= item.combined_score <= 1


@pytest.mark.parametrize("memories", [[], (), iter(()), {}.values(), (memory for memory in ())])
def test_no_memories_at_all(memories: Any) -> None:
    result = MemoryBudgetAllocator().allocate_memory_budget("", memories, current_time=NOW)
    assert result["total_memories_selected"] == 0
    assert [tier["utilization_pct"] for tier in result["tiers"].values()] == [0.0] * 4


@pytest.mark.parametrize("query", [None, 5, b"bytes", ["why"]])
def test_a_query_is_a_text(query: Any) -> None:
    allocator = MemoryBudgetAllocator()
    for call in (allocator.estimate_query_complexity, allocator.analyze_query_complexity):
        with pytest.raises(TypeError, match="query must be a str"):
            call(query)
    with pytest.raises(TypeError, match="query must be a str"):
        allocator.allocate(query, [])


def test_a_hostile_iterator_keeps_its_own_error() -> None:
    def explosive() -> Any:
        yield MemoryItem(**good())
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        MemoryBudgetAllocator().allocate("q", explosive())


def test_an_interrupt_in_foreign_code_goes_through_and_changes_nothing() -> None:
    class Interrupting(Memory):
        @property  # type: ignore[override]
        def combined_score(self) -> float:
            return 0.0

        @combined_score.setter
        def combined_score(self, value: float) -> None:
            if getattr(self, "armed", False):
                raise KeyboardInterrupt

    item, foreign = MemoryItem(**good()), Interrupting(**good())
    before = state([item])
    foreign.armed = True  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        MemoryBudgetAllocator().allocate("q", [item, foreign], current_time=NOW)
    assert state([item]) == before


def test_a_setter_that_assigns_and_then_raises_is_undone() -> None:
    class Grudging(Memory):
        @property  # type: ignore[override]
        def freshness_score(self) -> float:
            return self.__dict__.get("kept", 9.0)

        @freshness_score.setter
        def freshness_score(self, value: float) -> None:
            self.__dict__["kept"] = value
            if self.__dict__.get("armed"):
                self.__dict__["armed"] = False
                raise RuntimeError("after the fact")

    grudging = Grudging(**good())
    grudging.freshness_score = 9.0
    grudging.__dict__["armed"] = True
    with pytest.raises(ValueError, match="writing freshness_score failed"):
        MemoryBudgetAllocator().allocate("q", [grudging], current_time=NOW)
    assert grudging.freshness_score == 9.0


def test_a_multiplier_that_changes_its_own_mapping() -> None:
    class Vandal:
        def __init__(self, mapping: dict[str, Any]) -> None:
            self.mapping = mapping

        def __float__(self) -> float:
            self.mapping.clear()
            return 1.0

    allocator = MemoryBudgetAllocator()
    multipliers: dict[str, Any] = allocator.workspace_configs["default"].complexity_multipliers
    multipliers["simple"] = Vandal(multipliers)
    allocator.allocate("q", [MemoryItem(**good())], current_time=NOW)
    assert multipliers == {}


def test_sums_and_windows_beyond_the_range_of_floats() -> None:
    config = WorkspaceConfig("vast", long_term_memory_pct=1e308, rag_memory_pct=1e308)
    allocator = MemoryBudgetAllocator(config)
    for hours in (1e308, 10**400):
        assert allocator.get_allocation_statistics(time_window_hours=hours)["complete"]
    with pytest.raises(ValueError, match="finite"):
        allocator.get_allocation_statistics(time_window_hours=INFINITY)


def test_a_workspace_that_is_none_is_an_error_and_not_unknown() -> None:
    allocator = MemoryBudgetAllocator()
    allocator.workspace_configs["broken"] = None  # type: ignore[assignment]
    with pytest.raises(TypeError, match="workspace configuration"):
        allocator.allocate("q", [], "broken")


@pytest.mark.parametrize("kind", [MemoryItem, Memory])
def test_scoring_one_memory_reports_what_is_no_number(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    allocator = MemoryBudgetAllocator()
    config = allocator.workspace_configs["default"]
    allocator.calculate_memory_score(kind(**good(importance_score=NAN)), config, NOW)
    (message,) = caplog.messages
    assert "good: importance_score" in message
