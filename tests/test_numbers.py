"""Numbers that stay right: ages, half-lives, budgets, counts and weights out to where they end."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryPool, MemoryTier, WorkspaceConfig
from pool_helpers import comparable
from strategies import scores, weights

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
LARGEST = 2**53 - 1
SECOND, CENTURY = 1 / 3600, 876_582.0
"""In hours."""

ages = st.one_of(
    st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(days=365_000), LAST - FIRST]),
    st.timedeltas(timedelta(0), LAST - FIRST),
    st.timedeltas(timedelta(0), timedelta(days=2)),
)
half_lives = st.one_of(
    st.floats(SECOND, 50 * CENTURY), st.sampled_from([SECOND, 168.0, CENTURY, 5e-324, 1e308])
)
quiet: dict[str, Any] = {"log_allocations": False}


def config(**fields: Any) -> WorkspaceConfig:
    return WorkspaceConfig("default", **fields)


def item(memory_id: str = "m", **fields: Any) -> MemoryItem:
    return MemoryItem(memory_id, "", **({"tier": MemoryTier.WORKING, "timestamp": None} | fields))


# Freshness and score


@given(st.lists(ages, min_size=2, max_size=8), half_lives)
def test_freshness_falls_with_age(drawn: list[timedelta], half_life: float) -> None:
    allocator = MemoryBudgetAllocator(**quiet)
    settings = config(freshness_half_life_hours=half_life)
    found = []
    for age in sorted(drawn):
        memory = item(timestamp=LAST - age)
        allocator.calculate_memory_score(memory, settings, LAST)
        assert 0.0 <= memory.freshness_score <= 1.0
        assert memory.freshness_score == reference.freshness(memory.timestamp, half_life, LAST)
        found.append(memory.freshness_score)
    assert found == sorted(found, reverse=True)


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.floats(SECOND, CENTURY))
def test_freshness_falls_strictly_where_a_double_can_show_it(hours: int, more: int, half_life: float) -> None:
    allocator = MemoryBudgetAllocator(**quiet)
    settings = config(freshness_half_life_hours=half_life)
    young, old = (item(timestamp=LAST - timedelta(hours=age)) for age in (hours, hours + more))
    for memory in (young, old):
        allocator.calculate_memory_score(memory, settings, LAST)
    # Below the smallest double everything is 0.
    assert young.freshness_score > old.freshness_score or young.freshness_score == 0.0


@pytest.mark.parametrize(
    ("age", "half_life", "freshness"),
    [
        (timedelta(0), SECOND, 1.0),
        (timedelta(seconds=1), SECOND, math.exp(-0.693)),
        (timedelta(days=365_000), SECOND, 0.0),  # underflows
        (timedelta(days=365_000), CENTURY, math.exp(-0.693 * (365_000 * 24.0) / CENTURY)),
        (timedelta(days=365_000), 1e308, 1.0),
        (timedelta(microseconds=1), 5e-324, 0.0),  # 1e-6 / 3600 / 5e-324 is infinite
        (timedelta(0), 5e-324, 1.0),
        (-(LAST - FIRST), SECOND, 1.0),  # from the future
    ],
)
def test_ages_and_half_lives_at_their_ends(age: timedelta, half_life: float, freshness: float) -> None:
    now = FIRST if age < timedelta(0) else LAST
    memory = item(timestamp=now - age)
    score = MemoryBudgetAllocator(**quiet).calculate_memory_score(
        memory, config(freshness_half_life_hours=half_life), now
    )
    assert memory.freshness_score == freshness
    assert 0.0 <= score <= 1.0


def test_a_half_life_of_which_the_quotient_is_no_number() -> None:
    """0 / 0 cannot come about: a half-life is above 0, and the smallest divides 0 hours to 0."""
    for half_life in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="freshness_half_life_hours"):
            config(freshness_half_life_hours=half_life)


@given(st.tuples(scores, scores), st.tuples(scores, scores), st.tuples(ages, ages), weights, weights, weights)
def test_a_score_rises_with_each_component(  # noqa: PLR0917 - drawn by hypothesis
    relevance: tuple[float, float],
    importance: tuple[float, float],
    age: tuple[timedelta, timedelta],
    of_relevance: float,
    of_importance: float,
    of_freshness: float,
) -> None:
    allocator = MemoryBudgetAllocator(**quiet)
    settings = config(
        relevance_weight=of_relevance, importance_weight=of_importance, freshness_weight=of_freshness
    )
    low, high = sorted(map(reference.finite, relevance))
    lower, higher = sorted(map(reference.finite, importance))
    younger, older = sorted(age)

    def score(relevance: float, importance: float, age: timedelta) -> float:
        memory = item(relevance_score=relevance, importance_score=importance, timestamp=LAST - age)
        found = allocator.calculate_memory_score(memory, settings, LAST)
        assert 0.0 <= found <= 1.0
        return found

    base = score(low, lower, older)
    # One addend overflowed downwards, another upwards: no number, which counts as 0.
    overflows = any(
        math.isinf(part)
        for part in (low * of_relevance, high * of_relevance, lower * of_importance, higher * of_importance)
    )
    if not overflows:
        assert base <= score(high, lower, older)
        assert base <= score(low, higher, older)
        assert base <= score(low, lower, younger)


@given(st.lists(st.tuples(scores, scores), max_size=12), weights, weights, weights)
def test_weights_of_any_size_give_the_selection_of_the_reference(
    drawn: list[tuple[float, float]], of_relevance: float, of_importance: float, of_freshness: float
) -> None:
    settings = config(
        max_total_tokens=30,
        working_memory_pct=1.0,
        relevance_weight=of_relevance,
        importance_weight=of_importance,
        freshness_weight=of_freshness,
    )
    memories = [
        item(str(at), relevance_score=relevance, importance_score=importance, token_count=at % 7 + 1)
        for at, (relevance, importance) in enumerate(drawn)
    ]
    expected = [reference.calculate_memory_score(item_, settings, LAST) for item_ in memories]
    allocation = MemoryBudgetAllocator(settings, **quiet).allocate("q", memories, current_time=LAST)
    assert [memory.combined_score for memory in memories] == expected
    pool = MemoryPool.from_items(memories)
    resident = MemoryBudgetAllocator(settings, **quiet).allocate("q", pool, current_time=LAST)
    assert resident.selected_positions == allocation.selected_positions


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # Everything above 1 is 1: all tie, and the order of the input decides.
        ({"relevance_weight": 1e300, "importance_weight": 0.0, "freshness_weight": 0.0}, [0, 1, 2, 3]),
        ({"relevance_weight": 0.0, "importance_weight": 0.0, "freshness_weight": 0.0}, [0, 1, 2, 3]),
        # The smallest weight still ranks: .4 and .5 of it round to 0, .6 and .7 to the smallest double.
        ({"relevance_weight": 5e-324, "importance_weight": 0.0, "freshness_weight": 0.0}, [2, 3, 0, 1]),
    ],
)
def test_weights_at_their_ends(fields: dict[str, float], expected: list[int]) -> None:
    memories = [item(str(at), relevance_score=0.4 + at / 10, token_count=1) for at in range(4)]
    settings = config(**fields)
    allocation = MemoryBudgetAllocator(settings, **quiet).allocate("q", memories, current_time=LAST)
    by_score = sorted(range(4), key=lambda at: -memories[at].combined_score)
    assert by_score == allocation.selected_positions == expected


# Budgets and counts


def one_tier(budget: int) -> WorkspaceConfig:
    """The whole budget for the working tier, at any complexity."""
    return config(
        max_total_tokens=budget,
        working_memory_pct=1.0,
        project_memory_pct=0.0,
        long_term_memory_pct=0.0,
        rag_memory_pct=0.0,
        complexity_multipliers={},
    )


costs = st.lists(
    st.tuples(st.one_of(st.integers(1, 12), st.integers(1, 2**40)), st.integers(0, 3)), max_size=25
)


def used(budget: int, drawn: list[tuple[int, int]]) -> int:
    """The tokens that every door uses of a budget; all the same."""
    allocator = MemoryBudgetAllocator(one_tier(budget), **quiet)
    memories = [
        item(str(at), token_count=tokens, relevance_score=score / 3)
        for at, (tokens, score) in enumerate(drawn)
    ]
    columns = {
        "relevance_score": [score / 3 for _, score in drawn],
        "token_count": [tokens for tokens, _ in drawn],
    }
    found = {
        allocator.allocate("q", door, current_time=LAST).tiers[MemoryTier.WORKING].used
        for door in (memories, MemoryPool.from_items(memories), columns)
    }
    (tokens,) = found
    assert tokens <= budget
    return tokens


@given(costs, st.data())
def test_one_token_more_is_used_whole_or_not_at_all(
    drawn: list[tuple[int, int]], data: st.DataObject
) -> None:
    """used(b + 1) is used(b) or b + 1: docs/reliability-python.md has the proof."""
    # Where something just fits is where it matters: sums of some of the costs, and around them.
    exact = sum(tokens for tokens, _ in drawn[: data.draw(st.integers(0, len(drawn)))])
    budget = max(1, data.draw(st.one_of(st.integers(1, 60), st.integers(-2, 2).map(exact.__add__))))
    assert used(budget + 1, drawn) in (used(budget, drawn), budget + 1)


def test_the_tokens_used_never_fall_but_single_memories_come_and_go() -> None:
    drawn = [(5, 3), (4, 2), (2, 1)]
    taken = []
    for budget in range(1, 13):
        allocation = MemoryBudgetAllocator(one_tier(budget), **quiet).allocate(
            "q", [item(str(tokens), token_count=tokens, relevance_score=score) for tokens, score in drawn]
        )
        taken.append([memory.memory_id for memory in allocation])
    assert taken[1:9] == [["2"], ["2"], ["4"], ["5"], ["5"], ["5", "2"], ["5", "2"], ["5", "4"]]
    sums = [sum(map(int, ids)) for ids in taken]
    assert all(more in (less, budget) for budget, (less, more) in enumerate(pairwise(sums), start=2))


@pytest.mark.parametrize("budget", [2**32, 2**40, LARGEST])
def test_budgets_and_counts_near_the_limits_of_integers(budget: int) -> None:
    allocator = MemoryBudgetAllocator(one_tier(budget), **quiet)
    counts = [LARGEST, LARGEST - 1, budget, budget - 1, 1, 1, 0, LARGEST]
    memories = [item(str(at), token_count=count, access_count=LARGEST) for at, count in enumerate(counts)]
    left, expected = budget, []
    for at, count in enumerate(counts):
        if count <= left:
            left -= count
            expected.append(at)
    columns = {"relevance_score": [0.0] * len(counts), "token_count": counts}
    for door in (memories, MemoryPool.from_items(memories), columns):
        result = allocator.allocate(" ", door, current_time=LAST)
        assert result.selected_positions == expected
        assert result.tiers[MemoryTier.WORKING].used == result.total_tokens == budget - left
        json.dumps(result.to_dict(), allow_nan=False)
    assert {memory.access_count for memory in memories} == {LARGEST}


def test_products_beyond_the_limit_saturate() -> None:
    vast = config(
        max_total_tokens=LARGEST, working_memory_pct=1e300, complexity_multipliers={"simple": 1e300}
    )
    assert vast.get_tier_budget("working", "simple") == LARGEST
    assert vast.get_tier_budget("rag", "medium") == round(LARGEST * 0.25)


def test_totals_of_many_of_the_largest_allocations() -> None:
    """Four tiers of 2^53 - 1 tokens a call: 600 calls are beyond what 64 bits hold."""
    settings = config(
        max_total_tokens=LARGEST,
        **{f"{tier.value}_memory_pct": 1.0 for tier in MemoryTier},
        complexity_multipliers={},
    )
    allocator = MemoryBudgetAllocator(settings, history_limit=10, **quiet)
    memories = [item(tier.value, tier=tier, token_count=LARGEST) for tier in MemoryTier]
    for _ in range(600):
        result = allocator.allocate_memory_budget("q", memories, current_time=LAST)
        assert result["total_tokens_allocated"] == 4 * LARGEST
    statistics = allocator.get_allocation_statistics()
    assert statistics["averages"]["tokens_allocated"] == pytest.approx(4 * LARGEST, rel=1e-12)
    for tier in statistics["tier_statistics"].values():
        assert tier["avg_tokens_used"] == pytest.approx(LARGEST, rel=1e-12)
        assert tier["avg_utilization_pct"] == 100.0


def test_estimates_of_astronomic_factors_saturate() -> None:
    memory = MemoryItem("m", "xx", MemoryTier.WORKING, None)
    MemoryBudgetAllocator(config(tokens_per_char=1e300), **quiet).allocate("q", [memory])
    assert memory.token_count == LARGEST


# Many memories


def greedy(score: Any, tokens: Any, budget: int) -> tuple[list[int], int]:
    """Score order with skipping, over arrays: only what may still fit is looked at."""
    order = np.argsort(-score, kind="stable")
    taken, left = [], budget
    costs = tokens[order]
    at = 0
    while at < len(order):
        fitting = np.flatnonzero(costs[at : at + 100_000] <= left)
        if not len(fitting):
            at += 100_000
            continue
        at += int(fitting[0])
        taken.append(int(order[at]))
        left -= int(costs[at])
        at += 1
    return taken, budget - left


def many_memories(rows: int, *, resident: bool) -> None:
    generator = np.random.default_rng(7)
    relevance = generator.random(rows)
    importance = generator.random(rows)
    tokens = generator.integers(1, 400, rows)
    budget = 20_000
    allocator = MemoryBudgetAllocator(one_tier(budget), **quiet)
    columns: dict[str, Any] = {
        "relevance_score": relevance,
        "importance_score": importance,
        "token_count": tokens,
    }
    settings = one_tier(budget)
    score = (
        relevance * settings.relevance_weight
        + importance * settings.importance_weight
        + 1.0 * settings.freshness_weight
    )
    taken, expected = greedy(score, tokens, budget)
    doors: list[tuple[Any, dict[str, Any]]] = [(columns, {})]
    if resident:
        names = [str(row) for row in range(rows)]
        pool = MemoryPool.from_columns({**columns, "memory_id": names})
        doors += [(pool, {}), (pool, {"relevance": relevance})]
    for door, options in doors:
        allocation = allocator.allocate("q", door, current_time=LAST, **options)
        assert allocation.selected_positions == taken
        assert allocation.total_tokens == expected
        assert allocation.tiers[MemoryTier.WORKING].available == rows


def test_two_hundred_thousand_memories() -> None:
    many_memories(200_000, resident=True)


@pytest.mark.verify
@pytest.mark.parametrize("resident", [False, True], ids=["columns", "columns and pool"])
def test_ten_million_memories(resident: bool) -> None:
    many_memories(10_000_000, resident=resident)


@given(st.lists(st.integers(0, LARGEST), max_size=6), st.integers(1, 2**40))
@settings(max_examples=30)
def test_the_doors_agree_on_any_counts(counts: list[int], budget: int) -> None:
    allocator = MemoryBudgetAllocator(one_tier(budget), **quiet)
    memories = [item(str(at), token_count=count) for at, count in enumerate(counts)]
    from_list = comparable(allocator.allocate("q", memories, current_time=LAST))
    for memory in memories:
        memory.access_count = 0
    from_pool = comparable(allocator.allocate("q", MemoryPool.from_items(memories), current_time=LAST))
    assert from_pool == from_list
