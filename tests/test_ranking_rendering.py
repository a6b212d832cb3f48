"""Rankings under a ceiling: what stays in the text is what the ranking's own order says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_budget_allocator import (
    Allocation,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    PinnedOverflowError,
    PromptTemplate,
    Ranking,
    WorkspaceConfig,
)
from strategies import NOW
from test_ranking_doors import QUERY, columns_of, memory_lists, rankings

BARE = PromptTemplate(prologue="", item="{text}", epilogue="")
FRAMED = PromptTemplate(item="<m id='{id}' score='{score}'>{text}</m>")


def message(name: str, characters: int, relevance: float, **fields: Any) -> MemoryItem:
    text = (name + " ") * (characters // (len(name) + 1) + 1)
    return MemoryItem(
        memory_id=name, text=text[:characters], tier=MemoryTier.WORKING, timestamp=NOW,
        relevance_score=relevance, **fields,
    )  # fmt: skip


def one_tier(tokens: int = 10_000, **fields: Any) -> WorkspaceConfig:
    return WorkspaceConfig("w", tokens, 1.0, 0.0, 0.0, 0.0, {}, **fields)


def quarter(text: str) -> int:
    """As the estimate counts; but that one leaves ceilings to an upper bound."""
    return max(1, len(text) // 4) if text else 0


def allocate(memories: Any, config: WorkspaceConfig, **options: Any) -> Allocation:
    allocator = MemoryBudgetAllocator(config, log_allocations=False)
    return allocator.allocate(QUERY, memories, current_time=NOW, tokenizer=quarter, **options)


def ids(allocation: Allocation) -> list[str | None]:
    return [memory.memory_id for memory in allocation]


DENSITY = Ranking(normalisation="z", cost_exponent=1.0, cost_floor=1)


def one_long_and_two_short() -> list[MemoryItem]:
    """The long one has the best score, each short one the better key."""
    return [message("long", 800, 0.9), message("one", 80, 0.8), message("two", 80, 0.7)]


@pytest.mark.parametrize("door", ["list", "columns", "pool"])
def test_the_key_decides_what_stays_under_a_ceiling(door: str) -> None:
    memories: Any = one_long_and_two_short()
    if door == "columns":
        memories = columns_of(memories)
        memories["token_count"] = [200, 20, 20]
    elif door == "pool":
        memories = MemoryPool.from_items(memories)
    config = one_tier()
    # All three fit the tier's budget, but not the text beside the prologue.
    template = PromptTemplate(prologue="p" * 400, item="{text}", epilogue="")
    options: dict[str, Any] = {"max_prompt_tokens": 310, "template": template}
    assert ids(allocate(memories, config, **options)) == ["long"]
    ranked = allocate(memories, config, **options, ranking=DENSITY)
    assert ids(ranked) == ["one", "two"]
    assert ranked.rendered_tokens == 140
    # The text is in the order of the keys, too, and another template evicts by them.
    assert ranked.render().index("one") < ranked.render().index("two")
    longer = PromptTemplate(prologue="p" * 1120, item="{text}", epilogue="")
    assert ranked.render(longer) == "p" * 1120 + one_long_and_two_short()[1].text


def test_pinned_memories_stay_whatever_their_keys() -> None:
    memories = one_long_and_two_short()
    memories[0].pinned = True
    template = PromptTemplate(prologue="p" * 400, item="{text}", epilogue="")
    found = allocate(memories, one_tier(), max_prompt_tokens=310, template=template, ranking=DENSITY)
    assert ids(found) == ["long"]
    with pytest.raises(PinnedOverflowError):
        allocate(memories, one_tier(), max_prompt_tokens=290, template=template, ranking=DENSITY)


@pytest.mark.parametrize(("parts", "tokens"), [({"packer": "knapsack"}, 52), ({"diversity": 0.5}, 50)])
def test_what_was_chosen_together_is_not_undone_by_a_ceiling(parts: dict[str, Any], tokens: int) -> None:
    """A ceiling wide enough changes nothing, although those who would move up have greater keys."""
    by_key = Ranking(kind="evidence", lexical_weight=0.0, exact_duplicates=False)
    ranking = replace(by_key, **parts)
    memories = [
        message("a", 240, 0.9, token_count=tokens),
        message("a", 240, 0.88, token_count=tokens),
        message("b", 200, 0.8, token_count=50),
        message("c", 200, 0.8, token_count=50),
        *(message("d", 2000, 0.0, token_count=500) for _ in range(8)),
    ]
    for row, memory in enumerate(memories):
        memory.memory_id = f"m{row}"
    config = one_tier(100)
    free = allocate(memories, config, ranking=ranking)
    under = allocate(memories, config, ranking=ranking, max_prompt_tokens=2000, template=BARE)
    assert sorted(ids(under), key=str) == sorted(ids(free), key=str)
    assert sorted(ids(free), key=str) != sorted(ids(allocate(memories, config, ranking=by_key)), key=str)


def test_the_best_oversized_memory_is_cut_by_the_order_of_the_ranking() -> None:
    memories = [message("long", 4000, 0.9), message("less", 600, 0.8), message("short", 80, 0.1)]
    config = one_tier(100, oversized="truncate")
    assert ids(allocate(memories, config)) == ["long", "short"]
    found = allocate(memories, config, ranking=DENSITY)
    assert sorted(ids(found), key=str) == ["less", "short"]
    assert found.total_tokens <= 100


limits = st.fixed_dictionaries(
    {"max_total_tokens": st.integers(0, 600), "spill_over": st.booleans()},
    optional={"tier_caps": st.just({"rag": 0.5}), "oversized": st.just("truncate")},
)
texts = st.fixed_dictionaries(
    {"max_prompt_tokens": st.integers(0, 300), "template": st.sampled_from([None, BARE, FRAMED])}
)


@settings(max_examples=150, deadline=None)
@given(memory_lists(), rankings, limits, texts, st.data())
def test_limits_hold_for_every_ranking_through_every_door(
    items: list[MemoryItem],
    ranking: Ranking | str,
    limits: dict[str, Any],
    options: dict[str, Any],
    data: st.DataObject,
) -> None:
    options = {**options, "ranking": ranking}
    for item in items:
        item.pinned = data.draw(st.sampled_from([False, False, False, True]))
    config = WorkspaceConfig("w", **limits)
    columns = columns_of(items)
    columns["pinned"] = [item.pinned for item in items]
    pinned = [row for row, item in enumerate(items) if item.pinned]
    try:
        found = allocate(items, config, **options)
    except PinnedOverflowError:
        for door in (columns, MemoryPool.from_items(items)):
            with pytest.raises(PinnedOverflowError):
                allocate(door, config, **options)
        return
    assert set(pinned) <= set(found.selected_positions)
    text = found.render()
    assert found.rendered_tokens == quarter(text) <= options["max_prompt_tokens"]
    for tier in MemoryTier:
        assert found.tiers[tier].used <= found.tiers[tier].budget
    for door in (columns, MemoryPool.from_items(items)):
        other = allocate(door, config, **options)
        assert ids(other) == ids(found)
        assert other.render() == found.render()
