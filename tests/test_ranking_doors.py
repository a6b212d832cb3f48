"""Rankings through the doors: lists, columns and pools decide alike, and as the reference says."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_ranking as reference
from memory_budget_allocator import (
    Allocation,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    Ranking,
    WorkspaceConfig,
)
from memory_budget_allocator.errors import ArgumentTypeError, ArgumentValueError, ConfigurationError
from reference import TIERS
from strategies import NOW

WORDS = ["tea", "trains", "planning", "query", "the", "order", "数据库", "x1"]
QUERY = "the tea query"
NOW_US = int(NOW.timestamp()) * 1_000_000 + NOW.microsecond


@st.composite
def memory_lists(draw: st.DrawFn) -> list[MemoryItem]:
    count = draw(st.integers(0, 24))
    ids = [f"m{row}" for row in range(count)]
    return [
        MemoryItem(
            memory_id=ids[row],
            text=" ".join(draw(st.lists(st.sampled_from(WORDS), max_size=8))),
            tier=draw(st.sampled_from(list(MemoryTier))),
            timestamp=NOW - timedelta(hours=draw(st.integers(0, 2000))),
            relevance_score=draw(st.floats(0, 1)),
            importance_score=draw(st.floats(0, 1)),
            token_count=draw(st.integers(1, 60)),
            session_id=draw(st.sampled_from([None, "s", "t"])),
            position=draw(st.one_of(st.none(), st.integers(0, 6))),
            supersedes=draw(st.one_of(st.none(), st.sampled_from([*ids, "gone"]))),
        )
        for row in range(count)
    ]


rankings = st.one_of(
    st.just("evidence"),
    st.builds(
        Ranking,
        kind=st.sampled_from(["weighted", "evidence"]),
        normalisation=st.sampled_from([None, "none", "z", "min_max", "rank"]),
        lexical_weight=st.sampled_from([None, 0.0, 1.0]),
        smoothing=st.sampled_from([None, 0.0, 0.5]),
        cost_exponent=st.sampled_from([None, 0.0, 0.7]),
        supersession=st.sampled_from([None, True, False]),
        exact_duplicates=st.sampled_from([None, True, False]),
        relevance_gate=st.sampled_from([None, 0.3]),
    ),
)


def workspace(tokens: int = 400) -> WorkspaceConfig:
    return WorkspaceConfig("default", max_total_tokens=tokens)


def columns_of(items: list[MemoryItem]) -> dict[str, Any]:
    return {
        "memory_id": [item.memory_id for item in items],
        "text": [item.text for item in items],
        "tier": [item.tier.value for item in items],
        "timestamp": [item.timestamp for item in items],
        "relevance_score": np.array([item.relevance_score for item in items]),
        "importance_score": np.array([item.importance_score for item in items]),
        "token_count": [item.token_count for item in items],
        "session_id": [item.session_id if item.position is not None else None for item in items],
        "position": [item.position or 0 for item in items],
        "supersedes": [item.supersedes for item in items],
    }


def positions(allocation: Allocation) -> list[int]:
    return allocation.selected_positions


def meant_by(
    items: list[MemoryItem], ranking: Ranking
) -> tuple[list[reference.Candidate], reference.Ranking]:
    """The same as the reference knows it."""
    meant = reference.evidence() if ranking.kind == "evidence" else reference.Ranking()
    for name in ("normalisation", "lexical_weight", "smoothing", "cost_exponent", "supersession",
                 "relevance_gate", "minimum_score"):  # fmt: skip
        if getattr(ranking, name) is not None:
            setattr(meant, name, getattr(ranking, name))
    if ranking.freshness_weight is not None:
        meant.weights = (*meant.weights[:2], ranking.freshness_weight)
    numbers = {item.memory_id: row for row, item in enumerate(items)}
    sessions = {"s": 0, "t": 1}
    candidates = [
        reference.Candidate(
            text=item.text,
            relevance=item.relevance_score,
            importance=item.importance_score,
            timestamp_us=NOW_US - round((NOW - (item.timestamp or NOW)).total_seconds()) * 1_000_000,
            tokens=item.token_count,
            tier=TIERS.index(item.tier.value),
            session=sessions.get(item.session_id or "") if item.position is not None else None,
            position=item.position or 0,
            identity=numbers[item.memory_id],
            replaces=numbers.get(item.supersedes or ""),
        )
        for item in items
    ]
    return candidates, meant


def expected(items: list[MemoryItem], ranking: Ranking | str, budgets: list[int]) -> list[int]:
    ranking = Ranking(kind="evidence") if isinstance(ranking, str) else ranking
    candidates, meant = meant_by(items, ranking)
    drops = ranking.exact_duplicates
    if drops is None:
        drops = ranking.kind == "evidence"

    def is_same(one: str, other: str) -> bool:
        return bool(reference.words(one)) and reference.words(one) == reference.words(other)

    rated = reference.rank(QUERY, candidates, meant, NOW_US)
    taken = reference.take(candidates, rated, budgets, is_same if drops else None)
    return [row for rows in taken for row in rows]


@settings(max_examples=150, deadline=None)
@given(memory_lists(), rankings, st.integers(0, 600))
def test_all_doors_decide_as_the_reference(
    items: list[MemoryItem], ranking: Ranking | str, tokens: int
) -> None:
    allocator = MemoryBudgetAllocator(workspace(tokens))
    options: dict[str, Any] = {"current_time": NOW, "ranking": ranking}
    pool = MemoryPool.from_items(items)
    from_list = allocator.allocate(QUERY, items, **options)
    budgets = [from_list.tiers[tier].budget for tier in MemoryTier]
    assert positions(from_list) == expected(items, ranking, budgets)
    assert positions(allocator.allocate(QUERY, pool, **options)) == positions(from_list)
    assert positions(allocator.allocate(QUERY, pool.snapshot(), **options)) == positions(from_list)
    if items:
        assert positions(allocator.allocate(QUERY, columns_of(items), **options)) == positions(from_list)
    for tier in MemoryTier:
        assert from_list.tiers[tier].used <= from_list.tiers[tier].budget


def message(position: int, relevance: float, **fields: Any) -> MemoryItem:
    given: dict[str, Any] = {"session_id": "talk", "position": position, "token_count": 40, **fields}
    return MemoryItem(
        f"m{position}",
        f"words of number {position}",
        MemoryTier.WORKING,
        NOW,
        relevance_score=relevance,
        **given,
    )


def test_neighbours_of_a_match_are_preferred() -> None:
    relevances = [0.1, 0.3, 0.9, 0.3, 0.1, 0.31, 0.1]
    items = [message(position, relevance) for position, relevance in enumerate(relevances)]
    config = WorkspaceConfig("default", max_total_tokens=270, complexity_multipliers={})
    allocator = MemoryBudgetAllocator(config)
    smoothed = allocator.allocate("q", items, current_time=NOW, ranking="evidence")
    plain = Ranking(kind="evidence", smoothing=0.0)
    alone = allocator.allocate("q", items, current_time=NOW, ranking=plain)
    assert positions(smoothed) == [2, 1]
    assert positions(alone) == [2, 5]


def test_what_is_replaced_is_left_out() -> None:
    old = message(1, 0.9)
    new = message(2, 0.2, supersedes="m1")
    allocator = MemoryBudgetAllocator()
    assert positions(allocator.allocate("q", [old, new], ranking="evidence")) == [1]
    assert positions(allocator.allocate("q", [old], ranking="evidence")) == [0]
    assert sorted(positions(allocator.allocate("q", [old, new]))) == [0, 1]
    kept = Ranking(kind="evidence", supersession=False)
    assert sorted(positions(allocator.allocate("q", [old, new], ranking=kept))) == [0, 1]


def test_words_are_forgotten_with_the_text() -> None:
    items = [message(position, 0.5, session_id=None) for position in range(4)]
    config = WorkspaceConfig("default", max_total_tokens=134, complexity_multipliers={})
    allocator = MemoryBudgetAllocator(config)
    for row in (3, 1, 2, 0):
        for item in items:
            item.text = "nothing of interest"
        items[row].text = "the red teapot"
        ranking = Ranking(kind="evidence", exact_duplicates=False)
        allocation = allocator.allocate("teapot", items, current_time=NOW, ranking=ranking)
        assert positions(allocation) == [row]


def test_the_index_of_a_pool_follows_its_rows() -> None:
    config = WorkspaceConfig("default", max_total_tokens=600)
    allocator = MemoryBudgetAllocator(config)
    pool = MemoryPool()
    items = {
        f"m{row}": MemoryItem(
            f"m{row}", f"{WORDS[row % 8]} {WORDS[row % 5]}", MemoryTier.RAG, NOW, token_count=30,
            session_id=f"s{row % 3}", position=row // 3,
        )
        for row in range(40)
    }  # fmt: skip
    pool.add_many(items.values())

    def check() -> None:
        fresh = MemoryPool.from_items(items[item.memory_id] for item in pool)
        for query in ("tea", "order the query", ""):
            found, meant = (
                [item.memory_id for item in allocator.allocate(query, some, ranking="evidence").selected]
                for some in (pool, fresh)
            )
            assert found == meant

    check()
    pool.update("m3", text="tea tea order")
    items["m3"].text = "tea tea order"
    check()
    pool.remove("m8")
    del items["m8"]
    check()
    pool.update("m9", position=70, supersedes="m4")
    items["m9"] = replace(items["m9"], position=70, supersedes="m4")
    check()
    older = pool.snapshot()
    pool.compact()
    check()
    assert len(allocator.allocate("tea", older, ranking="evidence")) > 0
    check()


def test_a_mapping_leaves_the_mean_to_evidence_and_zero_to_the_formula() -> None:
    pool = MemoryPool.from_items(message(position, 0.0, session_id=None) for position in range(3))
    config = WorkspaceConfig("default", max_total_tokens=270, complexity_multipliers={})
    allocator = MemoryBudgetAllocator(config)
    relevance = {"m0": -0.5, "m2": 0.5}
    by_evidence = allocator.allocate("q", pool, relevance=relevance, ranking="evidence")
    assert positions(by_evidence) == [2, 1]
    assert by_evidence.non_finite is None
    weighted = Ranking(lexical_weight=0.1)
    assert positions(allocator.allocate("q", pool, relevance=relevance, ranking=weighted)) == [2, 1]


def test_a_workspace_names_its_ranking_and_a_call_another() -> None:
    items = [message(0, 0.9, token_count=300), message(1, 0.8, token_count=40)]
    config = WorkspaceConfig("default", max_total_tokens=1100, complexity_multipliers={}, ranking="evidence")
    allocator = MemoryBudgetAllocator(config)
    assert positions(allocator.allocate("q", items)) == [1]
    assert positions(allocator.allocate("q", items, ranking="weighted")) == [0]
    config.ranking = Ranking()
    assert positions(allocator.allocate("q", items)) == [0]
    config.ranking = "best"  # type: ignore[assignment]
    with pytest.raises(
        ConfigurationError, match="workspace 'default': ranking must be 'weighted', 'evidence'"
    ):
        allocator.allocate("q", items)
    with pytest.raises(ArgumentValueError, match="ranking must be 'weighted', 'evidence' or a Ranking"):
        allocator.allocate("q", items, ranking="best")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="ranking must be"):
        allocator.allocate("q", items, ranking=7)  # type: ignore[arg-type]


def test_a_ranking_in_a_dict() -> None:
    ranking = Ranking(kind="evidence", smoothing=0.2, freshness_half_life_hours={MemoryTier.RAG: 24.0})
    config = WorkspaceConfig("w", ranking=ranking)
    written = config.to_dict()
    assert written["ranking"] == {
        "kind": "evidence",
        "smoothing": 0.2,
        "freshness_half_life_hours": {"rag": 24.0},
    }
    assert WorkspaceConfig.from_dict(written).to_dict() == written
    assert WorkspaceConfig.from_dict({"workspace_id": "w", "ranking": "evidence"}).ranking == "evidence"
    with pytest.raises(ConfigurationError, match=r"unknown key 'ranking\.smooth'"):
        WorkspaceConfig.from_dict({"workspace_id": "w", "ranking": {"smooth": 0.2}})


def test_the_fields_go_where_the_others_go() -> None:
    item = message(4, 0.5, supersedes="m1")
    for other in (copy.copy(item), copy.deepcopy(item), pickle.loads(pickle.dumps(item)), replace(item)):
        assert other == item
        assert (other.session_id, other.position, other.supersedes) == ("talk", 4, "m1")
    assert replace(item, position=5) != item
    assert "session_id='talk', position=4, supersedes='m1'" in repr(item)
    (from_pool,) = MemoryPool.from_items([item])
    assert from_pool == item
    selected = MemoryBudgetAllocator().allocate("q", columns_of([item])).selected[0]
    assert isinstance(selected, MemoryItem)
    assert (selected.session_id, selected.position, selected.supersedes) == ("talk", 4, "m1")
    for field, value in (("position", -1), ("position", 1.5), ("session_id", 3), ("supersedes", b"x")):
        with pytest.raises((ValueError, TypeError), match=f"memory 'm4': {field} must be"):
            setattr(item, field, value)
    assert MemoryItem("a", "t", MemoryTier.RAG, None).position is None


@dataclass
class Message:
    """A class of somebody else's that stands in a sequence."""

    memory_id: str
    text: str
    relevance_score: float
    position: int
    session_id: str = "talk"
    tier: str = "working"
    timestamp: datetime | None = None
    importance_score: float = 0.5
    freshness_score: float = 1.0
    combined_score: float = 0.0
    token_count: int = 40
    access_count: int = 0
    last_accessed: datetime | None = None
    promotion_score: float = 0.0


