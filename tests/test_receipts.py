"""Receipts say what happened, and a rerun does what they say it would."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memory_budget_allocator import (
    Allocation,
    ArgumentTypeError,
    ArgumentValueError,
    ConfigurationError,
    ConfigurationTypeError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    Ranking,
    Receipt,
    UnknownMemoryError,
    WorkspaceConfig,
)
from memory_budget_allocator.command_line import main
from memory_budget_allocator.receipt_sentences import sentence
from memory_budget_allocator.text_width import display_width
from reference import Memory

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
TIERS = ("working", "project", "long_term", "rag")


def config(budget: int, others: int = 60, **fields: Any) -> WorkspaceConfig:
    """Exactly that budget for retrieved memories and for working ones the other; a score is a relevance."""
    total = max(budget + others, 1)
    shares = (others / total, 0.0, 0.0, budget / total)
    weights = {"relevance_weight": 1.0, "importance_weight": 0.0, "freshness_weight": 0.0}
    return WorkspaceConfig("w", total, *shares, complexity_multipliers={}, **weights, **fields)


def item(number: int, tier: str, score: float, tokens: int, **fields: Any) -> MemoryItem:
    text = f"memory {number} " + "x" * tokens
    return MemoryItem(f"m{number}", text, tier, NOW, relevance_score=score, token_count=tokens, **fields)


def selected(allocation: Allocation) -> set[int]:
    return set(allocation.selected_positions)


memories = st.lists(
    st.tuples(st.sampled_from(["rag", "rag", "working"]), st.floats(0, 1), st.integers(0, 40)), max_size=14
).map(lambda drawn: [item(number, *each) for number, each in enumerate(drawn)])
shared = st.fixed_dictionaries(
    {},
    optional={
        "spill_over": st.booleans(),
        "spill_over_order": st.sampled_from(["score", "tier"]),
        "minimum_score": st.floats(0, 1),
        "tier_caps": st.fixed_dictionaries({"rag": st.integers(0, 120)}),
    },
)


@given(memories, st.integers(0, 80), shared)
@settings(deadline=None, max_examples=120)
def test_the_tier_budget_that_would_take_it_is_the_smallest(
    items: list[MemoryItem], budget: int, fields: dict[str, Any]
) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocation = allocator.what_if("q", items, config(budget, **fields), current_time=NOW)
    receipts = {receipt.position: receipt for receipt in allocation.report()}
    assert sorted(receipts) == list(range(len(items)))
    left_out = [
        receipt
        for receipt in receipts.values()
        if receipt.tier is MemoryTier.RAG and receipt.reason in {"over_tier_budget", "oversized"}
    ]
    assert all(receipt.fits_at_known for receipt in left_out)
    own = allocation.tiers[MemoryTier.RAG].own_budget
    top = max(own, sum(each.token_count for each in items))
    for tried in range(own, top + 1):
        taken = selected(allocator.what_if("q", items, config(tried, **fields), current_time=NOW))
        for receipt in left_out:
            if receipt.fits_at is None or tried < receipt.fits_at:
                assert receipt.position not in taken
            elif tried == receipt.fits_at:
                assert receipt.position in taken
                assert receipt.fits_at_budget == "tier_budget"


@given(memories, st.integers(0, 150), st.booleans())
@settings(deadline=None, max_examples=80)
def test_the_ceiling_that_would_take_it_is_the_smallest(
    items: list[MemoryItem], ceiling: int, spill_over: bool
) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    workspace = config(120, spill_over=spill_over)

    def run(ceiling: int | None, **options: Any) -> Allocation:
        return allocator.what_if(
            "q", items, workspace, current_time=NOW, max_prompt_tokens=ceiling, **options
        )

    report = run(ceiling, receipts=True).report()
    over = [receipt for receipt in report if receipt.reason == "over_ceiling"]
    free, taken = selected(run(None)), selected(run(ceiling))
    assert {receipt.position for receipt in over} == free - taken
    ample = selected(run(1_000_000))
    assert ample == free
    for receipt in over:
        assert (receipt.fits_at_budget == "max_prompt_tokens") == (receipt.position in ample)
    over = [receipt for receipt in over if receipt.fits_at is not None]
    highest = max([ceiling, *(receipt.fits_at or 0 for receipt in over)])
    for tried in range(ceiling, highest + 1):
        taken = selected(run(tried))
        for receipt in over:
            assert receipt.fits_at is not None
            if tried <= receipt.fits_at:
                assert (receipt.position in taken) == (tried == receipt.fits_at)


@given(
    st.lists(
        st.tuples(st.sampled_from(["rag", "rag", "working"]), st.floats(0, 1), st.integers(1, 12)), max_size=6
    ),
    st.integers(0, 40),
    st.integers(60, 220),
)
@example([("rag", 0.9, 10), ("rag", 0.8, 9)], 20, 220)
@settings(deadline=None, max_examples=60)
def test_under_a_ceiling_the_tier_budget_is_the_one_that_takes_it_whole(
    drawn: list[tuple[str, float, int]], budget: int, ceiling: int
) -> None:
    items = [
        MemoryItem(f"m{n}", "It rains again. " * sentences, tier, NOW, relevance_score=score)
        for n, (tier, score, sentences) in enumerate(drawn)
    ]
    allocator = MemoryBudgetAllocator(log_allocations=False)
    limits: dict[str, Any] = {"max_prompt_tokens": ceiling, "tokenizer": "o200k_base", "receipts": True}

    def run(budget: int) -> Allocation:
        workspace = config(budget, 20, oversized="truncate")
        return allocator.what_if("q", items, workspace, current_time=NOW, **limits)

    def whole(budget: int) -> set[int]:
        selected = (
            memory for tier in run(budget).to_dict()["tiers"].values() for memory in tier["selected_memories"]
        )
        return {int(memory["memory_id"][1:]) for memory in selected if "truncated" not in memory}

    left_out = [
        receipt
        for receipt in run(budget).report()
        if receipt.tier is MemoryTier.RAG
        and receipt.fits_at is not None
        and receipt.fits_at_budget == "tier_budget"
    ]
    for tried in range(budget, max([budget, *(receipt.fits_at or 0 for receipt in left_out)]) + 1):
        taken = whole(tried)
        for receipt in left_out:
            if tried <= (receipt.fits_at or 0):
                assert (receipt.position in taken) == (tried == receipt.fits_at)


def test_terms_are_the_score_to_the_bit() -> None:
    items = [
        MemoryItem("a", "text", "rag", NOW - timedelta(hours=7), relevance_score=0.7, importance_score=0.1),
        MemoryItem("b", "text", "rag", None, relevance_score=math.nan, importance_score=9.0),
        MemoryItem("c", "text", "rag", NOW, relevance_score=-3.0),
    ]
    allocation = MemoryBudgetAllocator().allocate("q", items, current_time=NOW)
    for receipt in allocation.report():
        memory = items[receipt.position]
        assert [term.component for term in receipt.terms] == ["relevance", "importance", "freshness"]
        assert [term.weight for term in receipt.terms] == [0.5, 0.3, 0.2]
        assert receipt.terms[2].value == memory.freshness_score
        assert receipt.score == memory.combined_score == min(1.0, max(0.0, receipt.unclamped))
    by_id = {receipt.memory_id: receipt for receipt in allocation.report()}
    assert by_id["b"].terms[0] == dataclasses.replace(by_id["b"].terms[0], value=0.0)
    assert "= 2.9, clamped to 1." in allocation.explain("b")
    assert "= -1.15, clamped to 0." in allocation.explain("c")


def test_every_reason_has_its_sentence() -> None:
    items = [
        item(0, "rag", 0.1, 5, pinned=True),
        item(1, "rag", 0.9, 50),
        item(2, "rag", 0.8, 500),
        item(3, "rag", 0.7, 60),
        item(4, "rag", 0.2, 1),
    ]
    allocator = MemoryBudgetAllocator(config(100, minimum_score=0.5))
    allocation = allocator.allocate("q", items, current_time=NOW)
    # A receipt is of the call: what happens to the memories afterwards is another matter.
    items[3].token_count = 7
    assert [receipt.reason for receipt in allocation.report()] == [
        "pinned",
        "selected",
        "oversized",
        "over_tier_budget",
        "below_minimum",
    ]
    assert [allocation.explain(f"m{number}").split(" Its score")[0] for number in range(5)] == [
        "'m0' was selected in the rag tier because it is pinned: 5 tokens.",
        "'m1' was selected in the rag tier, rank 2 of 5: 50 tokens.",
        "'m2' was left out of the rag tier, rank 3 of 5: it needs 500 tokens, more than the whole budget "
        "of 100. With a tier budget of 555 it would be selected.",
        "'m3' was left out of the rag tier, rank 4 of 5: it needs 60 tokens, and 45 of the budget of 100 "
        "were left when its turn came. With a tier budget of 115 it would be selected.",
        "'m4' was left out of the rag tier, rank 5 of 5: its score 0.2 is below the minimum score of 0.5. "
        "No budget "
        "would change that.",
    ]
    assert str(allocation.report()).splitlines()[3].split() == [
        *("rag", "3", "m2", "oversized", "0.8000", "500", "555")
    ]
    allocation = allocator.allocate("q", items, current_time=NOW, max_prompt_tokens=60)
    assert "the ceiling of 60 tokens leaves no room for it. No ceiling is known" in allocation.explain("m1")
    with_texts = allocator.what_if("q", items, current_time=NOW, max_prompt_tokens=60, receipts=True)
    assert "With max_prompt_tokens=" in with_texts.explain("m1")


def as_table(items: list[MemoryItem]) -> dict[str, Any]:
    return {
        "memory_id": [each.memory_id for each in items],
        "text": [each.text for each in items],
        "tier": [each.tier.value for each in items],
        "timestamp": [each.timestamp for each in items],
        "relevance_score": np.array([each.relevance_score for each in items], dtype=np.float64),
        "token_count": np.array([each.token_count for each in items], dtype=np.uint64),
        "pinned": np.array([each.pinned for each in items], dtype=bool),
        "evergreen": np.array([each.evergreen for each in items], dtype=bool),
    }


@given(memories, st.one_of(st.none(), st.integers(0, 150)), shared)
@settings(deadline=None, max_examples=120)
def test_every_door_gives_the_same_receipts(
    items: list[MemoryItem], ceiling: int | None, fields: dict[str, Any]
) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    for each in items:
        each.token_count = max(each.token_count, 1)  # 0 is a count not known yet
    if len(items) > 2:
        items[1].evergreen = True
    doors = [items, MemoryPool.from_items(items), *([as_table(items)] if items else [])]
    workspace = config(50, **fields)
    tables = [
        allocator.what_if(
            "q", door, workspace, current_time=NOW, max_prompt_tokens=ceiling, receipts=True
        ).to_dict(receipts=True)["receipts"]
        for door in doors
    ]
    assert all(table == tables[0] for table in tables)
    json.dumps(tables[0], allow_nan=False)


def test_what_a_pool_leaves_out_was_no_candidate() -> None:
    items = [
        item(0, "rag", 0.9, 5, user_id="a"),
        item(1, "rag", 0.8, 5, user_id="b"),
        item(2, "working", 1, 5),
    ]
    pool = MemoryPool.from_items([*items, item(3, "rag", 0.5, 5, user_id="a")])
    pool.remove("m3")
    allocator = MemoryBudgetAllocator(config(100))
    asked = allocator.allocate("q", pool, user_id="a", tiers=["rag"], receipts=True, current_time=NOW)
    assert [(row.memory_id, row.reason, row.rank) for row in asked.report()] == [
        ("m0", "selected", 1),
        ("m2", "filtered", None),
        ("m1", "filtered", None),
    ]
    assert "was no candidate" in asked.explain("m2")
    few = allocator.allocate(
        "q", pool, relevance={"m2": 0.5}, missing_relevance="exclude", receipts=True, current_time=NOW
    )
    assert [row.reason for row in few.report()] == ["selected", "filtered", "filtered"]


def test_a_pool_and_columns_keep_receipts_where_they_are_asked_for() -> None:
    items = [item(0, "rag", 0.9, 5)]
    allocator = MemoryBudgetAllocator()
    for door, name in ((MemoryPool.from_items(items), "a pool"), (as_table(items), "columns")):
        allocation = allocator.allocate("q", door)
        for ask in (allocation.report, lambda: allocation.explain("m0"), lambda: allocation.to_dict(True)):  # noqa: B023
            with pytest.raises(ArgumentValueError, match=f"{name} .*receipts=True"):
                ask()
    # What the caller does to a buffer afterwards changes nothing.
    table = as_table([*items, item(1, "rag", 0.5, 7)])
    allocation = allocator.allocate("q", table, receipts=True)
    before = allocation.to_dict(receipts=True)
    table["relevance_score"][:] = 0
    table["token_count"][:] = 999_999
    assert allocation.to_dict(receipts=True) == before
    nameless = allocator.allocate("q", {"relevance_score": [0.5], "token_count": [3]}, receipts=True)
    assert nameless.explain("0").startswith("'0' was selected in the working tier")


def test_several_of_one_id_and_none() -> None:
    same = item(1, "rag", 0.5, 5)
    allocation = MemoryBudgetAllocator().allocate("q", [same, same, item(2, "working", 0.1, 5)])
    assert allocation.explain("m1").count("was selected in the rag tier") == 2
    with pytest.raises(UnknownMemoryError, match=r"no candidate has the id 'm3'; near ones are 'm[12]'"):
        allocation.explain("m3")
    with pytest.raises(UnknownMemoryError, match="none of the 3 ids is near it"):
        allocation.explain("something else entirely")
    with pytest.raises(UnknownMemoryError, match="no candidate has the id 'x'; the only id is 'm1'"):
        MemoryBudgetAllocator().allocate("q", [same]).explain("x")
    with pytest.raises(UnknownMemoryError, match="there is none"):
        MemoryBudgetAllocator().allocate("q", []).explain("m")
    with pytest.raises(ArgumentTypeError, match="memory_id must be a str"):
        allocation.explain(1)  # type: ignore[arg-type]


def test_tables_escape_what_ids_hold() -> None:
    memory = MemoryItem("<b>\n\ud800", "text", "rag", NOW)
    report = MemoryBudgetAllocator().allocate("q", [memory]).report()
    assert "&lt;b&gt;\\n\\ud800" in report._repr_html_()
    assert len(str(report).splitlines()) == 2
    assert repr(report) == "<AllocationReport selected=1/1>"
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.rows[0].tokens = 5  # type: ignore[misc]


def test_a_report_looks_for_the_budgets_of_a_hundred() -> None:
    items = [item(number, "rag", 1 - number / 1000, 10) for number in range(150)]
    allocation = MemoryBudgetAllocator(config(100)).allocate("q", items)
    rows = [receipt for receipt in allocation.report() if receipt.decision == "left_out"]
    assert [receipt.fits_at for receipt in rows[:100]] == [110 + 10 * number for number in range(100)]
    assert not any(receipt.fits_at_known for receipt in rows[100:])
    assert "With a tier budget of 1500 it would be selected." in allocation.explain("m149")


def state(items: list[Any]) -> list[tuple[Any, ...]]:
    names = ("token_count", "access_count", "last_accessed", "freshness_score", "combined_score")
    return [tuple(getattr(each, name) for name in names) for each in items]


@pytest.mark.parametrize("own", [True, False])
def test_a_dry_run_gives_the_result_and_does_nothing(own: bool, caplog: pytest.LogCaptureFixture) -> None:
    kind: Any = MemoryItem if own else Memory
    items = [
        kind(memory_id=f"m{number}", text="a text " * number, tier=TIERS[number % 4], timestamp=NOW)
        for number in range(8)
    ]
    items.append(items[3])
    allocator = MemoryBudgetAllocator()
    before = state(items)
    with caplog.at_level(logging.DEBUG, "memory_budget_allocator"):
        dry = allocator.allocate("q", items, current_time=NOW, dry_run=True)
    assert dry.dry_run
    assert not caplog.records
    assert state(items) == before
    assert not allocator.allocation_history
    assert allocator.get_allocation_statistics()["total_allocations"] == 0
    real = allocator.allocate("q", items, current_time=NOW, dry_run=False)
    assert not real.dry_run
    assert {**real.to_dict(), "processing_time_ms": 0} == {**dry.to_dict(), "processing_time_ms": 0}
    assert len(allocator.allocation_history) == 1


def test_a_dry_run_over_a_pool_and_columns() -> None:
    items = [item(number, "rag", 0.5, 5) for number in range(4)]
    pool = MemoryPool.from_items(items)
    allocator = MemoryBudgetAllocator()
    for door in (pool, pool.snapshot(), as_table(items)):
        dry = allocator.what_if("q", door, current_time=NOW).to_dict()
        assert pool["m0"].access_count == 0
        assert pool["m0"].last_accessed is None
        again = allocator.what_if("q", door, current_time=NOW).to_dict()
        assert {**dry, "processing_time_ms": 0} == {**again, "processing_time_ms": 0}
        assert dry["tiers"]["rag"]["selected_memories"][0]["access_count"] == 1
    assert not allocator.allocation_history


def test_what_if_takes_other_budgets_workspaces_and_times() -> None:
    items = [item(number, "rag", 1 - number / 10, 10) for number in range(9)]
    allocator = MemoryBudgetAllocator(config(30, others=0))
    allocator.register_workspace(dataclasses.replace(config(50, others=0), workspace_id="roomy"))
    first = allocator.allocate("q", items, current_time=NOW)
    assert len(allocator.what_if("q", items, max_total_tokens=70)) == 7
    assert len(allocator.what_if("q", items, "roomy")) == 5
    other = allocator.what_if("q", items, config(20, others=0))
    assert (len(other), other.workspace_id, other.config_scope) == (2, "w", "workspace")
    later = allocator.what_if("q", items, "research", current_time=NOW + timedelta(days=300))
    assert later.to_dict()["timestamp"].startswith("2027-01-08")
    assert allocator.workspace_configs["default"].max_total_tokens == 30
    assert len(allocator.what_if("q", items, max_total_tokens=70, max_prompt_tokens=0, dry_run=False)) == 0
    assert len(allocator.allocation_history) == 1
    diff = first.diff(other)
    assert [entry.memory_id for entry in diff.dropped] == ["m2"]
    assert ([entry.memory_id for entry in diff.kept], diff.added) == (["m0", "m1"], ())
    assert (diff.added_tokens, diff.dropped_tokens, diff.kept_tokens) == (0, 10, 20)
    assert repr(diff) == (
        "<AllocationDiff added=0 (+0 tokens) dropped=1 (-10 tokens) kept=2 (20 tokens)>\n"
        "  - 'm2' (rag, 10 tokens)"
    )
    assert [entry.memory_id for entry in other.diff(first).added] == ["m2"]


def test_bad_input_is_refused() -> None:
    allocator = MemoryBudgetAllocator()
    with pytest.raises(ConfigurationTypeError, match="workspace must be a WorkspaceConfig"):
        allocator.what_if("q", [], 5)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="max_total_tokens"):
        allocator.what_if("q", [], max_total_tokens=-1)
    with pytest.raises(ArgumentTypeError, match="other must be an Allocation, got 5"):
        allocator.allocate("q", []).diff(5)  # type: ignore[arg-type]
    for name in ("receipts", "dry_run"):
        with pytest.raises(ArgumentTypeError, match=f"{name} must be a bool, got 'yes'"):
            allocator.allocate("q", [], **{name: "yes"})
    assert issubclass(UnknownMemoryError, KeyError)


def test_the_command_line_explains(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "memories.jsonl"
    rows = [{"memory_id": f"m{n}", "text": "x" * 4000, "tier": "rag", "token_count": 900} for n in range(3)]
    path.write_text("\n".join(map(json.dumps, rows)))
    command = ["allocate", str(path), "--query", "q"]
    assert main([*command, "--explain", "m1", "--explain", "m0"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("'m1' was left out of the rag tier, rank 2 of 3: it needs 900 tokens, and 124 of")
    assert second.startswith("'m0' was selected")
    assert main([*command, "--report"]) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["MEMORY", "m0", "m1", "m2"]
    assert main([*command, "--json", "--report"]) == 0
    assert [row["fits_at"] for row in json.loads(capsys.readouterr().out)["receipts"]] == [None, 1800, 2700]
    assert main([*command, "--explain", "m7"]) == 1
    assert "no candidate has the id 'm7'" in capsys.readouterr().err


def test_a_receipt_is_a_value() -> None:
    allocation = MemoryBudgetAllocator().allocate("q", [item(0, "rag", 0.5, 5)])
    (receipt,) = allocation.report()
    assert receipt == next(iter(allocation.report()))
    assert isinstance(receipt, Receipt)
    assert hash(receipt) == hash(dataclasses.replace(receipt))


def test_receipts_count_as_the_call_does() -> None:
    items = [MemoryItem(f"m{n}", "some words of text " * (n + 1), "rag", NOW) for n in range(4)]
    allocator = MemoryBudgetAllocator(config(20))
    rows = [
        allocator.what_if("q", door, tokenizer="o200k_base", receipts=True, current_time=NOW).to_dict(
            receipts=True
        )["receipts"]
        for door in (items, MemoryPool.from_items(items))
    ]
    assert rows[0] == rows[1]
    assert [row["token_count"] for row in rows[0]] == [5, 9, 13, 17]


def test_the_dict_of_a_call_that_asks_for_receipts_has_them() -> None:
    items = [item(0, "rag", 0.9, 5)]
    allocator = MemoryBudgetAllocator(log_allocations=False)
    with_receipts = allocator.allocate_memory_budget("q", items, current_time=NOW, receipts=True)
    assert [receipt["reason"] for receipt in with_receipts["receipts"]] == ["selected"]
    assert "receipts" not in allocator.allocate_memory_budget("q", items, current_time=NOW)


def test_a_cut_memory_says_so() -> None:
    texts = ["One sentence of it. " * 20, "Another text altogether. " * 20]
    items = [MemoryItem(f"m{n}", text, "rag", NOW, relevance_score=0.9 - n) for n, text in enumerate(texts)]
    allocator = MemoryBudgetAllocator(config(30, oversized="truncate"), log_allocations=False)
    for door, is_cut in (
        (items, True),
        (MemoryPool.from_items(items), True),
        ([item(0, "rag", 0, 1)], False),
    ):
        allocation = allocator.what_if("q", door, tokenizer="o200k_base", receipts=True)
        first = next(iter(allocation.report()))
        selected = allocation.to_dict()["tiers"]["rag"]["selected_memories"][0]
        assert first.truncated == selected.get("truncated", False) == is_cut
        assert first.tokens == selected["token_count"]
        if first.truncated:
            assert first.whole_tokens > 30
            assert f": cut to {first.tokens} of its {first.whole_tokens} tokens." in allocation.explain("m0")
            assert "selected (cut)" in str(allocation.report())
        else:
            assert first.whole_tokens == first.tokens
        (told, *_) = allocation.to_dict(receipts=True)["receipts"]
        assert (told["truncated"], told["whole_token_count"]) == (first.truncated, first.whole_tokens)


@pytest.mark.parametrize(("others", "reason"), [(0, "over_ceiling"), (50, "oversized"), (46, "oversized")])
def test_an_oversized_memory_is_over_the_ceiling_if_it_would_be_cut_without(others: int, reason: str) -> None:
    """Its tier has 50 tokens; where others leave it less than a mark and a character, it is cut nowhere."""
    items = [MemoryItem("large", "x" * 500, "rag", NOW, relevance_score=0.1)]
    if others:
        items.append(MemoryItem("other", "y" * others, "rag", NOW, relevance_score=0.9))
    allocator = MemoryBudgetAllocator(config(50, oversized="truncate"), log_allocations=False)

    def decided(**options: Any) -> dict[str, str]:
        allocation = allocator.what_if("q", items, tokenizer=len, receipts=True, **options)
        return {receipt.memory_id: receipt.reason for receipt in allocation.report()}

    free = decided()["large"]
    assert free == ("selected" if reason == "over_ceiling" else reason)
    assert decided(max_prompt_tokens=10)["large"] == reason


def test_what_a_minimum_or_a_gate_leaves_out_is_told_with_its_numbers() -> None:
    items = [item(0, "rag", 0.31, 5), item(1, "rag", 0.1, 5), item(2, "rag", math.nan, 5)]
    allocator = MemoryBudgetAllocator(log_allocations=False)

    def told(memory_id: str, **options: Any) -> str:
        workspace = config(100, minimum_score=options.pop("minimum_score", 0.0))
        return allocator.what_if("q", items, workspace, current_time=NOW, **options).explain(memory_id)

    assert "its score 0.31 is below the minimum score of 0.4." in told("m0", minimum_score=0.4)
    gate = Ranking(relevance_gate=0.2)
    assert "its relevance 0.1 is below the gate of 0.2." in told("m1", ranking=gate)
    assert "its relevance 0 is below the gate of 0.2." in told("m2", ranking=gate)
    least = Ranking(minimum_score=0.4)
    assert "its score 0.31 is below the ranking's minimum of 0.4." in told("m0", ranking=least)
    documented = told("m1", ranking="evidence", minimum_score=0.4)
    assert "its documented score 0.1 is below the minimum score of 0.4." in documented
    close = told("m0", minimum_score=0.310001)
    assert "its score 0.31 is below the minimum score of 0.310001." in close


def test_spill_over_names_the_own_budget_of_the_tier() -> None:
    items = [item(0, "rag", 0.9, 90), item(1, "rag", 0.8, 50), item(2, "rag", 0.7, 20)]
    allocator = MemoryBudgetAllocator(config(25, others=75, spill_over=True))
    allocation = allocator.allocate("q", items, current_time=NOW)
    left_out = [receipt for receipt in allocation.report().rows if receipt.decision == "left_out"]
    assert len(left_out) == 1
    text = allocation.explain(left_out[0].memory_id)
    assert "its tier's own budget of 25, and what others left was not enough." in text


def test_a_cap_that_stops_spill_over_is_told() -> None:
    def told(*costs: int, **options: Any) -> str:
        """What is told of the last of those memories: 25 tokens of its own, 75 of others', a cap of 60."""
        items = [item(at, "rag", 0.9 - at / 10, tokens) for at, tokens in enumerate(costs)]
        allocator = MemoryBudgetAllocator(config(25, others=75, spill_over=True, tier_caps={"rag": 60}))
        return allocator.allocate("q", items, current_time=NOW, **options).explain(items[-1].memory_id)

    oversized = "more than its tier's own budget of 25, and"
    assert f"needs 61 tokens, {oversized} its tier's cap is 60." in told(61)
    assert f"needs 30 tokens, {oversized} its tier's cap of 60 left no room for it." in told(50, 30)
    left = "more than was left of its tier's own budget of 25, and its tier's cap of 60 left no room for it."
    assert f"needs 20 tokens, {left}" in told(24, 22, 20)
    both = f"needs 55 tokens, {oversized} what others left, up to its tier's cap of 60, was not enough."
    assert both in told(50, 55)
    assert "up to its tier's cap of 60, was not enough." in told(40, 30, max_prompt_tokens=99)
    items = [item(0, "working", 0.9, 75), item(1, "rag", 0.8, 30)]
    allocator = MemoryBudgetAllocator(config(25, others=75, spill_over=True, tier_caps={"rag": 60}))
    text = allocator.allocate("q", items, current_time=NOW).explain("m1")
    assert f"needs 30 tokens, {oversized} what others left was not enough." in text


