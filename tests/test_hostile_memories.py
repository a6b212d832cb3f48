"""Memories whose own code raises, changes what is being read, or calls back into the allocator."""

from __future__ import annotations

import gc
import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import pytest

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryPool,
    MemoryTier,
)
from reference import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FIELDS = ("memory_id", "text", "tier", "timestamp", "relevance_score", "importance_score", "token_count")


class BoomError(Exception):
    """What hostile code raises."""


def own(memory_id: str = "own", **fields: Any) -> MemoryItem:
    return MemoryItem(memory_id, "some text", MemoryTier.RAG, NOW, token_count=5, **fields)


def foreign(kind: type[Any], memory_id: str = "foreign", **fields: Any) -> Any:
    return kind(memory_id, "some text", "rag", NOW, token_count=5, **fields)


def state(memories: list[Any]) -> list[Any]:
    return [
        (memory.freshness_score, memory.combined_score, memory.access_count, memory.last_accessed)
        for memory in memories
        if isinstance(memory, MemoryItem)
    ]


def raising(field: str, base: type[Any]) -> Any:
    """A class of memories of which one field cannot be read once they are made."""

    def read(self: Any) -> Any:
        raise BoomError(f"no {field} today")

    def write(self: Any, value: Any) -> None:
        pass

    return type(f"Raising{base.__name__}", (base,), {field: property(read, write)})


@pytest.mark.parametrize("base", [MemoryItem, Memory])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_raises_is_named_and_nothing_changes(field: str, base: type[Any]) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    memories = [own("first"), foreign(raising(field, base), "culprit"), own("last")]
    before = state(memories)
    calls: list[tuple[Callable[[], object], set[str]]] = [
        (lambda: allocator.allocate("q", memories, current_time=NOW), set(FIELDS)),
        (lambda: MemoryPool.from_items(memories), set(FIELDS)),
        (
            lambda: allocator.evaluate_promotion_demotion(
                memories, allocator.workspace_configs["default"], NOW
            ),
            {"memory_id", "tier", "timestamp"},
        ),
    ]
    for call, read in calls:
        if field not in read:
            call()
            continue
        with pytest.raises(MemoryBudgetError, match=field) as caught:
            call()
        assert isinstance(caught.value.__cause__, BoomError)
        assert ("position 1" if field == "memory_id" else "'culprit'") in str(caught.value)
        if field not in {"relevance_score", "importance_score", "token_count", "text"}:
            assert state(memories) == before
    assert allocator.allocation_history == []
    assert allocator.get_allocation_statistics()["total_allocations"] == 0


def test_attribute_access_itself_raises() -> None:
    class Untouchable(MemoryItem):
        def __getattribute__(self, name: str) -> Any:
            raise BoomError(name)

    memories = [own(), foreign(Untouchable)]
    before = state(memories[:1])
    allocator = MemoryBudgetAllocator(log_allocations=False)
    with pytest.raises(MemoryBudgetError, match="position 1: reading memory_id failed"):
        allocator.allocate("q", memories, current_time=NOW)
    assert state(memories[:1]) == before


def test_moving_a_memory_that_cannot_be_read_is_an_error_of_that_memory() -> None:
    changes: Any = {"promotions": [], "demotions": []}
    memories = [own(), foreign(raising("tier", Memory))]
    with pytest.raises(MemoryBudgetError, match="position 1: reading it failed: BoomError: no tier today"):
        MemoryBudgetAllocator().apply_tier_changes(memories, changes)


