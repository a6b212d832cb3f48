"""Rankings: the native code against the plain-Python reference, to the bit."""

from __future__ import annotations

import struct
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import reference_ranking as reference
from memory_budget_allocator import _core
from memory_budget_allocator.errors import ConfigurationError, ConfigurationTypeError
from memory_budget_allocator.ranking import Ranking
from reference import TIERS
from reference_ranking import Candidate

NOW_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000


def is_known(character: str) -> bool:
    """Assigned in the Unicode of every supported Python, and a letter to both sides or to neither."""
    return unicodedata.category(character) not in ("Cn", "Cs", "Co", "So")


WORDS = [
    "tea", "teas", "Trains", "planning", "plan", "queries", "query", "the", "x", "2024", "naïve", "Straße",
    "数据库", "数据", "ภาษาไทย", "한국어", "カタカナ", "ＡＢＣ", "co\u00adop", "e\u0301te", "don't", "a_b.c",
]  # fmt: skip

texts = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
    st.text(st.characters().filter(is_known), max_size=40),
)
relevances = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]), st.floats(), st.just(float("nan")))
moments = st.one_of(st.none(), st.integers(NOW_US - 900 * DAY_US, NOW_US + DAY_US))


@st.composite
def candidate_lists(draw: st.DrawFn) -> list[Candidate]:
    count = draw(st.integers(0, 14))
    return [
        Candidate(
            text=draw(texts),
            relevance=draw(relevances),
            importance=draw(st.one_of(st.floats(0, 1), st.floats())),
            timestamp_us=draw(moments),
            tokens=draw(st.integers(0, 90)),
            tier=draw(st.integers(0, 3)),
            session=draw(st.one_of(st.none(), st.integers(0, 2))),
            position=draw(st.integers(0, 5)),
            identity=draw(st.integers(0, count - 1)),
            replaces=draw(st.one_of(st.none(), st.integers(0, count - 1))),
        )
        for _ in range(count)
    ]


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


rankings = st.builds(
    Ranking,
    kind=st.sampled_from(["weighted", "evidence"]),
    normalisation=optional(st.sampled_from(["none", "z", "min_max", "rank"])),
    lexical_weight=optional(st.floats(0, 3)),
    importance_weight=optional(st.floats(0, 2)),
    freshness_weight=optional(st.floats(0, 2)),
    freshness=optional(st.sampled_from(["exponential", "power_law", "none"])),
    freshness_floor=optional(st.floats(0, 1)),
    freshness_half_life_hours=optional(st.floats(1e-3, 1e5)),
    smoothing=optional(st.floats(0, 1)),
    cost_exponent=optional(st.floats(0, 2)),
    cost_floor=optional(st.integers(1, 200)),
    supersession=optional(st.booleans()),
    relevance_gate=optional(st.floats(-1, 1)),
    minimum_score=optional(st.floats(-3, 3)),
    exact_duplicates=optional(st.booleans()),
)


SAME_NAME = (
    "normalisation",
    "lexical_weight",
    "freshness_floor",
    "smoothing",
    "cost_exponent",
    "cost_floor",
    "supersession",
    "relevance_gate",
    "minimum_score",
)


def as_reference(ranking: Ranking) -> tuple[reference.Ranking, bool]:
    base = reference.evidence() if ranking.kind == "evidence" else reference.Ranking()
    for name in SAME_NAME:
        if getattr(ranking, name) is not None:
            setattr(base, name, getattr(ranking, name))
    relevance, importance, freshness = base.weights
    if ranking.importance_weight is not None:
        importance = ranking.importance_weight
    if ranking.freshness_weight is not None:
        freshness = ranking.freshness_weight
    base.weights = (relevance, importance, freshness)
    if ranking.freshness is not None:
        base.freshness_shape = ranking.freshness
    if ranking.freshness_half_life_hours is not None:
        base.half_life_hours = (ranking.freshness_half_life_hours,) * 4  # type: ignore[assignment]
    drops_duplicates = ranking.exact_duplicates
    if drops_duplicates is None:
        drops_duplicates = ranking.kind == "evidence"
    return base, drops_duplicates


