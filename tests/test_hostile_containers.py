"""Sequences, mappings and arrays that lie about what they hold, or change while they are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memory_budget_allocator import (
    ArgumentTypeError,
    ArgumentValueError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    UnknownMemoryError,
)
from pool_helpers import item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class BoomError(Exception):
    """What hostile code raises."""


def memories() -> list[MemoryItem]:
    return [item(str(number), token_count=5) for number in range(5)]


def allocated(candidates: Any) -> list[str]:
    allocation = MemoryBudgetAllocator(log_allocations=False).allocate("q", candidates, current_time=NOW)
    return [memory.memory_id for memory in allocation]


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**62, -1, "many", None])
@pytest.mark.parametrize("kind", [list, tuple])
def test_a_length_that_lies_is_not_believed(length: Any, kind: type[Any]) -> None:
    lying = type("Lying", (kind,), {"__len__": lambda self: length})
    assert allocated(lying(memories())) == ["0", "1", "2", "3", "4"]
    assert len(MemoryPool.from_items(lying(memories()))) == 5
    columns = {"relevance_score": lying([0.5, 0.25]), "token_count": lying([3, 4])}
    assert allocated(columns) == ["0", "1"]


def test_what_an_iterator_gives_counts_and_not_what_the_list_holds() -> None:
    class Other(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter([item("from iter")])

    class Endless:
        def __init__(self) -> None:
            self.left = 3

        def __getitem__(self, index: int) -> Any:
            if index >= 3:
                raise IndexError
            return item(str(index))

    assert allocated(Other(memories())) == ["from iter"]
    assert allocated(Endless()) == ["0", "1", "2"]


@pytest.mark.parametrize("result", [5, None, "text", [1]])
def test_an_iterator_that_is_none_is_refused_with_the_reason(result: Any) -> None:
    class Odd(list[Any]):
        def __iter__(self) -> Any:
            return result

    with pytest.raises(ArgumentTypeError, match="available_memories must be an iterable") as caught:
        allocated(Odd(memories()))
    assert "non-iterator" in str(caught.value.__cause__)


@pytest.mark.parametrize("hint", [0, 3, 1000])
def test_a_hint_is_only_a_hint(hint: int) -> None:
    class Hinting:
        def __init__(self) -> None:
            self.rest = memories()

        def __iter__(self) -> Hinting:
            return self

        def __next__(self) -> MemoryItem:
            if not self.rest:
                raise StopIteration
            return self.rest.pop(0)

        def __length_hint__(self) -> int:
            return hint

    assert len(allocated(Hinting())) == 5


def test_an_iterator_that_raises_keeps_its_own_error() -> None:
    def broken() -> Iterator[MemoryItem]:
        yield from memories()
        raise BoomError("halfway")

    pool = MemoryPool()
    for call in (lambda: allocated(broken()), lambda: pool.add_many(broken())):
        with pytest.raises(BoomError, match="halfway"):
            call()
    assert (len(pool), pool.version) == (0, MemoryPool().version)


class Clearing:
    """A number that empties the column it stands in as soon as its value is asked for."""

    def __init__(self, column: list[Any]) -> None:
        self.column = column

    def __index__(self) -> int:
        self.column.clear()
        return 1

    def __float__(self) -> float:
        self.column.clear()
        return 0.5


@pytest.mark.parametrize("name", ["relevance_score", "importance_score", "token_count", "access_count"])
def test_a_column_that_changes_while_it_is_read(name: str) -> None:
    columns: dict[str, list[Any]] = {"relevance_score": [0.1, 0.2, 0.3], "token_count": [1, 2, 3]}
    column = columns.setdefault(name, [1, 2, 3])
    column[1] = Clearing(column)
    assert len(allocated(columns)) == 3
    assert column == []
    named: dict[str, Any] = {"memory_id": ["a", "b", "c"], "token_count": [1, 2, 3]}
    column = named[name] = [1, 2, 3]
    column[1] = Clearing(column)
    assert len(MemoryPool.from_columns(named)) == 3


class Array:
    """Something that says it can become a NumPy array."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.make()


def test_an_array_that_is_none() -> None:
    def broken() -> Any:
        raise BoomError("no array today")

    for make, message in [
        (lambda: "text", "column relevance_score has an __array__ that gives no NumPy array"),
        (lambda: None, "column relevance_score has an __array__ that gives no NumPy array"),
        (broken, "column relevance_score cannot become an array: BoomError: no array today"),
        (lambda: np.zeros((2, 2)), "column relevance_score must have one dimension, not 2"),
    ]:
        with pytest.raises((ArgumentTypeError, ArgumentValueError), match=message):
            allocated({"relevance_score": Array(make), "token_count": [1, 2]})
    assert allocated({"relevance_score": Array(lambda: np.zeros(2)), "token_count": [1, 2]}) == ["0", "1"]


@pytest.mark.parametrize("name", ["__arrow_c_stream__", "__arrow_c_array__"])
def test_arrow_that_is_none(name: str) -> None:
    def broken(*_: Any) -> Any:
        raise BoomError("no arrow today")

    for result in (lambda *_: 5, lambda *_: None, lambda *_: (1, 2), broken):
        table = type("Table", (), {name: result})()
        with pytest.raises(ArgumentTypeError, match=name):
            allocated(table)


def test_a_mapping_whose_parts_disagree() -> None:
    class Disagreeing(dict[str, Any]):
        def keys(self) -> Any:
            return ["relevance_score", "token_count", "tier"]

        def __len__(self) -> int:
            return 77

    assert allocated(Disagreeing(relevance_score=[0.5], token_count=[1])) == ["0"]


def test_a_pool_that_changes_while_something_is_read_for_it() -> None:
    pool = MemoryPool.from_items(memories())

    def meddling() -> Iterator[MemoryItem]:
        for number in range(5):
            pool.add(item(f"early {number}"))
            pool.remove(str(number))
            pool.compact()
            yield item(f"late {number}")

    rows = pool.add_many(meddling())
    assert pool.ids == [f"early {number}" for number in range(5)] + [f"late {number}" for number in range(5)]
    assert rows == [5, 6, 7, 8, 9]

    class Removing:
        def __float__(self) -> float:
            pool.remove("late 4")
            return 0.5

        def __index__(self) -> int:
            return 1

    with pytest.raises(UnknownMemoryError, match="'late 4'"):
        pool.update("late 4", importance_score=Removing())  # type: ignore[arg-type]
    assert "late 4" not in pool


def test_a_relevance_and_tiers_that_change_the_pool() -> None:
    pool = MemoryPool.from_items(memories())

    class Relevance(dict[str, float]):
        def items(self) -> Any:
            pool.remove("4")
            pool.compact()
            return super().items()

    def tiers() -> Iterator[str]:
        pool.add(item("new"))
        yield "working"
        pool.compact()

    allocation = MemoryBudgetAllocator(log_allocations=False).allocate(
        "q", pool, relevance=Relevance({"1": 0.9}), tiers=tiers(), current_time=NOW
    )
    assert next(iter(allocation)).memory_id == "1"
    assert {memory.memory_id for memory in allocation} <= {*"01234", "new"}


def test_contexts_that_raise() -> None:
    class Raising:
        def __bool__(self) -> bool:
            raise BoomError("undecided")

        def __len__(self) -> int:
            raise BoomError("uncounted")

    allocator = MemoryBudgetAllocator()
    with pytest.raises(BoomError, match="undecided"):
        allocator.estimate_query_complexity("q", {"requires_retrieval": Raising()})
    with pytest.raises(ArgumentTypeError, match="history"):
        allocator.estimate_query_complexity("q", {"history": Raising()})
