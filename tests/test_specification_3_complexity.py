"""Section 3: what a query is worth, and why."""

from __future__ import annotations

import math
from typing import Any

import pytest

from memory_budget_allocator import ComplexityRules, MemoryBudgetAllocator, QueryComplexity


@pytest.fixture(scope="module")
def allocator() -> MemoryBudgetAllocator:
    return MemoryBudgetAllocator()


def details(allocator: MemoryBudgetAllocator, query: str, context: Any = None) -> list[str]:
    return [part["detail"] for part in allocator.analyze_query_complexity(query, context)["contributions"]]


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("", "simple"),
        (" \n\t ", "simple"),
        ("Hello", "simple"),
        ("What time is it?", "simple"),
        ("What's my current task?", "simple"),
        ("How do I use FastAPI?", "medium"),
        ("How should I optimize the database queries?", "medium"),
        ("Explain the architecture", "medium"),
        ("Explain async vs sync programming and analyze performance impact", "complex"),
        ("Design a scalable microservices architecture with event-driven communication", "expert"),
    ],
)
def test_levels_that_must_come_out(allocator: MemoryBudgetAllocator, query: str, level: str) -> None:
    assert allocator.estimate_query_complexity(query) is QueryComplexity(level)


@pytest.mark.parametrize(
    ("words", "points"), [(0, 0), (4, 0), (5, 1), (19, 1), (20, 2), (49, 2), (50, 3), (10_000, 3)]
)
def test_length(allocator: MemoryBudgetAllocator, words: int, points: int) -> None:
    analysis = allocator.analyze_query_complexity("x " * words)
    assert (analysis["points"], analysis["word_count"]) == (points, words)
    if points:
        assert analysis["contributions"] == [
            {"source": "length", "detail": f"{words} words", "points": points}
        ]


@pytest.mark.parametrize("space", [chr(code) for code in range(0x3001) if chr(code).isspace()])
def test_words_are_separated_as_python_separates_them(allocator: MemoryBudgetAllocator, space: str) -> None:
    assert allocator.analyze_query_complexity(f"a{space}b{space}{space}c")["word_count"] == 3


@pytest.mark.parametrize("space", [chr(code) for code in range(0x3001) if chr(code).isspace()])
def test_any_white_space_fills_the_gap_of_a_keyword(allocator: MemoryBudgetAllocator, space: str) -> None:
    assert details(allocator, f"what{space}if") == ["what if"]
    assert details(allocator, f"multi{space * 3}tenants") == ["multi-tenant"]


@pytest.mark.parametrize("joiner", ["\u200b", "\u2060", "\ufeff", "\u180e", "\x00", "\x1b", "-", "\ud800"])
def test_what_is_no_white_space_separates_nothing(allocator: MemoryBudgetAllocator, joiner: str) -> None:
    assert allocator.analyze_query_complexity(f"a{joiner}b c")["word_count"] == 2


@pytest.mark.parametrize(
    ("source", "points", "keywords"),
    [
        (
            "expert keyword",
            2,
            "explain analyze compare evaluate synthesize architecture design optimize debug implement",
        ),
        ("complex keyword", 1, "how why difference relationship between impact effect cause"),
        ("complex keyword", 1, "what_if"),
        (
            "domain keyword",
            1,
            "microservice event-driven distributed fault-tolerant high-availability consensus sharding "
            "replication concurrency multi-tenant",
        ),
    ],
)
def test_documented_keywords(
    allocator: MemoryBudgetAllocator, source: str, points: int, keywords: str
) -> None:
    for keyword in (name.replace("_", " ") for name in keywords.split()):
        expected = [{"source": source, "detail": keyword, "points": points}]
        for query in (keyword, keyword.upper(), f"({keyword})", f"{keyword}, {keyword}"):
            assert allocator.analyze_query_complexity(query)["contributions"] == expected