CHANGES: list[Callable[[list[Any]], object]] = [
    list.clear,
    list.reverse,
    lambda memories: memories.append(own("late")),
    lambda memories: memories.pop(0),
    lambda memories: memories.__setitem__(slice(None), [5] * 100),
    lambda memories: memories.extend(memories),
    lambda memories: memories.sort(key=id),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("base", [MemoryItem, Memory])
def test_the_list_changes_while_it_is_read(change: Callable[[list[Any]], object], base: type[Any]) -> None:
    memories: list[Any] = []

    def read(self: Any) -> float:
        change(memories)
        return 0.5

    meddling = type("Meddling", (base,), {"importance_score": property(read, lambda self, value: None)})
    memories += [own("a"), foreign(meddling, "b"), own("c")]
    kept = list(memories)
    allocation = MemoryBudgetAllocator(log_allocations=False).allocate("q", memories, current_time=NOW)
    assert allocation.selected_positions == [0, 1, 2]
    assert [memory.access_count for memory in kept] == [1, 1, 1]


def test_a_memory_that_calls_the_allocator_while_it_is_read() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    config = allocator.workspace_configs["default"]
    memories: list[Any] = [own("a")]
    depth = 0

    class CallingBack(Memory):
        @property
        def relevance_score(self) -> float:
            nonlocal depth
            depth += 1
            if depth <= 3:
                allocator.allocate("q", memories, current_time=NOW)
                allocator.evaluate_promotion_demotion(memories, config, NOW)
                allocator.calculate_memory_score(memories[0], config, NOW)
                assert len(allocator.allocation_history) == 4 - depth or depth > 3
                allocator.get_allocation_statistics()
            return 0.5

        @relevance_score.setter
        def relevance_score(self, value: float) -> None:
            pass

    memories.append(foreign(CallingBack, "b"))
    allocator.allocate("q", memories, current_time=NOW)
    assert [memory.access_count for memory in memories] == [4, 4]
    assert allocator.get_allocation_statistics()["total_allocations"] == 4


def test_a_memory_that_calls_the_allocator_while_it_is_written() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    armed: list[int] = []

    class WritingBack(Memory):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "combined_score" and armed:
                armed.clear()
                allocator.allocate("q", memories, current_time=NOW)

    memories: list[Any] = [own("a"), foreign(WritingBack, "b"), own("c")]
    armed.append(1)
    outer = allocator.allocate("q", memories, current_time=NOW)
    assert [memory.access_count for memory in memories] == [2, 2, 2]
    assert allocator.get_allocation_statistics()["total_allocations"] == 2
    assert len(outer) == 3


@pytest.mark.parametrize("kind", [MemoryItem, Memory])
def test_properties_of_a_subclass_are_what_counts(kind: type[Any]) -> None:
    class Overriding(kind):  # type: ignore[misc, valid-type]
        relevance_score = property(lambda self: 0.75, lambda self, value: None)
        token_count = property(lambda self: 7, lambda self, value: None)
        tier = property(lambda self: "project", lambda self, value: None)

    memory = foreign(Overriding)
    result = MemoryBudgetAllocator().allocate_memory_budget("q", [memory], current_time=NOW)
    (entry,) = result["tiers"]["project"]["selected_memories"]
    assert (entry["relevance_score"], entry["token_count"]) == (0.75, 7)
    assert memory.combined_score == 0.75 * 0.5 + 0.5 * 0.3 + 1.0 * 0.2


def test_a_subclass_that_changes_its_mind_is_read_once() -> None:
    readings: list[str] = []

    class Fickle(Memory):
        def __getattribute__(self, name: str) -> Any:
            if name in FIELDS:
                readings.append(name)
                if name == "token_count":
                    return len(readings)
            return super().__getattribute__(name)

    memories = [foreign(Fickle, str(number)) for number in range(20)]
    readings.clear()
    result = MemoryBudgetAllocator().allocate_memory_budget("q", memories, current_time=NOW)
    for field in set(FIELDS) - {"token_count"}:
        assert readings.count(field) <= 2 * len(memories)
    rag = result["tiers"]["rag"]
    assert rag["tokens_used"] == sum(entry["token_count"] for entry in rag["selected_memories"])
    assert rag["tokens_used"] <= rag["budget_tokens"]


class Odd(tzinfo):
    """A zone whose answers change, call back, or are no answers."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def utcoffset(self, moment: datetime | None, /) -> Any:
        return self.answer()


@pytest.mark.parametrize("answer", [lambda: 5, lambda: timedelta(days=2), lambda: 1 / 0, lambda: "x"])
def test_a_zone_without_an_answer(answer: Callable[[], Any]) -> None:
    with pytest.raises(MemoryBudgetError, match="timestamp"):
        own().timestamp = NOW.replace(tzinfo=Odd(answer))
    with pytest.raises(MemoryBudgetError, match="current_time"):
        MemoryBudgetAllocator().allocate("q", [own()], current_time=NOW.replace(tzinfo=Odd(answer)))


def test_a_zone_that_calls_back() -> None:
    memory = own()
    allocator = MemoryBudgetAllocator(log_allocations=False)

    def answer() -> timedelta:
        allocator.allocate("q", [memory], current_time=NOW)
        memory.timestamp = None
        return timedelta(hours=1)

    moment = NOW.replace(tzinfo=Odd(answer))
    memory.timestamp = moment
    assert memory.timestamp is moment
    allocator.allocate("q", [memory], current_time=NOW)
    assert memory.freshness_score == math.exp(-0.693 * 1.0 / 168.0)  # an hour east of UTC is an hour ago


def test_what_is_dropped_while_it_is_replaced_may_look_at_the_memory() -> None:
    """The former value dies after the new one is in place, and finds no lock held."""
    memory = own()
    seen: list[Any] = []

    class Last(dict[str, Any]):
        def __del__(self) -> None:
            seen.append((memory.metadata, memory.last_accessed, memory.text))
            memory.user_id = "written by a finalizer"
            MemoryBudgetAllocator(log_allocations=False).allocate("q", [memory], current_time=NOW)

    memory.metadata = Last()
    memory.metadata = {"new": 1}
    gc.collect()
    assert [found[0] for found in seen] == [{"new": 1}]
    assert memory.user_id == "written by a finalizer"
    assert memory.access_count == 1


@pytest.mark.thread_unsafe(reason="sets how often the collector runs")
def test_finalizers_that_run_at_any_allocation_find_no_lock_held() -> None:
    """With a collection at nearly every new object, finalizers run in the middle of native calls."""
    allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=5)
    memories = [own(str(number)) for number in range(30)]
    pool = MemoryPool.from_items(memories)
    ran = 0

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            nonlocal ran
            ran += 1
            memory = memories[ran % 30]
            memory.metadata = {"ran": ran}
            memory.last_accessed = NOW
            pool.update(str(ran % 30), text=f"text {ran}")
            assert repr(memory)
            assert len(allocator.allocation_history) <= 5

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for turn in range(150):
            Cycle()
            result = allocator.allocate_memory_budget("q", memories, current_time=NOW)
            assert result["total_memories_selected"] == 30
            Cycle()
            assert len(allocator.allocate("q", pool, current_time=NOW).selected) == 30
            Cycle()
            pool.add(own(str(turn % 30), metadata={"cycle": Cycle()}))
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert ran > 300
    assert {memory.access_count for memory in memories} == {150}


def test_numbers_and_texts_that_lie_are_read_for_what_they_are() -> None:
    class Text(str):
        __slots__ = ()

        def __len__(self) -> int:
            return 10**9

        def __iter__(self) -> Any:
            raise BoomError

        def __eq__(self, other: object) -> bool:
            raise BoomError

        def __hash__(self) -> int:
            raise BoomError

        def encode(self, *_: Any) -> bytes:
            raise BoomError

    class Number(float):
        def __float__(self) -> float:
            return math.nan

        def __mul__(self, other: object) -> float:
            raise BoomError

    memory = MemoryItem(Text("m"), Text("x" * 40), "rag", NOW, relevance_score=Number(0.5))  # type: ignore[arg-type]
    allocator = MemoryBudgetAllocator(log_allocations=False)
    result = allocator.allocate_memory_budget(Text("Hello"), [memory], current_time=NOW)
    (entry,) = result["tiers"]["rag"]["selected_memories"]
    assert (entry["memory_id"], entry["token_count"], entry["relevance_score"]) == ("m", 10, 0.5)
    pool = MemoryPool.from_items([memory, memory])
    assert "m" in pool
    assert pool.get(Text("m")) is not None
    assert (len(pool), pool.ids) == (1, ["m"])
    pool.remove(Text("m"))
    assert len(pool) == 0


def test_metadata_that_cannot_be_copied_is_named_and_nothing_is_added() -> None:
    class Closed(dict[str, Any]):
        def __iter__(self) -> Any:
            raise BoomError("closed")

        def keys(self) -> Any:
            raise BoomError("closed")

    pool = MemoryPool.from_items([own("first")])
    with pytest.raises(
        MemoryBudgetError, match="memory 'closed': copying metadata failed: BoomError: closed"
    ):
        pool.add_many([own("second"), own("closed", metadata=Closed(a=1))])
    assert pool.ids == ["first"]
