"""Memories larger than the whole budget of their tier: skipped, or cut at the end of a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_budget_allocator import (
    Allocation,
    ConfigurationError,
    ConfigurationTypeError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    WorkspaceConfig,
    count_tokens,
)
from strategies import NOW

MARK = " [...]"


def memories(*texts: str) -> list[MemoryItem]:
    """Retrieved documents in descending score."""
    return [
        MemoryItem(f"m{number}", text, MemoryTier.RAG, NOW, relevance_score=1 - number / 20)
        for number, text in enumerate(texts)
    ]


def allocate(items: Any, budget: int, **fields: Any) -> Allocation:
    config = WorkspaceConfig(
        "w", budget, 0.0, 0.0, 0.0, 1.0, complexity_multipliers={}, **{"oversized": "truncate", **fields}
    )
    return MemoryBudgetAllocator(config).allocate("q", items, current_time=NOW)


def test_the_best_is_cut_to_what_the_others_leave() -> None:
    long = "One is here. Two is there. " * 20
    items = memories(long, "s" * 40, long + "worse")
    assert [memory.memory_id for memory in allocate(items, 30, oversized="skip")] == ["m1"]
    allocation = allocate(items, 30)
    assert [memory.memory_id for memory in allocation] == ["m0", "m1"]
    first, second = allocation.to_dict()["tiers"]["rag"]["selected_memories"]
    # 20 tokens are left: 83 characters at most.
    assert first["text"] == "One is here. Two is there. One is here. Two is there. One is here." + MARK
    assert first["text_preview"] == first["text"]
    assert (first["token_count"], first.get("truncated")) == (18, True)
    assert "truncated" not in second
    assert allocation.total_tokens == 28
    assert first["text"] in allocation.render()
    # The memory itself stays what it is.
    assert items[0].text == long
    assert items[0].token_count == len(long) // 4
    assert [item.access_count for item in items] == [1, 2, 0]


def test_nothing_is_cut_where_nothing_is_left_or_too_little() -> None:
    items = memories("x" * 400, "s" * 40)
    assert [memory.memory_id for memory in allocate(items, 10)] == ["m1"]
    assert [memory.memory_id for memory in allocate(items, 11)] == ["m0", "m1"]
    assert allocate(items, 11).to_dict()["tiers"]["rag"]["selected_memories"][0]["text"] == "x" + MARK
    assert len(allocate(items, 0)) == 0
    assert len(allocate(items, 11, minimum_score=1.0)) == 0


texts = st.lists(
    st.sampled_from(["One. ", "Zwei Wörter", "三。", "\n", "</memory>", "\ud800", "word ", "x" * 30]),
    max_size=40,
).map("".join)


@given(st.lists(texts, max_size=6), st.integers(0, 120), st.one_of(st.none(), st.integers(0, 120)))
@settings(deadline=None)
def test_every_door_cuts_alike_and_keeps_its_budget(
    drawn: list[str], budget: int, ceiling: int | None
) -> None:
    items = memories(*drawn)
    skipped = allocate(memories(*drawn), budget, oversized="skip", max_prompt_tokens=ceiling)
    allocation = allocate(items, budget, max_prompt_tokens=ceiling)
    tier = allocation.to_dict()["tiers"]["rag"]
    assert sum(memory["token_count"] for memory in tier["selected_memories"]) == tier["tokens_used"] <= budget
    if ceiling is None:
        assert set(skipped.selected_positions) <= set(allocation.selected_positions)
    else:
        assert allocation.rendered_tokens <= ceiling
    cut = [memory for memory in tier["selected_memories"] if "truncated" in memory]
    assert len(cut) <= 1
    for memory in cut:
        whole = drawn[int(memory["memory_id"][1:])].replace("\ud800", "\ufffd")
        assert memory["text"].endswith(MARK)
        assert whole.startswith(memory["text"].removesuffix(MARK))
        if ceiling is None:
            assert memory["token_count"] == max(1, len(memory["text"]) // 4)
        else:
            assert memory["token_count"] == count_tokens(memory["text"], "upper_bound")
    columns = {
        name: [getattr(item, name) for item in memories(*drawn)]
        for name in ("memory_id", "text", "tier", "timestamp", "relevance_score")
    }
    if not drawn:
        return
    for door in (columns, MemoryPool.from_items(memories(*drawn))):
        other = allocate(door, budget, max_prompt_tokens=ceiling)
        assert other.to_dict()["tiers"] == allocation.to_dict()["tiers"]
        assert other.render() == allocation.render()
        for mine, theirs in zip(allocation.selected, other.selected, strict=True):
            assert (mine.text, mine.token_count) == (theirs.text, theirs.token_count)


def test_a_large_pool_cuts_as_a_list_does() -> None:
    items = memories(*("A sentence of some words. " * (1 + number % 90) for number in range(3000)))
    pool = MemoryPool.from_items(items)
    one, other = allocate(items, 400), allocate(pool, 400)
    assert one.selected_positions == other.selected_positions
    assert one.render() == other.render()
    assert any("truncated" in memory for memory in one.to_dict()["tiers"]["rag"]["selected_memories"])


def test_other_values_cannot_be() -> None:
    with pytest.raises(ConfigurationError, match="oversized must be 'skip' or 'truncate', got 'cut'"):
        WorkspaceConfig("w", oversized="cut")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationTypeError, match="oversized must be"):
        WorkspaceConfig("w", oversized=None)  # type: ignore[arg-type]