@settings(max_examples=300)
@given(
    memories, st.integers(0, 80), st.sampled_from(["score", "tier"]), st.sampled_from(["skip", "truncate"])
)
def test_what_stopped_spill_over_is_what_is_told(
    items: list[MemoryItem], cap: int, order: Any, oversized: Any
) -> None:
    own = {"rag": min(25, cap), "working": 75}
    limits: dict[str, Any] = {"spill_over": True, "spill_over_order": order, "oversized": oversized}
    allocator = MemoryBudgetAllocator(config(25, others=75, tier_caps={"rag": cap}, **limits))
    allocation = allocator.allocate("q", items, current_time=NOW)
    caps = {"rag": cap, "working": 100}
    used = dict.fromkeys(own, 0)
    by_score = sorted(range(len(items)), key=lambda at: -items[at].combined_score)
    out: list[int] = []
    for at in by_score:
        tier, tokens = items[at].tier.value, items[at].token_count
        if used[tier] + tokens <= own[tier]:
            used[tier] += tokens
        else:
            out.append(at)
    if order == "tier":
        out.sort(key=lambda at: TIERS.index(items[at].tier.value))
    for at in out:
        tier, tokens = items[at].tier.value, items[at].token_count
        by_cap = used[tier] + tokens > caps[tier]
        by_rest = sum(used.values()) + tokens > sum(own.values())
        if not by_cap and not by_rest:
            used[tier] += tokens
            continue
        receipt = next(each for each in allocation.report() if each.position == at)
        if receipt.truncated:
            continue
        text = allocation.explain(items[at].memory_id)
        claims_cap = "left no room for it" in text or "tier's cap is" in text
        claims_rest = "what others left was not enough" in text
        claims_both = "up to its tier's cap" in text
        assert [claims_cap, claims_rest, claims_both].count(True) == 1
        assert by_cap or not claims_cap
        assert by_rest or not claims_rest


