"""Section 5: token counts, whose they are and when they are made again."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import TYPE_CHECKING

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig

if TYPE_CHECKING:
    from collections.abc import Callable

QUARTER = WorkspaceConfig("quarter", tokens_per_char=0.25)
WHOLE = WorkspaceConfig("whole", tokens_per_char=1.0)


def memory(text: str = "x" * 40, token_count: int = 0) -> MemoryItem:
    return MemoryItem("m", text, MemoryTier.WORKING, None, token_count=token_count)


def count(item: MemoryItem, config: WorkspaceConfig = QUARTER) -> int:
    MemoryBudgetAllocator(config).allocate_memory_budget("", [item])
    return item.token_count


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("x", 1),
        ("x" * 7, 1),
        ("x" * 8, 2),
        ("x" * 43, 10),
        ("漢" * 8, 2),
        ("😀" * 8, 2),
        ("\ud800" * 8, 2),
        ("e\u0301" * 4, 2),
        ("\x00\n" * 4, 2),
    ],
)
def test_the_estimate_counts_code_points(text: str, tokens: int) -> None:
    assert count(memory(text)) == tokens


def test_an_estimate_is_at_least_one_for_any_text() -> None:
    assert count(memory("x"), WorkspaceConfig("w", tokens_per_char=0.001)) == 1


def test_a_count_that_the_caller_set_is_respected() -> None:
    item = memory(token_count=3)
    assert count(item) == 3
    assert count(item, WHOLE) == 3
    item.text = "longer " * 100
    assert count(item) == 3


def test_the_estimate_is_written_back_and_kept_for_the_same_counter() -> None:
    item = memory()
    assert item.token_count == 0
    assert count(item) == 10
    assert count(item, WorkspaceConfig("another", tokens_per_char=0.25)) == 10


def test_the_estimate_is_made_again_when_the_text_changes() -> None:
    item = memory()
    assert count(item) == 10
    item.text = "x" * 80
    assert count(item) == 20


def test_the_estimate_is_made_again_when_the_counter_changes() -> None:
    item = memory()
    assert count(item, QUARTER) == 10
    assert count(item, WHOLE) == 40
    assert count(item, QUARTER) == 10


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda item, p=p: pickle.loads(pickle.dumps(item, p)) for p in (2, 3, 4, 5)),
    ],
)
def test_copies_and_pickles_carry_the_mark(duplicate: Callable[[MemoryItem], MemoryItem]) -> None:
    item = memory()
    count(item, QUARTER)
    twin = duplicate(item)
    assert twin == item
    assert twin.token_count == 10
    assert count(twin, WHOLE) == 40
    assert item.token_count == 10


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))],
)
def test_copies_and_pickles_of_a_count_of_the_callers_stay_the_callers(
    duplicate: Callable[[MemoryItem], MemoryItem],
) -> None:
    assert count(duplicate(memory(token_count=3)), WHOLE) == 3


def test_assigning_the_count_makes_it_the_callers() -> None:
    item = memory()
    count(item, QUARTER)
    item.token_count = item.token_count
    assert count(item, WHOLE) == 10


def test_replace_makes_it_the_callers() -> None:
    item = memory()
    count(item, QUARTER)
    assert count(dataclasses.replace(item, memory_id="other"), WHOLE) == 10
    assert count(dataclasses.replace(item, text="x" * 400), WHOLE) == 10


def test_assigning_zero_asks_for_an_estimate() -> None:
    item = memory(token_count=3)
    item.token_count = 0
    assert count(item) == 10


def test_a_negative_count_names_the_memory() -> None:
    with pytest.raises(ValueError, match=r"(?s)token_count.*-1") as caught:
        MemoryItem("the culprit", "text", MemoryTier.RAG, None, token_count=-1)
    assert "the culprit" in str(caught.value)


def test_counts_that_fill_the_range_do_not_overflow() -> None:
    items = [memory(token_count=2**53 - 1) for _ in range(3)]
    config = WorkspaceConfig("w", max_total_tokens=2**53 - 1, working_memory_pct=1.0)
    result = MemoryBudgetAllocator(config).allocate_memory_budget("word " * 20, items)
    assert (result["total_memories_selected"], result["total_tokens_allocated"]) == (1, 2**53 - 1)
