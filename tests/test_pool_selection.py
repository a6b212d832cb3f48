"""A pool selects what a list of the same memories selects, and promotes likewise."""

from __future__ import annotations

import array
import copy
import signal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    WorkspaceConfig,
)
from pool_helpers import NOW, allocator, comparable, item


@given(
    st.lists(strategies.memories(), max_size=40),
    strategies.workspaces(),
    strategies.queries,
    st.sampled_from(["stored", "float32", "float64", "mapping", "exclude"]),
    st.data(),
)
def test_a_pool_selects_what_a_list_selects(
    drawn: list[dict[str, Any]], workspace: dict[str, Any], query: str, kind: str, data: st.DataObject
) -> None:
    by_id = {memory["memory_id"]: memory for memory in drawn}
    items = [MemoryItem(**memory) for memory in by_id.values()]
    pool = MemoryPool.from_items(items)
    config = WorkspaceConfig(**workspace)
    arguments: dict[str, Any] = {}
    wanted = items
    if kind in {"float32", "float64"}:
        scores = data.draw(st.lists(strategies.scores, min_size=len(items), max_size=len(items)))
        with np.errstate(over="ignore"):
            column = np.array(scores, dtype=kind)
        arguments["relevance"] = column
        for memory, score in zip(items, column, strict=True):
            memory.relevance_score = float(score)
    elif kind != "stored":
        scores = {memory.memory_id: data.draw(strategies.scores) for memory in items[::2]}
        arguments |= {"relevance": scores, "missing_relevance": "zero" if kind == "mapping" else kind}
        if kind == "exclude":
            wanted = items[::2]
        for memory in items:
            memory.relevance_score = scores.get(memory.memory_id, 0.0)
    from_pool, from_list = (MemoryBudgetAllocator(config) for _ in range(2))
    for _ in range(2):
        here = from_pool.allocate(query, pool, current_time=strategies.NOW, **arguments)
        there = from_list.allocate(query, wanted, current_time=strategies.NOW)
        assert comparable(here) == comparable(there)
        assert here.non_finite == there.non_finite
        assert [memory.memory_id for memory in here] == [memory.memory_id for memory in there]
        for mine, theirs in zip(here.selected, there.selected, strict=True):
            assert (mine.access_count, mine.last_accessed) == (theirs.access_count, theirs.last_accessed)
            assert mine.combined_score == theirs.combined_score
            assert mine.token_count == theirs.token_count


@given(strategies.many_memories(), st.integers(1, 20_000), st.booleans(), st.integers(0, 2))
def test_thousands(drawn: list[dict[str, Any]], max_total_tokens: int, buffer: bool, removed: int) -> None:
    items = [MemoryItem(**memory) for memory in drawn]
    pool = MemoryPool.from_items(items)
    for memory in items[:removed]:
        pool.remove(memory.memory_id)
    relevance = np.array([memory.relevance_score for memory in items]) if buffer else None
    here = allocator(max_total_tokens=max_total_tokens).allocate(
        "q", pool, current_time=NOW, relevance=relevance
    )
    there = allocator(max_total_tokens=max_total_tokens).allocate("q", items[removed:], current_time=NOW)
    assert comparable(here) == comparable(there)
    assert here.selected_positions == [position + removed for position in there.selected_positions]


def test_filters() -> None:
    items = [
        item(f"m{n}", user_id=[None, "ada", "bob"][n % 3], tier=list(MemoryTier)[n % 4]) for n in range(2000)
    ]
    pool = MemoryPool.from_items(items)
    mine = [memory for memory in items if memory.user_id == "ada"]
    rag = [memory for memory in mine if memory.tier is MemoryTier.RAG]
    for arguments, wanted in [
        ({"user_id": "ada"}, mine),
        ({"user_id": "ada", "tiers": ["rag"]}, rag),
        ({"user_id": "nobody"}, []),
        ({"tiers": []}, []),
        ({"tiers": list(MemoryTier)}, items),
    ]:
        here = MemoryBudgetAllocator().allocate("q", pool, current_time=NOW, **arguments)  # type: ignore[arg-type]
        there = MemoryBudgetAllocator().allocate("q", wanted, current_time=NOW)
        for tier in MemoryTier:
            ours, theirs = here.tiers[tier], there.tiers[tier]
            assert [it.memory_id for it in ours] == [it.memory_id for it in theirs]
            assert ours.available == theirs.available
        for memory in items:
            memory.access_count = 0


