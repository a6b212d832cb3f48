"""The library against the plain-Python reference on random input: equal to the bit, in every part."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import reference
from memory_budget_allocator import (
    ComplexityRules,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    QueryComplexity,
    WorkspaceConfig,
)
from reference import LADDER, LEVELS, TIERS
from strategies import (
    KEYWORDS,
    NOW,
    any_character,
    contexts,
    many_memories,
    memory_lists,
    queries,
    texts,
    timestamps,
    variants,
    workspaces,
)

allocators = st.builds(MemoryBudgetAllocator, log_allocations=st.booleans())


@dataclass
class Note:
    """A class of somebody else's, with the documented attributes in an order of its own."""

    text: str
    memory_id: str
    timestamp: datetime | None
    tier: str = "working"
    access_count: int = 0
    token_count: int = 0
    combined_score: float = 0.0
    promotion_score: float = 0.0
    freshness_score: float = 1.0
    importance_score: float = 0.5
    relevance_score: float = 0.0
    last_accessed: datetime | None = None
    user_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def written_state(item: Any) -> tuple[Any, ...]:
    """What an allocation writes, in a form whose equality tells 0.0 from -0.0 and sees every bit."""
    return (
        item.token_count,
        float(item.freshness_score).hex(),
        float(item.combined_score).hex(),
        item.access_count,
        item.last_accessed,
    )


def without_duration(result: dict[str, Any]) -> dict[str, Any]:
    assert result["processing_time_ms"] >= 0.0
    return {key: value for key, value in result.items() if key != "processing_time_ms"}


def check_allocation(  # noqa: PLR0917 - the six things that a call depends on
    allocator: MemoryBudgetAllocator,
    item_type: type[Any],
    drawn: list[dict[str, Any]],
    workspace: dict[str, Any],
    query: str,
    context: dict[str, Any] | None = None,
) -> None:
    items = [item_type(**fields) for fields in drawn]
    expected_items = [reference.Memory(**fields) for fields in drawn]
    allocator.register_workspace(WorkspaceConfig(**workspace))
    result = allocator.allocate_memory_budget(
        query, items, workspace["workspace_id"], context, current_time=NOW
    )
    expected = reference.allocate_memory_budget(
        query, expected_items, reference.Workspace(**workspace), now=NOW, context=context
    )
    assert without_duration(dict(result)) == without_duration(expected)
    assert list(result) == list(expected)
    assert list(result["tiers"]) == list(TIERS)
    assert [written_state(item) for item in items] == [written_state(item) for item in expected_items]


@given(allocators, memory_lists, workspaces(), queries, contexts)
def test_allocations(
    allocator: MemoryBudgetAllocator,
    drawn: list[dict[str, Any]],
    workspace: dict[str, Any],
    query: str,
    context: dict[str, Any] | None,
) -> None:
    check_allocation(allocator, MemoryItem, drawn, workspace, query, context)


@given(allocators, memory_lists, workspaces(), queries)
def test_allocations_of_objects_of_another_class(
    allocator: MemoryBudgetAllocator, drawn: list[dict[str, Any]], workspace: dict[str, Any], query: str
) -> None:
    check_allocation(allocator, Note, drawn, workspace, query)


@settings(max_examples=25)
@given(
    many_memories(),
    st.sampled_from([40, 700, 8192, 10**6]),
    st.sampled_from(["", "how and why", "design and debug and explain"]),
)
def test_allocations_of_thousands(drawn: list[dict[str, Any]], max_total_tokens: int, query: str) -> None:
    workspace = {"workspace_id": "w", "max_total_tokens": max_total_tokens}
    check_allocation(MemoryBudgetAllocator(), MemoryItem, drawn, workspace, query)


@given(memory_lists, workspaces(), st.lists(queries, max_size=4))
def test_repeated_allocations_of_the_same_items(
    drawn: list[dict[str, Any]], workspace: dict[str, Any], asked: list[str]
) -> None:
    """What one call writes (token counts, access counts) is what the next one starts from."""
    items = [MemoryItem(**fields) for fields in drawn]
    expected_items = [reference.Memory(**fields) for fields in drawn]
    allocator = MemoryBudgetAllocator(WorkspaceConfig(**workspace))
    config = reference.Workspace(**workspace)
    for step, query in enumerate(asked):
        later = NOW + timedelta(hours=step)
        result = allocator.allocate_memory_budget(query, items, current_time=later)
        expected = reference.allocate_memory_budget(query, expected_items, config, now=later)
        assert result["tiers"] == expected["tiers"]
        assert [written_state(item) for item in items] == [written_state(item) for item in expected_items]


