"""What sessions say of their memories: the words, the doors, and what becomes of a session that is asked."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from memory_budget_allocator import (
    ArgumentValueError,
    MemoryItem,
    MemoryPool,
    Ranking,
    SessionAllocation,
    UnknownMemoryError,
)
from strategies import NOW
from test_session import DOORS, ask, ids, item, session, want
from test_session_receipts import Conversation, check_budgets, check_split, workspace

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_ROOM = "no_room_behind_held"


def told(result: SessionAllocation, count: int, rows: Iterable[int] | None = None) -> dict[str, str]:
    """The reason of everybody, by id; kept and appended are as the session says."""
    receipts = list(result.allocation.report())
    check_split(result, receipts, range(count) if rows is None else rows)
    return {receipt.memory_id: receipt.reason for receipt in receipts}


def first_words(result: SessionAllocation, memory_id: str) -> str:
    return result.allocation.explain(memory_id).split(" Its score")[0]


def begun() -> tuple[Any, list[MemoryItem]]:
    """A session that holds the first six of 30 memories, with room for one more."""
    memories = [item(number) for number in range(30)]
    asked = session(rebuild_share=0.0)
    want(memories, *range(6))
    ask(asked, memories)
    return asked, memories


def test_every_reason_has_its_sentence() -> None:
    asked, memories = begun()
    memories[1].pinned = True
    want(memories, 0, 11, 12, 13, 14, 15)
    result = ask(asked, memories, receipts=True)
    reasons = told(result, 30)
    assert {name for name, reason in reasons.items() if reason == "held"} == {*ids(result)} - {"m1", "m11"}
    assert (reasons["m1"], reasons["m11"]) == ("pinned", "selected")
    assert {name for name, reason in reasons.items() if reason == NO_ROOM} == {"m12", "m13", "m14"}
    assert set(reasons.values()) == {"held", "pinned", "selected", NO_ROOM, "over_ceiling"}
    left_out = "was left out of the working tier, rank"
    assert [first_words(result, name) for name in ("m0", "m5", "m1", "m11", "m12", "m15")] == [
        "'m0' was kept from an earlier call in the working tier, rank 2 of 30: 10 tokens.",
        "'m5' was kept from an earlier call in the working tier, rank 11 of 30: 10 tokens.",
        "'m1' was selected in the working tier because it is pinned, and was kept from an earlier call: "
        "10 tokens.",
        "'m11' was selected in the working tier, rank 3 of 30: 10 tokens.",
        f"'m12' {left_out} 4 of 30: it needs 10 tokens, and does not fit behind what is kept under the "
        "ceiling of 120 tokens. With max_prompt_tokens=122 it would be selected.",
        f"'m15' {left_out} 7 of 30: it needs 10 tokens, and the ceiling of 120 tokens, 102 of them for a new "
        "text, leaves no room for it. With max_prompt_tokens=165 it would be selected.",
    ]
    rows = [line.split() for line in str(result.allocation.report()).splitlines()]
    assert ["working", "4", "m12", NO_ROOM, "0.8400", "10", "122", "(prompt)"] in rows
    receipt = next(it for it in result.allocation.report() if it.memory_id == "m12")
    assert (receipt.fits_at_budget, receipt.left) == ("max_prompt_tokens", None)


def test_pinned_memories_are_pinned_whether_kept_or_appended() -> None:
    memories = [item(number) for number in range(9)]
    memories[7].pinned = memories[8].pinned = True
    asked = session()
    first = ask(asked, memories[:8])
    assert first_words(first, "m7").endswith("because it is pinned: 10 tokens.")
    second = ask(asked, memories)
    held = {it.memory_id: it.held for it in second.allocation.report() if it.reason == "pinned"}
    assert held == {"m7": True, "m8": False}


# Every way in which a text goes on or does not


@pytest.mark.parametrize("door", list(DOORS))
def test_kept_and_appended_are_told_apart_whatever_was_rebuilt(door: str) -> None:
    memories = [item(number) for number in range(12)]
    asked = session(rebuild_share=0.0)

    def reasons(**options: Any) -> tuple[str | None, list[str]]:
        result = ask(asked, DOORS[door](memories), receipts=True, **options)
        by_id = told(result, len(memories))
        return result.rebuilt, [by_id[memory.memory_id] for memory in result.selected]

    want(memories, 0, 1, 2, 3, 4, 5)
    assert reasons(dry_run=True) == ("first", ["selected"] * 6)
    assert reasons() == ("first", ["selected"] * 6)
    assert reasons() == (None, ["held"] * 6)
    want(memories, 6, 0)
    assert reasons(dry_run=True) == (None, ["held"] * 6 + ["selected"])
    assert reasons() == (None, ["held"] * 6 + ["selected"])
    memories[2].text = "Something else."
    why, found = reasons()
    assert (why, found[:2], {*found[2:]}) == ("changed", ["held"] * 2, {"selected"})
    want(memories, 11, 10, 9, 8, 7, 0)
    why, found = reasons()
    assert (why, found) == (None, ["held"] * 7 + ["selected"])
    want(memories, 10, 9, 8, 7, 11, 0)
    why, found = reasons()
    assert (why, {*found}) == ("full", {"selected"})
    asked.restart()
    why, found = reasons()
    assert (why, {*found}) == ("first", {"selected"})


def test_what_is_worth_too_little_is_dropped_and_says_why() -> None:
    memories = [item(number) for number in range(30)]
    asked = session(rebuild_share=1.0)
    want(memories, *range(6))
    ask(asked, memories)
    want(memories, 0, *range(20, 25))
    result = ask(asked, memories, receipts=True)
    reasons = told(result, 30)
    assert (result.rebuilt, reasons["m0"], reasons["m1"]) == ("value", "selected", "over_ceiling")


def test_after_a_gap_what_does_not_fit_behind_the_rest_says_so() -> None:
    """What is behind a changed memory goes on as a new text would: up to its share of the ceiling."""
    memories = [item(number) for number in range(12)]
    asked = session(rebuild_share=0.0)
    want(memories, 0, 1, 2, 3, 4, 5)
    ask(asked, memories)
    memories[4].text += "!"
    want(memories, 6, 7, 8, 9, 10, 11)
    result = ask(asked, memories, receipts=True)
    reasons = told(result, 12)
    assert (result.rebuilt, [reasons[f"m{n}"] for n in range(4)]) == ("changed", ["held"] * 4)
    assert [reasons[f"m{n}"] for n in range(6, 12)] == ["selected"] * 2 + [NO_ROOM] * 4
    assert {reasons["m4"], reasons["m5"]} == {"over_ceiling"}


def test_what_a_new_text_drops_is_not_said_to_be_beyond_help() -> None:
    """A memory below the minimum stays where it is held; a higher ceiling would have kept it there."""
    config = workspace({"working": 300, "project": 0, "long_term": 0, "rag": 0}, minimum_score=0.4)
    config.max_prompt_tokens = 300
    items = [
        MemoryItem(f"m{n}", f"{n} ".ljust(60, "x"), "working", NOW, relevance_score=0.9, token_count=10)
        for n in range(6)
    ]
    for each in items[4:]:
        each.relevance_score = 0.1
    conversation = Conversation(config, rebuild_share=0.0, fill=1.0)
    assert conversation.ask(items) is not None
    items[0].relevance_score = 0.1
    going_on = conversation.ask(items, receipts=True)
    assert going_on is not None
    reasons = ["held", "held", "held", NO_ROOM, "below_minimum", "below_minimum"]
    assert told(going_on, 6) == {f"m{number}": reason for number, reason in enumerate(reasons)}
    items[5].relevance_score = 1.0
    result = conversation.ask(items, receipts=True)
    assert result is not None
    receipts = {receipt.memory_id: receipt for receipt in result.allocation.report()}
    assert result.rebuilt == "full"
    assert (receipts["m0"].reason, receipts["m0"].fits_at_known) == ("below_minimum", False)
    assert (receipts["m4"].reason, receipts["m4"].fits_at_known) == ("below_minimum", True)
    assert "no tier budget is known" in first_words(result, "m0")
    roomy = copy.copy(config)
    roomy.max_prompt_tokens = 400
    taken = conversation.replayed()(roomy)
    assert 0 in taken
    assert 4 not in taken


# What has to be asked for, and what asking does


def test_a_list_has_reasons_without_asking_and_budgets_with() -> None:
    asked, memories = begun()
    want(memories, 0, 11, 12, 13)
    quiet = ask(asked, memories, dry_run=True)
    loud = ask(asked, memories, receipts=True, dry_run=True)
    assert told(quiet, 30) == told(loud, 30)
    by_id = {receipt.memory_id: receipt for receipt in quiet.allocation.report()}
    assert not by_id["m12"].fits_at_known
    assert "does not fit behind what is kept" in quiet.allocation.explain("m12")
    assert "(a list needs receipts=True for that)" in quiet.allocation.explain("m12")
    dicts = loud.allocation.to_dict(receipts=True)["receipts"]
    assert {row["memory_id"]: row["held"] for row in dicts} == {
        name: receipt.held for name, receipt in by_id.items()
    }
    assert "receipts" not in loud.allocation.to_dict()


@pytest.mark.parametrize("door", ["pool", "columns"])
def test_other_doors_keep_receipts_where_they_are_asked_for(door: str) -> None:
    memories = [item(number) for number in range(3)]
    asked = session()
    with pytest.raises(ArgumentValueError, match="receipts=True"):
        ask(asked, DOORS[door](memories)).allocation.report()
    asked_of_all = session(receipts=True)
    ask(asked_of_all, DOORS[door](memories))
    assert set(told(ask(asked_of_all, DOORS[door](memories)), 3).values()) == {"held"}


def test_asking_changes_nothing() -> None:
    (asked, memories), (other, others) = begun(), begun()
    want(memories, 0, 11, 12, 13)
    want(others, 0, 11, 12, 13)
    with_receipts, without = ask(asked, memories, receipts=True), ask(other, others)
    assert with_receipts.render() == without.render()
    before = [memory.access_count for memory in memories]
    report = with_receipts.allocation.report()
    assert report == with_receipts.allocation.report()
    assert [memory.access_count for memory in memories] == before
    want(memories, 12, 13, 0)
    want(others, 12, 13, 0)
    assert (ask(asked, memories).render(), asked.rebuild_share) == (ask(other, others).render(), 0.0)
    # A receipt is of its call, whatever came after it.
    assert report == with_receipts.allocation.report()
    asked.restart()
    assert report == with_receipts.allocation.report()


def test_a_search_that_would_take_too_long_is_given_up() -> None:
    config = workspace({"working": 100, "project": 0, "long_term": 0, "rag": 0}, max_prompt_tokens=100)
    conversation = Conversation(config)
    long = MemoryItem("long", "x" * 200_000, "working", NOW, relevance_score=0.5, token_count=1)
    result = conversation.ask([long], receipts=True)
    assert result is not None
    (receipt,) = result.allocation.report()
    assert (receipt.reason, receipt.fits_at, receipt.fits_at_known) == ("over_ceiling", None, False)


def test_a_search_counts_a_text_once() -> None:
    counted: list[str] = []

    def noting(text: str) -> int:
        counted.append(text)
        return len(text)

    config = workspace({"working": 900, "project": 0, "long_term": 0, "rag": 0}, max_prompt_tokens=200)
    items = [
        MemoryItem(f"m{n}", f"{n} ".ljust(50, "x"), "working", NOW, relevance_score=0.5) for n in range(9)
    ]
    result = Conversation(config, tokenizer=noting).ask(items, receipts=True)
    assert result is not None
    counted.clear()
    assert "With max_prompt_tokens=" in result.allocation.explain("m8")
    # Once to see whether there is such a ceiling, and once to find it.
    assert max(Counter(counted).values()) <= 2


def test_a_diff_tells_what_one_call_added() -> None:
    memories = [item(number) for number in range(12)]
    asked = session()
    want(memories, 0, 1, 2)
    first = ask(asked, memories)
    want(memories, 11, 0, 1)
    second = ask(asked, memories)
    diff = first.allocation.diff(second.allocation)
    assert [entry.memory_id for entry in diff.added] == [it.memory_id for it in second.appended]
    assert (len(diff.kept), diff.dropped) == (len(first.selected), ())


# Who is who


@pytest.mark.parametrize("moves", [True, False], ids=["moved", "with holes"])
def test_rows_of_a_pool_may_move_between_calls(moves: bool) -> None:
    memories = [item(number) for number in range(12)]
    want(memories, 6, 7, 8, 9, 10, 11)
    pool = MemoryPool.from_items(memories)
    asked = session(rebuild_share=0.0)
    first = ask(asked, pool, receipts=True)
    assert set(told(first, 12).values()) == {"selected", "over_ceiling"}
    pool.remove("m0")
    pool.remove("m3")
    if moves:
        pool.compact()
    relevance = {"m6": 0.9, "m1": 0.8, "m2": 0.7, "m4": 0.6}
    result = ask(asked, pool, receipts=True, relevance=relevance)
    rows = range(10) if moves else [row for row in range(12) if row not in (0, 3)]
    reasons = told(result, 10, rows)
    assert [reasons[f"m{n}"] for n in range(6, 12)] == ["held"] * 6
    assert [reasons[name] for name in ("m1", "m2", "m4")] == ["selected", NO_ROOM, NO_ROOM]
    receipts = {receipt.memory_id: receipt for receipt in result.allocation.report()}
    assert [receipts[memory.memory_id].position for memory in pool] == list(rows)
    for name in ("m2", "m4"):
        needed = receipts[name].fits_at
        assert needed is not None
        for ceiling in (needed - 1, needed):
            again = session(ceiling, rebuild_share=0.0)
            # The text before it, whatever its ceiling: what was held alone counts.
            ask(again, [memories[n] for n in range(6, 12)], reserves={"system": ceiling - 120})
            tried = ask(again, pool, relevance=relevance)
            assert (name in ids(tried)) == (ceiling == needed)


def test_what_a_pool_leaves_out_was_no_candidate() -> None:
    memories = [item(number, user_id="ab"[number % 2]) for number in range(6)]
    pool = MemoryPool.from_items(memories)
    asked = session()
    ask(asked, pool, receipts=True)
    result = ask(asked, pool, receipts=True, user_id="a")
    assert result.rebuilt == "changed"
    reasons = told(result, 6)
    assert [reasons[f"m{n}"] for n in range(6)] == ["held", "filtered"] + ["selected", "filtered"] * 2
    assert "was no candidate" in result.allocation.explain("m1")


def test_several_of_one_id() -> None:
    memories = [item(number) for number in range(4)]
    twin = item(1)
    twin.text = "Another text of the same id."
    asked = session()
    ask(asked, [memories[0], memories[1]])
    result = ask(asked, [memories[0], memories[1], twin, memories[0]], receipts=True)
    receipts = list(result.allocation.report())
    check_split(result, receipts, range(4))
    assert sorted((it.memory_id, it.reason) for it in receipts) == [
        *(("m0", "held"), ("m0", "selected"), ("m1", "held"), ("m1", "selected"))
    ]
    assert result.allocation.explain("m1").count("\n") == 1
    with pytest.raises(UnknownMemoryError, match="no candidate has the id 'm9'"):
        result.allocation.explain("m9")


@pytest.mark.parametrize("door", list(DOORS))
def test_other_reasons_are_those_of_any_call(door: str) -> None:
    memories = [item(number) for number in range(9)]
    want(memories, 0, 1, 2, 3, 4, 5, 6, 7)
    memories[1].supersedes = "m2"
    memories[3].text = memories[0].text.upper()
    memories[8].relevance_score = -0.5
    asked = session(rebuild_share=0.0, ranking=Ranking(kind="evidence", relevance_gate=-0.1))
    ask(asked, DOORS[door](memories[4:6]))
    given = DOORS["list" if door == "generator" else door](memories)
    if door == "columns":
        given["supersedes"] = [memory.supersedes for memory in memories]
    result = ask(asked, given, receipts=True)
    receipts = {receipt.memory_id: receipt for receipt in result.allocation.report()}
    check_split(result, list(receipts.values()), range(9))
    assert (receipts["m2"].reason, receipts["m2"].instead) == ("superseded", "m1")
    assert (receipts["m3"].reason, receipts["m3"].instead) == ("duplicate", "m0")
    assert receipts["m8"].reason == "below_gate"
    assert (receipts["m4"].reason, receipts["m0"].reason) == ("held", "selected")


def test_oversized_memories_are_not_cut_and_say_so() -> None:
    config = workspace({"working": 50, "project": 0, "long_term": 0, "rag": 0}, oversized="truncate")
    config.max_prompt_tokens = 400
    items = [
        MemoryItem("small", "small", "working", NOW, relevance_score=0.5, token_count=20),
        MemoryItem("large", "A sentence. " * 6, "working", NOW, relevance_score=0.9, token_count=80),
    ]
    conversation = Conversation(config)
    for held in ("selected", "held"):
        result = conversation.ask(items, receipts=True)
        assert result is not None
        receipts = list(result.allocation.report())
        assert {it.memory_id: it.reason for it in receipts} == {"small": held, "large": "oversized"}
        assert next(it.fits_at for it in receipts if it.memory_id == "large") == 80
        check_budgets(conversation, result, receipts)
