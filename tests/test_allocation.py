"""`Allocation`: the typed result, light until somebody looks."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from memory_budget_allocator import (
    Allocation,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    QueryComplexity,
    TierAllocation,
    WorkspaceConfig,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 5, 6, tzinfo=UTC)


def item(memory_id: str, tier: str, relevance: float, tokens: int, **fields: Any) -> MemoryItem:
    options = {"text": "some text", "timestamp": None, "importance_score": 0.0} | fields
    return MemoryItem(memory_id, tier=tier, relevance_score=relevance, token_count=tokens, **options)  # type: ignore[arg-type]


@pytest.fixture
def memories() -> list[MemoryItem]:
    return [
        item("r1", "rag", 0.5, 30),
        item("w1", "working", 0.1, 10),
        item("big", "rag", 0.9, 500),
        item("r2", "rag", 0.7, 20),
        item("w2", "working", 0.8, 10),
    ]


@pytest.fixture
def allocation(memories: list[MemoryItem]) -> Allocation:
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default", max_total_tokens=400))
    return allocator.allocate("How do I use it?", memories, current_time=NOW)


def test_the_selected_are_the_callers_own_objects(allocation: Allocation, memories: list[MemoryItem]) -> None:
    expected = [memories[4], memories[1], memories[3], memories[0]]
    assert [id(memory) for memory in allocation.selected] == [id(memory) for memory in expected]
    assert [id(memory) for memory in allocation] == [id(memory) for memory in expected]
    assert allocation.selected_positions == [4, 1, 3, 0]
    assert len(allocation) == 4


def test_every_look_at_the_selected_is_a_list_of_its_own(allocation: Allocation) -> None:
    allocation.selected.clear()
    assert len(allocation.selected) == 4


def test_the_tiers(allocation: Allocation, memories: list[MemoryItem]) -> None:
    assert list(allocation.tiers) == list(MemoryTier)
    rag = allocation.tiers[MemoryTier.RAG]
    assert isinstance(rag, TierAllocation)
    assert (rag.tier, rag.budget, rag.used, rag.remaining) == (MemoryTier.RAG, 100, 50, 50)
    assert (rag.utilization, rag.available, len(rag)) == (50.0, 3, 2)
    assert rag.items == list(rag) == [memories[3], memories[0]]
    assert rag.positions == [3, 0]
    assert allocation.to_dict()["tiers"]["rag"]["utilization_pct"] == rag.utilization
    assert repr(rag) == "<TierAllocation rag memories=2/3 tokens=50/100 (50.00%)>"
    assert allocation.tiers["project"].items == []  # type: ignore[index]


def test_what_else_it_says(allocation: Allocation) -> None:
    assert allocation.complexity is QueryComplexity.MEDIUM
    assert (allocation.query, allocation.workspace_id) == ("How do I use it?", "default")
    assert (allocation.project_id, allocation.config_scope) == (None, "workspace")
    assert allocation.total_tokens == 70
    assert allocation.processing_time_ms > 0
    assert allocation.non_finite is None
    assert repr(allocation) == "<Allocation workspace='default' complexity=medium memories=4/5 tokens=70/400>"


def test_the_dict_is_that_of_the_documented_method(memories: list[MemoryItem]) -> None:
    results: list[dict[str, Any]] = []
    for method in ("allocate", "allocate_memory_budget"):
        for memory in memories:
            memory.access_count = 0
        result = getattr(MemoryBudgetAllocator(), method)("q", memories, current_time=NOW)
        results.append(dict(result.to_dict() if method == "allocate" else result))
        del results[-1]["processing_time_ms"]
    assert results[0] == results[1]


def test_it_keeps_what_was_read(allocation: Allocation, memories: list[MemoryItem]) -> None:
    before = allocation.to_dict()
    for memory in memories:
        memory.text = memory.memory_id = "changed"
        memory.access_count = 99
        memory.tier = MemoryTier.PROJECT
    assert allocation.to_dict() == before


def test_an_allocation_and_its_memories_are_collected() -> None:
    memory = item("m", "rag", 0.5, 1)
    allocation = MemoryBudgetAllocator().allocate("q", [memory], current_time=NOW)
    memory.metadata["allocation"] = allocation
    reference = weakref.ref(memory)
    del memory, allocation
    gc.collect()
    assert reference() is None


class Checker(HTMLParser):
    """Collects tags and texts; knows no other tags than those of a plain table."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_notebooks_see_escaped_texts() -> None:
    script = "<script>alert(1)</script> & 'quotes'"
    memory = item(script, "rag", 0.5, 1, text=script)
    allocation = MemoryBudgetAllocator().allocate(script, [memory], workspace_id=script, current_time=NOW)
    checker = Checker()
    checker.feed(allocation._repr_html_())
    assert checker.tags <= {"p", "br", "b", "table", "thead", "tbody", "tr", "th", "td", "div"}
    assert checker.texts.count(script) == 4


def test_notebooks_see_one_memory_and_several() -> None:
    allocator = MemoryBudgetAllocator()
    one = item("m1", "rag", 0.5, 1)
    assert ": 1 memory, 1 token</p>" in allocator.allocate("q", [one])._repr_html_()
    two = [item("m1", "rag", 0.5, 1), item("m2", "rag", 0.5, 1000)]
    assert ": 2 memories, 1,001 tokens</p>" in allocator.allocate("q", two)._repr_html_()


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_allocators_and_sessions_are_not_pickled_or_copied(duplicate: Callable[[object], object]) -> None:
    allocator = MemoryBudgetAllocator()
    with pytest.raises(TypeError, match=r"^a MemoryBudgetAllocator cannot be pickled or copied: .*journal"):
        duplicate(allocator)
    with pytest.raises(TypeError, match=r"^an AllocationSession cannot be pickled or copied: .*lock"):
        duplicate(allocator.session(max_prompt_tokens=100))
    assert pickle.loads(pickle.dumps(dict(allocator.workspace_configs))) == allocator.workspace_configs