def rate(
    query: str, candidates: list[Candidate], ranking: Ranking | str, budgets: list[int]
) -> dict[str, Any]:
    columns = {
        "text": [candidate.text for candidate in candidates],
        "tier": [TIERS[candidate.tier] for candidate in candidates],
        "relevance_score": [candidate.relevance for candidate in candidates],
        "importance_score": [candidate.importance for candidate in candidates],
        "timestamp": [candidate.timestamp_us for candidate in candidates],
        "token_count": [candidate.tokens for candidate in candidates],
        "session": [candidate.session for candidate in candidates],
        "position": [candidate.position for candidate in candidates],
        "identity": [candidate.identity for candidate in candidates],
        "replaces": [candidate.replaces for candidate in candidates],
    }
    return _core.rate_candidates(query, columns, ranking, budgets, NOW_US, (0.5, 0.3, 0.2), 168.0)


def bits(values: list[float]) -> list[bytes]:
    # Of zeros the sign does not count: no order depends on it.
    return [struct.pack("d", value + 0.0) for value in values]


def is_same(one: str, other: str) -> bool:
    return bool(reference.words(one)) and reference.words(one) == reference.words(other)


@settings(max_examples=400, deadline=None)
@given(texts, candidate_lists(), rankings, st.lists(st.integers(0, 300), min_size=4, max_size=4))
@example("", [], Ranking(kind="evidence"), [1, 1, 1, 1])
def test_rankings_equal_the_reference(
    query: str, candidates: list[Candidate], ranking: Ranking, budgets: list[int]
) -> None:
    meant, drops_duplicates = as_reference(ranking)
    found = rate(query, candidates, ranking, budgets)
    assert bits(found["bm25"]) == bits(reference.bm25(query, [candidate.text for candidate in candidates]))
    expected = reference.rank(query, candidates, meant, NOW_US)
    assert bits(found["scores"]) == bits(expected.scores)
    assert bits(found["keys"]) == bits(expected.keys)
    assert found["verdicts"] == expected.verdicts
    taken = reference.take(candidates, expected, budgets, is_same if drops_duplicates else None)
    assert found["taken"] == taken


@settings(max_examples=300)
@given(texts, texts)
def test_words_are_those_of_the_reference(one: str, other: str) -> None:
    """Two texts with the same words, and no others, have the same fingerprint: seen as a duplicate."""
    candidates = [Candidate(text=text, identity=row) for row, text in enumerate((one, other))]
    found = rate("", candidates, "evidence", [9, 9, 9, 9])
    assert (found["duplicates"] == [1]) == is_same(one, other)


@given(candidate_lists(), rankings)
def test_terms_add_up_to_the_key(candidates: list[Candidate], ranking: Ranking) -> None:
    found = rate("tea plan", candidates, ranking, [50, 50, 50, 50])
    for row, key in enumerate(found["keys"]):
        assert found["scores"][row] + found["cost"][row] == pytest.approx(key, rel=1e-9, abs=1e-9)


def test_what_a_ranking_refuses() -> None:
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"kind": "best"}, ConfigurationError, "kind must be 'weighted' or 'evidence', got 'best'"),
        ({"kind": 1}, ConfigurationTypeError, "kind must be"),
        ({"normalisation": "zscore"}, ConfigurationError, "normalisation must be 'none', 'z'"),
        ({"smoothing": 1.5}, ConfigurationError, "smoothing must be a number from 0 to 1, got 1.5"),
        ({"smoothing": "much"}, ConfigurationTypeError, "smoothing must be a number"),
        ({"cost_floor": 0}, ConfigurationError, "cost_floor must be at least 1"),
        ({"near_duplicates": 65}, ConfigurationError, "near_duplicates must be an integer from 0 to 64"),
        ({"exact_duplicates": 1}, ConfigurationTypeError, "exact_duplicates must be a bool"),
        ({"lexical_weight": float("nan")}, ConfigurationError, "lexical_weight must be"),
        (
            {"freshness_half_life_hours": {"attic": 1.0}},
            ConfigurationError,
            "a key of freshness_half_life_hours must be",
        ),
        (
            {"freshness_half_life_hours": {"rag": 0.0}},
            ConfigurationError,
            r"freshness_half_life_hours\[rag\] must be",
        ),
    ]
    for fields, error, message in wrong:
        with pytest.raises(error, match=f"ranking: {message}"):
            Ranking(**fields)


def test_half_lives_by_tier() -> None:
    ranking = Ranking(freshness_half_life_hours={"rag": 24.0}, freshness="power_law")
    day_old = [Candidate(timestamp_us=NOW_US - DAY_US, tier=tier, identity=tier) for tier in range(4)]
    found = [dict(terms)["freshness"] for terms in rate("", day_old, ranking, [0] * 4)["terms"]]
    assert found[3] == (0.2, 0.5)
    assert found[0][1] > 0.5