def test_a_term_without_weight_is_not_told() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    alone = allocator.what_if("q", [item(0, "rag", 0.4, 5)], ranking="evidence", current_time=NOW)
    assert "0 x " not in alone.explain("m0")
    nothing = Ranking(kind="evidence", importance_weight=0.0, smoothing=0.0)
    unweighted = allocator.what_if("q", [item(0, "rag", 0.4, 5)], ranking=nothing, current_time=NOW)
    assert "Its score is 0: nothing about it has a weight." in unweighted.explain("m0")


def test_receipts_of_a_dict_are_a_flag() -> None:
    allocation = MemoryBudgetAllocator().allocate("q", [])
    with pytest.raises(ArgumentTypeError, match="receipts must be a bool, got 1"):
        allocation.to_dict(receipts=1)  # type: ignore[arg-type]
    assert "receipts" not in allocation.to_dict(False)
    assert allocation.to_dict(True)["receipts"] == []


def test_infinities_are_told_as_they_were_given() -> None:
    items = [item(0, "rag", math.inf, 5), item(1, "rag", math.nan, 5), item(2, "rag", -math.inf, 5)]
    allocation = MemoryBudgetAllocator().allocate("q", items, current_time=NOW)
    told = [allocation.explain(each.memory_id) for each in items]
    assert "relevance 0 (given inf)" in told[0]
    assert "relevance 0 (not known)" in told[1]
    assert "relevance 0 (given -inf)" in told[2]
    given = {receipt.memory_id: receipt.terms[0].given for receipt in allocation.report()}
    assert given == {"m0": math.inf, "m1": None, "m2": -math.inf}
    json.dumps(allocation.to_dict(receipts=True), allow_nan=False)


