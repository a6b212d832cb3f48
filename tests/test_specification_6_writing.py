"""Section 6: what a call writes to the memories, and that a failed call writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryTier,
    WorkspaceConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS = ("token_count", "freshness_score", "combined_score", "access_count", "last_accessed")


@dataclass
class Foreign:
    """A class that knows nothing of the library."""

    memory_id: str
    text: str = "some text"
    tier: str = "working"
    timestamp: datetime | None = None
    user_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    relevance_score: float = 0.5
    importance_score: float = 0.5
    freshness_score: float = 0.25
    combined_score: float = 0.125
    token_count: int = 0
    access_count: int = 0
    last_accessed: datetime | None = None
    promotion_score: float = 0.0


class Stubborn(Foreign):
    """One that lets itself be read, and refuses to be written in one field."""

    refused = "access_count"

    def __setattr__(self, name: str, value: object) -> None:
        if name == self.refused and name in self.__dict__:
            raise RuntimeError("I will not change")
        super().__setattr__(name, value)


class Recording(Foreign):
    """One that remembers the order in which everybody was written."""

    written: list[tuple[str, str]]

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(type(self), "written") and name in self.__dict__:
            self.written.append((self.__dict__.get("memory_id", "?"), name))
        super().__setattr__(name, value)


def own(memory_id: str, **fields: Any) -> MemoryItem:
    given = {
        "text": "some text",
        "tier": MemoryTier.WORKING,
        "timestamp": None,
        "relevance_score": 0.5,
    } | fields
    return MemoryItem(memory_id, **given)


def state(items: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(getattr(item, name) for name in FIELDS) for item in items]


@pytest.mark.parametrize("make", [own, Foreign])
def test_what_is_written(make: Any, now: datetime) -> None:
    taken, left = make("taken", token_count=10), make("left", token_count=10_000)
    MemoryBudgetAllocator().allocate_memory_budget("", [taken, left], current_time=now)
    assert (taken.access_count, taken.last_accessed) == (1, now)
    assert taken.last_accessed.tzinfo is UTC
    assert (left.access_count, left.last_accessed) == (0, None)
    for item in (taken, left):
        assert item.freshness_score == 1.0
        assert item.combined_score == item.relevance_score * 0.5 + 0.5 * 0.3 + 1.0 * 0.2


@pytest.mark.parametrize("make", [own, Foreign])
def test_the_sequence_itself_is_left_alone(make: Any) -> None:
    items = [make(f"m{i}", relevance_score=i % 7 / 7) for i in range(50)]
    before = list(items)
    MemoryBudgetAllocator().allocate_memory_budget("", items)
    assert all(one is other for one, other in zip(items, before, strict=True))


@pytest.mark.parametrize(
    "as_iterable",
    [
        list,
        tuple,
        iter,
        lambda items: (item for item in items),
        lambda items: dict(enumerate(items)).values(),
    ],
)
def test_any_iterable_is_accepted(as_iterable: Any) -> None:
    items = [own(f"m{i}") for i in range(5)]
    result = MemoryBudgetAllocator().allocate_memory_budget("", as_iterable(items))
    assert result["total_memories_selected"] == 5


def test_own_and_foreign_memories_mix() -> None:
    items: list[Any] = [Foreign("a"), own("b"), Foreign("c"), own("d")]
    result = MemoryBudgetAllocator().allocate_memory_budget("", items)
    selected = result["tiers"]["working"]["selected_memories"]
    assert [entry["memory_id"] for entry in selected] == ["a", "b", "c", "d"]
    assert [item.access_count for item in items] == [1, 1, 1, 1]


def test_a_generator_that_fails_changes_nothing() -> None:
    items = [own("a"), own("b")]
    before = state(items)

    def broken() -> Iterator[MemoryItem]:
        yield from items
        raise LookupError("out of memories")

    allocator = MemoryBudgetAllocator()
    with pytest.raises(LookupError, match="out of memories"):
        allocator.allocate_memory_budget("", broken())
    assert state(items) == before
    assert allocator.get_allocation_statistics()["total_allocations"] == 0


@pytest.mark.parametrize(
    ("spoiled", "error", "named"),
    [
        ({"token_count": -1}, ValueError, "token_count"),
        ({"token_count": 2**53}, ValueError, "token_count"),
        ({"token_count": "many"}, TypeError, "token_count"),
        ({"access_count": -3}, ValueError, "access_count"),
        ({"tier": "attic"}, ValueError, "tier"),
        ({"tier": None}, TypeError, "tier"),
        ({"text": None}, TypeError, "text"),
        ({"relevance_score": "high"}, TypeError, "relevance_score"),
        ({"importance_score": None}, TypeError, "importance_score"),
        ({"timestamp": "yesterday"}, TypeError, "timestamp"),
    ],
)
def test_bad_foreign_memories_are_named_and_nothing_changes(
    spoiled: dict[str, Any], error: type[Exception], named: str
) -> None:
    items: list[Any] = [own("first"), Foreign("second"), Foreign("culprit", **spoiled), own("last")]
    before = state(items)
    allocator = MemoryBudgetAllocator()
    with pytest.raises(error, match=named) as caught:
        allocator.allocate_memory_budget("", items)
    assert isinstance(caught.value, MemoryBudgetError)
    assert "culprit" in str(caught.value)
    assert state(items) == before
    assert allocator.get_allocation_statistics()["total_allocations"] == 0


def test_a_bad_id_is_named_by_its_position() -> None:
    items: list[Any] = [own("first"), Foreign(memory_id=5)]  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="memory_id") as caught:
        MemoryBudgetAllocator().allocate_memory_budget("", items)
    assert "1" in str(caught.value)


@pytest.mark.parametrize("stranger", [None, "text", 5, {}, object()])
def test_what_is_no_memory_at_all_is_named_by_its_position(stranger: Any) -> None:
    items = [own("first")]
    with pytest.raises(TypeError, match="1"):
        MemoryBudgetAllocator().allocate_memory_budget("", [*items, stranger])
    assert items[0].access_count == 0


@pytest.mark.parametrize("memories", [None, 5, object()])
def test_what_is_no_iterable_is_refused(memories: Any) -> None:
    with pytest.raises(TypeError, match="available_memories"):
        MemoryBudgetAllocator().allocate_memory_budget("", memories)


@pytest.mark.parametrize("refused", FIELDS)
def test_a_foreign_memory_that_cannot_be_written_undoes_everything(refused: str) -> None:
    kind = type("Refusing", (Stubborn,), {"refused": refused})
    items: list[Any] = [own("a"), Foreign("b"), kind("the refusing one"), Foreign("d"), own("e")]
    before = state(items)
    allocator = MemoryBudgetAllocator()
    with pytest.raises(Exception, match="the refusing one") as caught:
        allocator.allocate_memory_budget("", items)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert state(items) == before
    assert allocator.get_allocation_statistics()["total_allocations"] == 0
    assert len(allocator.allocation_history) == 0


@pytest.mark.thread_unsafe(reason="keeps its record at the class")
def test_undoing_goes_in_reverse_order() -> None:
    Recording.written = []
    try:
        items: list[Any] = [Recording("a"), Recording("b"), Stubborn("c")]
        Recording.written.clear()
        with pytest.raises(Exception, match="c"):
            MemoryBudgetAllocator().allocate_memory_budget("", items)
        written = Recording.written
        assert len(written) % 2 == 0
        half = len(written) // 2
        assert written[:half]
        assert written[half:] == written[:half][::-1]
    finally:
        del Recording.written


def test_statistics_count_only_what_succeeded() -> None:
    allocator = MemoryBudgetAllocator()
    fine: Any = Foreign("fine")
    allocator.allocate_memory_budget("", [fine])
    bad: Any = Foreign("bad", token_count=-1)
    with pytest.raises(MemoryBudgetError):
        allocator.allocate_memory_budget("", [bad])
    assert allocator.get_allocation_statistics()["total_allocations"] == 1


def test_an_access_count_saturates() -> None:
    items: list[Any] = [own("own", access_count=2**53 - 1), Foreign("foreign", access_count=2**53 - 1)]
    result = MemoryBudgetAllocator().allocate_memory_budget("", items)
    assert [item.access_count for item in items] == [2**53 - 1] * 2
    shown = result["tiers"]["working"]["selected_memories"]
    assert [entry["access_count"] for entry in shown] == [2**53 - 1] * 2


def test_a_list_that_changes_while_it_is_read() -> None:
    """The reading of a foreign memory may do anything, even empty the list it came in."""
    items: list[Any] = []

    class Meddling(Foreign):
        @property
        def relevance_score(self) -> float:
            items.clear()
            return 0.5

        @relevance_score.setter
        def relevance_score(self, value: float) -> None:
            del value

    items += [own("a"), Meddling("b"), own("c")]
    kept = list(items)
    result = MemoryBudgetAllocator().allocate_memory_budget("", items)
    assert result["total_memories_selected"] == 3
    assert [item.access_count for item in kept] == [1, 1, 1]


def test_the_configuration_is_checked_before_anything_is_written() -> None:
    allocator = MemoryBudgetAllocator()
    config = WorkspaceConfig("w")
    allocator.register_workspace(config)
    item = own("m")
    config.relevance_weight = float("nan")
    with pytest.raises(ValueError, match="relevance_weight"):
        allocator.allocate_memory_budget("", [item], "w")
    assert item.access_count == item.token_count == 0
