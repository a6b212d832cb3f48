"""Random memories, configurations, queries and contexts, the awkward ones included.

Everything is drawn as plain keyword arguments, so that a test can build the library's object and the
reference's object from the same draw.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from reference import LEVELS, MAX_COUNT, TIERS, Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 3, 14, 15, 9, 26, 535_897, tzinfo=UTC)

# Any code point, lone surrogates included; short ones and ASCII are as likely as the rest.
any_character = st.characters(exclude_categories=())
texts = st.one_of(
    st.text(any_character, max_size=40),
    st.text("abc \n\x00é漢😀\ud800\udfff", max_size=8),
    st.builds(str.__mul__, st.sampled_from("x漢"), st.integers(98, 102)),  # around the length of a preview
    st.builds(
        lambda text, times: text * times, st.text(any_character, min_size=1, max_size=5), st.integers(1, 60)
    ),
)

# Few distinct values make ties; the rest are the corners of floating point.
scores = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.9, 1.0]),
    st.floats(0.0, 1.0),
    st.floats(),
    st.sampled_from([-0.0, 5e-324, 2.2e-308, 1e308, -1e308, 1e16, -3.0, 0.1 + 0.2]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
)

offsets = st.sampled_from(
    [UTC, *(timezone(timedelta(minutes=m)) for m in (-23 * 60 - 59, -300, 1, 345, 14 * 60))]
)
timestamps = st.one_of(
    st.none(),
    st.builds(
        lambda seconds, microseconds: NOW - timedelta(seconds=seconds, microseconds=microseconds),
        st.integers(-10_000, 40_000_000),
        st.integers(0, 999_999),
    ),
    st.builds(lambda hours: (NOW - timedelta(hours=hours)).replace(tzinfo=None), st.floats(-100.0, 5000.0)),
    st.datetimes(timezones=st.one_of(st.none(), offsets)),
    st.sampled_from([NOW, datetime.min, datetime.max, datetime(1, 1, 1, tzinfo=UTC)]),
    st.builds(
        lambda moment, offset: moment.replace(tzinfo=offset),
        st.sampled_from([datetime.min, datetime.max]),
        offsets,
    ),
)

token_counts = st.one_of(
    st.just(0), st.just(0), st.integers(1, 60), st.sampled_from([MAX_COUNT, MAX_COUNT - 1, 2**32])
)
access_counts = st.one_of(st.integers(0, 6), st.sampled_from([MAX_COUNT, MAX_COUNT - 1]))


@st.composite
def memories(draw: st.DrawFn) -> dict[str, Any]:
    """The keyword arguments of one memory."""
    return {
        "memory_id": draw(st.one_of(st.sampled_from(["a", "b", "c"]), texts)),
        "text": draw(texts),
        "tier": draw(st.sampled_from(TIERS)),
        "timestamp": draw(timestamps),
        "relevance_score": draw(scores),
        "importance_score": draw(scores),
        "freshness_score": draw(scores),
        "combined_score": draw(scores),
        "token_count": draw(token_counts),
        "access_count": draw(access_counts),
        "last_accessed": draw(timestamps),
    }


memory_lists = st.one_of(
    st.lists(memories(), max_size=12),
    # Same scores and ages throughout: only the input order can decide.
    st.lists(memories(), max_size=30).map(
        lambda drawn: [
            item | {"relevance_score": 0.5, "importance_score": 0.5, "timestamp": NOW} for item in drawn
        ]
    ),
)


# Random numbers of one seed, so that a draw of thousands is as short as one of three.
seeds = st.randoms(use_true_random=True)
seeds.validate()  # imports what it needs now: later, several threads might do so at once


@st.composite
def many_memories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Thousands of memories from one seed: enough for any fast path that needs many candidates a tier."""
    random = draw(seeds)
    size = draw(st.integers(0, 4000))
    tiers = draw(st.sampled_from([TIERS, TIERS[:1], ("working",) * 9 + ("rag",)]))
    distinct = draw(st.sampled_from([1, 3, 50, 10**9]))
    largest = draw(st.sampled_from([1, 10, 200]))
    return [
        {
            "memory_id": f"m{position}",
            "text": "x" * random.randint(0, 5),
            "tier": random.choice(tiers),
            "timestamp": NOW - timedelta(hours=random.randint(0, min(distinct, 1000))),
            "relevance_score": random.randint(0, distinct) / distinct,
            "importance_score": random.randint(0, distinct) / distinct,
            "token_count": random.randint(0, largest),
        }
        for position in range(size)
    ]


shares = st.one_of(st.sampled_from([0.0, 0.25, 0.3, 1.0]), st.floats(0.0, 2.0))
weights = st.one_of(
    st.sampled_from([0.0, 0.2, 0.3, 0.5, 1.0]), st.floats(0.0, 3.0), st.sampled_from([1e300, 5e-324])
)
multipliers = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 1.5]), st.floats(0.0, 4.0))


