"""The reference against figures that were worked out by hand, so that both sides cannot be wrong together."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given

from reference import (
    LADDER,
    MAX_COUNT,
    TIERS,
    Memory,
    Rules,
    Workspace,
    age_microseconds,
    allocate_memory_budget,
    allocation_statistics,
    analyze_query_complexity,
    calculate_memory_score,
    estimated_tokens,
    evaluate_promotion_demotion,
    freshness,
    mentions,
    promotion_score,
    tier_budget,
    timestamp_text,
)
from strategies import NOW, contexts, memory_lists, queries, timestamps, workspaces


def memory(memory_id: str = "m", tier: str = "working", hours: float = 0.0, **fields: object) -> Memory:
    given_fields: dict[str, object] = {"text": "x" * 40, "timestamp": NOW - timedelta(hours=hours)} | fields
    return Memory(memory_id=memory_id, tier=tier, **given_fields)  # type: ignore[arg-type]


def test_eight_documented_budgets() -> None:
    config = Workspace("default")
    assert [tier_budget(config, tier, "complex") for tier in TIERS] == [3686, 3072, 2458, 3072]
    assert [tier_budget(config, tier, "medium") for tier in TIERS] == [2458, 2048, 1638, 2048]


def test_budgets_round_half_to_even_and_saturate() -> None:
    halves = [Workspace("w", max_total_tokens=total, rag_memory_pct=0.5) for total in (1, 3, 5, 7)]
    assert [tier_budget(config, "rag", "medium") for config in halves] == [0, 2, 2, 4]
    endless = Workspace("w", max_total_tokens=MAX_COUNT, complexity_multipliers={"simple": 1e308})
    assert tier_budget(endless, "rag", "simple") == MAX_COUNT
    assert tier_budget(Workspace("w", complexity_multipliers={}), "rag", "expert") == 2048


def test_golden_scores() -> None:
    config = Workspace("default")
    hour_old = memory(hours=1, relevance_score=0.9, importance_score=0.8)
    day_old = memory(hours=24, relevance_score=0.7, importance_score=0.8)
    assert round(calculate_memory_score(hour_old, config, NOW), 6) == 0.889177
    assert round(calculate_memory_score(day_old, config, NOW), 6) == 0.771149
    assert hour_old.freshness_score == math.exp(-0.693 * 1.0 / 168.0)


@pytest.mark.parametrize(
    ("relevance", "importance", "weight", "expected"),
    [
        (math.nan, 1.0, 0.5, 0.5),
        (math.inf, 1.0, 0.5, 0.5),
        (-math.inf, 1.0, 0.5, 0.5),
        (5.0, 0.0, 0.5, 1.0),
        (-5.0, 0.0, 0.5, 0.0),
        (1e308, 0.0, 1e300, 1.0),
        (-1e308, 0.0, 1e300, 0.0),
    ],
)
def test_corners_of_the_score(relevance: float, importance: float, weight: float, expected: float) -> None:
    config = Workspace("w", relevance_weight=weight, importance_weight=0.3)
    item = memory(relevance_score=relevance, importance_score=importance)
    assert calculate_memory_score(item, config, NOW) == expected


def test_infinity_minus_infinity_is_nothing() -> None:
    config = Workspace("w", relevance_weight=1e300, importance_weight=1e300)
    item = memory(relevance_score=1e308, importance_score=-1e308)
    assert calculate_memory_score(item, config, NOW) == 0.0


@given(timestamps)
def test_age_is_the_exact_number_of_microseconds_rounded_once(timestamp: datetime | None) -> None:
    if timestamp is None:
        assert freshness(None, 168.0, NOW) == 1.0
        return
    aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    exact = (NOW - aware) // timedelta(microseconds=1)
    assert age_microseconds(timestamp, NOW) == float(max(0, exact))


def test_estimated_tokens() -> None:
    assert [estimated_tokens("x" * size, 0.25) for size in (0, 1, 3, 4, 7, 8, 43)] == [0, 1, 1, 1, 1, 2, 10]
    assert estimated_tokens("漢\ud800😀é", 1.0) == 4
    assert estimated_tokens("x", 1e300) == MAX_COUNT
    assert estimated_tokens("xx", 1e308) == MAX_COUNT


@pytest.mark.parametrize(
    ("query", "level", "points"),
    [
        ("", "simple", 0),
        ("Hello", "simple", 0),
        ("What time is it?", "simple", 0),
        ("What's my current task?", "simple", 0),
        ("How do I use FastAPI?", "medium", 2),
        ("How should I optimize the database queries?", "medium", 4),
        ("Explain the architecture", "medium", 4),
        ("Explain async vs sync programming and analyze performance impact", "complex", 6),
        ("Design a scalable microservices architecture with event-driven communication", "expert", 8),
        ("how how how HOW", "simple", 1),
        ("a b c d e", "simple", 1),
        ("word " * 20, "medium", 2),
        ("word " * 50, "medium", 3),
        ("sharding replication consensus concurrency distributed", "medium", 4),
    ],
)
def test_levels_and_points(query: str, level: str, points: int) -> None:
    analysis = analyze_query_complexity(query)
    assert (analysis["complexity"], analysis["points"]) == (level, points)
    assert sum(part["points"] for part in analysis["contributions"]) == points


@pytest.mark.parametrize(
    ("text", "keyword", "expected"),
    [
        ("show", "how", False),
        ("how", "how", True),
        ("how?", "how", True),
        ("how_", "how", False),
        ("howé", "how", False),
        ("éhow", "how", False),
        ("\ud800how", "how", False),
        ("(how)", "how", True),
        ("because", "cause", False),
        ("causation", "cause", True),
        ("designed", "design", True),
        ("re-design", "design", True),
        ("redesign", "design", False),
        ("optimising", "optimize", True),
        ("optimisations", "optimize", True),
        ("optimal", "optimize", False),
        ("analyse", "analyze", True),
        ("what if", "what if", True),
        ("what\u2003\x1cif", "what if", True),
        ("what-if", "what if", True),
        ("what--if", "what if", False),
        ("what - if", "what if", False),
        ("whatif", "what if", False),
        ("what iffy", "what if", False),
        ("event driven", "event-driven", True),
        ("event-\ndriven", "event-driven", False),
        ("scalability", "scalable|scalability", True),
        ("scaling", "scalable|scalability", False),
        ("c++", "C++", True),
    ],
)
def test_keyword_matching(text: str, keyword: str, expected: bool) -> None:
    assert mentions(text, keyword) is expected


def test_context_takes_the_first_alias_that_is_given() -> None:
    def parts(context: dict[str, object]) -> list[str]:
        return [part["detail"] for part in analyze_query_complexity("", context)["contributions"]]

    assert parts({"history_length": 6, "turn_count": 4, "needs_retrieval": "yes"}) == [
        *("history_length", "turn_count", "requires_retrieval")
    ]
    assert parts({"history_length": 5, "turn_count": 3, "requires_retrieval": 0}) == []
    assert parts({"history_length": None, "history": [None] * 6, "conversation_length": 1}) == [
        "history_length"
    ]
    assert parts({"turn_count": 2, "multi_turn": True}) == []
    assert parts({"multi_turn": True}) == ["turn_count"]
    assert parts({"requires_retrieval": False, "needs_retrieval": True}) == []


@given(queries, contexts)
def test_contributions_always_sum_to_the_points(query: str, context: dict[str, object] | None) -> None:
    analysis = analyze_query_complexity(query, context)
    assert sum(part["points"] for part in analysis["contributions"]) == analysis["points"]
    bare = analyze_query_complexity(query, context, Rules(domain_keywords=()))
    assert 0 <= analysis["points"] - bare["points"] <= 3


def test_packing_skips_what_does_not_fit_and_goes_on() -> None:
    config = Workspace("w", max_total_tokens=100, working_memory_pct=1.0)
    items = [
        memory(name, relevance_score=relevance, token_count=tokens)
        for name, relevance, tokens in [
            ("c", 0.7, 60),
            ("a", 0.9, 50),
            ("e", 0.1, 1),
            ("b", 0.8, 60),
            ("d", 0.6, 50),
        ]
    ]
    result = allocate_memory_budget("word " * 20, items, config, now=NOW)
    working = result["tiers"]["working"]
    assert [entry["memory_id"] for entry in working["selected_memories"]] == ["a", "d"]
    assert (working["tokens_used"], working["tokens_remaining"], working["utilization_pct"]) == (
        100,
        0,
        100.0,
    )
    assert [item.access_count for item in items] == [0, 1, 0, 0, 1]
    assert items[0].last_accessed is None
    assert items[1].last_accessed == NOW


@given(memory_lists, workspaces(), queries)
def test_packing_keeps_its_promises(
    drawn: list[dict[str, object]], workspace: dict[str, object], query: str
) -> None:
    items = [Memory(**fields | {"last_accessed": None}) for fields in drawn]  # type: ignore[arg-type]
    result = allocate_memory_budget(query, items, Workspace(**workspace), now=NOW)  # type: ignore[arg-type]
    for name, tier in result["tiers"].items():
        entries = tier["selected_memories"]
        assert sum(entry["token_count"] for entry in entries) == tier["tokens_used"] <= tier["budget_tokens"]
        shown = [entry["combined_score"] for entry in entries]
        assert shown == sorted(shown, reverse=True)
        for item in items:
            if item.tier == name and item.last_accessed is None:
                assert item.token_count > tier["tokens_remaining"]


def test_promotion_score_and_steps() -> None:
    config = Workspace("w")
    used = memory("up", "project", combined_score=0.8, access_count=3, last_accessed=NOW)
    assert promotion_score(used, config, NOW) == 0.5 * 0.8 + 0.3 * 1.0 + 0.2 * 1.0
    aged = memory("down", "rag", hours=240, combined_score=0.1)
    assert promotion_score(aged, config, NOW) == 0.5 * 0.1 + 0.0 + 0.2 * math.exp(-1.0)
    timeless = memory("still", "long_term", timestamp=None, combined_score=math.nan)
    assert promotion_score(timeless, config, NOW) == 0.2
    result = evaluate_promotion_demotion([used, aged, timeless], config, NOW)
    assert [(move["memory_id"], move["target_tier"]) for move in result["promotions"]] == [("up", "working")]
    assert [(move["memory_id"], move["target_tier"]) for move in result["demotions"]] == [
        ("down", "long_term")
    ]
    assert result["total_evaluated"] == 3
    assert LADDER[-1] == "working"


def test_statistics_are_plain_averages() -> None:
    config = Workspace("w")
    results = [
        allocate_memory_budget(query, [memory(token_count=size)], config, now=NOW - timedelta(hours=hours))
        for query, size, hours in [("", 100, 0), ("how do I use it", 200, 3), ("", 10**6, 9)]
    ]
    everything = allocation_statistics(results, NOW)
    assert everything["total_allocations"] == 3
    assert Fraction(everything["averages"]["tokens_allocated"]) == 100
    assert everything["complexity_distribution"] == {"simple": 2, "medium": 1}
    assert allocation_statistics(results, NOW, time_window_hours=4)["total_allocations"] == 2
    assert allocation_statistics(results, NOW, "elsewhere")["averages"]["memories_selected"] == 0


def test_timestamps_outside_the_years_of_utc_show_as_given() -> None:
    assert timestamp_text(datetime(2026, 1, 1)) == "2026-01-01T00:00:00+00:00"
    early = datetime.fromisoformat("0001-01-01T00:00:00+14:00")
    assert timestamp_text(early) == "0001-01-01T00:00:00+14:00"