def test_what_if_refuses_a_project_of_a_configuration() -> None:
    with pytest.raises(ArgumentValueError, match=r"project_id goes with the id of a workspace.*'x'"):
        MemoryBudgetAllocator().what_if("q", [], config(5), project_id="x")


def test_ids_are_those_of_the_call() -> None:
    for receipts in (False, True):
        items = [item(0, "rag", 0.9, 50), item(1, "rag", 0.8, 90)]
        allocation = MemoryBudgetAllocator(config(100)).allocate("q", items, receipts=receipts)
        for each in items:
            each.memory_id = f"renamed {each.memory_id}"
        assert "was selected" in allocation.explain("m0")
        assert "was left out" in allocation.explain("m1" if receipts else "renamed m1")
        with pytest.raises(UnknownMemoryError):
            allocation.explain("renamed m0")


def test_a_search_for_a_ceiling_says_why_it_found_none() -> None:
    items = [item(0, "rag", 0.9, 50), item(1, "working", 0.8, 50)]
    allocator = MemoryBudgetAllocator(config(60, others=60), log_allocations=False)
    ceiled = allocator.what_if("q", items, current_time=NOW, max_prompt_tokens=10)
    assert "(a list needs receipts=True for that)" in ceiled.explain("m0")
    asked = allocator.what_if("q", items, current_time=NOW, max_prompt_tokens=10, receipts=True)
    receipt = dataclasses.replace(next(iter(asked.report())), fits_at=None, fits_at_known=False)
    assert "selected: the search was given up." in sentence(asked, receipt)