@given(memory_lists, workspaces())
def test_scores(drawn: list[dict[str, Any]], workspace: dict[str, Any]) -> None:
    allocator = MemoryBudgetAllocator()
    config = WorkspaceConfig(**workspace)
    for fields in drawn:
        item, expected_item = MemoryItem(**fields), reference.Memory(**fields)
        score = allocator.calculate_memory_score(item, config, NOW)
        expected = reference.calculate_memory_score(expected_item, reference.Workspace(**workspace), NOW)
        assert score.hex() == expected.hex()
        assert written_state(item) == written_state(expected_item)


@given(timestamps, st.floats(1e-9, 1e9))
@example(None, 168.0)
@example(datetime(1, 1, 1), 168.0)
@example(datetime(9999, 12, 31, 23, 59, 59, 999_999), 1e-9)
def test_freshness(timestamp: datetime | None, half_life: float) -> None:
    config = WorkspaceConfig("w", freshness_half_life_hours=half_life)
    item = MemoryItem("m", "text", MemoryTier.RAG, timestamp)
    MemoryBudgetAllocator().calculate_memory_score(item, config, NOW)
    assert item.freshness_score.hex() == reference.freshness(timestamp, half_life, NOW).hex()


@given(workspaces())
def test_budgets(workspace: dict[str, Any]) -> None:
    config, expected = WorkspaceConfig(**workspace), reference.Workspace(**workspace)
    for tier in MemoryTier:
        for level in QueryComplexity:
            budget = reference.tier_budget(expected, tier.value, level.value)
            assert config.get_tier_budget(tier, level) == budget


@given(texts, st.one_of(st.sampled_from([0.25, 1.0]), st.floats(0.0, 10.0), st.just(1e300)))
def test_token_estimates(text: str, tokens_per_char: float) -> None:
    config = WorkspaceConfig("w", tokens_per_char=tokens_per_char)
    item = MemoryItem("m", text, MemoryTier.RAG, None)
    MemoryBudgetAllocator(config).allocate_memory_budget("", [item], current_time=NOW)
    assert item.token_count == reference.estimated_tokens(text, tokens_per_char)


@settings(max_examples=400)
@given(queries, contexts)
@example("what\u2028if\x1cwhat\xa0if", None)
@example("optimisation, synthesising & analysed", None)
@example("\ud800how \udfffwhy", None)
def test_complexity(query: str, context: dict[str, Any] | None) -> None:
    allocator = MemoryBudgetAllocator()
    analysis = allocator.analyze_query_complexity(query, context)
    assert analysis == reference.analyze_query_complexity(query, context)
    assert allocator.estimate_query_complexity(query, context) is QueryComplexity(analysis["complexity"])


own_keywords = st.lists(
    st.one_of(
        st.sampled_from([keyword.strip() for keyword in KEYWORDS]),
        st.sampled_from(
            ["c++", "Rust", "ß", "naïve", "Ω-automaton", "to be", "size", "resize", "time series"]
        ),
        st.text(any_character.filter(lambda c: c.isalnum()), min_size=1, max_size=7),
    ),
    max_size=6,
    unique_by=str.lower,
)


@given(own_keywords, own_keywords, st.integers(0, 4), st.data())
def test_complexity_with_rules_of_ones_own(
    expert: list[str], domain: list[str], limit: int, data: st.DataObject
) -> None:
    fields: dict[str, Any] = {
        "expert_keywords": tuple(expert),
        "domain_keywords": tuple(domain),
        "domain_points_limit": limit,
        "length_steps": (2, 3, 7, 11),
        "turn_points": 4,
        "level_thresholds": (1, 4, 6),
    }
    keywords = [spelling.strip() for keyword in (*expert, *domain) for spelling in keyword.split("|")]
    words = st.one_of(variants([*keywords, "how"]), st.sampled_from([*keywords, "plain", "how", "?", "é"]))
    query = data.draw(st.lists(words, max_size=12).map(" ".join))
    allocator = MemoryBudgetAllocator(complexity=ComplexityRules(**fields))
    assert allocator.analyze_query_complexity(query, {"turns": 4}) == reference.analyze_query_complexity(
        query, {"turns": 4}, reference.Rules(**fields)
    )


