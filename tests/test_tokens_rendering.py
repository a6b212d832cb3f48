"""The call's counter counts everything the model sees: reserves, cut memories and the rendered text."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_budget_allocator import (
    Allocation,
    ArgumentTypeError,
    ArgumentValueError,
    ConfigurationError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    WorkspaceConfig,
    count_tokens,
)
from strategies import NOW

EXACT = ("o200k_base", "cl100k_base")
DOORS = ("list", "pool", "columns")
MARK = " [...]"


def items(*texts: str) -> list[MemoryItem]:
    return [
        MemoryItem(f"m{number}", text, MemoryTier.RAG, NOW, relevance_score=1 - number / 50)
        for number, text in enumerate(texts)
    ]


def through(door: str, memories: list[MemoryItem]) -> Any:
    if door == "pool":
        return MemoryPool.from_items(memories)
    if door == "columns":
        names = ("memory_id", "text", "tier", "timestamp", "relevance_score")
        return {name: [getattr(memory, name) for memory in memories] for name in names}
    return memories


def allocate(memories: Any, budget: int = 1000, **fields: Any) -> Allocation:
    options = {name: fields.pop(name) for name in ("tokenizer", "max_prompt_tokens") if name in fields}
    config = WorkspaceConfig("w", budget, 0.0, 0.0, 0.0, 1.0, {"simple": 1.0}, **fields)
    allocator = MemoryBudgetAllocator(config, log_allocations=False)
    return allocator.allocate("q", memories, current_time=NOW, **options)


class Words:
    """Counts words, and can be told to fail on texts with a mark in them."""

    def __init__(self, mark: str, answer: Any) -> None:
        self.mark, self.answer = mark, answer

    def __call__(self, text: str) -> Any:
        if self.mark not in text:
            return len(text.split())
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@given(
    st.lists(st.text(st.sampled_from("aé記🙂 .\n<&0"), max_size=60), max_size=12),
    st.integers(0, 150),
    st.sampled_from(DOORS),
)
@settings(deadline=None)
def test_a_bound_keeps_exact_counts_below_the_ceiling(texts: list[str], ceiling: int, door: str) -> None:
    """What nobody configured holds for the models whose vocabularies are known."""
    if not texts:
        return
    allocation = allocate(through(door, items(*texts)), max_prompt_tokens=ceiling)
    text = allocation.render()
    assert allocation.counter == "upper_bound"
    assert allocation.rendered_tokens == count_tokens(text, "upper_bound") <= ceiling
    assert max(count_tokens(text, name) for name in EXACT) <= ceiling


def test_the_result_says_what_counted() -> None:
    memories = items("some words here")
    for tokenizer, counter in (("estimate", "upper_bound"), ("gpt-4", "cl100k_base"), (len, "len")):
        free = allocate(memories, tokenizer=tokenizer)
        assert free.counter == (tokenizer if tokenizer == "estimate" else counter)
        assert "counter" not in free.to_dict()["budget"]
        held = allocate(memories, tokenizer=tokenizer, max_prompt_tokens=500)
        assert held.counter == held.to_dict()["budget"].get("counter") == counter


@pytest.mark.parametrize("tokenizer", [*EXACT, "upper_bound", "estimate", len])
def test_reserves_are_counted_by_the_counter_of_the_call(tokenizer: Any) -> None:
    text = "日本語の System prompt, \ud800 and more."
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocation = allocator.allocate(
        "q", items("a"), tokenizer=tokenizer, max_prompt_tokens=500, reserves={"system": text, "query": ""}
    )
    counter = "upper_bound" if tokenizer == "estimate" else tokenizer
    assert allocation.reserved_tokens == {"system": count_tokens(text, counter), "query": 0}


def test_reserves_of_a_workspace_are_counted_by_its_tokenizer() -> None:
    fields: dict[str, Any] = {"max_prompt_tokens": 8, "reserves": {"system": "one two three four five"}}
    assert WorkspaceConfig("w", tokenizer="o200k_base", **fields)
    with pytest.raises(ConfigurationError, match=r"the reserves of 1\d tokens \(system 1\d\) exceed"):
        WorkspaceConfig("w", **fields)
    # The file is not asked for before its counts matter.
    WorkspaceConfig("w", tokenizer="missing.json", reserves=fields["reserves"])
    with pytest.raises(ConfigurationError, match=r"missing\.json") as caught:
        WorkspaceConfig("w", tokenizer="missing.json", **fields)
    assert caught.value.field == "tokenizer"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            ZeroDivisionError("odd"),
            ArgumentValueError,
            "tokenizer Words failed on the text '<memories>.*: odd",
        ),
        (1.5, ArgumentTypeError, r"tokenizer Words must return .*, got 1\.5 \(float\) for the text '<mem"),
        (-1, ArgumentValueError, "tokenizer Words must return .*, got -1"),
    ],
)
def test_a_counter_that_fails_on_the_rendered_text_changes_nothing(
    door: str, answer: Any, error: type[Exception], message: str
) -> None:
    memories = items("one two", "three")
    given, before = through(door, memories), copy.deepcopy(memories)
    allocator = MemoryBudgetAllocator()
    counter = Words("<memories>\n<memory>", answer)
    with pytest.raises(error, match=message) as caught:
        allocator.allocate("q", given, current_time=NOW, tokenizer=counter, max_prompt_tokens=100)
    assert caught.value.__cause__ is (answer if isinstance(answer, Exception) else None)
    assert memories == before
    assert allocator.get_allocation_statistics()["total_allocations"] == 0
    if door == "pool":
        assert [memory.access_count for memory in given] == [0, 0]
    # Without a ceiling the text is counted when somebody asks.
    allocation = allocator.allocate("q", given, current_time=NOW, tokenizer=counter)
    with pytest.raises(error, match=message):
        _ = allocation.rendered_tokens
    assert allocation.render().startswith("<memories>")


def test_what_is_no_error_of_a_counter_goes_through() -> None:
    memories = items("one two")
    for place in ("one", "<memories>"):
        with pytest.raises(KeyboardInterrupt):
            allocate(memories, tokenizer=Words(place, KeyboardInterrupt()), max_prompt_tokens=100)
    assert memories[0].access_count == 0


def test_an_allocation_is_collected_with_its_counter() -> None:
    class Counter:
        allocation: Allocation
        __hash__ = None  # type: ignore[assignment] # so that nobody remembers it

        def __call__(self, text: str) -> int:
            return len(text)

    for ceiling in (None, 1000):
        counter = Counter()
        counter.allocation = allocate(items("a"), tokenizer=counter, max_prompt_tokens=ceiling)
        collected = weakref.ref(counter)
        del counter
        gc.collect()
        assert collected() is None


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("tokenizer", [*EXACT, "upper_bound", Words("\0", 0)])
def test_oversized_memories_are_cut_by_the_counter(door: str, tokenizer: Any) -> None:
    sentence = "The internationalization of 記憶 costs little. "
    whole = sentence * 4000
    one = count_tokens(sentence.rstrip() + MARK, tokenizer)
    for budget in (one - 1, one, 5 * one + 3):
        allocation = allocate(
            through(door, items(whole, "k")), budget, tokenizer=tokenizer, oversized="truncate"
        )
        memories = allocation.to_dict()["tiers"]["rag"]["selected_memories"]
        first = memories[0]
        rest = budget - sum(memory["token_count"] for memory in memories[1:])
        assert first["token_count"] == count_tokens(first["text"], tokenizer) <= rest
        kept = first["text"].removesuffix(MARK)
        assert whole.startswith(kept)
        if kept.endswith("."):  # nothing longer fits
            longer = whole[: len(kept) + len(sentence)].rstrip() + MARK
            assert count_tokens(longer, tokenizer) > rest
        else:
            assert count_tokens(sentence.rstrip() + MARK, tokenizer) > rest
        assert allocation.rendered_tokens == count_tokens(allocation.render(), tokenizer)


def test_the_beginning_of_a_cut_memory_of_a_pool_has_the_count_of_its_text() -> None:
    whole = "One is here. " * 50
    pool = MemoryPool.from_items(items(whole))
    (memory,) = allocate(pool, 20, tokenizer="o200k_base", oversized="truncate")
    assert memory.token_count == count_tokens(whole)


@pytest.mark.parametrize("tokenizer", [*EXACT, "estimate", len])
def test_rankings_count_as_the_call_does(tokenizer: Any) -> None:
    texts = [f"memory number {number}, 記憶 " * (number % 5 + 1) for number in range(40)]
    given = [through(door, items(*texts)) for door in DOORS]
    for ceiling in (None, 150):
        allocations = [
            MemoryBudgetAllocator(WorkspaceConfig("w", 800), log_allocations=False).allocate(
                "number 7",
                memories,
                current_time=NOW,
                tokenizer=tokenizer,
                ranking="evidence",
                max_prompt_tokens=ceiling,
            )
            for memories in given
        ]
        first = allocations[0]
        for allocation in allocations:
            assert allocation.total_tokens == first.total_tokens
            assert allocation.render() == first.render()
        if tokenizer != "estimate":
            assert first.total_tokens == sum(count_tokens(it.text, tokenizer) for it in first)
        assert ceiling is None or first.rendered_tokens <= ceiling
