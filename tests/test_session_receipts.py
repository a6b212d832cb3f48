"""Receipts within a session: what they say is what the reference says, and what replayed sessions do."""

from __future__ import annotations

import copy
import json
from collections import Counter
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_ranking
import reference_session as reference
from memory_budget_allocator import (
    AllocationSession,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    PinnedOverflowError,
    PromptTemplate,
    Ranking,
    Receipt,
    SessionAllocation,
    WorkspaceConfig,
)
from reference import TIERS
from strategies import NOW
from test_ranking_doors import NOW_US, QUERY, WORDS, columns_of, meant_by
from test_rendering import TEMPLATES, TOKENIZERS, joining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OF_THE_CEILING = {"over_ceiling", "no_room_behind_held"}
OF_THE_TIER = {"over_tier_budget", "oversized", "duplicate"}


def characters(text: str) -> int:
    return len(text)


DOORS: dict[str, Callable[[list[MemoryItem]], Any]] = {
    "list": list,
    "pool": MemoryPool.from_items,
    "columns": lambda items: {**columns_of(items), "pinned": np.array([it.pinned for it in items], bool)},
}


def workspace(budgets: dict[str, int], **fields: Any) -> WorkspaceConfig:
    """Exactly those budgets; the documented score is the relevance."""
    total = max(sum(budgets.values()), 1)
    shares = (budgets[tier] / total for tier in TIERS)
    weights = {"relevance_weight": 1.0, "importance_weight": 0.0, "freshness_weight": 0.0}
    return WorkspaceConfig("default", total, *shares, complexity_multipliers={}, **weights, **fields)


class Conversation:
    """A session that can be brought to the same state again."""

    def __init__(self, config: WorkspaceConfig, door: str = "list", **options: Any) -> None:
        self.config = config
        self.door = DOORS[door]
        self.options = {"tokenizer": characters, **options}
        self.said: list[tuple[list[MemoryItem], WorkspaceConfig]] = []
        self.session, self.allocator = self._begun()

    def _begun(self) -> tuple[AllocationSession, MemoryBudgetAllocator]:
        allocator = MemoryBudgetAllocator(log_allocations=False)
        return allocator.session(**self.options), allocator

    def ask(self, items: list[MemoryItem], **options: Any) -> SessionAllocation | None:
        """The next call; None where what is pinned does not fit."""
        self.said.append((copy.deepcopy(items), copy.copy(self.config)))
        return self._ask(self.session, self.allocator, items, self.config, **options)

    def _ask(
        self,
        session: AllocationSession,
        allocator: MemoryBudgetAllocator,
        items: list[MemoryItem],
        config: WorkspaceConfig,
        **options: Any,
    ) -> SessionAllocation | None:
        allocator.workspace_configs["default"] = config
        try:
            return session.allocate(QUERY, self.door(items), current_time=NOW, **options)
        except PinnedOverflowError:
            return None

    def replayed(self) -> Callable[[WorkspaceConfig], set[int]]:
        """What the last call would take in another workspace, by a second session in the state before it."""
        session, allocator = self._begun()
        *earlier, (items, _) = copy.deepcopy(self.said)
        for then, config in earlier:
            self._ask(session, allocator, then, config)

        def taken(config: WorkspaceConfig) -> set[int]:
            result = self._ask(session, allocator, items, config, dry_run=True)
            return set(result.allocation.selected_positions) if result else set()

        return taken


def check_budgets(conversation: Conversation, result: SessionAllocation, receipts: list[Receipt]) -> None:
    """With what a receipt says the same call takes it, and with no smaller budget."""
    taken = conversation.replayed()
    config = conversation.config
    ceiling = result.allocation.max_prompt_tokens
    assert ceiling is not None

    def under(ceiling: int) -> set[int]:
        other = copy.copy(config)
        other.max_prompt_tokens = ceiling
        return taken(other)

    assert under(ceiling) == set(result.allocation.selected_positions)
    own = {tier.value: part.own_budget for tier, part in result.allocation.tiers.items()}

    def resized(tier: str, budget: int) -> set[int]:
        budgets = {**own, tier: budget}
        other = copy.copy(config)
        other.max_total_tokens = max(sum(budgets.values()), 1)
        for name, each in budgets.items():
            setattr(other, f"{name}_memory_pct", each / other.max_total_tokens)
        return taken(other)

    over = [each for each in receipts if each.reason in OF_THE_CEILING]
    check(over, ceiling, under)
    for tier in TIERS:
        rest = [each for each in receipts if each.tier.value == tier and each.decision == "left_out"]
        rest = [each for each in rest if each not in over]
        check(rest, own[tier], partial(resized, tier))


