"""Keyword options of an allocation: one list in the native module, one for type checkers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from memory_budget_allocator import AllocationOptions, MemoryBudgetAllocator, MemoryPool
from memory_budget_allocator.errors import ArgumentTypeError
from pool_helpers import item


def test_both_lists_are_the_same() -> None:
    with pytest.raises(ArgumentTypeError, match="'relevence' is no option of an allocation") as caught:
        MemoryBudgetAllocator().allocate("q", [], relevence={})  # type: ignore[call-arg]
    _, names = str(caught.value).split("; there are ")
    assert re.findall(r"\w+", names) == list(AllocationOptions.__annotations__)


@pytest.mark.parametrize("memories", [[], {"relevance_score": [], "token_count": []}])
def test_what_only_a_pool_can_follow(memories: Any) -> None:
    allocator = MemoryBudgetAllocator()
    given: dict[str, Any] = {
        "relevance": {},
        "relevance_version": 1,
        "missing_relevance": "exclude",
        "user_id": "u",
        "tiers": [],
    }
    for name, value in given.items():
        with pytest.raises(ArgumentTypeError, match=f"{name} is for a MemoryPool"):
            allocator.allocate("q", memories, **{name: value})
        with pytest.raises(ArgumentTypeError, match=f"{name} is for a MemoryPool"):
            allocator.allocate_memory_budget("q", memories, **{name: value})
    assert not allocator.allocation_history


def test_none_is_the_same_as_left_out() -> None:
    nothing: AllocationOptions = {
        "relevance": None,
        "relevance_version": None,
        "missing_relevance": None,
        "user_id": None,
        "tiers": None,
    }
    allocator = MemoryBudgetAllocator()
    for memories in ([item("a")], MemoryPool.from_items([item("a")])):
        assert len(allocator.allocate("q", memories, **nothing)) == 1
    assert len(allocator.allocate("q", [item("a")], missing_relevance="zero")) == 1
