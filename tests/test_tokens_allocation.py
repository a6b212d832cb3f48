"""Tokenizers of an allocation: who is counted, how often, and what is left when counting fails."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from memory_budget_allocator import (
    ConfigurationError,
    ConfigurationTypeError,
    ItemTypeError,
    ItemValueError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    WorkspaceConfig,
    count_tokens,
)

TEXTS = ["日本語のテキスト", "def f(x): return x", "plain words and more of them", "", "🙂🙂"]


class Counting:
    """Counts words, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, text: str) -> int:
        self.asked.append(text)
        return len(text.split())


def memories(**fields: Any) -> list[MemoryItem]:
    return [
        MemoryItem(f"m{number}", text, MemoryTier.WORKING, None, relevance_score=0.5, **fields)
        for number, text in enumerate(TEXTS)
    ]


@pytest.fixture
def allocator() -> MemoryBudgetAllocator:
    return MemoryBudgetAllocator(log_allocations=False)


@pytest.mark.parametrize("tokenizer", ["o200k_base", "cl100k_base", "upper_bound", "gpt-4o"])
def test_every_door_counts_the_same(allocator: MemoryBudgetAllocator, tokenizer: str) -> None:
    expected = [count_tokens(text, tokenizer) for text in TEXTS]
    items = memories()
    from_list = allocator.allocate("hi", items, tokenizer=tokenizer).to_dict()
    assert [item.token_count for item in items] == expected
    foreign = [SimpleNamespace(**{name: getattr(item, name) for name in FIELDS}) for item in memories()]
    from_pool = allocator.allocate("hi", MemoryPool.from_items(memories()), tokenizer=tokenizer).to_dict()
    columns = {"memory_id": [item.memory_id for item in items], "text": TEXTS, "relevance_score": [0.5] * 5}
    from_columns = allocator.allocate("hi", columns, tokenizer=tokenizer).to_dict()
    from_foreign = allocator.allocate("hi", foreign, tokenizer=tokenizer).to_dict()  # type: ignore[arg-type]
    assert [item.token_count for item in foreign] == expected
    for other in (from_pool, from_columns, from_foreign):
        assert other["total_tokens_allocated"] == from_list["total_tokens_allocated"] == sum(expected)
        assert (
            other["tiers"]["working"]["selected_memories"]
            == from_list["tiers"]["working"]["selected_memories"]
        )


FIELDS = (
    *("memory_id", "text", "tier", "timestamp", "relevance_score", "importance_score", "freshness_score"),
    *(
        "combined_score",
        "token_count",
        "access_count",
        "last_accessed",
        "promotion_score",
        "user_id",
        "metadata",
    ),
)


def test_an_item_is_counted_once(allocator: MemoryBudgetAllocator) -> None:
    counter, items = Counting(), memories()
    texts = [text for text in TEXTS if text]
    for _ in range(3):
        allocator.allocate("hi", items, tokenizer=counter)
    assert counter.asked == texts
    copies = [copy.copy(items[0]), copy.deepcopy(items[1]), pickle.loads(pickle.dumps(items[2]))]
    allocator.allocate("hi", copies, tokenizer=counter)
    assert counter.asked == texts
    items[0].text = "a new text"
    allocator.allocate("hi", items, tokenizer=counter)
    assert counter.asked == [*texts, "a new text"]
    assert items[0].token_count == 3


def test_another_counter_counts_anew(allocator: MemoryBudgetAllocator) -> None:
    first, second, items = Counting(), Counting(), memories()
    allocator.allocate("hi", items, tokenizer=first)
    allocator.allocate("hi", items, tokenizer=second)
    assert first.asked == second.asked
    allocator.allocate("hi", items)
    assert items[2].token_count == len(TEXTS[2]) // 4


def test_bound_methods_are_known_again(allocator: MemoryBudgetAllocator) -> None:
    counter, items = Counting(), memories()
    allocator.allocate("hi", items, tokenizer=counter.__call__)
    allocator.allocate("hi", items, tokenizer=counter.__call__)
    assert len(counter.asked) == 4


def test_a_count_of_the_callers_own_stands(allocator: MemoryBudgetAllocator) -> None:
    counter = Counting()
    items = memories(token_count=7)
    for door in (items, MemoryPool.from_items(items)):
        assert allocator.allocate("hi", door, tokenizer=counter).total_tokens == 35
    assert counter.asked == []