def check(receipts: list[Receipt], present: int, taken: Callable[[int], set[int]]) -> None:
    known = [each for each in receipts if each.fits_at_known]
    highest = max([present, *(each.fits_at or present for each in known)])
    for tried in [*range(present, min(highest, present + 150)), highest]:
        there = taken(tried)
        for each in known:
            if each.fits_at is None or present <= tried < each.fits_at:
                assert each.position not in there, (each, tried)
            elif tried == each.fits_at:
                assert each.position in there, each
    for each in known:
        assert (each.fits_at_budget == "max_prompt_tokens") == (
            each.reason in OF_THE_CEILING and each.fits_at is not None
        )
        if each.fits_at is not None and each.fits_at > present:
            assert each.position not in taken(each.fits_at - 1)
            assert each.position in taken(each.fits_at)


def check_split(result: SessionAllocation, receipts: list[Receipt], rows: Iterable[int]) -> None:
    """One receipt for everybody, and kept and appended ones told from each other."""
    assert sorted(each.position for each in receipts) == list(rows)
    in_order = [result.allocation.selected_positions[rank] for rank in result._epoch.ranks]
    kept = len(result.selected) - len(result.appended)
    assert {each.position for each in receipts if each.held} == set(in_order[:kept])
    taken = {each.position for each in receipts if each.decision == "selected"}
    assert taken == set(in_order)
    assert all(not each.held or each.reason in ("held", "pinned") for each in receipts)
    assert all(each.held for each in receipts if each.reason == "held")


# Against the reference

FRAMES = (
    (PromptTemplate(), reference.Frame("<memories>\n", "<memory>", "</memory>", "\n", "\n</memories>")),
    (
        PromptTemplate(prologue="", item="{text}", between="\n", epilogue=""),
        reference.Frame("", "", "", "\n", ""),
    ),
)
FILLS = (0.0, 0.05, 0.1, 0.3, 0.85, 0.85, 0.85, 1.0)
RANKINGS = (
    None,
    None,
    Ranking(kind="evidence"),
    Ranking(kind="evidence", cost_exponent=0.0, smoothing=0.0, relevance_gate=0.3),
    Ranking(kind="evidence", minimum_score=-0.2),
)


def memory_list(random: Random) -> list[MemoryItem]:
    ids = [f"m{row}" for row in range(random.choice([0, 3, 8, 12, 12, 16]))]
    tiers = random.choice([TIERS[:1], (TIERS[0], TIERS[3]), TIERS])
    # Some lists have pages among their lines.
    lengths = random.choice([range(5), range(5), [*range(5), 20, 40]])
    return [
        MemoryItem(
            memory_id=each,
            text=f"{each[1:]} " + " ".join(random.choices(WORDS, k=random.choice(lengths))),
            tier=random.choice(tiers),
            timestamp=NOW,
            relevance_score=random.choice([0.0, 0.2, 0.5, 0.8, 1.0, random.random()]),
            token_count=random.randint(1, random.choice([5, 30])),
            pinned=random.random() < 0.05,
            session_id=random.choice([None, "s"]),
            position=random.randrange(7),
            supersedes=random.choice(ids) if random.random() < 0.05 else None,
        )
        for each in ids
    ]