@pytest.mark.parametrize(
    ("query", "keyword"),
    [
        ("differences", "difference"),
        ("designed", "design"),
        ("analyzing", "analyze"),
        ("optimization", "optimize"),
        ("optimisations", "optimize"),
        ("analyse", "analyze"),
        ("optimise", "optimize"),
        ("synthesise", "synthesize"),
        ("analysing", "analyze"),
        ("causation", "cause"),
        ("evaluation", "evaluate"),
        ("what if", "what if"),
        ("what-if", "what if"),
        ("What \t\x1c\u2003 IF?", "what if"),
        ("event driven", "event-driven"),
        ("event\u00a0\u3000driven", "event-driven"),
        ("scalability", "scalable|scalability"),
        ("microservices", "microservice"),
        ("re-design", "design"),
        ("'how'", "how"),
    ],
)
def test_matches(allocator: MemoryBudgetAllocator, query: str, keyword: str) -> None:
    assert details(allocator, query) == [keyword]


@pytest.mark.parametrize(
    "query",
    [
        *("show", "somehow", "because", "however", "whyever", "redesign", "9how", "_how", "how_", "how2"),
        *("éhow", "howé", "\ud800how", "how\udfff", "\u00a0how", "how\u00a0", "x\u0301how"),
        *("what--if", "what - if", "whatif", "what if\u00e9", "what iffy", "what\u200bif"),
        *("event--driven", "eventdriven", "explaın", "optimal", "analysis", "compar", "scaling"),
        *("de\u0073ıgn", "\uff48\uff4f\uff57"),
    ],
)
def test_near_misses(allocator: MemoryBudgetAllocator, query: str) -> None:
    assert allocator.analyze_query_complexity(query)["points"] == 0


@pytest.mark.parametrize(
    ("query", "points"),
    [("size", 2), ("size!", 2), ("sizes", 0), ("sizing", 0), ("sized", 0), ("resize", 2), ("resizing", 2)],
)
def test_only_long_keywords_match_other_endings(query: str, points: int) -> None:
    allocator = MemoryBudgetAllocator(complexity=ComplexityRules(expert_keywords=("size", "resize")))
    assert allocator.analyze_query_complexity(query)["points"] == points


def test_at_most_three_points_for_domain_keywords(allocator: MemoryBudgetAllocator) -> None:
    query = "consensus sharding replication concurrency"
    assert details(allocator, query) == ["consensus", "sharding", "replication"]
    both = details(allocator, "scalable scalability")
    assert both == ["scalable|scalability"]


def test_an_empty_domain_list_restores_the_bare_table() -> None:
    bare = MemoryBudgetAllocator(complexity=ComplexityRules(domain_keywords=()))
    fourth = "Design a scalable microservices architecture with event-driven communication"
    assert bare.analyze_query_complexity(fourth)["points"] == 5
    assert bare.estimate_query_complexity(fourth) is QueryComplexity.COMPLEX


def test_contributions_come_in_a_fixed_order(allocator: MemoryBudgetAllocator) -> None:
    context = {"requires_retrieval": True, "turn_count": 4, "history_length": 6}
    analysis = allocator.analyze_query_complexity("sharding: why design or explain it", context)
    assert [(part["source"], part["detail"], part["points"]) for part in analysis["contributions"]] == [
        ("length", "6 words", 1),
        ("expert keyword", "explain", 2),
        ("expert keyword", "design", 2),
        ("complex keyword", "why", 1),
        ("domain keyword", "sharding", 1),
        ("context", "history_length", 1),
        ("context", "turn_count", 1),
        ("context", "requires_retrieval", 2),
    ]
    assert (analysis["points"], analysis["complexity"]) == (11, "expert")