@given(memory_lists, workspaces(), st.permutations(LADDER))
def test_promotions(drawn: list[dict[str, Any]], workspace: dict[str, Any], ladder: list[str]) -> None:
    items = [MemoryItem(**fields) for fields in drawn]
    expected_items = [reference.Memory(**fields) for fields in drawn]
    allocator = MemoryBudgetAllocator(tier_order=tuple(MemoryTier(tier) for tier in ladder))
    result: Any = allocator.evaluate_promotion_demotion(items, WorkspaceConfig(**workspace), NOW)
    expected = reference.evaluate_promotion_demotion(
        expected_items, reference.Workspace(**workspace), NOW, ladder
    )
    for move in [*result["promotions"], *result["demotions"]]:
        assert move.pop("reason")
    assert result == expected
    assert [item.promotion_score.hex() for item in items] == [
        item.promotion_score.hex() for item in expected_items
    ]


@settings(max_examples=400)
@given(timestamps, timestamps)
def test_recency(created: datetime | None, last_accessed: datetime | None) -> None:
    """With nothing else in the score, so that no rounding of a sum hides a last bit."""
    item = MemoryItem("m", "text", MemoryTier.RAG, created, last_accessed=last_accessed)
    expected = reference.Memory("m", "text", "rag", created, last_accessed=last_accessed)
    MemoryBudgetAllocator().evaluate_promotion_demotion([item], WorkspaceConfig("w"), NOW)
    score = reference.promotion_score(expected, reference.Workspace("w"), NOW)
    assert item.promotion_score.hex() == score.hex()


calls = st.lists(
    st.tuples(
        st.sampled_from(["desk", "laboratory"]),
        st.sampled_from(["", "how does it work", "explain and design it", "design, debug, explain, compare"]),
        st.integers(0, 100),
        st.lists(st.tuples(st.sampled_from(TIERS), st.integers(0, 3000)), max_size=6),
    ),
    max_size=12,
)


@given(calls, st.sampled_from([None, "desk", "nowhere"]), st.sampled_from([None, 0, 1, 24.5, 50]))
def test_statistics(
    drawn: list[tuple[str, str, int, list[tuple[str, int]]]],
    workspace_id: str | None,
    time_window_hours: float | None,
) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    for name in ("desk", "laboratory"):
        allocator.register_workspace(WorkspaceConfig(name))
    results: list[Any] = []
    for name, query, hours, rows in sorted(drawn, key=lambda call: -call[2]):
        items = [
            MemoryItem(f"m{position}", "text", MemoryTier(tier), None, token_count=tokens)
            for position, (tier, tokens) in enumerate(rows)
        ]
        # Ten minutes off the hour, so that nothing lies exactly at the edge of a window.
        moment = NOW - timedelta(hours=hours, minutes=10)
        results.append(allocator.allocate_memory_budget(query, items, name, current_time=moment))
    found: Any = allocator.get_allocation_statistics(workspace_id, time_window_hours, current_time=NOW)
    expected = reference.allocation_statistics(results, NOW, workspace_id, time_window_hours)
    assert bool(found.pop("message", None)) == (expected["total_allocations"] == 0)
    duration = found["averages"].pop("processing_time_ms")
    # Durations are kept in whole nanoseconds; everything else is exact.
    assert duration == pytest.approx(expected["averages"].pop("processing_time_ms"), abs=2e-6)
    assert found == expected


@given(memory_lists, workspaces(), queries)
def test_what_the_levels_and_tiers_are_called(
    drawn: list[dict[str, Any]], workspace: dict[str, Any], query: str
) -> None:
    allocator = MemoryBudgetAllocator(WorkspaceConfig(**workspace))
    result = allocator.allocate_memory_budget(
        query, [MemoryItem(**fields) for fields in drawn], current_time=NOW
    )
    assert type(result["complexity"]) is str
    assert result["complexity"] in LEVELS
    for tier, entry in result["tiers"].items():
        assert type(tier) is str
        assert all(type(memory["tier"]) is str for memory in entry["selected_memories"])