def change(items: list[MemoryItem], random: Random) -> None:
    """Another question, and now and then something else."""
    share = random.choice([0.0, 0.2, 0.6, 0.6])
    for item in items:
        if random.random() < share:
            item.relevance_score = random.choice([0.0, 0.3, 0.6, 0.7, 0.9])
    what = random.choice([None, None, None, "text", "tier", "tokens", "gone", "order", "pinned"])
    if not items or what is None:
        return
    item = random.choice(items)
    if what == "text":
        item.text += " tea"
    elif what == "tier":
        item.tier = random.choice(list(MemoryTier))
    elif what == "tokens":
        item.token_count += 1
    elif what == "gone":
        items.remove(item)
    elif what == "order":
        items.reverse()
    else:
        item.pinned = not item.pinned


def as_candidates(
    items: list[MemoryItem], ranking: Ranking | None, minimum: float
) -> list[reference.Candidate]:
    keys, verdicts = [item.relevance_score for item in items], ["kept"] * len(items)
    if ranking is not None:
        candidates, meant = meant_by(items, ranking)
        rated = reference_ranking.rank(QUERY, candidates, meant, NOW_US)
        names = {"below_minimum": "below_ranking_minimum"}
        keys, verdicts = rated.keys, [names.get(each, each) for each in rated.verdicts]
    return [
        reference.Candidate(
            item.memory_id,
            item.text,
            item.tier.value,
            item.token_count,
            key,
            item.relevance_score,
            "below_minimum" if verdict == "kept" and item.relevance_score < minimum else verdict,
            item.pinned,
        )
        for item, key, verdict in zip(items, keys, verdicts, strict=True)
    ]


@pytest.mark.parametrize("door", DOORS)
def test_reasons_are_those_of_the_reference_and_budgets_those_of_reruns(door: str) -> None:
    cases: Counter[str] = Counter()

    @given(st.integers(0, 2**32))
    @settings(max_examples=70, database=None)
    def compare(seed: int) -> None:
        cases.update(compared_with_reference(Random(seed), door))

    compare()
    # A new text needs more than the share for one that is not pinned, also in later steps.
    assert cases["above the share"] >= 20, cases
    assert cases["above the share, later"] >= 10, cases
    assert cases["above the share, with a budget"] >= 10, cases


def compared_with_reference(random: Random, door: str) -> Counter[str]:
    """One conversation; how many of its steps were of which kind."""
    cases: Counter[str] = Counter()
    items = memory_list(random)
    budgets = {tier: random.choice([0, 20, 60, 150, 300]) for tier in TIERS}
    fill = random.choice(FILLS)
    rebuild_share = random.choice([0.0, 0.0, 0.5, 1.0])
    reserved, minimum = random.choice([0, 0, 7]), random.choice([0.0, 0.0, 0.25])
    config = workspace(budgets, minimum_score=minimum)
    ceilings = [random.randint(reserved, 60), *random.choices(range(80, 400), k=6)]
    config.max_prompt_tokens = random.choice(ceilings)
    template, parts = random.choice(FRAMES)
    ranking = random.choice(RANKINGS)
    conversation = Conversation(
        config,
        door,
        template=template,
        ranking=ranking,
        fill=fill,
        rebuild_share=rebuild_share,
        reserves={"system": reserved},
    )
    held: list[reference.Candidate] = []
    for number in range(random.choice([2, 3, 5])):
        if number:
            change(items, random)
            if random.random() < 0.2:
                config.max_prompt_tokens = random.randint(reserved, 400)
        if door == "columns" and not items:
            return cases
        candidates = as_candidates(items, ranking, minimum)
        available = config.max_prompt_tokens - reserved
        call = reference.Call(budgets, available, fill, rebuild_share, parts)
        expected = reference.step(candidates, held, call)
        result = conversation.ask(items, receipts=True)
        assert (result is None) == (expected is None)
        if result is None or expected is None:
            conversation.said.pop()  # it changed nothing
            continue
        rows = [result.allocation.selected_positions[rank] for rank in result._epoch.ranks]
        kept = len(result.selected) - len(result.appended)
        assert (rows[:kept], set(rows[kept:])) == (expected.kept, expected.appended)
        assert result.rebuilt == expected.rebuilt
        receipts = list(result.allocation.report())
        check_split(result, receipts, range(len(items)))
        by_row = {each.position: each.reason for each in receipts}
        assert [by_row[row] for row in range(len(items))] == expected.reasons
        json.dumps(result.allocation.to_dict(receipts=True), allow_nan=False)
        assert len(result.allocation.explain(items[0].memory_id).splitlines()) == 1 if items else True
        check_budgets(conversation, result, receipts)
        held = [candidates[row] for row in rows]
        if expected.is_first_above_share:
            cases["above the share"] += 1
            cases["above the share, later"] += number > 0
            cases["above the share, with a budget"] += any(each.fits_at is not None for each in receipts)
    return cases


