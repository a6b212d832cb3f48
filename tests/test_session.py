"""`AllocationSession`: texts that go on from call to call, and never over the ceiling."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_budget_allocator import (
    AllocationSession,
    ArgumentTypeError,
    ArgumentValueError,
    ItemValueError,
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    PinnedOverflowError,
    PromptTemplate,
    SessionAllocation,
    SessionBusyError,
    WorkspaceConfig,
)
from reference import TIERS
from strategies import NOW, memory_lists, workspaces
from test_rendering import TEMPLATES, TOKENIZERS, estimated, hostile_texts, rendered_count

ONE_TIER: dict[str, Any] = {
    "working_memory_pct": 1.0,
    "project_memory_pct": 0.0,
    "long_term_memory_pct": 0.0,
    "rag_memory_pct": 0.0,
}
DOORS: dict[str, Any] = {
    "list": list,
    "generator": iter,
    "pool": MemoryPool.from_items,
    "columns": lambda memories: {
        name: [getattr(memory, name) for memory in memories]
        for name in ("memory_id", "text", "relevance_score", "importance_score", "token_count")
    },
}


def item(number: int, relevance: float = 0.5, **fields: Any) -> MemoryItem:
    """40 characters, so 10 tokens; framed by the default template, 14 with the line break before it."""
    text = f"memory {number:03} ".ljust(40, ".")
    return MemoryItem(
        f"m{number}", text, MemoryTier.WORKING, NOW, relevance_score=relevance, evergreen=True, **fields
    )


def session(ceiling: int = 120, **arguments: Any) -> AllocationSession:
    config = WorkspaceConfig(
        "default",
        working_memory_pct=1.0,
        project_memory_pct=0.0,
        long_term_memory_pct=0.0,
        rag_memory_pct=0.0,
    )
    allocator = MemoryBudgetAllocator(config, log_allocations=False)
    given: dict[str, Any] = {"tokenizer": estimated, **arguments}
    return allocator.session(max_prompt_tokens=ceiling, **given)


def ask(asked: AllocationSession, memories: Any, **arguments: Any) -> SessionAllocation:
    return asked.allocate("q", memories, current_time=NOW, **arguments)


def ids(result: SessionAllocation) -> list[str]:
    return [memory.memory_id for memory in result.selected]


def want(memories: list[MemoryItem], *numbers: int) -> None:
    """Make these the relevant ones, the first most."""
    for memory in memories:
        memory.relevance_score = 0.0
    for rank, number in enumerate(numbers):
        memories[number].relevance_score = 1 - rank / 100


def goes_on(before: str, after: str, template: PromptTemplate) -> bool:
    return after.startswith(before.removesuffix(template.epilogue.format()))


# What a session does, call by call


def test_a_new_text_is_filled_to_its_share_and_then_appended_to() -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    want(memories, 3, 1, 4, 5, 9, 2, 6)
    first = ask(asked, memories)
    assert (ids(first), first.rebuilt, first.reused_tokens) == (
        ["m3", "m1", "m4", "m5", "m9", "m2"],
        "first",
        0,
    )
    assert first.rendered_tokens <= 0.85 * 120
    again = ask(asked, memories)
    assert (again.render(), again.rebuilt, again.reused_share) == (first.render(), None, 1.0)
    assert again.appended == []
    want(memories, 8, 3, 1, 4, 5, 9)
    second = ask(asked, memories)
    assert ids(second) == [*ids(first), "m8"]
    assert second.appended == [memories[8]]
    assert second.rebuilt is None
    assert goes_on(first.render(), second.render(), PromptTemplate())
    assert second.reused_tokens == estimated(first.render().removesuffix("</memories>") + "<memor") - 1


def test_a_full_text_is_rebuilt_for_the_best_memory_alone() -> None:
    memories = [item(number) for number in range(30)]
    asked = session(rebuild_share=0.0)
    want(memories, *range(6))
    ask(asked, memories)
    want(memories, 10, *range(6))
    assert ask(asked, memories).rebuilt is None  # there was room for one more
    want(memories, 0, 11, 12, 13, 14, 15)
    kept = ask(asked, memories)
    assert (kept.rebuilt, kept.appended) == (None, [])  # the best is there
    want(memories, 11, 0, 12)
    rebuilt = ask(asked, memories)
    assert (rebuilt.rebuilt, ids(rebuilt)[:3]) == ("full", ["m11", "m0", "m12"])
    assert rebuilt.appended == rebuilt.selected


@pytest.mark.parametrize(
    ("rebuild_share", "reasons"),
    # With the one that is appended, 2 of the 6 that are wanted are there; then, with no room, 1 of 6.
    [(0.0, [None, None]), (0.3, [None, "value"]), (0.5, ["value", "value"]), (1.0, ["value", "value"])],
)
def test_what_is_worth_too_little_is_rebuilt(rebuild_share: float, reasons: list[str | None]) -> None:
    memories = [item(number) for number in range(30)]
    only_relevance = {"relevance_weight": 1.0, "importance_weight": 0.0, "freshness_weight": 0.0}
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default", **ONE_TIER, **only_relevance))
    asked = allocator.session(max_prompt_tokens=120, rebuild_share=rebuild_share, tokenizer=estimated)
    want(memories, *range(6))
    ask(asked, memories)
    for first, reason in zip((20, 25), reasons, strict=True):
        # The best is there already.
        want(memories, 0, *range(first, first + 5))
        assert ask(asked, memories).rebuilt == reason


def test_value_is_score_times_tokens() -> None:
    """One long memory is worth more than six short ones that have the better scores."""
    weights = {"relevance_weight": 1.0, "importance_weight": 0.0, "freshness_weight": 0.0}
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default", **ONE_TIER, **weights))
    long = MemoryItem("long", "x" * 320, MemoryTier.WORKING, NOW, relevance_score=0.5)
    short = [MemoryItem(f"s{n}", "four", MemoryTier.WORKING, NOW, relevance_score=0.8) for n in range(6)]
    asked = allocator.session(max_prompt_tokens=100, rebuild_share=0.9, fill=1.0, tokenizer=estimated)
    assert ids(ask(asked, [long])) == ["long"]
    result = ask(asked, [long, *short])
    assert (ids(result), result.rebuilt) == (["long", "s0"], None)
    asked.restart()
    assert ids(ask(asked, [long, *short])) == ["s0", "s1", "s2", "s3", "s4", "s5"]


@pytest.mark.parametrize("change", ["text", "gone", "tokens", "id"])
@pytest.mark.parametrize("door", ["list", "pool", "columns"])
def test_a_changed_memory_ends_the_prefix_where_it_stood(door: str, change: str) -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    want(memories, 0, 1, 2, 3, 4, 5)
    first = ask(asked, DOORS[door](memories))
    assert ids(first) == ["m0", "m1", "m2", "m3", "m4", "m5"]
    if change == "text":
        memories[2].text = "Something else."
    elif change == "gone":
        del memories[2]
    elif change == "tokens":
        memories[2].token_count = 11
    else:
        memories[2].memory_id = "other"
    second = ask(asked, DOORS[door](memories))
    assert second.rebuilt == "changed"
    assert ids(second)[:2] == ["m0", "m1"]
    assert [memory.memory_id for memory in second.appended] == ids(second)[2:]
    kept = second.render().index("memory 001")
    assert estimated(second.render()[:kept]) <= second.reused_tokens <= second.rendered_tokens
    assert ask(asked, DOORS[door](memories)).rebuilt is None


@pytest.mark.parametrize("door", ["list", "generator", "pool", "columns"])
def test_memories_are_found_wherever_they_stand(door: str) -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    want(memories, 5, 4, 3, 2, 1, 0)
    first = ask(asked, DOORS[door](memories))
    for order in (memories[::-1], memories[3:] + memories[:3], memories):
        result = ask(asked, DOORS[door](order))
        assert (result.rebuilt, result.render()) == (None, first.render())
        assert ids(result) == ids(first)


def test_a_tier_that_is_not_shown_may_change_and_a_shown_one_not() -> None:
    for template, reason in ((None, None), (PromptTemplate(order="tier"), "changed")):
        memories = [item(number) for number in range(6)]
        allocator = MemoryBudgetAllocator(log_allocations=False)
        asked = allocator.session(max_prompt_tokens=300, template=template)
        ask(asked, memories)
        memories[0].tier = MemoryTier.LONG_TERM
        assert ask(asked, memories).rebuilt == reason


def test_a_shown_score_stays_as_it_was_written() -> None:
    memories = [item(number) for number in range(3)]
    asked = session(template=PromptTemplate(item="[[{score} {text}]]"))
    first = ask(asked, memories)
    want(memories, 2, 1)
    assert ask(asked, memories).render() == first.render()


def test_every_memory_in_the_prompt_counts_as_accessed_once_a_call() -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    want(memories, 0, 1, 2, 3, 4, 5)
    ask(asked, memories)
    want(memories, 6, 0)
    ask(asked, memories)
    assert [memory.access_count for memory in memories] == [2] * 6 + [1] + [0] * 5


def test_the_allocation_is_of_what_the_prompt_holds() -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    want(memories, 0, 1, 2, 3, 4, 5)
    ask(asked, memories)
    want(memories, 6, 0)
    result = ask(asked, memories)
    allocation = result.allocation
    assert allocation.render() == result.render()
    assert allocation.rendered_tokens == result.rendered_tokens
    assert sorted(ids(result)) == sorted(memory.memory_id for memory in allocation)
    tier = allocation.tiers[MemoryTier.WORKING]
    assert tier.used == allocation.total_tokens == 70
    assert tier.used <= tier.budget
    (message,) = allocation.to_messages()
    assert message["role"] == "system"
    assert allocation.message_tokens() <= 120


def test_pinned_memories_are_in_or_refused() -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    want(memories, 0, 1, 2, 3, 4, 5)
    ask(asked, memories)
    memories[11].pinned = True
    assert memories[11] in ask(asked, memories).appended
    for memory in memories:
        memory.pinned = True
    before = [memory.access_count for memory in memories]
    with pytest.raises(PinnedOverflowError):
        ask(asked, memories)
    assert [memory.access_count for memory in memories] == before
    for memory in memories[:11]:
        memory.pinned = False
    assert ask(asked, memories).rebuilt is None  # it goes on with the last call that succeeded


def test_pinned_memories_may_need_more_than_the_share() -> None:
    memories = [item(number, pinned=number < 7) for number in range(12)]
    result = ask(session(fill=0.1), memories)
    assert ids(result) == [f"m{number}" for number in range(7)]


def test_where_nothing_has_room_in_the_share_the_best_has_it_under_the_ceiling() -> None:
    page = MemoryItem("page", "x" * 390, MemoryTier.WORKING, NOW, relevance_score=0.9)
    short = [item(number, 0.5) for number in range(5)]
    for fill, memories in ((0.0, [*short, page]), (0.05, [*short, page]), (0.85, [page])):
        asked = session(fill=fill)
        first = ask(asked, memories)
        assert (ids(first), first.rebuilt) == (["page"], "first")
        assert 0.85 * 120 < first.rendered_tokens <= 120
        again = ask(asked, memories)
        assert (again.render(), again.rebuilt) == (first.render(), None)
    # What has room is not given up for a page that has none.
    asked = session()
    assert ids(ask(asked, [*short, page])) == ["m0", "m1", "m2", "m3", "m4"]


def test_of_no_share_a_session_holds_the_best_of_each_question() -> None:
    memories = [item(number) for number in range(12)]
    asked = session(fill=0.0, rebuild_share=0.0)
    held = []
    for number in (3, 1, 4, 1, 5, 9, 2):
        want(memories, number)
        result = ask(asked, memories)
        held += [f"m{number}"] * (f"m{number}" not in held)
        assert (ids(result), result.rebuilt) == (held, None if len(held) > 1 else "first")
    want(memories, 6, 3)
    held = [*held, "m6"]
    assert ids(ask(asked, memories)) == held
    want(memories, 7, 3)
    result = ask(asked, memories)
    assert (ids(result), result.rebuilt) == (["m7"], "full")


def test_a_session_is_empty_only_where_its_ceiling_has_no_room() -> None:
    page = MemoryItem("page", "x" * 444, MemoryTier.WORKING, NOW, relevance_score=0.9)
    for fill in (0.0, 0.05, 0.85, 1.0):
        asked = session(fill=fill)
        # With its frame, the page alone has 121 tokens.
        assert ids(ask(asked, [page])) == []
        # Whoever comes next has.
        result = ask(asked, [page, item(1)])
        assert (ids(result), result.rebuilt) == (["m1"], "first")


def test_beside_pinned_memories_the_best_has_room_under_the_whole_ceiling() -> None:
    memories = [item(number, pinned=number < 3) for number in range(12)]
    want(memories, 0, 7, 8)
    asked = session(fill=0.3, rebuild_share=0.0)
    first = ask(asked, memories)
    assert {*ids(first)} == {"m0", "m1", "m2", "m7"}
    assert ask(asked, memories).rebuilt is None
    # A pinned one is there in any case, however good it is: the best is another.
    for number in (8, 9, 10, 11):
        want(memories, 0, number)
        result = ask(asked, memories)
        assert f"m{number}" in ids(result)
    assert (result.rebuilt, len(ids(result))) == ("full", 4)


def test_reserves_belong_to_the_call() -> None:
    memories = [item(number) for number in range(12)]
    asked = session(reserves={"system": 10})
    assert ask(asked, memories).rendered_tokens <= 110
    short = ask(asked, memories, reserves={"query": "q" * 200})
    assert short.rebuilt == "full"
    assert short.rendered_tokens <= short.allocation.available_tokens == 70


def test_nothing_is_an_empty_text() -> None:
    asked = session()
    nothing = ask(asked, [])
    assert (nothing.render(), nothing.rendered_tokens, nothing.reused_share) == ("", 0, 1.0)
    assert ask(asked, [item(1)]).rebuilt == "first"
    assert ask(asked, []).rebuilt == "changed"


def test_another_ranking_decides_who_is_wanted() -> None:
    memories = [item(number) for number in range(12)]
    asked = session(ranking="evidence")
    want(memories, 7, 8)
    first = ask(asked, memories)
    assert ids(first)[:2] == ["m7", "m8"]
    want(memories, 11, 7, 8)
    second = ask(asked, memories)
    assert (second.rebuilt, second.appended[0]) == (None, memories[11])
    assert ids(second)[: len(first.selected)] == ids(first)


def test_restart_begins_anew() -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    ask(asked, memories)
    asked.restart()
    assert ask(asked, memories).rebuilt == "first"


# What is refused


def test_a_second_call_at_the_same_time_is_refused() -> None:
    asked = session()
    entered, leave = threading.Event(), threading.Event()

    def slow() -> Any:
        entered.set()
        assert leave.wait(60)
        yield item(1)

    results: list[SessionAllocation] = []
    thread = threading.Thread(target=lambda: results.append(ask(asked, slow())))
    thread.start()
    try:
        assert entered.wait(60)
        with pytest.raises(SessionBusyError, match="under way"):
            ask(asked, [item(2)])
        with pytest.raises(SessionBusyError, match="under way"):
            asked.restart()
    finally:
        leave.set()
        thread.join()
    assert ids(results[0]) == ["m1"]
    assert ask(asked, [item(1)]).rebuilt is None


def test_a_call_from_within_a_call_is_refused() -> None:
    asked = session()

    def again() -> Any:
        ask(asked, [])
        yield item(1)

    with pytest.raises(SessionBusyError):
        ask(asked, again())
    assert ask(asked, [item(1)]).rebuilt == "first"


@pytest.mark.parametrize("name", ["fill", "rebuild_share"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1.01, ArgumentValueError),
        (-0.1, ArgumentValueError),
        (float("nan"), ArgumentValueError),
        ("half", ArgumentTypeError),
        (True, ArgumentTypeError),
        (None, ArgumentTypeError),
    ],
)
def test_shares_are_shares(name: str, value: Any, error: type[MemoryBudgetError]) -> None:
    with pytest.raises(error, match=name):
        session(**{name: value})


def test_a_session_needs_a_ceiling() -> None:
    allocator = MemoryBudgetAllocator()
    with pytest.raises(ArgumentValueError, match="needs a ceiling"):
        ask(allocator.session(), [item(1)])
    allocator.register_workspace(WorkspaceConfig("narrow", max_prompt_tokens=50))
    assert ask(allocator.session(workspace_id="narrow"), [item(1)]).rendered_tokens <= 50


def test_ceiling_and_template_are_those_of_the_session() -> None:
    asked = session()
    for name, value in (("max_prompt_tokens", 10), ("template", PromptTemplate())):
        with pytest.raises(ArgumentTypeError, match=f"{name} is one for the whole session"):
            ask(asked, [item(1)], **{name: value})
    with pytest.raises(ArgumentTypeError, match="'relevence' is no option"):
        ask(asked, [item(1)], relevence={})


def test_the_template_of_its_workspace_may_change() -> None:
    """Nothing then stands as it would be written."""
    config = WorkspaceConfig("default", **ONE_TIER, template=PromptTemplate(prologue="", epilogue=""))
    asked = MemoryBudgetAllocator(config).session(max_prompt_tokens=200)
    memories = [item(number) for number in range(3)]
    first = ask(asked, memories)
    assert first.render().startswith("<memory>")
    assert ask(asked, memories).rebuilt is None
    config.template = PromptTemplate(item="<memory>{text}</memory>", prologue="Known:\n", epilogue="")
    changed = ask(asked, memories)
    assert (changed.rebuilt, changed.reused_tokens) == ("changed", 0)
    assert changed.render() == "Known:\n" + first.render()
    assert ask(asked, memories).rebuilt is None


def test_a_dry_run_moves_nothing_on() -> None:
    asked = session()
    memories = [item(number) for number in range(4)]
    held = ask(asked, memories[:2])
    tried = ask(asked, memories[2:], dry_run=True)
    assert tried.rebuilt == "changed"
    again = ask(asked, memories[:2])
    assert (again.rebuilt, again.reused_tokens) == (None, held.rendered_tokens)
    assert [memory.access_count for memory in memories] == [2, 2, 0, 0]


def test_columns_without_texts_have_nothing_to_render() -> None:
    with pytest.raises(ArgumentValueError, match="no text"):
        ask(session(), {"relevance_score": [0.5], "token_count": [3]})


def test_a_refused_call_changes_nothing() -> None:
    memories = [item(number) for number in range(4)]
    asked = session()
    first = ask(asked, memories)
    broken = type("Broken", (), {"memory_id": "x", "text": "t", "tier": "attic"})()
    with pytest.raises((ItemValueError, MemoryBudgetError)):
        ask(asked, [*memories, broken])
    again = ask(asked, memories)
    assert (again.render(), again.rebuilt) == (first.render(), None)


# Whatever comes

policies = st.fixed_dictionaries(
    {
        "max_prompt_tokens": st.integers(0, 400),
        "fill": st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.85, 1.0]),
        "rebuild_share": st.sampled_from([0.0, 0.5, 0.9, 1.0]),
        "template": st.sampled_from(TEMPLATES),
        "tokenizer": st.sampled_from(TOKENIZERS),
        "ranking": st.sampled_from(["weighted", "evidence"]),
    }
)


def changed(memories: list[MemoryItem], data: st.DataObject) -> None:
    """Something of one memory, or of all."""
    memory = data.draw(st.sampled_from(memories))
    change = data.draw(st.sampled_from(["relevance", "relevance", "text", "tier", "gone", "order"]))
    if change == "relevance":
        memory.relevance_score = data.draw(st.floats(0.0, 1.0))
    elif change == "text":
        memory.text = data.draw(hostile_texts)
    elif change == "tier":
        memory.tier = MemoryTier(data.draw(st.sampled_from(TIERS)))
    elif change == "gone":
        memories.remove(memory)
    else:
        memories.reverse()


def check(result: SessionAllocation, before: str, ceiling: int, template: PromptTemplate) -> None:
    """Never over the ceiling, nobody twice, and going on where it says so."""
    text = result.render()
    text.encode()
    assert result.rendered_tokens == result.allocation.rendered_tokens <= ceiling
    assert result.allocation.render() == text
    positions = result.allocation.selected_positions
    assert len(set(positions)) == len(positions) == len(result.selected)
    for tier in result.allocation.tiers.values():
        assert tier.used == sum(memory.token_count for memory in tier.items) <= tier.budget
    assert 0 <= result.reused_tokens <= result.rendered_tokens
    if result.rebuilt is None:
        assert goes_on(before, text, template)
        if not result.appended:
            assert text == before
            assert result.reused_share == 1.0


@given(memory_lists, workspaces(), policies, st.sampled_from(["list", "pool"]), st.data())
@settings(max_examples=250, deadline=None)
def test_successive_texts(
    drawn: list[dict[str, Any]],
    workspace: dict[str, Any],
    policy: dict[str, Any],
    door: str,
    data: st.DataObject,
) -> None:
    memories = [MemoryItem(**memory) for memory in drawn]
    for number, memory in enumerate(memories):
        if door == "pool":
            memory.memory_id = f"{number} {memory.memory_id}"
        memory.text = data.draw(st.one_of(st.just(memory.text), hostile_texts))
        memory.pinned = data.draw(st.sampled_from([False] * 15 + [True]))
    config = WorkspaceConfig(**workspace, oversized=data.draw(st.sampled_from(["skip", "truncate"])))
    asked = MemoryBudgetAllocator(config, log_allocations=False).session(**policy)
    ceiling, template = policy["max_prompt_tokens"], policy["template"]
    before = ""
    for step in range(data.draw(st.integers(2, 6))):
        if step and memories:
            changed(memories, data)
        given_memories: Any = DOORS[door](memories)
        now = NOW + timedelta(hours=step)
        accesses = [memory.access_count for memory in memories]
        try:
            result = asked.allocate("q", given_memories, current_time=now)
        except PinnedOverflowError:
            assert any(memory.pinned for memory in memories)
            assert [memory.access_count for memory in memories] == accesses
            continue
        check(result, before, ceiling, template)
        text = result.render()
        counted = rendered_count(text, result.allocation, policy["tokenizer"], config.tokens_per_char)
        assert result.rendered_tokens == counted
        if door == "list":
            positions = set(result.allocation.selected_positions)
            counts = [count + (place in positions) for place, count in enumerate(accesses)]
            assert [memory.access_count for memory in memories] == [min(it, 2**53 - 1) for it in counts]
        # The same question again goes on with all of it.
        again = asked.allocate("q", given_memories, current_time=now)
        check(again, text, ceiling, template)
        assert again.rebuilt is None or not text
        before = again.render()
