"""Receipts of other rankings than the formula: the terms, the reasons, and what reruns say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_ranking as reference
from memory_budget_allocator import (
    Allocation,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    Ranking,
    Receipt,
    WorkspaceConfig,
)
from memory_budget_allocator.command_line import main
from strategies import NOW
from test_ranking_doors import QUERY, columns_of, meant_by, memory_lists
from test_receipts import config, selected

kinds = st.sampled_from(["weighted", "evidence"])
by_key = st.one_of(
    st.just(Ranking(kind="evidence")),
    st.builds(
        Ranking,
        kind=kinds,
        normalisation=st.sampled_from([None, "none", "z", "min_max", "rank"]),
        lexical_weight=st.sampled_from([None, 0.0, 1.0]),
        freshness_weight=st.sampled_from([None, 0.4]),
        smoothing=st.sampled_from([None, 0.0, 0.5]),
        cost_exponent=st.sampled_from([None, 0.0, 0.7]),
        supersession=st.sampled_from([None, True, False]),
        exact_duplicates=st.sampled_from([None, True, False]),
        near_duplicates=st.sampled_from([None, None, 6]),
        relevance_gate=st.sampled_from([None, 0.3]),
        minimum_score=st.sampled_from([None, None, 0.2]),
    ),
)
chosen = st.builds(
    Ranking,
    kind=kinds,
    packer=st.sampled_from([None, "knapsack"]),
    diversity=st.sampled_from([0.3, 0.7]),
    exact_duplicates=st.sampled_from([None, True]),
)
shared = st.fixed_dictionaries(
    {},
    optional={
        "spill_over": st.booleans(),
        "spill_over_order": st.sampled_from(["score", "tier"]),
        "minimum_score": st.floats(0, 0.5),
        "tier_caps": st.fixed_dictionaries({"rag": st.integers(0, 200)}),
    },
)
allocator = MemoryBudgetAllocator(log_allocations=False)


def run(items: Any, workspace: WorkspaceConfig, ranking: Ranking | str, **options: Any) -> Allocation:
    return allocator.what_if(QUERY, items, workspace, ranking=ranking, current_time=NOW, **options)


@settings(deadline=None, max_examples=150)
@given(memory_lists(), st.one_of(by_key, chosen), st.integers(0, 300), shared, st.integers(0, 3))
def test_the_terms_are_those_of_the_reference(
    items: list[MemoryItem], ranking: Ranking, budget: int, fields: dict[str, Any], unknown: int
) -> None:
    for item in items[:unknown]:
        item.relevance_score = float("nan")
    workspace = config(budget, **fields)
    candidates, meant = meant_by(items, ranking)
    meant.weights = (1.0, *meant.weights[1:]) if ranking.kind == "evidence" else (1.0, 0.0, 0.0)
    if ranking.kind == "weighted" and ranking.freshness_weight is not None:
        meant.weights = (1.0, 0.0, ranking.freshness_weight)
    rated = reference.rank(QUERY, candidates, meant, allocator_now())
    relevance = [candidate.relevance for candidate in candidates]
    if ranking.kind == "weighted":
        relevance = [reference.finite(value) for value in relevance]
    relevance = reference.normalised(relevance, meant.normalisation)
    matches = reference.bm25(QUERY, [candidate.text for candidate in candidates])
    words = reference.normalised(matches, meant.normalisation)
    for receipt in run(items, workspace, ranking).report():
        row = receipt.position
        assert (receipt.score, receipt.key) == (rated.scores[row], rated.keys[row])
        assert receipt.unclamped == pytest.approx(receipt.score, rel=1e-7, abs=1e-7)
        terms = {term.component: term for term in receipt.terms}
        assert terms["relevance"].value == relevance[row]
        if meant.lexical_weight:
            assert terms["bm25"].value == words[row]
            assert terms["bm25"].given == matches[row]
            ratio = terms["relevance"].weight * meant.lexical_weight
            assert terms["bm25"].weight == pytest.approx(ratio)
        if meant.weights[2]:
            assert terms["freshness"].value == reference.freshness(candidates[row], meant, allocator_now())
        assert ("neighbours" in terms) == (meant.smoothing > 0)
        assert (receipt.cost is None) == (meant.cost_exponent == 0)


def allocator_now() -> int:
    return int(NOW.timestamp()) * 1_000_000 + NOW.microsecond


def searched(allocation: Allocation) -> list[Receipt]:
    reasons = {"over_tier_budget", "oversized", "duplicate"}
    return [it for it in allocation.report() if it.tier is MemoryTier.RAG and it.reason in reasons]


def check_tier_budgets(
    items: list[MemoryItem], ranking: Ranking, budget: int, fields: dict[str, Any]
) -> None:
    allocation = run(items, config(budget, **fields), ranking)
    left_out = searched(allocation)
    assert all(receipt.fits_at_known for receipt in left_out)
    own = allocation.tiers[MemoryTier.RAG].own_budget
    for tried in range(own, max(own, sum(each.token_count for each in items)) + 1):
        taken = selected(run(items, config(tried, **fields), ranking))
        for receipt in left_out:
            if receipt.fits_at is None or tried < receipt.fits_at:
                assert receipt.position not in taken
            elif tried == receipt.fits_at:
                assert receipt.position in taken


few = memory_lists().map(lambda items: items[:9])


@settings(deadline=None, max_examples=60)
@given(few, by_key, st.integers(0, 90), shared)
def test_the_tier_budget_that_would_take_it_is_the_smallest(
    items: list[MemoryItem], ranking: Ranking, budget: int, fields: dict[str, Any]
) -> None:
    check_tier_budgets(items, ranking, budget, fields)


@settings(deadline=None, max_examples=30)
@given(few, chosen, st.integers(0, 90), shared)
def test_so_it_is_where_a_packer_chooses(
    items: list[MemoryItem], ranking: Ranking, budget: int, fields: dict[str, Any]
) -> None:
    check_tier_budgets(items, ranking, budget, fields)


@settings(deadline=None, max_examples=40)
@given(few, st.one_of(by_key, chosen), st.integers(0, 150), st.booleans())
def test_the_ceiling_that_would_take_it_is_the_smallest(
    items: list[MemoryItem], ranking: Ranking, ceiling: int, spill_over: bool
) -> None:
    workspace = config(120, spill_over=spill_over)

    def taken(ceiling: int | None) -> set[int]:
        return selected(run(items, workspace, ranking, max_prompt_tokens=ceiling))

    report = run(items, workspace, ranking, max_prompt_tokens=ceiling, receipts=True).report()
    over = [receipt for receipt in report if receipt.reason == "over_ceiling"]
    assert {receipt.position for receipt in over} == taken(None) - taken(ceiling)
    for receipt in over:
        assert receipt.fits_at is not None
    for tried in range(ceiling, max([ceiling, *(receipt.fits_at or 0 for receipt in over)]) + 1):
        now_taken = taken(tried)
        for receipt in over:
            if tried <= (receipt.fits_at or 0):
                assert (receipt.position in now_taken) == (tried == receipt.fits_at)


@settings(deadline=None, max_examples=60)
@given(few, st.one_of(by_key, chosen), st.one_of(st.none(), st.integers(0, 150)), shared)
def test_every_door_gives_the_same_receipts(
    items: list[MemoryItem], ranking: Ranking, ceiling: int | None, fields: dict[str, Any]
) -> None:
    doors: list[Any] = [items, MemoryPool.from_items(items), *([columns_of(items)] if items else [])]
    options: dict[str, Any] = {"max_prompt_tokens": ceiling, "receipts": True}
    found = [
        run(door, config(50, **fields), ranking, **options).to_dict(receipts=True)["receipts"]
        for door in doors
    ]
    assert all(receipts == found[0] for receipts in found)
    json.dumps(found[0], allow_nan=False)


def test_a_mapping_that_leaves_ids_out_leaves_their_relevance_unknown() -> None:
    items = [memory(f"m{row}", "words", 10, 0.5) for row in range(3)]
    pool = MemoryPool.from_items([*items, memory("other", "words", 10, 0.5, tier="working")])
    allocation = allocator.allocate(
        "q", pool, ranking="evidence", relevance={"m0": 0.9, "m1": 0.1}, tiers=["rag"], receipts=True
    )
    by_id = {receipt.memory_id: receipt for receipt in allocation.report()}
    assert [by_id[f"m{row}"].terms[0].value for row in range(3)] == [1.0, -1.0, 0.0]
    assert [by_id[f"m{row}"].terms[0].given for row in range(3)] == [0.9, 0.1, None]
    assert "x relevance 0 (not known)" in allocation.explain("m2")
    assert by_id["other"].reason == "filtered"
    assert [term.component for term in by_id["other"].terms] == ["relevance", "importance", "freshness"]


def memory(memory_id: str, text: str, tokens: int, relevance: float, **fields: Any) -> MemoryItem:
    fields = {"tier": "rag", "token_count": tokens, "relevance_score": relevance, **fields}
    return MemoryItem(memory_id, text, timestamp=NOW - timedelta(hours=5), **fields)


def test_every_reason_has_its_sentence() -> None:
    items = [
        memory("new", "Ship on Monday.", 40, 0.9, supersedes="old"),
        memory("old", "Ship on Friday.", 40, 0.8),
        memory("twin", "ship on MONDAY", 40, 0.7),
        memory("off", "Lunch.", 40, 0.05),
        memory("dull", "Weather.", 40, 0.2, importance_score=0.0),
        memory("long", "A plan of many pages.", 100, 0.6),
    ]
    ranking = Ranking(kind="evidence", relevance_gate=0.1, minimum_score=-0.5, smoothing=0.0)
    allocation = run(items, config(120), ranking)
    assert [(receipt.memory_id, receipt.reason, receipt.instead) for receipt in allocation.report()] == [
        ("new", "selected", None),
        ("old", "superseded", "new"),
        ("twin", "duplicate", "new"),
        ("long", "over_tier_budget", None),
        ("dull", "below_ranking_minimum", None),
        ("off", "below_gate", None),
    ]
    said = {each.memory_id: allocation.explain(each.memory_id).split(" Its score")[0] for each in items}
    rest = "was left out of the rag tier, rank"
    assert said == {
        "new": "'new' was selected in the rag tier, rank 1 of 6: 40 tokens.",
        "old": f"'old' {rest} 2 of 6: 'new' replaces it. No budget would change that.",
        "twin": f"'twin' {rest} 3 of 6: it says what 'new' says, which had its turn before. "
        "No budget would change that.",
        "long": f"'long' {rest} 4 of 6: it needs 100 tokens, and 80 of the budget of 120 were left when its "
        "turn came. With a tier budget of 140 it would be selected.",
        "dull": f"'dull' {rest} 5 of 6: its score -1.097 is below the ranking's minimum of -0.5. "
        "No budget would change that.",
        "off": f"'off' {rest} 6 of 6: its relevance 0.05 is below the gate of 0.1. "
        "No budget would change that.",
    }
    poor = run(items, config(120, minimum_score=0.65), "evidence")
    assert "its documented score 0.6 is below the minimum score of 0.65" in poor.explain("long")
    best = run(items, config(50), Ranking(kind="evidence", packer="knapsack"))
    assert "it needs 40 tokens, and others were chosen for the budget of 50" in best.explain("dull")


def test_the_score_is_told_term_by_term() -> None:
    items = [
        memory("m0", "Shall we ship on Friday?", 40, 0.62, session_id="s", position=0),
        memory("m1", "No. The importer loses rows.", 50, 0.31, session_id="s", position=1),
        memory("m2", "Lunch at noon?", 20, 0.35),
    ]
    allocation = allocator.what_if("When do we ship?", items, ranking="evidence", current_time=NOW)
    (receipt,) = [each for each in allocation.report() if each.memory_id == "m1"]
    assert [term.component for term in receipt.terms] == ["relevance", "bm25", "importance", "neighbours"]
    neighbours = {each.memory_id: each.score for each in run_plain(items).report()}
    lowest = min(neighbours.values())
    assert receipt.terms[3].given == pytest.approx((neighbours["m0"] + lowest) / 2)
    assert allocation.explain("m1") == (
        "'m1' was selected in the rag tier, rank 3 of 3: 50 tokens. Its score is 0.6677 x relevance -0.8474 "
        "(given 0.31) + 0.3339 x bm25 -0.7071 (given 0) + 0.25 x importance 0.5 + 0.3 x neighbours 1.106 "
        "(given 0.4289) = -0.3451. Its value for its cost is exp(-0.3451) / 50 = 0.01416."
    )
    assert str(allocation.report()).splitlines()[0].split() == [
        *("TIER", "RANK", "MEMORY", "DECISION", "SCORE", "KEY", "TOKENS", "FITS", "AT")
    ]


def run_plain(items: list[MemoryItem]) -> Allocation:
    plain = Ranking(kind="evidence", smoothing=0.0)
    return allocator.what_if("When do we ship?", items, ranking=plain, current_time=NOW)


def test_what_takes_too_long_is_not_found_out() -> None:
    """Of a knapsack every budget is tried: there are too many of them."""
    items = [memory(f"m{row}", f"text {row}", 2**40 + row, 0.5) for row in range(3)]
    allocation = run(items, config(10), Ranking(kind="evidence", packer="knapsack"))
    assert [receipt.fits_at_known for receipt in allocation.report()] == [False] * 3
    assert "the search takes too long" in allocation.explain("m0")


def test_the_command_line_explains_a_ranking(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "memories.jsonl"
    rows = [
        {
            "memory_id": f"m{n}",
            "text": "x " * 40 * n,
            "tier": "rag",
            "token_count": 900,
            "relevance_score": n / 2,
        }
        for n in range(3)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    command = ["allocate", str(path), "--query", "x", "--ranking", "evidence"]
    assert main([*command, "--explain", "m2"]) == 0
    assert "x bm25 " in capsys.readouterr().out
    assert main([*command, "--report"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main([*command, "--json", "--report"]) == 0
    assert all(row["cost"]["given"] == 900 for row in json.loads(capsys.readouterr().out)["receipts"])
