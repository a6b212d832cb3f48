"""Limits, pins and evergreen memories: every door does what the plain-Python reference does."""

from __future__ import annotations

from collections import Counter
from dataclasses import KW_ONLY, dataclass, replace
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import reference_policies
from memory_budget_allocator import (
    ArgumentValueError,
    ConfigurationError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    PinnedOverflowError,
    PromptTemplate,
    WorkspaceConfig,
    count_tokens,
)
from reference import LEVELS, MAX_COUNT, TIERS, Memory
from reference_policies import RESERVES, Frame, Grant, Refused, Text
from strategies import NOW, scores

if TYPE_CHECKING:
    from collections.abc import Callable

QUERIES = {
    "simple": "Hello",
    "medium": "How do I use FastAPI?",
    "complex": "Explain async vs sync programming and analyze performance impact",
    "expert": "Design a scalable microservices architecture with event-driven communication",
}


@dataclass
class Note:
    """A class of somebody else's, with some of the optional attributes."""

    memory_id: str
    text: str
    tier: str
    timestamp: Any
    relevance_score: float
    importance_score: float
    token_count: int
    _: KW_ONLY
    pinned: bool = False
    evergreen: bool = False
    freshness_score: float = 1.0
    combined_score: float = 0.0
    access_count: int = 0
    last_accessed: Any = None
    promotion_score: float = 0.0


texts = st.text("ab漢 ", max_size=60)
times = st.one_of(st.none(), st.builds(lambda hours: NOW - timedelta(hours=hours), st.floats(-50, 5000)))
amounts = st.one_of(st.integers(0, 400), st.floats(0.0, 1.0), st.sampled_from([0.25, 0.5, 1.0]))


@st.composite
def memories(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "text": draw(texts),
        "tier": draw(st.sampled_from(TIERS)),
        "timestamp": draw(times),
        "relevance_score": draw(scores),
        "importance_score": draw(scores),
        "token_count": draw(st.one_of(st.just(0), st.integers(1, 90), st.integers(100, 900))),
        "pinned": draw(st.sampled_from([False] * 19 + [True])),
        "evergreen": draw(st.sampled_from([False] * 4 + [True])),
    }


def noted(text: str, **fields: Any) -> dict[str, Any]:
    """A memory as `memories` draws them, of one token to the budgets."""
    plain = {"tier": "working", "timestamp": None, "relevance_score": 0.5, "importance_score": 0.5}
    return {"text": text, **plain, "token_count": 1, "pinned": False, "evergreen": False, **fields}


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    def by_tier() -> st.SearchStrategy[dict[str, Any]]:
        return st.one_of(st.just({}), st.dictionaries(st.sampled_from(TIERS), amounts, max_size=2))

    return {
        "max_total_tokens": draw(st.integers(0, 2500)),
        "tier_floors": draw(by_tier()),
        "tier_caps": draw(by_tier()),
        "spill_over": draw(st.booleans()),
        "spill_over_order": draw(st.sampled_from(["score", "tier"])),
        "minimum_score": draw(st.one_of(st.just(0.0), st.floats(0.0, 1.0))),
    }


reserves = st.dictionaries(st.sampled_from(RESERVES), st.one_of(st.integers(0, 200), texts), max_size=3)
ceilings = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"max_prompt_tokens": st.one_of(st.integers(0, 2500), st.integers(0, 500))},
        optional={"reserves": reserves},
    ),
)