# Whatever counts, frames and chooses

CHOSEN = (
    None,
    Ranking(kind="evidence"),
    Ranking(kind="evidence", packer="knapsack"),
    Ranking(kind="weighted", diversity=0.5),
)


@pytest.mark.parametrize("door", DOORS)
def test_what_a_new_text_would_hold_has_no_room_and_reruns_agree(door: str) -> None:
    """A new session's first text is what a new text would hold; other reasons are those of any call."""
    cases: Counter[str] = Counter()

    @given(st.integers(0, 2**32))
    @settings(max_examples=40, database=None)
    def compare(seed: int) -> None:
        cases.update(compared_with_others(Random(seed), door))

    compare()
    assert cases["above the share"] >= 10, cases


def compared_with_others(random: Random, door: str) -> Counter[str]:
    """One conversation; how many of its steps were of which kind."""
    cases: Counter[str] = Counter()
    items = memory_list(random)[:9]
    total = random.choice([60, 150, 300])
    config = WorkspaceConfig(
        "default",
        total,
        complexity_multipliers={},
        minimum_score=random.choice([0.0, 0.3]),
        spill_over=random.random() < 0.5,
        spill_over_order=random.choice(["score", "tier"]),
        tier_floors=random.choice([{}, {"working": 10}]),
        tier_caps=random.choice([{}, {"working": 70}]),
        oversized=random.choice(["skip", "truncate"]),
        max_prompt_tokens=random.randint(20, 200),
    )
    options: dict[str, Any] = {
        "tokenizer": random.choice(TOKENIZERS),
        "template": random.choice(TEMPLATES),
        "ranking": random.choice(CHOSEN),
        "fill": random.choice(FILLS),
        "rebuild_share": random.choice([0.0, 0.5]),
    }
    conversation = Conversation(config, door, **options)
    for number in range(random.choice([2, 3])):
        if number:
            change(items, random)
        if door == "columns" and not items:
            return cases
        result = conversation.ask(items, receipts=True)
        if result is None:
            conversation.said.pop()
            continue
        receipts = list(result.allocation.report())
        check_split(result, receipts, range(len(items)))
        fresh = Conversation(config, door, **options).ask(items)
        assert fresh is not None
        new = set(fresh.allocation.selected_positions)
        here = set(result.allocation.selected_positions)
        behind = {each.position for each in receipts if each.reason == "no_room_behind_held"}
        assert behind == (new - here if any(each.held for each in receipts) else set())
        skipping = copy.copy(config)
        skipping.oversized = "skip"
        outside = MemoryBudgetAllocator(log_allocations=False).what_if(
            QUERY,
            conversation.door(items),
            skipping,
            current_time=NOW,
            receipts=True,
            **{name: options[name] for name in ("tokenizer", "template", "ranking")},
        )
        # It is empty only where any call would be, unless a text counts more with fewer memories in it.
        if options["tokenizer"] is not joining:
            assert fresh.selected or not outside.selected
        share = int(config.max_prompt_tokens * options["fill"])
        others = [memory for memory in fresh.selected if not memory.pinned]
        if fresh.rendered_tokens > share and others:
            cases["above the share"] += 1
            assert len(others) == 1  # all else is within the share
        same = {each.position: each.reason for each in outside.report()}
        for each in receipts:
            if each.decision == "left_out" and each.position not in behind:
                was = same[each.position]
                # What the whole ceiling has room for was within the budgets, took over others, or moved up.
                of_others = {"over_ceiling", "over_tier_budget", "oversized"}
                assert each.reason in (of_others if was == "selected" else {was})
        check_budgets(conversation, result, receipts)
    return cases
