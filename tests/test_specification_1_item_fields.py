"""Section 1: what each field of a memory accepts, and the two vocabularies."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, QueryComplexity


def item(**fields: Any) -> MemoryItem:
    return MemoryItem(**({"memory_id": "the id", "text": "", "tier": "rag", "timestamp": None} | fields))


def test_the_tiers_in_their_order() -> None:
    assert [(tier.name, tier.value) for tier in MemoryTier] == [
        ("WORKING", "working"),
        ("PROJECT", "project"),
        ("LONG_TERM", "long_term"),
        ("RAG", "rag"),
    ]


def test_the_levels_in_their_order() -> None:
    assert [(level.name, level.value) for level in QueryComplexity] == [
        ("SIMPLE", "simple"),
        ("MEDIUM", "medium"),
        ("COMPLEX", "complex"),
        ("EXPERT", "expert"),
    ]


def test_members_work_as_strings() -> None:
    strings: list[Any] = ["rag", "expert"]
    assert strings == [MemoryTier.RAG, QueryComplexity.EXPERT]
    assert isinstance(MemoryTier.RAG, str)
    assert {"rag": 1}[MemoryTier.RAG] == 1
    by_member: dict[str, int] = {MemoryTier.RAG: 1}
    assert by_member["rag"] == 1
    assert (MemoryTier("rag"), QueryComplexity("expert")) == (MemoryTier.RAG, QueryComplexity.EXPERT)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("memory_id", 5, TypeError),
        ("memory_id", None, TypeError),
        ("memory_id", b"id", TypeError),
        ("text", None, TypeError),
        ("text", 5, TypeError),
        ("tier", None, TypeError),
        ("tier", 5, TypeError),
        ("tier", "attic", ValueError),
        ("tier", "RAG", ValueError),
        ("timestamp", "2026-01-01", TypeError),
        ("timestamp", 1_767_225_600, TypeError),
        ("user_id", 5, TypeError),
        ("metadata", None, TypeError),
        ("metadata", [("a", 1)], TypeError),
        *((f"{part}_score", "high", TypeError) for part in ("relevance", "importance", "freshness")),
        *((f"{part}_score", None, TypeError) for part in ("combined", "promotion", "relevance")),
        ("relevance_score", 1j, TypeError),
        ("relevance_score", 10**400, ValueError),
        ("token_count", -1, ValueError),
        ("token_count", 2**53, ValueError),
        ("token_count", 1.5, TypeError),
        ("token_count", "5", TypeError),
        ("token_count", None, TypeError),
        ("access_count", -1, ValueError),
        ("access_count", 2**53, ValueError),
        ("access_count", 10**30, ValueError),
        ("access_count", 2.0, TypeError),
        ("last_accessed", "today", TypeError),
    ],
)
def test_wrong_values_name_field_and_value(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=name) as caught:
        item(**{name: value})
    shown = str(value)[:12]
    assert shown in str(caught.value)
    existing = item()
    before = getattr(existing, name)
    with pytest.raises(error, match=name) as caught:
        setattr(existing, name, value)
    assert shown in str(caught.value)
    assert getattr(existing, name) is before or getattr(existing, name) == before


@pytest.mark.parametrize("name", ["relevance_score", "importance_score", "freshness_score"])
@pytest.mark.parametrize("value", [-3.0, 7.5, 1e308, 5e-324, math.inf, -math.inf])
def test_scores_outside_their_range_are_accepted(name: str, value: float) -> None:
    assert getattr(item(**{name: value}), name) == value


def test_a_score_may_be_no_number() -> None:
    assert math.isnan(item(relevance_score=math.nan).relevance_score)


def test_integers_become_floats_where_a_float_is_documented() -> None:
    memory = item(relevance_score=1, importance_score=0)
    assert (type(memory.relevance_score), type(memory.importance_score)) == (float, float)
    memory.combined_score = 2
    assert type(memory.combined_score) is float


def test_numpy_scalars_become_plain_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    narrow = numpy.float32(0.1)
    memory = item(relevance_score=narrow, importance_score=numpy.float64(0.3), token_count=numpy.int64(7))
    memory.access_count = numpy.uint8(200)
    assert (memory.relevance_score, memory.importance_score) == (float(narrow), 0.3)
    assert (memory.token_count, memory.access_count) == (7, 200)
    for name in ("relevance_score", "importance_score"):
        assert type(getattr(memory, name)) is float
    for name in ("token_count", "access_count"):
        assert type(getattr(memory, name)) is int


def test_a_tier_string_becomes_the_member() -> None:
    memory = item(tier="long_term")
    assert memory.tier is MemoryTier.LONG_TERM
    memory.tier = "working"  # type: ignore[assignment]
    assert memory.tier is MemoryTier.WORKING


@pytest.mark.parametrize("count", [0, 1, 2**31, 2**53 - 1])
def test_the_range_of_counts(count: int) -> None:
    memory = item(token_count=count, access_count=count)
    assert (memory.token_count, memory.access_count) == (count, count)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-7), "somewhere")),
        datetime.min,
        datetime.max,
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
        datetime(2026, 10, 25, 2, 30, fold=1),
    ],
)
def test_a_datetime_reads_back_as_the_object_that_was_assigned(moment: datetime) -> None:
    memory = item(timestamp=moment, last_accessed=moment)
    assert memory.timestamp is moment
    assert memory.last_accessed is moment
    memory.timestamp = memory.last_accessed = None
    assert memory.timestamp is memory.last_accessed is None
    memory.timestamp = moment
    assert memory.timestamp is moment


@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "a\nb", "é漢😀", "x" * 10_000_000])
def test_any_string_is_a_text_and_an_id(text: str) -> None:
    memory = item(memory_id=text, text=text, user_id=text)
    assert (memory.memory_id, memory.text, memory.user_id) == (text, text, text)


def test_subclasses_of_str_are_strings() -> None:
    class Name(str):
        __slots__ = ()

    assert item(memory_id=Name("n"), text=Name("t")).memory_id == "n"


def test_every_field_can_be_assigned() -> None:
    memory = item()
    values: dict[str, Any] = {
        "memory_id": "other",
        "text": "words",
        "tier": MemoryTier.PROJECT,
        "timestamp": datetime(2026, 1, 1),
        "user_id": "u",
        "metadata": {"a": 1},
        "relevance_score": 0.1,
        "importance_score": 0.2,
        "freshness_score": 0.3,
        "combined_score": 0.4,
        "token_count": 5,
        "access_count": 6,
        "last_accessed": datetime(2026, 1, 2),
        "promotion_score": 0.7,
    }
    for name, value in values.items():
        setattr(memory, name, value)
    assert {name: getattr(memory, name) for name in values} == values
    assert memory.metadata is values["metadata"]


class Borrowed:
    """An object of a class that is no dataclass and has the attributes as class attributes in part."""

    user_id: str | None = None
    importance_score = 0.5
    freshness_score = 1.0
    combined_score = 0.0
    token_count = 0
    access_count = 0
    last_accessed: datetime | None = None
    promotion_score = 0.0

    def __init__(self, memory_id: str, **fields: Any) -> None:
        self.memory_id = memory_id
        self.text = "some text"
        self.tier: Any = "project"
        self.timestamp: datetime | None = None
        self.metadata: dict[str, Any] = {}
        self.relevance_score: Any = 0.5
        vars(self).update(fields)


def test_objects_of_other_classes_are_accepted() -> None:
    memory = Borrowed("b", tier=MemoryTier.RAG, relevance_score=1)
    result = MemoryBudgetAllocator().allocate_memory_budget("", [memory])
    (entry,) = result["tiers"]["rag"]["selected_memories"]
    assert (entry["memory_id"], entry["relevance_score"], entry["token_count"]) == ("b", 1.0, 2)
    assert (memory.token_count, memory.access_count, memory.combined_score) == (2, 1, 0.5 + 0.15 + 0.2)
    assert (Borrowed.access_count, Borrowed.token_count) == (0, 0)


def test_objects_of_other_classes_are_checked_at_the_call() -> None:
    allocator = MemoryBudgetAllocator()
    for name, value in [("access_count", -1), ("tier", "attic"), ("relevance_score", "high")]:
        with pytest.raises((TypeError, ValueError), match=name) as caught:
            allocator.allocate_memory_budget("", [Borrowed("the borrowed one", **{name: value})])
        assert "the borrowed one" in str(caught.value)


def test_a_missing_attribute_is_named() -> None:
    memory = Borrowed("b")
    del memory.relevance_score
    with pytest.raises(TypeError, match="relevance_score"):
        MemoryBudgetAllocator().allocate_memory_budget("", [memory])