@st.composite
def workspaces(draw: st.DrawFn) -> dict[str, Any]:
    """The keyword arguments of one workspace configuration, over-committed ones included."""
    levels = draw(st.one_of(st.just(LEVELS), st.lists(st.sampled_from(LEVELS), unique=True)))
    return {
        "workspace_id": draw(st.sampled_from(["desk", "laboratory", "Küche"])),
        "max_total_tokens": draw(st.one_of(st.integers(1, 300), st.integers(1, 20_000), st.just(MAX_COUNT))),
        **{f"{tier}_memory_pct": draw(shares) for tier in TIERS},
        "complexity_multipliers": {level: draw(multipliers) for level in levels},
        **{f"{part}_weight": draw(weights) for part in ("relevance", "importance", "freshness")},
        "freshness_half_life_hours": draw(
            st.one_of(st.sampled_from([24.0, 168.0]), st.floats(1e-6, 1e6), st.sampled_from([5e-324, 1e308]))
        ),
        "promotion_threshold": draw(st.floats(0.0, 1.0)),
        "demotion_threshold": draw(st.floats(0.0, 1.0)),
        "promotion_access_threshold": draw(st.integers(0, 6)),
        "tokens_per_char": draw(st.one_of(st.sampled_from([0.25, 0.3, 1.0]), st.floats(0.0, 5.0))),
    }


KEYWORDS = tuple(
    spelling
    for keywords in (Rules.expert_keywords, Rules.complex_keywords, Rules.domain_keywords)
    for keyword in keywords
    for spelling in keyword.split("|")
)
NEAR_KEYWORDS = (
    *("show", "somehow", "because", "whyever", "however", "what-if", "what\tif", "what \x1c if", "what--if"),
    *(
        "what if's",
        "what iffy",
        "whatif",
        "analyse",
        "analysing",
        "optimisation",
        "optimization",
        "synthesise",
    ),
    *("designed", "designs", "redesign", "re-design", "differences", "differencing", "causation", "causes"),
    *("EXPLAIN", "HoW", "ıf", "explaın", "\u212aeep", "événement-driven", "event driven", "event  driven"),
    *(
        "event\u00a0driven",
        "event - driven",
        "eventdriven",
        "fault\u2003tolerance",
        "fault-tolerant",
        "multi-tenancy",
    ),
    *(
        "scalable",
        "scalability",
        "high availability",
        "high-\navailability",
        "analyzed",
        "analyzation",
        "how_",
    ),
    *(
        "_how",
        "9why",
        "why9",
        "éhow",
        "howé",
        "why\ud800",
        "\udfffhow",
        "impacting",
        "effecting",
        "betweenness",
    ),
)
WHITE_SPACE = (
    *(
        " ",
        "  ",
        "\t",
        "\n",
        "\v",
        "\f",
        "\r",
        "\x1c",
        "\x1d",
        "\x1e",
        "\x1f",
        "\x85",
        "\xa0",
        "\u1680",
        "\u2000",
    ),
    *("\u2007", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\r\n"),
)
NEARLY_SPACE = ("", "-", "--", "\u200b", "\u2060", "\ufeff", ".", ",", "?", "'", "/", "\x00", "\u180e", "_")


def variants(keywords: Sequence[str]) -> st.SearchStrategy[str]:
    """Keywords with other gaps between their words, other endings and something behind."""
    return st.builds(
        lambda keyword, gap, cut, ending: (
            re.sub("[ -]", lambda _: gap, keyword)[: len(keyword) - cut] + ending
        ),
        st.sampled_from(keywords),
        st.sampled_from([*WHITE_SPACE, *NEARLY_SPACE]),
        st.sampled_from([0, 0, 1, 2]),
        st.sampled_from(
            ["", "", "s", "d", "e", "se", "ing", "ion", "ation", "sing", "isation", "\ud800", "é", "_"]
        ),
    )


queries = st.one_of(
    st.text(any_character, max_size=60),
    st.lists(
        st.one_of(
            st.sampled_from(KEYWORDS),
            st.sampled_from(KEYWORDS).map(str.upper),
            st.sampled_from(NEAR_KEYWORDS),
            variants(KEYWORDS),
            st.sampled_from(WHITE_SPACE),
            st.sampled_from(WHITE_SPACE),
            st.sampled_from(NEARLY_SPACE),
            st.text(any_character, max_size=3),
        ),
        max_size=30,
    ).map("".join),
    st.builds(
        lambda word, gap, times: (word + gap) * times,
        st.sampled_from(KEYWORDS),
        st.sampled_from(WHITE_SPACE),
        st.integers(0, 60),
    ),
)

lengths = st.one_of(st.none(), st.integers(0, 12), st.floats(0.0, 12.0), st.just(10**15))
sequences: st.SearchStrategy[Any] = st.one_of(
    st.lists(st.just("a turn"), max_size=9), st.lists(st.just({}), max_size=9).map(tuple)
)
truths = st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, "", "yes", [], [0], 0.0]))


contexts = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            **{
                name: st.one_of(lengths, sequences)
                for name in ("history_length", "conversation_history", "history", "conversation_length")
            },
            "turn_count": st.one_of(lengths, sequences),
            "turns": st.one_of(lengths, sequences),
            "multi_turn": st.one_of(st.none(), st.booleans(), lengths),
            "requires_retrieval": truths,
            "needs_retrieval": truths,
            "unrelated": st.just(object()),
        },
    ),
)