def columns(drawn: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = ["memory_id", *(drawn[0] if drawn else ["relevance_score", "token_count"])]
    rows: list[dict[str, Any]] = [{"memory_id": f"m{at}"} | fields for at, fields in enumerate(drawn)]
    return {name: [row.get(name) for row in rows] for name in names}


DOORS: dict[str, Any] = {
    "items": lambda drawn: [MemoryItem(f"m{at}", **fields) for at, fields in enumerate(drawn)],
    "foreign": lambda drawn: [Note(f"m{at}", **fields) for at, fields in enumerate(drawn)],
    "columns": columns,
    "pool": lambda drawn: MemoryPool.from_items(
        MemoryItem(f"m{at}", **fields) for at, fields in enumerate(drawn)
    ),
    "pool of columns": lambda drawn: MemoryPool.from_columns(columns(drawn)) if drawn else MemoryPool(),
}


DEFAULT = PromptTemplate()
FRAME = Frame(
    DEFAULT.prologue,
    *DEFAULT.item.split("{text}"),
    DEFAULT.between,
    DEFAULT.epilogue,
    lambda text: count_tokens(text, "upper_bound"),  # under a ceiling an estimate is a bound
)


def uneven(text: str) -> int:
    """Four characters a token, and up to fifteen more as the whole text has it: nothing adds up."""
    return -(-len(text) // 4) + crc32(text.encode()) % 16


def erratic(text: str) -> int:
    """The same with far more: a text that lost a memory may well have more tokens than before."""
    return -(-len(text) // 4) + crc32(text.encode()) % 120


def joined(text: str) -> int:
    """Each line has up to eleven more in a text of several, and that text up to 119: parts say too little."""
    _, *lines = text.split("\n")
    more = sum(crc32(line.encode()) % 12 for line in lines)
    return -(-len(text) // 4) + more + (crc32(text.encode()) % 120 if lines else 0)


def coarse(text: str) -> int:
    """Few counts that are often the same, and often the ceiling itself."""
    return joined(text) // 20 * 20


def expected_of(
    plain: list[Memory], config: WorkspaceConfig, level: str, ceiling: dict[str, Any]
) -> tuple[Grant, dict[str, list[int]], Text]:
    """What is granted, what of it the text holds by tier, and that text."""
    reserved = {
        name: FRAME.tokens(it) if isinstance(it, str) else it
        for name, it in ceiling.get("reserves", {}).items()
    }
    most = ceiling.get("max_prompt_tokens")
    frame = replace(FRAME, count=ceiling.get("tokenizer", FRAME.count))
    grant = reference_policies.allocate(plain, config, level, NOW, most, reserved)
    if grant.available is None:
        return grant, grant.selected, Text([], 0)
    more = reference_policies.wider(plain, config, level, NOW, grant.available, MAX_COUNT)
    text = reference_policies.render(plain, config, grant, more, frame)
    in_tier = {
        tier: sorted(
            [row for row in text.rows if plain[row].tier == tier],
            key=lambda row: (not plain[row].pinned, 0.0 if plain[row].pinned else -grant.scores[row], row),
        )
        for tier in TIERS
    }
    return grant, in_tier, text


def register(allocator: MemoryBudgetAllocator, limited: dict[str, Any]) -> WorkspaceConfig:
    """Registers a workspace with those limits, also with floors that it would refuse when it is made."""
    config = WorkspaceConfig("w", **{**limited, "tier_floors": {}})
    allocator.register_workspace(config)
    config.tier_floors = limited.get("tier_floors", {})
    if reference_policies.some_call_keeps_floors(config):
        assert WorkspaceConfig("w", **limited) == config
    else:
        with pytest.raises(ConfigurationError, match="a floor of"):
            WorkspaceConfig("w", **limited)
    return config


def follow(
    door: str, drawn: list[dict[str, Any]], limited: dict[str, Any], level: str, ceiling: dict[str, Any]
) -> str:
    """Compares one call with the reference, whatever it is; says which kind of case it was."""
    allocator = MemoryBudgetAllocator(log_allocations=False)
    config = register(allocator, limited)
    plain = [Memory(f"m{at}", **fields) for at, fields in enumerate(drawn)]
    given_memories = DOORS[door](drawn)
    options = cast("Any", ceiling)
    try:
        granted, selected, text = expected_of(plain, config, level, ceiling)
    except Refused as refused:
        reason, *numbers = refused.args
        error = {
            "pinned": PinnedOverflowError,
            "pinned text": PinnedOverflowError,
            "reserves": ArgumentValueError,
        }.get(reason, ConfigurationError)
        with pytest.raises(error) as caught:
            allocator.allocate(QUERIES[level], given_memories, "w", current_time=NOW, **options)
        if isinstance(caught.value, PinnedOverflowError):
            found = caught.value
            tier = [] if reason == "pinned" else [None]
            assert [found.tier, found.needed, found.budget] == [*tier, *numbers]
        assert not allocator.allocation_history
        return "refused"
    allocation = allocator.allocate(QUERIES[level], given_memories, "w", current_time=NOW, **options)
    assert allocation.complexity == level
    tiers = allocation.tiers.items()
    assert {name.value: tier.positions for name, tier in tiers} == selected
    assert {name.value: tier.budget for name, tier in tiers} == granted.budgets
    assert {name.value: tier.own_budget for name, tier in tiers} == granted.own
    assert allocation.available_tokens == granted.available
    for memory in allocation:
        drawn_fields = drawn[int(memory.memory_id[1:])]
        own = cast("Any", memory)
        assert (own.pinned, own.evergreen) == (drawn_fields["pinned"], drawn_fields["evergreen"])
        assert not own.evergreen or memory.freshness_score == 1.0
    if granted.available is None:
        return "no ceiling"
    if drawn:
        assert allocation.rendered_tokens == text.tokens <= granted.available
    if text.raised.intersection(text.rows):
        return "a floor was overtaken"
    return "as the budgets allow" if selected == granted.selected else "changed by the ceiling"


@pytest.mark.parametrize("door", DOORS)
def test_every_door_follows_the_rules(door: str) -> None:
    cases: Counter[str] = Counter()

    @settings(max_examples=200, database=None)
    @given(
        drawn=st.lists(memories(), max_size=25),
        limited=limits(),
        level=st.sampled_from(LEVELS),
        ceiling=ceilings,
    )
    def compare(
        drawn: list[dict[str, Any]], limited: dict[str, Any], level: str, ceiling: dict[str, Any]
    ) -> None:
        cases[follow(door, drawn, limited, level, ceiling)] += 1

    compare()
    assert cases.total() >= 200
    for kind in ("refused", "no ceiling", "as the budgets allow"):
        assert cases[kind] >= 10, cases


@st.composite
def larger_than_they_say(draw: st.DrawFn) -> dict[str, Any]:
    """Memories whose texts in their frames need more than the budgets know of."""
    more = {
        "text": draw(st.text("ab漢 ", min_size=5, max_size=60)),
        "token_count": draw(st.integers(1, 8)),
        "pinned": draw(st.sampled_from([False] * 39 + [True])),
    }
    return draw(memories()) | more


@st.composite
def floors_and_caps(draw: st.DrawFn) -> dict[str, Any]:
    """Limits that leave room for what is larger than it says, mostly."""
    floors = st.dictionaries(st.sampled_from(TIERS), st.integers(1, 20), max_size=2)
    return draw(limits()) | {
        "max_total_tokens": draw(st.integers(40, 400)),
        "tier_floors": draw(floors),
        "minimum_score": draw(st.sampled_from([0.0, 0.0, 0.1])),
    }


@pytest.mark.parametrize("door", DOORS)
def test_every_door_keeps_of_them_what_a_ceiling_allows(door: str) -> None:
    cases: Counter[str] = Counter()

    @settings(max_examples=200, database=None)
    @given(
        drawn=st.lists(larger_than_they_say(), min_size=5, max_size=25),
        limited=floors_and_caps(),
        level=st.sampled_from(LEVELS),
        share=st.floats(0.2, 0.8),
        tokenizer=st.sampled_from([None, uneven, erratic, joined]),
    )
    # What the ceiling has room for is never all that the budgets allow.
    @example([noted("a" * 40)] * 8, {"max_total_tokens": 400}, "simple", 0.5, None)
    @example([noted("a" * 40)] * 8, {"max_total_tokens": 400}, "simple", 0.5, uneven)
    def compare(
        drawn: list[dict[str, Any]],
        limited: dict[str, Any],
        level: str,
        share: float,
        tokenizer: Callable[[str], int] | None,
    ) -> None:
        count = tokenizer or FRAME.count
        texts = sum(count(FRAME.item(SimpleNamespace(text=fields["text"]))) for fields in drawn)
        ceiling: dict[str, Any] = {"max_prompt_tokens": max(30, int(share * texts))}
        if tokenizer:
            ceiling["tokenizer"] = tokenizer
        cases[follow(door, drawn, limited, level, ceiling)] += 1

    compare()
    assert cases["changed by the ceiling"] >= 30, cases


def around_floors(random: Random, floored: list[str]) -> list[dict[str, Any]]:
    """Better memories that are longer than they say, and tiers whose floors cover some of theirs.

    Evenly distributed: what hypothesis prefers to draw is seldom such a case.
    """

    def one(tier: str) -> dict[str, Any]:
        is_floored = tier in floored
        cost = random.choice([12, 16, 20, 24, 30, 35, 40, 45])
        return noted(
            "ab" * (2 * cost if is_floored else random.choice([3, 4]) * cost),
            token_count=cost,
            tier=tier,
            relevance_score=random.choice([0.1, 0.2, 0.3] if is_floored else [0.5, 0.7, 0.9]),
            pinned=random.random() < 0.05,
        )

    drawn = [one(tier) for tier in floored * 4 + random.choices(["working", "project"], k=12)]
    random.shuffle(drawn)
    return drawn


@pytest.mark.parametrize("door", DOORS)
def test_every_door_lets_no_floor_be_overtaken(door: str) -> None:
    cases: Counter[str] = Counter()
    for seed in range(360):
        random = Random(seed)
        # 12 of 47 and 30 of 55 are no shares that give 12 and 30 back: floors hold to the token.
        floors = random.choice(
            [{"long_term": 25}, {"long_term": 12, "rag": 35}, {"long_term": 30, "rag": 25}]
        )
        level, whole = random.choice([("simple", 600), ("expert", 150)])
        limited = {
            "max_total_tokens": whole,
            "tier_floors": floors,
            **random.choice(
                [{}, {"spill_over": True}, {"tier_caps": {"long_term": 30}}, {"minimum_score": 0.45}]
            ),
        }
        most, tokenizer = random.randint(120, 280), random.choice([uneven, erratic, joined])
        ceiling = {"max_prompt_tokens": most, "tokenizer": tokenizer}
        cases[follow(door, around_floors(random, list(floors)), limited, level, ceiling)] += 1
    assert cases["a floor was overtaken"] >= 10, cases


def crowded(random: Random) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """More memories than a ceiling has room for, in workspaces of all kinds, evenly distributed as well.

    Many are evicted and given back at once, and many sums of parts are wrong about the whole.
    """
    tiers = random.sample(TIERS, random.randint(1, 4))
    longest, largest = random.choice([20, 120]), random.choice([6, 30])
    scores = [random.random() for _ in range(random.choice([3, 30]))]
    drawn = [
        noted(
            "ab" * random.randint(2, longest),
            token_count=random.randint(1, largest),
            tier=random.choice(tiers),
            relevance_score=random.choice(scores),
            pinned=random.random() < 0.03,
        )
        for _ in range(random.randint(8, 24))
    ]
    floors = {tier: random.randint(1, 40) for tier in tiers if random.random() < 0.4}
    caps = {tier: floors.get(tier, 0) + random.randint(0, 60) for tier in tiers if random.random() < 0.2}
    limited = {
        "max_total_tokens": random.randint(60, 600),
        "tier_floors": floors,
        "tier_caps": caps,
        "spill_over": random.random() < 0.4,
        "spill_over_order": random.choice(["score", "tier"]),
        "minimum_score": random.choice([0.0, 0.0, 0.0, 0.3]),
    }
    whole = sum(len(fields["text"]) // 4 + 10 for fields in drawn)
    most = 20 * int(whole * random.uniform(0.15, 1.2) / 20 + 2)
    tokenizer = random.choice([uneven, erratic, joined, coarse])
    return drawn, limited, {"max_prompt_tokens": most, "tokenizer": tokenizer}


def test_what_many_memories_are_evicted_from_is_refilled_by_the_rules() -> None:
    cases: Counter[str] = Counter()
    for seed in range(1200):
        drawn, limited, ceiling = crowded(Random(seed))
        cases[follow("items", drawn, limited, "simple", ceiling)] += 1
    assert cases["changed by the ceiling"] + cases["a floor was overtaken"] >= 600, cases


@pytest.mark.parametrize("runs", [[63], [64], [63, 63], [33, 33, 64], [1] * 70])
def test_so_many_in_a_row_are_looked_at_in_vain(runs: list[int]) -> None:
    """Best score first: a short memory, as many long ones as there is no room for, and so on."""
    texts = ["short"] + [text for run in runs for text in ["long" * 500] * run + ["short"]]
    drawn = [noted(text, relevance_score=1.0 - at / 1000) for at, text in enumerate(texts)]
    ceiling = {"max_prompt_tokens": 1000, "tokenizer": lambda text: -(-len(text) // 3)}
    assert follow("items", drawn, {"max_total_tokens": 4000}, "simple", ceiling) == "changed by the ceiling"


def test_a_pool_too_large_to_be_sorted_follows_them_too() -> None:
    cases: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, database=None)
    @given(
        st.lists(st.one_of(memories(), larger_than_they_say()), min_size=3, max_size=30),
        st.integers(400, 900),
        limits(),
        st.one_of(ceilings, st.fixed_dictionaries({"max_prompt_tokens": st.integers(400, 2500)})),
    )
    def compare(
        drawn: list[dict[str, Any]], size: int, limited: dict[str, Any], ceiling: dict[str, Any]
    ) -> None:
        limited = {**limited, "tier_floors": {}, "tier_caps": {}}
        many = [drawn[at % len(drawn)] | {"pinned": size % 3 == 0 and at % 307 == 5} for at in range(size)]
        cases[follow("pool", many, limited, "medium", ceiling)] += 1

    compare()
    assert cases["changed by the ceiling"] >= 3, cases