def test_tables_are_aligned_whatever_ids_hold(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ["移行は三月末まで", "plain", "long " * 60]
    items = [MemoryItem(each, "text", "rag", NOW, token_count=5) for each in ids]
    report = str(MemoryBudgetAllocator().allocate("q", items, current_time=NOW).report())
    starts = {display_width(line[: line.index("selected")]) for line in report.splitlines()[1:]}
    assert len(starts) == 1
    path = tmp_path / "memories.jsonl"
    rows = [{"memory_id": each, "text": "text", "tier": "rag", "token_count": 5} for each in ids]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert main(["allocate", str(path), "--query", "q", "--report"]) == 0
    assert all(display_width(line) <= 80 for line in capsys.readouterr().out.splitlines())


def test_the_command_line_tells_the_reasons_of_receipts(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "memories.jsonl"
    rows = [{"memory_id": f"m{n}", "text": "x" * 40, "tier": "rag", "token_count": 10} for n in range(3)]
    path.write_text("\n".join(map(json.dumps, rows)))
    command = ["allocate", str(path), "--query", "How?", "--max-prompt-tokens", "30"]
    assert main(command) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "passed over" not in out
    assert out.count("and the ceiling of 30 tokens leaves no room for it") == 3
    assert main([*command, "--json", "--explain", "m1"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [receipt["memory_id"] for receipt in result["receipts"]] == ["m1"]
    assert result["explanations"]["m1"][0].startswith("'m1' was left out")
    assert main([*command, "--explain", "m1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line == result["explanations"]["m1"][0]
    monkeypatch.setattr("memory_budget_allocator.command_line.allocate.is_terminal", lambda: True)
    assert main([*command, "--explain", "m1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(each) <= 80 for each in lines)
    assert " ".join(lines) == line


def test_a_call_that_its_floors_forbid_without_the_ceiling_has_receipts() -> None:
    # Under the ceiling the floor is 40 tokens; without it, 200, above the cap.
    limits: dict[str, Any] = {"tier_floors": {"rag": 0.2}, "tier_caps": {"rag": 60}}
    workspace = WorkspaceConfig("default", 1000, complexity_multipliers={}, **limits)
    allocator = MemoryBudgetAllocator(workspace, log_allocations=False)
    items = [item(at, "rag", 0.9 - at / 10, 30) for at in range(4)]
    options: dict[str, Any] = {"max_prompt_tokens": 200, "current_time": NOW, "receipts": True}
    allocation = allocator.allocate("q", items, **options)
    reasons = [receipt.reason for receipt in allocation.report().rows]
    assert len(reasons) == 4
    assert set(reasons) == {"selected", "over_tier_budget"}
    assert allocation.explain("m3").startswith("'m3' was left out of the rag tier")
    assert len(allocation.to_dict(receipts=True)["receipts"]) == 4