def test_a_pool_counts_each_text_once(allocator: MemoryBudgetAllocator) -> None:
    counter = Counting()
    pool = MemoryPool.from_items(memories())
    for _ in range(3):
        allocator.allocate("hi", pool, tokenizer=counter)
    assert counter.asked == [text for text in TEXTS if text]
    counter.asked.clear()
    pool.update("m1", text="a new text")
    pool.add(MemoryItem("new", "another", MemoryTier.RAG, None))
    pool.remove("m0")
    allocation = allocator.allocate("hi", pool, tokenizer=counter)
    assert counter.asked == ["a new text", "another"]
    assert {item.memory_id: item.token_count for item in allocation.selected} == {
        **{"m1": 3, "m2": 6, "m3": 0, "m4": 1},
        "new": 1,
    }
    pool.update("m1", relevance_score=0.9)
    allocator.allocate("hi", pool, tokenizer=counter)
    assert len(counter.asked) <= 3  # at most the row that changed


def test_a_large_pool_selects_as_a_list_does(allocator: MemoryBudgetAllocator) -> None:
    items = [
        MemoryItem(
            f"m{i}",
            f"memory number {i} " * (i % 7 + 1),
            MemoryTier.PROJECT,
            None,
            relevance_score=i * 7 % 1000 / 1000,
        )
        for i in range(6_000)
    ]
    pool = MemoryPool.from_items(items)
    for tokenizer in ("o200k_base", "upper_bound", "cl100k_base"):
        from_list = allocator.allocate("hi", items, tokenizer=tokenizer)
        from_pool = allocator.allocate("hi", pool, tokenizer=tokenizer)
        assert [item.memory_id for item in from_pool.selected] == [
            item.memory_id for item in from_list.selected
        ]
        assert from_pool.total_tokens == from_list.total_tokens


@pytest.mark.parametrize("door", ["list", "pool", "columns"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [(True, ItemTypeError), (1.5, ItemTypeError), (-1, ItemValueError), (None, ItemTypeError)],
)
def test_a_wrong_count_changes_nothing(
    allocator: MemoryBudgetAllocator, door: str, answer: object, error: type[Exception]
) -> None:
    def odd(text: str) -> Any:
        return answer if text == TEXTS[2] else 1

    items = memories()
    given: Any = items
    if door == "pool":
        given = MemoryPool.from_items(items)
    elif door == "columns":
        given = {"memory_id": [item.memory_id for item in items], "text": TEXTS, "relevance_score": [0.5] * 5}
    before = [copy.copy(item) for item in items]
    with pytest.raises(error, match="odd must return an integer") as raised:
        allocator.allocate("hi", given, tokenizer=odd)
    assert ("memory at position 2" if door == "columns" else "memory 'm2'") in str(raised.value)
    assert "'plain words and more of them'" in str(raised.value)
    assert items == before
    assert allocator.get_allocation_statistics()["total_allocations"] == 0


def test_an_exception_names_counter_and_item(allocator: MemoryBudgetAllocator) -> None:
    def broken(_text: str) -> int:
        raise LookupError("no")

    with pytest.raises(ItemValueError, match=r"memory 'm0': tokenizer .*broken failed") as raised:
        allocator.allocate("hi", memories(), tokenizer=broken)
    assert isinstance(raised.value.__cause__, LookupError)


def test_the_workspace_names_the_tokenizer() -> None:
    items = memories()
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default", tokenizer="cl100k_base"))
    allocator.allocate_memory_budget("hi", items)
    assert [item.token_count for item in items] == [count_tokens(text, "cl100k_base") for text in TEXTS]
    # Live, like every field, and overruled by the call.
    allocator.workspace_configs["default"].tokenizer = "estimate"
    allocator.allocate("hi", items)
    assert items[1].token_count == 4
    allocator.allocate("hi", items, tokenizer="o200k_base")
    assert items[1].token_count == count_tokens(TEXTS[1])


def test_a_workspace_with_an_unknown_tokenizer() -> None:
    with pytest.raises(
        ConfigurationError, match=r"workspace 'w': unknown tokenizer 'cl100k'.*'cl100k_base'"
    ) as raised:
        WorkspaceConfig("w", tokenizer="cl100k")
    assert (raised.value.field, raised.value.value) == ("tokenizer", "cl100k")
    with pytest.raises(ConfigurationTypeError, match="tokenizer must be"):
        WorkspaceConfig("w", tokenizer=len)  # type: ignore[arg-type]
    config = WorkspaceConfig("default", tokenizer="missing/tokenizer.json")
    with pytest.raises(ConfigurationError, match=r"missing/tokenizer\.json"):
        MemoryBudgetAllocator(config).allocate("hi", memories())


def test_yaml_shape() -> None:
    config = WorkspaceConfig.from_dict({"workspace_id": "w", "tokenizer": "o200k_base"})
    assert config.tokenizer == config.to_dict()["tokenizer"] == "o200k_base"
    assert "tokenizer" not in WorkspaceConfig("w").to_dict()
