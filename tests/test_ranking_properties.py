"""What holds of `evidence` whatever the memories are, through the public interface."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_data import talks
from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    Ranking,
    WorkspaceConfig,
)
from memory_budget_allocator.evaluation import dataset_from_records, load
from memory_budget_allocator.evaluation.library_policy import LibraryPolicy
from memory_budget_allocator.evaluation.recall import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from memory_budget_allocator.evaluation import Dataset

WORDS = ["tea", "train", "index", "the", "order", "数据"]
QUERIES = ["", "?!", "tea", "the tea index", "zebra"]


def selected(
    query: str, memories: list[MemoryItem], tokens: int, ranking: Ranking | str = "evidence"
) -> list[str]:
    """Ids in the order of selection; a list and a pool select alike."""
    shares = {
        "working_memory_pct": 0.0,
        "project_memory_pct": 0.0,
        "long_term_memory_pct": 0.0,
        "rag_memory_pct": 1.0,
    }
    config = WorkspaceConfig("default", max_total_tokens=tokens, complexity_multipliers={}, **shares)
    allocator = MemoryBudgetAllocator(config, log_allocations=False)
    options: Any = {"ranking": ranking}
    found = [each.memory_id for each in allocator.allocate(query, memories, **options).selected]
    pool = MemoryPool.from_items(memories)
    assert found == [each.memory_id for each in allocator.allocate(query, pool, **options).selected]
    return found


def memory(row: int, relevance: float, text: str = "", **fields: Any) -> MemoryItem:
    given: dict[str, Any] = {"token_count": 40, "relevance_score": relevance} | fields
    return MemoryItem(f"m{row}", text, MemoryTier.RAG, None, **given)


@st.composite
def memory_lists(draw: st.DrawFn, least: int = 0) -> list[MemoryItem]:
    """Relevances are multiples of 1/64: sums and differences of them are exact."""
    return [
        memory(
            row,
            draw(st.integers(0, 64)) / 64.0,
            " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=6))),
            token_count=draw(st.integers(1, 120)),
            importance_score=draw(st.floats(0, 1)),
            session_id=draw(st.sampled_from([None, "s", "t"])),
            position=draw(st.integers(0, 6)),
        )
        for row in range(draw(st.integers(least, 20)))
    ]


def with_relevance(memories: list[MemoryItem], change: Callable[[float], float]) -> list[MemoryItem]:
    return [
        MemoryItem(
            each.memory_id, each.text, each.tier, None, token_count=each.token_count,
            relevance_score=change(each.relevance_score), importance_score=each.importance_score,
            session_id=each.session_id, position=each.position,
        )
        for each in memories
    ]  # fmt: skip


@settings(deadline=None)
@given(
    memory_lists(), st.sampled_from(QUERIES), st.integers(0, 900), st.integers(-8, 8), st.integers(-64, 64)
)
def test_scale_and_shift_of_relevance_change_no_selection(
    memories: list[MemoryItem], query: str, tokens: int, power: int, shift: int
) -> None:
    moved = with_relevance(memories, lambda relevance: (relevance + shift) * 2.0**power)
    assert selected(query, moved, tokens) == selected(query, memories, tokens)


@settings(deadline=None)
@given(memory_lists(), st.sampled_from(QUERIES), st.integers(0, 900), st.floats(-1e6, 1e6))
def test_no_relevance_and_one_relevance_for_all_are_the_same(
    memories: list[MemoryItem], query: str, tokens: int, constant: float
) -> None:
    equal = selected(query, with_relevance(memories, lambda _: constant), tokens)
    assert selected(query, with_relevance(memories, lambda _: float("nan")), tokens) == equal
    allocator = MemoryBudgetAllocator(log_allocations=False)
    pool = MemoryPool.from_items(memories)
    missing, one_for_all = (
        allocator.allocate(query, pool, relevance=relevance, ranking="evidence").selected_positions
        for relevance in ({}, {each.memory_id: constant for each in memories})
    )
    assert missing == one_for_all


@settings(deadline=None)
@given(memory_lists(), st.sampled_from(["", "?!", " \n", "zebra"]), st.integers(0, 900))
def test_a_query_without_a_known_word_leaves_it_to_relevance(
    memories: list[MemoryItem], query: str, tokens: int
) -> None:
    without = Ranking(kind="evidence", lexical_weight=0.0)
    assert selected(query, memories, tokens) == selected(query, memories, tokens, without)


def test_a_query_of_one_word_finds_it() -> None:
    texts = ["green tea", "a train", "the train", "an index", "the order", "coffee"]
    memories = [memory(row, 0.5, text) for row, text in enumerate(texts)]
    assert selected("tea", memories, 40) == ["m0"]
    assert selected("Indexes!", memories, 40) == ["m3"]
    # And of two that are as relevant as each other, relevance being known, the one with the word.
    memories = [memory(row, relevance, text) for row, (relevance, text) in enumerate(
        [(0.1, "a"), (0.4, "b"), (0.4, "tea"), (0.1, "c"), (0.2, "d")]
    )]  # fmt: skip
    assert selected("tea", memories, 80) == ["m2", "m1"]


@settings(deadline=None)
@given(memory_lists(least=1), st.sampled_from(QUERIES))
def test_one_candidate_is_selected_if_it_fits(memories: list[MemoryItem], query: str) -> None:
    for alone in memories[:3]:
        assert selected(query, [alone], alone.token_count) == [alone.memory_id]
        assert selected(query, [alone], alone.token_count - 1) == []


@settings(deadline=None)
@given(memory_lists(), st.integers(0, 64), st.integers(0, 900))
def test_a_candidate_that_is_not_taken_does_not_change_the_order_of_relevance(
    memories: list[MemoryItem], relevance: int, tokens: int
) -> None:
    """All relevances move by one increasing line; what else can move is bounded in tests/core/ranking.rs."""
    by_relevance = Ranking(
        kind="evidence",
        lexical_weight=0.0,
        importance_weight=0.0,
        smoothing=0.0,
        cost_exponent=0.0,
        exact_duplicates=False,
    )
    added = memory(99, relevance / 64.0, "nothing of it", token_count=1000)
    # Rounding may part what is equal, so that of equals others could come first.
    distinct = list({each.relevance_score: each for each in memories}.values())
    found = selected("tea", [*distinct, added], tokens, by_relevance)
    assert found == selected("tea", distinct, tokens, by_relevance)


# A larger budget

TOLERANCE = 1.0
"""Percentage points by which average recall may lie below that of a smaller budget: noise."""

EVALUATION_DATA = os.environ.get("EVALUATION_DATA")
"""A folder or file that `memory-budget evaluate` reads, to look at besides."""


def largest_fall(dataset: Dataset, ranking: Ranking | str) -> float:
    """By how many points the average recall of a budget lies below that of a smaller one, at most."""
    budgets = [round(50 * 1.25**step) for step in range(24)]
    measured = measure(dataset.conversations, {"it": LibraryPolicy(ranking=ranking)}, budgets)
    recall = 100.0 * measured.recall[:, 0].mean(axis=0)
    return float(np.max(np.maximum.accumulate(recall) - recall))


@pytest.mark.parametrize("data", ["0", "1", "2", "3", *filter(None, [EVALUATION_DATA])])
def test_recall_does_not_fall_when_the_budget_grows(data: str) -> None:
    dataset = load(data) if data == EVALUATION_DATA else dataset_from_records(talks(20, 10, int(data)))
    assert largest_fall(dataset, "evidence") <= TOLERANCE


def test_the_order_of_scores_falls_when_the_budget_grows() -> None:
    """So that the test above can fail: one long message takes the room of several short ones."""
    by_score = Ranking(kind="evidence", cost_exponent=0.0)
    falls = [largest_fall(dataset_from_records(talks(20, 10, seed)), by_score) for seed in range(4)]
    assert max(falls) > 2.0 * TOLERANCE
