"""Limits, pins and evergreen memories: every door does what the plain-Python reference does."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_policies
from memory_budget_allocator import (
    ArgumentValueError,
    ConfigurationError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    PinnedOverflowError,
    WorkspaceConfig,
    count_tokens,
)
from reference import LEVELS, TIERS, Memory
from reference_policies import RESERVES, Refused
from strategies import NOW, scores

QUERIES = {
    "simple": "Hello",
    "medium": "How do I use FastAPI?",
    "complex": "Explain async vs sync programming and analyze performance impact",
    "expert": "Design a scalable microservices architecture with event-driven communication",
}


@dataclass
class Note:
    """A class of somebody else's, with some of the optional attributes."""

    memory_id: str
    text: str
    tier: str
    timestamp: Any
    relevance_score: float
    importance_score: float
    token_count: int
    _: KW_ONLY
    pinned: bool = False
    evergreen: bool = False
    freshness_score: float = 1.0
    combined_score: float = 0.0
    access_count: int = 0
    last_accessed: Any = None
    promotion_score: float = 0.0


texts = st.text("ab漢 ", max_size=60)
times = st.one_of(st.none(), st.builds(lambda hours: NOW - timedelta(hours=hours), st.floats(-50, 5000)))
amounts = st.one_of(st.integers(0, 400), st.floats(0.0, 1.0), st.sampled_from([0.25, 0.5, 1.0]))


@st.composite
def memories(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "text": draw(texts),
        "tier": draw(st.sampled_from(TIERS)),
        "timestamp": draw(times),
        "relevance_score": draw(scores),
        "importance_score": draw(scores),
        "token_count": draw(st.one_of(st.just(0), st.integers(1, 90), st.integers(100, 900))),
        "pinned": draw(st.sampled_from([False] * 19 + [True])),
        "evergreen": draw(st.sampled_from([False] * 4 + [True])),
    }


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    def by_tier() -> st.SearchStrategy[dict[str, Any]]:
        return st.one_of(st.just({}), st.dictionaries(st.sampled_from(TIERS), amounts, max_size=2))

    return {
        "max_total_tokens": draw(st.integers(0, 2500)),
        "tier_floors": draw(by_tier()),
        "tier_caps": draw(by_tier()),
        "spill_over": draw(st.booleans()),
        "spill_over_order": draw(st.sampled_from(["score", "tier"])),
        "minimum_score": draw(st.one_of(st.just(0.0), st.floats(0.0, 1.0))),
    }


reserves = st.dictionaries(st.sampled_from(RESERVES), st.one_of(st.integers(0, 200), texts), max_size=3)
ceilings = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"max_prompt_tokens": st.integers(0, 2500)}, optional={"reserves": reserves}),
)


def columns(drawn: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = ["memory_id", *(drawn[0] if drawn else ["relevance_score", "token_count"])]
    rows: list[dict[str, Any]] = [{"memory_id": f"m{at}"} | fields for at, fields in enumerate(drawn)]
    return {name: [row.get(name) for row in rows] for name in names}


DOORS: dict[str, Any] = {
    "items": lambda drawn: [MemoryItem(f"m{at}", **fields) for at, fields in enumerate(drawn)],
    "foreign": lambda drawn: [Note(f"m{at}", **fields) for at, fields in enumerate(drawn)],
    "columns": columns,
    "pool": lambda drawn: MemoryPool.from_items(
        MemoryItem(f"m{at}", **fields) for at, fields in enumerate(drawn)
    ),
    "pool of columns": lambda drawn: MemoryPool.from_columns(columns(drawn)) if drawn else MemoryPool(),
}


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=150)
@given(
    drawn=st.lists(memories(), max_size=25),
    limited=limits(),
    level=st.sampled_from(LEVELS),
    ceiling=ceilings,
)
def test_every_door_follows_the_rules(
    door: str, drawn: list[dict[str, Any]], limited: dict[str, Any], level: str, ceiling: dict[str, Any]
) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    config = WorkspaceConfig("w", **limited)
    allocator.register_workspace(config)
    plain = [Memory(f"m{at}", **fields) for at, fields in enumerate(drawn)]
    given_memories = DOORS[door](drawn)
    options = cast("Any", ceiling)
    most, reserved = ceiling.get("max_prompt_tokens"), ceiling.get("reserves", {})
    # Under a ceiling an estimate is a bound.
    reserved = {
        name: count_tokens(it, "upper_bound") if isinstance(it, str) else it for name, it in reserved.items()
    }
    try:
        expected = reference_policies.allocate(plain, config, level, NOW, most, reserved)
    except Refused as refused:
        reason, *numbers = refused.args
        error = {"pinned": PinnedOverflowError, "reserves": ArgumentValueError}.get(
            reason, ConfigurationError
        )
        with pytest.raises(error) as caught:
            allocator.allocate(QUERIES[level], given_memories, "w", current_time=NOW, **options)
        if isinstance(caught.value, PinnedOverflowError):
            found = caught.value
            assert [found.tier, found.needed, found.budget] == numbers
        assert not allocator.allocation_history
        return
    try:
        allocation = allocator.allocate(QUERIES[level], given_memories, "w", current_time=NOW, **options)
    except PinnedOverflowError:  # they fit their tiers, but not the text
        assert expected.available is not None
        return
    assert allocation.complexity == level
    # Frames may leave no room for all that the budgets allow; then the tests of rendering say what holds.
    most_tokens = sum(10 * len(fields.get("text", "")) + 40 for fields in drawn) + 40
    if expected.available is not None and most_tokens > expected.available:
        return
    tiers = allocation.tiers.items()
    assert {name.value: tier.positions for name, tier in tiers} == expected.selected
    assert {name.value: tier.budget for name, tier in tiers} == expected.budgets
    assert {name.value: tier.own_budget for name, tier in tiers} == expected.own
    assert allocation.available_tokens == expected.available
    if expected.available is not None:
        assert allocation.total_tokens <= expected.available
    for memory in allocation:
        drawn_fields = drawn[int(memory.memory_id[1:])]
        own = cast("Any", memory)
        assert (own.pinned, own.evergreen) == (drawn_fields["pinned"], drawn_fields["evergreen"])
        assert not own.evergreen or memory.freshness_score == 1.0


@settings(max_examples=30)
@given(st.lists(memories(), min_size=3, max_size=30), st.integers(400, 900), limits(), ceilings)
def test_a_pool_too_large_to_be_sorted_follows_them_too(
    drawn: list[dict[str, Any]], size: int, limited: dict[str, Any], ceiling: dict[str, Any]
) -> None:
    many = [drawn[at % len(drawn)] | {"pinned": at % 307 == 5} for at in range(size)]
    test_every_door_follows_the_rules.hypothesis.inner_test("pool", many, limited, "medium", ceiling)