@pytest.mark.parametrize("scale", [100.0, -100.0, 1e30, 1e-9, 0.0])
def test_scores_of_any_size_select_the_same(scale: float) -> None:
    size = 5000
    relevance = np.random.default_rng(1).random(size) * scale
    items = [
        item(f"m{n}", relevance_score=float(score), importance_score=n % 7 / 7, token_count=20 + n % 9)
        for n, score in enumerate(relevance)
    ]
    pool = MemoryPool.from_items(items)
    here = MemoryBudgetAllocator().allocate("q", pool, current_time=NOW, relevance=relevance)
    there = MemoryBudgetAllocator().allocate("q", items, current_time=NOW)
    assert comparable(here) == comparable(there)


@pytest.mark.thread_unsafe(reason="signals belong to the main thread")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_an_interrupt_stops_a_load_and_changes_nothing() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    pool = MemoryPool()
    items = [item("a")] * 3_000_000
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            pool.add_many(items)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (len(pool), pool.version) == (0, 0)


def test_any_buffer_of_floats() -> None:
    pool = MemoryPool.from_items([item("a"), item("b")])
    for relevance in (
        array.array("f", [0.25, 0.5]),
        array.array("d", [0.25, 0.5]),
        memoryview(array.array("f", [0.25, 0.5])),
    ):
        allocation = MemoryBudgetAllocator().allocate("q", pool, relevance=relevance)
        assert [memory.memory_id for memory in allocation] == ["b", "a"]


@given(st.lists(strategies.memories(), max_size=30), strategies.workspaces())
def test_promotions_of_a_pool(drawn: list[dict[str, Any]], workspace: dict[str, Any]) -> None:
    items = [MemoryItem(**memory) for memory in {memory["memory_id"]: memory for memory in drawn}.values()]
    pool = MemoryPool.from_items(items)
    config = WorkspaceConfig(**workspace)
    allocator = MemoryBudgetAllocator()
    for memory in items:
        allocator.calculate_memory_score(memory, config, strategies.NOW)
    here = allocator.evaluate_promotion_demotion(pool, config, current_time=strategies.NOW)
    there = allocator.evaluate_promotion_demotion(items, config, current_time=strategies.NOW)
    assert here == there
    assert [memory.promotion_score for memory in pool] == [memory.promotion_score for memory in items]
    outcomes = [allocator.apply_tier_changes(memories, here) for memories in (pool, items)]
    assert outcomes[0] == outcomes[1]
    assert [memory.tier for memory in pool] == [memory.tier for memory in items]


def test_promotions_by_a_relevance_of_the_moment() -> None:
    pool = MemoryPool.from_items(
        [item("a", access_count=9, importance_score=1.0, last_accessed=NOW, tier="rag")]
    )
    allocator = MemoryBudgetAllocator()
    config = WorkspaceConfig("default")
    for relevance, expected in [(None, 0), ({"a": 1.0}, 1), (array.array("f", [1.0]), 1), ({}, 0)]:
        result = allocator.evaluate_promotion_demotion(pool, config, NOW, relevance=relevance)
        assert len(result["promotions"]) == expected
    result = allocator.evaluate_promotion_demotion(pool, config, NOW, relevance={"a": 1.0})
    stale = copy.deepcopy(result)
    assert len(allocator.apply_tier_changes(pool, result)["moved"]) == 1
    pool.remove("a")
    assert len(allocator.apply_tier_changes(pool, stale)["unknown"]) == 1
