"""Replaying calls under other budgets finds what making each anew finds, wherever that finds anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import event, given, reject, settings
from hypothesis import strategies as st

from memory_budget_allocator import (
    Allocation,
    ArgumentValueError,
    ConfigurationError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    PinnedOverflowError,
    PromptTemplate,
    WorkspaceConfig,
)
from strategies import NOW
from test_receipts_of_rankings import by_key
from test_rendering import joining

QUERY = "where are orders kept"
TIERS = ("working", "project", "long_term", "rag")
ALLOCATOR = MemoryBudgetAllocator(log_allocations=False)


def halves(text: str) -> int:
    """Twice as much costs less than twice as much, so that parts are too much and the whole is not."""
    return (len(text) + 3) // 4 if len(text) < 60 else 8 + len(text) // 8


TEMPLATES = (
    None,
    PromptTemplate(order="edges"),
    PromptTemplate(order="chronological", prologue=""),
    PromptTemplate(order="tier", epilogue=""),
    PromptTemplate(
        headings={"rag": "# Found\n", "working": "# Now\n"}, item="- {text}\n", between="", order="edges"
    ),
    PromptTemplate(
        prologue="", headings={"rag": "# Found: "}, item="[{id}] {text}", between=".\n", epilogue=""
    ),
    # Memories that do not begin where counts add up.
    PromptTemplate(prologue="", item="{text}", between="\n---\n", epilogue=""),
    PromptTemplate(item="<m>{text}</m>", between=" ", order="chronological"),
    PromptTemplate(item="/{text}//\n", between="\n"),
)

texts = st.one_of(
    st.sampled_from(["Orders are kept in PostgreSQL.", "orders are KEPT, in postgresql", "At noon", "/", ""]),
    st.text("ab AB.,\n/1é漢", max_size=40),
    st.lists(st.sampled_from(["tea", "at", "noon.", "Orders"]), max_size=25).map(" ".join),
)
memories = st.builds(
    lambda text, tier, score, tokens, hours, fields: {
        "text": text,
        "tier": tier,
        "timestamp": None if hours is None else NOW - timedelta(hours=hours),
        "relevance_score": score,
        **({} if tokens is None else {"token_count": tokens}),
        **fields,
    },
    texts,
    st.sampled_from(TIERS),
    st.one_of(st.sampled_from([0.0, 0.5, 0.9]), st.floats(0, 1)),
    st.one_of(st.none(), st.integers(0, 60)),
    st.one_of(st.none(), st.integers(0, 50)),
    st.sampled_from([{}, {}, {}, {}, {}, {"pinned": True}]),
)
amounts = st.one_of(st.integers(0, 60), st.floats(0, 0.4))
workspaces = st.fixed_dictionaries(
    {
        "max_total_tokens": st.integers(1, 400),
        "weights": st.tuples(*[st.integers(0, 5)] * 3, st.integers(1, 5)).map(list),
    },
    optional={
        "spill_over": st.just(True),
        "spill_over_order": st.sampled_from(["score", "tier"]),
        "minimum_score": st.floats(0, 0.6),
        "tier_floors": st.dictionaries(st.sampled_from(TIERS), amounts, max_size=2),
        "tier_caps": st.dictionaries(st.sampled_from(TIERS), st.integers(60, 200), max_size=2),
    },
)
calls = st.fixed_dictionaries(
    {
        "max_prompt_tokens": st.integers(0, 300),
        "tokenizer": st.sampled_from(["o200k_base", "cl100k_base", "estimate", joining, halves]),
        "template": st.sampled_from(TEMPLATES),
        "ranking": st.one_of(st.none(), st.none(), by_key),
    },
    optional={"reserves": st.just({"system": 17})},
)


def workspace(max_total_tokens: int, weights: list[int], **fields: Any) -> WorkspaceConfig:
    shares = [weight / sum(weights) for weight in weights]
    return WorkspaceConfig("w", max_total_tokens, *shares, complexity_multipliers={}, **fields)


def fits(allocation: Allocation, *, anew: bool) -> dict[int, tuple[str, bool, int | None]]:
    receipts: list[Any] = allocation._receipts(None, True, anew)
    return {it["position"]: (it["reason"], it["fits_at_known"], it["fits_at"]) for it in receipts}


def check(items: list[MemoryItem], config: WorkspaceConfig, options: dict[str, Any], door: str) -> int:
    """Compares the two searches; gives how many budgets above the present one were found."""
    source: Any = MemoryPool.from_items(items) if door == "pool" else items
    allocation = ALLOCATOR.what_if(QUERY, source, config, current_time=NOW, receipts=True, **options)
    replayed, anew = fits(allocation, anew=False), fits(allocation, anew=True)
    assert replayed.keys() == anew.keys()
    for position, (reason, is_known, budget) in anew.items():
        if is_known:
            assert replayed[position] == (reason, is_known, budget)
    return sum(budget is not None for _, _, budget in replayed.values())


@given(st.lists(memories, max_size=14), workspaces, calls, st.sampled_from(["list", "pool"]))
@settings(deadline=None, max_examples=250)
def test_replayed_and_made_anew(
    drawn: list[dict[str, Any]], fields: dict[str, Any], options: dict[str, Any], door: str
) -> None:
    items = [MemoryItem(f"m{number}", **each) for number, each in enumerate(drawn)]
    try:
        found = check(items, workspace(**fields), options, door)
    except (PinnedOverflowError, ArgumentValueError, ConfigurationError):
        reject()
    event(f"budgets found: {min(found, 3)}")