def test_other_classes_stand_in_sequence_too() -> None:
    relevances = [0.1, 0.3, 0.9, 0.3, 0.1, 0.31, 0.1]
    items = [message(position, relevance) for position, relevance in enumerate(relevances)]
    foreign = [
        Message(item.memory_id, item.text, item.relevance_score, position)
        for position, item in enumerate(items)
    ]
    config = WorkspaceConfig("default", max_total_tokens=270, complexity_multipliers={})
    allocator = MemoryBudgetAllocator(config)
    own = allocator.allocate("q", items, current_time=NOW, ranking="evidence")
    others: Any = allocator.allocate("q", foreign, current_time=NOW, ranking="evidence")
    assert positions(others) == positions(own)
    foreign[0].position = -3
    with pytest.raises(ValueError, match="memory 'm0': position must be an integer from 0"):
        allocator.allocate("q", foreign, ranking="evidence")


def test_a_ceiling_of_nothing_takes_nothing_even_for_nothing() -> None:
    table: dict[str, Any] = {"relevance_score": [0.5, 0.6], "token_count": [0, 0]}
    allocator = MemoryBudgetAllocator()
    assert len(allocator.allocate("q", table, ranking="evidence")) == 2
    for ranking in ("evidence", "weighted"):
        assert len(allocator.allocate("q", table, ranking=ranking, max_prompt_tokens=0)) == 0
