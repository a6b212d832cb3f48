"""With a ranking that passes over repetitions, no text says the same twice, whatever a ceiling made of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_ranking as reference
from memory_budget_allocator import (
    AllocationSession,
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

QUERY = "where are orders kept"
BARE = PromptTemplate(prologue="", item="{text}", epilogue="")
DOORS: dict[str, Any] = {"list": list, "pool": MemoryPool.from_items}


def quarter(text: str) -> int:
    return max(1, len(text) // 4) if text else 0


def memory(name: str, text: str, tokens: int, relevance: float, **fields: Any) -> MemoryItem:
    given: dict[str, Any] = {"tier": MemoryTier.WORKING, "timestamp": NOW, **fields}
    return MemoryItem(name, text, token_count=tokens, relevance_score=relevance, **given)


def one_tier(tokens: int, **fields: Any) -> WorkspaceConfig:
    return WorkspaceConfig("w", tokens, 1.0, 0.0, 0.0, 0.0, {}, **fields)


def allocator_of(config: WorkspaceConfig) -> MemoryBudgetAllocator:
    return MemoryBudgetAllocator(config, log_allocations=False)


def ids(memories: Iterable[Any]) -> list[str]:
    return [each.memory_id for each in memories]


EXACT = Ranking(exact_duplicates=True)
NEAR = Ranking(near_duplicates=8)

# Call by call


def three_of_which_two_say_the_same() -> list[MemoryItem]:
    return [
        memory("big", "A long story of another matter.", 155, 0.9),
        memory("first", "Orders are kept in PostgreSQL.", 50, 0.8),
        memory("again", "orders are KEPT in postgresql", 40, 0.7),
    ]


@pytest.mark.parametrize("door", DOORS)
def test_with_twice_the_room_another_one_of_two_would_be_taken(door: str) -> None:
    """With 200 tokens `big` leaves 45, so that `first` does not fit and `again` does."""
    memories = DOORS[door](three_of_which_two_say_the_same())
    for tokens, taken in ((100, ["first"]), (200, ["big", "again"])):
        found = allocator_of(one_tier(tokens)).allocate(QUERY, memories, current_time=NOW, ranking=EXACT)
        assert ids(found) == taken
    options: dict[str, Any] = {"max_prompt_tokens": 1000, "tokenizer": quarter, "receipts": True}
    found = allocator_of(one_tier(100)).allocate(QUERY, memories, current_time=NOW, ranking=EXACT, **options)
    assert ids(found) == ["first"]
    receipts = {each.memory_id: (each.reason, each.instead) for each in found.report()}
    assert receipts == {
        "big": ("oversized", None),
        "first": ("selected", None),
        "again": ("duplicate", "first"),
    }


def test_what_gives_way_to_a_ceiling_makes_room_for_what_says_the_same_in_less() -> None:
    """Neither is in the text for nothing: of two that say the same the better, else the other."""
    long = "orders  " + " " * 300 + "are kept here"
    memories = [
        memory("big", "A long story of another matter.", 155, 0.9),
        memory("wordy", long, 50, 0.8),
        memory("terse", "orders are kept here", 40, 0.7),
    ]
    allocator = allocator_of(one_tier(100))
    options: dict[str, Any] = {"current_time": NOW, "ranking": EXACT, "tokenizer": quarter, "template": BARE}
    for ceiling, taken in ((100, ["wordy"]), (40, ["terse"]), (4, [])):
        found = allocator.allocate(QUERY, memories, max_prompt_tokens=ceiling, **options)
        assert ids(found) == taken


def session_of(config: WorkspaceConfig, ceiling: int, ranking: Ranking) -> AllocationSession:
    return allocator_of(config).session(max_prompt_tokens=ceiling, ranking=ranking, tokenizer=quarter)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("budget", [60, 1000])
def test_a_session_appends_nothing_that_is_held_in_other_words(door: str, budget: int) -> None:
    memories = [
        memory("old", "Orders are kept in PostgreSQL.", 50, 0.9),
        memory("new", "orders are kept in postgresql", 40, 0.1),
        memory("other", "Lunch is at noon.", 10, 0.1),
    ]
    session = session_of(one_tier(budget), 300, EXACT)
    first = session.allocate(QUERY, DOORS[door](memories), current_time=NOW)
    assert ids(first.selected) == ["old", "other"]
    memories[0].relevance_score, memories[1].relevance_score = 0.2, 0.9
    second = session.allocate(QUERY, DOORS[door](memories), current_time=NOW)
    assert (ids(second.selected), second.rebuilt) == (["old", "other"], None)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("budget", [60, 1000])
def test_receipts_name_what_is_held_in_other_words(door: str, budget: int) -> None:
    """The call itself would take `new`, and pass over `old`."""
    memories = [
        memory("old", "Orders are kept in PostgreSQL.", 50, 0.9),
        memory("new", "orders are kept in postgresql", 40, 0.1),
    ]
    session = session_of(one_tier(budget), 300, EXACT)
    session.allocate(QUERY, DOORS[door](memories), current_time=NOW)
    memories[0].relevance_score, memories[1].relevance_score = 0.2, 0.9
    second = session.allocate(QUERY, DOORS[door](memories), current_time=NOW, receipts=True)
    receipts = {each.memory_id: (each.reason, each.instead) for each in second.allocation.report()}
    assert receipts == {"old": ("held", None), "new": ("duplicate", "old")}


def test_what_a_gate_leaves_out_today_stays_where_it_is_held() -> None:
    memories = [memory("a", "One thing.", 10, 0.9), memory("b", "Another one.", 10, 0.8)]
    session = session_of(one_tier(100), 300, Ranking(relevance_gate=0.5))
    assert session.allocate(QUERY, memories, current_time=NOW).rebuilt == "first"
    memories[0].relevance_score = 0.4
    second = session.allocate(QUERY, memories, current_time=NOW)
    assert (ids(second.selected), second.rebuilt) == (["a", "b"], None)


def test_a_held_memory_that_is_replaced_ends_the_text_there() -> None:
    """An old fact beside the new one would be worse than a text that is read again."""
    memories = [
        memory("before", "Lunch is at noon.", 10, 0.9),
        memory("old", "Orders are kept in MySQL.", 10, 0.8),
        memory("behind", "Releases are on Thursdays.", 10, 0.7),
    ]
    session = session_of(one_tier(100), 300, Ranking(supersession=True))
    assert ids(session.allocate(QUERY, memories, current_time=NOW).selected) == ["before", "old", "behind"]
    memories.append(memory("new", "Orders are kept in PostgreSQL.", 10, 0.75, supersedes="old"))
    second = session.allocate(QUERY, memories, current_time=NOW)
    assert (ids(second.selected), second.rebuilt) == (["before", "new", "behind"], "changed")
    assert second.allocation.selected_positions == [0, 3, 2]


def test_a_pinned_memory_ends_the_text_at_what_it_repeats() -> None:
    memories = [
        memory("before", "Lunch is at noon.", 10, 0.9),
        memory("said", "Orders are kept here.", 10, 0.8),
        memory("pinned", "orders ARE kept here", 10, 0.1),
    ]
    session = session_of(one_tier(100), 300, EXACT)
    assert ids(session.allocate(QUERY, memories, current_time=NOW).selected) == ["before", "said"]
    memories[2].pinned = True
    second = session.allocate(QUERY, memories, current_time=NOW)
    assert (ids(second.selected), second.rebuilt) == (["before", "pinned"], "changed")
    memories[2].pinned, memories[1].pinned = False, True
    third = session.allocate(QUERY, memories, current_time=NOW)
    assert (ids(third.selected), third.rebuilt) == (["before", "said"], "changed")
    memories[2].pinned = True  # pinned memories may repeat each other
    fourth = session.allocate(QUERY, memories, current_time=NOW)
    assert (ids(fourth.selected), fourth.rebuilt) == (["before", "said", "pinned"], None)


def test_pinned_memories_count_as_said_even_if_they_repeat_each_other() -> None:
    """`third` is near `second` alone, and `second` near `first`."""
    first, second, third = chain()
    memories = [
        memory("first", first, 10, 0.1, pinned=True),
        memory("second", second, 10, 0.1, pinned=True),
        memory("third", third, 10, 0.9),
    ]
    for options in ({}, {"max_prompt_tokens": 1000}):
        found = allocator_of(one_tier(100)).allocate(QUERY, memories, ranking=NEAR, **options)
        assert ids(found) == ["first", "second"]


def chain() -> tuple[str, str, str]:
    """Three texts of which the neighbours nearly say the same, and the ends do not."""
    words = [f"word{number}" for number in range(60)]
    texts = [" ".join(words)]
    for at in range(0, 60, 3):
        words[at] = f"other{at}"
        texts.append(" ".join(words))
    near = [
        (one, two, three)
        for at, one in enumerate(texts)
        for place, two in enumerate(texts[at:], at)
        for three in texts[place:]
        if is_near(one, two) and is_near(two, three) and not is_near(one, three)
    ]
    return near[0]


def is_near(one: str, other: str) -> bool:
    return reference.repeats(one, other, exact=False, near=8)


# Whatever the memories

SUBJECTS = ["orders", "invoices", "releases", "sessions"]
PLACES = ["postgresql", "redis", "a table of the old system", "files on the second disk"]
texts = st.one_of(
    st.just(""),
    st.builds(
        lambda subject, place, tail, is_loud: (
            f"{subject.upper() if is_loud else subject} are kept in {place}"
            + "".join(f" {word}" for word in tail)
        ),
        st.sampled_from(SUBJECTS[:2]),
        st.sampled_from(PLACES[:2]),
        st.lists(st.sampled_from(["now", "again"]), max_size=2),
        st.booleans(),
    ),
    st.lists(st.sampled_from([*SUBJECTS, "kept"]), max_size=3).map(" ".join),
)


@st.composite
def memory_lists(draw: st.DrawFn) -> list[MemoryItem]:
    names = [f"m{row}" for row in range(draw(st.integers(0, 16)))]
    return [
        memory(
            name,
            draw(texts),
            draw(st.one_of(st.integers(1, 40), st.integers(1, 160))),
            draw(st.floats(0, 1)),
            tier=draw(st.sampled_from([MemoryTier.WORKING, MemoryTier.WORKING, MemoryTier.RAG])),
            timestamp=NOW - timedelta(hours=draw(st.integers(0, 500))),
            pinned=draw(st.sampled_from([False] * 9 + [True])),
            supersedes=draw(st.one_of(st.none(), st.none(), st.sampled_from([*names, "gone"]))),
        )
        for name in names
    ]


duplicates = st.sampled_from([(True, None), (False, 3), (False, 12), (True, 20)])
rankings = st.builds(
    lambda duplicates, **parts: Ranking(
        exact_duplicates=duplicates[0], near_duplicates=duplicates[1], **parts
    ),
    duplicates=duplicates,
    kind=st.sampled_from(["weighted", "evidence"]),
    cost_exponent=st.sampled_from([None, 0.0, 1.0]),
    supersession=st.booleans(),
    relevance_gate=st.sampled_from([None, 0.3]),
    diversity=st.sampled_from([None, None, 0.5]),
)
workspaces = st.fixed_dictionaries(
    {"max_total_tokens": st.integers(50, 500), "spill_over": st.booleans()},
    optional={"tier_floors": st.just({"rag": 0.2}), "oversized": st.just("truncate")},
)
templates = st.sampled_from([None, BARE, PromptTemplate(headings="## {tier}\n")])
ceilings = st.one_of(st.integers(0, 120), st.integers(100, 1000))


def check(positions: Sequence[int], memories: Sequence[MemoryItem], ranking: Ranking) -> None:
    """Whoever is not pinned says nothing that another in the text says, and is replaced by nobody."""

    def repeats(row: int, other: int) -> bool:
        exact = bool(ranking.exact_duplicates)
        one, two = memories[row].text, memories[other].text
        return reference.repeats(one, two, exact=exact, near=ranking.near_duplicates)

    numbers = {each.memory_id: row for row, each in enumerate(memories)}
    replaced = reference.superseded(
        [
            reference.Candidate(identity=row, replaces=numbers.get(each.supersedes or ""))
            for row, each in enumerate(memories)
        ]
    )
    assert all(count == 1 for count in Counter(positions).values())
    for row in positions:
        if memories[row].pinned:
            continue
        assert not any(repeats(row, other) for other in positions if other != row)
        assert not (ranking.supersession and replaced[row])


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=300, deadline=None)
@given(memory_lists(), rankings, workspaces, templates, st.one_of(st.none(), ceilings))
def test_nothing_is_said_twice(  # noqa: PLR0917 - drawn by hypothesis
    door: str,
    memories: list[MemoryItem],
    ranking: Ranking,
    fields: dict[str, Any],
    template: PromptTemplate | None,
    ceiling: int | None,
) -> None:
    allocator = allocator_of(WorkspaceConfig("w", **fields))
    try:
        found = allocator.allocate(
            QUERY,
            DOORS[door](memories),
            current_time=NOW,
            ranking=ranking,
            template=template,
            tokenizer=quarter,
            max_prompt_tokens=ceiling,
            receipts=True,
        )
    except PinnedOverflowError:
        return
    check(found.selected_positions, memories, ranking)
    exact = bool(ranking.exact_duplicates)
    texts = {each.memory_id: each.text for each in memories}
    for receipt in found.report():
        if receipt.reason == "duplicate":
            assert receipt.instead is not None
            one, other = texts[receipt.memory_id], texts[receipt.instead]
            assert reference.repeats(one, other, exact=exact, near=ranking.near_duplicates)
            taken = {memories[row].memory_id for row in found.selected_positions}
            partners = [
                name for name in taken
                if reference.repeats(one, texts[name], exact=exact, near=ranking.near_duplicates)
            ]  # fmt: skip
            assert receipt.instead in taken or not partners


calls = st.lists(
    st.tuples(
        st.lists(st.floats(0, 1), min_size=16, max_size=16),
        st.lists(st.sampled_from([False] * 9 + [True]), min_size=16, max_size=16),
        st.integers(3, 16),
        st.integers(0, 60),
    ),
    min_size=2,
    max_size=5,
)


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=300, deadline=None)
@given(memory_lists(), rankings, workspaces, templates, ceilings, calls, st.sampled_from([0.0, 0.5, 1.0]))
def test_nothing_is_said_twice_in_a_session(  # noqa: PLR0917 - drawn by hypothesis
    door: str,
    memories: list[MemoryItem],
    ranking: Ranking,
    fields: dict[str, Any],
    template: PromptTemplate | None,
    ceiling: int,
    calls: list[tuple[list[float], list[bool], int, int]],
    rebuild_share: float,
) -> None:
    session = allocator_of(WorkspaceConfig("w", **fields)).session(
        max_prompt_tokens=ceiling,
        ranking=ranking,
        template=template,
        tokenizer=quarter,
        rebuild_share=rebuild_share,
    )
    taken: list[tuple[str, str | None]] = []
    for relevances, pins, count, reserved in calls:
        # New memories come behind the old ones.
        present = memories[:count]
        for each, relevance, pinned in zip(present, relevances, pins, strict=False):
            each.relevance_score, each.pinned = relevance, pinned
        try:
            found = session.allocate(
                QUERY, DOORS[door](present), current_time=NOW, reserves={"query": min(reserved, ceiling)}
            )
        except PinnedOverflowError:
            continue
        check(found.allocation.selected_positions, present, ranking)
        taken.append((found.render(), found.rebuilt))
    tail = (template or PromptTemplate()).epilogue.format()
    for (before, _), (after, rebuilt) in pairwise(taken):
        assert rebuilt is not None or after.startswith(before.removesuffix(tail))