@pytest.mark.parametrize(
    ("context", "found"),
    [
        (None, []),
        ({}, []),
        ({"history_length": 5, "turn_count": 3, "requires_retrieval": False}, []),
        ({"history_length": 6}, ["history_length"]),
        ({"conversation_history": ["turn"] * 6}, ["history_length"]),
        ({"history": ("turn",) * 6}, ["history_length"]),
        ({"conversation_length": 5.5}, ["history_length"]),
        ({"history_length": 1, "conversation_history": ["turn"] * 9}, []),
        ({"history_length": None, "conversation_history": ["turn"] * 9}, ["history_length"]),
        ({"conversation_history": [], "history": 9}, []),
        ({"turn_count": 4}, ["turn_count"]),
        ({"turns": 4}, ["turn_count"]),
        ({"multi_turn": True}, ["turn_count"]),
        ({"multi_turn": False}, []),
        ({"turns": 3, "multi_turn": True}, []),
        ({"requires_retrieval": "yes"}, ["requires_retrieval"]),
        ({"needs_retrieval": [0]}, ["requires_retrieval"]),
        ({"requires_retrieval": 0, "needs_retrieval": 1}, []),
        ({"requires_retrieval": None, "needs_retrieval": 1}, ["requires_retrieval"]),
        ({"mood": "good", "history_len": 99}, []),
    ],
)
def test_context(allocator: MemoryBudgetAllocator, context: Any, found: list[str]) -> None:
    assert details(allocator, "", context) == found


@pytest.mark.parametrize(
    ("context", "error", "named"),
    [
        ({"history_length": "6"}, TypeError, "history_length"),
        ({"conversation_history": b"six"}, TypeError, "conversation_history"),
        ({"turns": "many"}, TypeError, "turns"),
        ({"turn_count": object()}, TypeError, "turn_count"),
        ({"history_length": math.nan}, ValueError, "history_length"),
        ({"turn_count": math.nan}, ValueError, "turn_count"),
        ({"conversation_length": -1}, ValueError, "conversation_length"),
        ({"turn_count": -0.5}, ValueError, "turn_count"),
    ],
)
def test_context_that_cannot_be(
    allocator: MemoryBudgetAllocator, context: Any, error: type[Exception], named: str
) -> None:
    for method in (allocator.estimate_query_complexity, allocator.analyze_query_complexity):
        with pytest.raises(error, match=named):
            method("Hello", context)
    with pytest.raises(error, match=named):
        allocator.allocate_memory_budget("Hello", [], context=context)


@pytest.mark.parametrize("query", [None, 5, b"how", ["how"]])
def test_a_query_is_a_string(allocator: MemoryBudgetAllocator, query: Any) -> None:
    with pytest.raises(TypeError, match="query"):
        allocator.estimate_query_complexity(query)


@pytest.mark.parametrize("context", [[], "history", 5])
def test_a_context_is_a_mapping(allocator: MemoryBudgetAllocator, context: Any) -> None:
    with pytest.raises(TypeError, match="context"):
        allocator.estimate_query_complexity("Hello", context)


@pytest.mark.parametrize(
    ("points", "level"),
    [(1, "simple"), (2, "medium"), (4, "medium"), (5, "complex"), (7, "complex"), (8, "expert")],
)
def test_thresholds_of_the_levels(points: int, level: str) -> None:
    rules = ComplexityRules(retrieval_points=points)
    allocator = MemoryBudgetAllocator(complexity=rules)
    assert allocator.estimate_query_complexity("", {"requires_retrieval": True}) is QueryComplexity(level)


def test_lists_steps_and_thresholds_are_configurable() -> None:
    rules = ComplexityRules(
        expert_keywords=("borrow checker|lifetime",),
        expert_points=4,
        length_steps=(2,),
        history_length_above=1,
        level_thresholds=(1, 2, 3),
    )
    allocator = MemoryBudgetAllocator(complexity=rules)
    analysis = allocator.analyze_query_complexity("Explain LIFETIMES", {"history": 2})
    assert [part["detail"] for part in analysis["contributions"]] == [
        *("2 words", "borrow checker|lifetime", "history_length")
    ]
    assert analysis["points"] == 6
    assert allocator.estimate_query_complexity("one two") is QueryComplexity.MEDIUM


def test_the_level_decides_the_multiplier(allocator: MemoryBudgetAllocator) -> None:
    result = allocator.allocate_memory_budget("", [], context={"turn_count": 4, "requires_retrieval": True})
    assert (result["complexity"], result["budget"]["complexity_multiplier"]) == ("medium", 1.0)
