"""The allocator in plain Python: what every faster implementation must agree with, to the bit.

Written from the specification alone, for a reader to check by eye: no caches of results, no tricks, one
straightforward loop per question. It works on any objects that have the documented attributes, reads no
clock and imports nothing outside the standard library. The benchmarks use it as their baseline.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from math import exp, inf, isfinite
from operator import itemgetter
from string import ascii_lowercase, ascii_uppercase
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TIERS = ("working", "project", "long_term", "rag")
LADDER = ("long_term", "rag", "project", "working")  # low to high
LEVELS = ("simple", "medium", "complex", "expert")
MAX_COUNT = 2**53 - 1
MICROSECOND = timedelta(microseconds=1)


@dataclass
class Memory:
    """A memory with the documented fields, in the documented order."""

    memory_id: str
    text: str
    tier: str
    timestamp: datetime | None
    user_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    relevance_score: float = 0.0
    importance_score: float = 0.5
    freshness_score: float = 1.0
    combined_score: float = 0.0
    token_count: int = 0
    access_count: int = 0
    last_accessed: datetime | None = None
    promotion_score: float = 0.0
    _: KW_ONLY
    pinned: bool = False
    evergreen: bool = False
    session_id: str | None = None
    position: int | None = None
    supersedes: str | None = None


@dataclass
class Workspace:
    """A workspace with the documented fields, in the documented order."""

    workspace_id: str
    max_total_tokens: int = 8192
    working_memory_pct: float = 0.30
    project_memory_pct: float = 0.25
    long_term_memory_pct: float = 0.20
    rag_memory_pct: float = 0.25
    complexity_multipliers: Mapping[str, float] = field(
        default_factory=lambda: {"simple": 0.5, "medium": 1.0, "complex": 1.5, "expert": 2.0}
    )
    relevance_weight: float = 0.5
    importance_weight: float = 0.3
    freshness_weight: float = 0.2
    freshness_half_life_hours: float = 168.0
    promotion_threshold: float = 0.8
    demotion_threshold: float = 0.3
    promotion_access_threshold: int = 3
    tokens_per_char: float = 0.25


@dataclass(frozen=True)
class Rules:
    """The rules of complexity; in a keyword ``|`` separates spellings of one and the same keyword."""

    expert_keywords: tuple[str, ...] = (
        *("explain", "analyze", "compare", "evaluate", "synthesize"),
        *("architecture", "design", "optimize", "debug", "implement"),
    )
    expert_points: int = 2
    complex_keywords: tuple[str, ...] = (
        *("how", "why", "what if", "difference", "relationship", "between", "impact", "effect", "cause"),
    )
    complex_points: int = 1
    domain_keywords: tuple[str, ...] = (
        *("scalable|scalability", "microservice", "event-driven", "distributed", "fault-tolerant"),
        *("high-availability", "consensus", "sharding", "replication", "concurrency", "multi-tenant"),
    )
    domain_points: int = 1
    domain_points_limit: int = 3
    length_steps: tuple[int, ...] = (5, 20, 50)
    history_length_above: float = 5
    history_points: int = 1
    turn_count_above: float = 3
    turn_points: int = 1
    retrieval_points: int = 2
    level_thresholds: tuple[int, int, int] = (2, 5, 8)


# --- Time, freshness, score -------------------------------------------------------------------------------


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC; a naive one is UTC already."""
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def age_microseconds(moment: datetime, now: datetime) -> float:
    """Microseconds from the moment until now (which is in UTC), at least 0."""
    age = now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return max(0.0, age / MICROSECOND)  # a quotient of integers, correctly rounded: float(microseconds)


def freshness(timestamp: datetime | None, half_life_hours: float, now: datetime) -> float:
    """Decay with age; 0.693 is the documented literal, not ln 2."""
    if timestamp is None:
        return 1.0
    age_hours = age_microseconds(timestamp, now) / 1e6 / 3600.0
    return exp(-0.693 * age_hours / half_life_hours)


def finite(component: float) -> float:
    """A component of the score; one that is no number or infinite counts as nothing."""
    return component if isfinite(component) else 0.0


def calculate_memory_score(item: Any, config: Any, now: datetime) -> float:
    """The weighted sum, clamped to [0, 1]; written to the memory together with its freshness."""
    fresh = freshness(item.timestamp, config.freshness_half_life_hours, now)
    score: float = (
        finite(item.relevance_score) * config.relevance_weight
        + finite(item.importance_score) * config.importance_weight
        + fresh * config.freshness_weight
    )
    if not 0.0 <= score <= 1.0:  # also true of NaN, which is what infinity - infinity gives
        score = 1.0 if score > 1.0 else 0.0
    item.freshness_score = fresh
    item.combined_score = score
    return score


# --- Tokens and budgets -----------------------------------------------------------------------------------


def estimated_tokens(text: str, tokens_per_char: float) -> int:
    """An estimate from the number of code points."""
    if not text:
        return 0
    product = len(text) * tokens_per_char
    return max(1, int(product)) if product < MAX_COUNT else MAX_COUNT


def tier_budget(config: Any, tier: str, level: str) -> int:
    """Round half to even, as Python's own round does."""
    share = getattr(config, f"{tier}_memory_pct")
    product = config.max_total_tokens * share * config.complexity_multipliers.get(level, 1.0)
    return round(product) if product < MAX_COUNT else MAX_COUNT


# --- Complexity -------------------------------------------------------------------------------------------

WORD_CHARACTER = "[A-Za-z0-9_\x80-\U0010ffff]"
WHITE_SPACE = "[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


@cache
def spelling_patterns(keyword: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """For each spelling, how its first word begins and what finds it in text of lower-case ASCII."""
    found: list[tuple[str, re.Pattern[str]]] = []
    for spelling in keyword.translate(TO_LOWER).split("|"):
        words = [word for word in re.split("[ -]+", spelling.strip()) if word]
        is_long = sum(map(len, words)) >= 5
        endings = [words[-1]]
        if is_long and words[-1].endswith(("ize", "yze")):
            endings.append(words[-1][:-2] + "se")
        if is_long and words[-1].endswith("e"):
            endings += [word[:-1] + suffix for word in endings for suffix in ("ing", "ion", "ation")]
        gap = f"(?:{WHITE_SPACE}+|-)"
        body = "".join(re.escape(word) + gap for word in words[:-1])
        body += f"(?:{'|'.join(map(re.escape, endings))})"
        if not is_long or len(words[-1]) < 3:
            body += f"(?!{WORD_CHARACTER})"
        found.append((words[0][:3], re.compile(f"(?<!{WORD_CHARACTER}){body}")))
    return tuple(found)


def mentions(lowered_query: str, keyword: str) -> bool:
    """Whether any spelling of the keyword occurs. (The plain search for its beginning saves time.)"""
    for beginning, pattern in spelling_patterns(keyword):
        if beginning in lowered_query and pattern.search(lowered_query):
            return True
    return False


def context_number(context: Mapping[str, Any], names: Sequence[str]) -> float:
    """The first value under these names that is not None: a number, or a sequence whose length counts."""
    value = next((context[name] for name in names if context.get(name) is not None), 0)
    return value if isinstance(value, int | float) else len(value)


def analyze_query_complexity(
    query: str, context: Mapping[str, Any] | None = None, rules: Any = None
) -> dict[str, Any]:
    """The level of a query, its points and where each of them comes from."""
    rules = rules or Rules()
    context = context or {}
    found: list[tuple[str, str, int]] = []

    word_count = len(query.split())
    found.append(("length", f"{word_count} words", sum(word_count >= step for step in rules.length_steps)))

    lowered = query.translate(TO_LOWER)
    for source, keywords, points, limit in (
        ("expert keyword", rules.expert_keywords, rules.expert_points, inf),
        ("complex keyword", rules.complex_keywords, rules.complex_points, inf),
        ("domain keyword", rules.domain_keywords, rules.domain_points, rules.domain_points_limit),
    ):
        for keyword in keywords:
            if mentions(lowered, keyword):
                granted = min(points, limit)
                limit -= granted  # noqa: PLW2901 - what is left for the rest of this list
                found.append((source, keyword, granted))

    history = context_number(
        context, ("history_length", "conversation_history", "history", "conversation_length")
    )
    turns = context_number(context, ("turn_count", "turns", "multi_turn"))
    flagged = all(context.get(name) is None for name in ("turn_count", "turns"))
    many_turns = turns > rules.turn_count_above or (flagged and context.get("multi_turn") is True)
    retrieval = context.get("requires_retrieval")
    if retrieval is None:
        retrieval = context.get("needs_retrieval")
    found += [
        ("context", "history_length", rules.history_points * (history > rules.history_length_above)),
        ("context", "turn_count", rules.turn_points * many_turns),
        ("context", "requires_retrieval", rules.retrieval_points * bool(retrieval)),
    ]
    total = sum(points for _, _, points in found)
    return {
        "complexity": LEVELS[sum(total >= threshold for threshold in rules.level_thresholds)],
        "points": total,
        "word_count": word_count,
        "contributions": [
            {"source": source, "detail": detail, "points": points}
            for source, detail, points in found
            if points
        ],
    }


# --- Allocation -------------------------------------------------------------------------------------------


def timestamp_text(timestamp: datetime | None) -> str | None:
    """ISO in UTC, or as given where UTC has no such year."""
    if timestamp is None:
        return None
    try:
        return in_utc(timestamp).isoformat()
    except OverflowError:
        return timestamp.isoformat()


def selected_entry(item: Any, tier: str, tokens: int, score: float, fresh: float) -> dict[str, Any]:
    """How a result shows one selected memory."""
    text = item.text
    return {
        "memory_id": item.memory_id,
        "tier": tier,
        "text": text,
        "text_preview": text[:100] + "..." if len(text) > 100 else text,
        "token_count": tokens,
        "combined_score": round(score, 4),
        "relevance_score": round(finite(item.relevance_score), 4),
        "importance_score": round(finite(item.importance_score), 4),
        "freshness_score": round(fresh, 4),
        "access_count": item.access_count,
        "timestamp": timestamp_text(item.timestamp),
    }


def allocate_memory_budget(
    query: str,
    memories: Iterable[Any],
    config: Any,
    *,
    now: datetime,
    context: Mapping[str, Any] | None = None,
    rules: Any = None,
    workspace_id: str | None = None,
    project_id: str | None = None,
    config_scope: str = "workspace",
) -> dict[str, Any]:
    """Score everything, then fill each tier from its best memory down, skipping what does not fit."""
    started = perf_counter()
    now = in_utc(now)
    level = analyze_query_complexity(query, context, rules)["complexity"]

    candidates: dict[str, list[tuple[float, float, int, Any]]] = {tier: [] for tier in TIERS}
    for item in memories:
        score = calculate_memory_score(item, config, now)
        if item.token_count == 0:
            item.token_count = estimated_tokens(item.text, config.tokens_per_char)
        candidates[item.tier].append((score, item.freshness_score, item.token_count, item))

    tiers: dict[str, dict[str, Any]] = {}
    chosen: dict[str, list[tuple[float, float, int, Any]]] = {}
    for tier, rows in candidates.items():
        rows.sort(key=itemgetter(0), reverse=True)  # stable: equal scores stay in input order
        budget = tier_budget(config, tier, level)
        used = 0
        chosen[tier] = []
        for row in rows:
            if used + row[2] <= budget:
                used += row[2]
                chosen[tier].append(row)
        for *_, item in chosen[tier]:
            item.access_count = min(MAX_COUNT, item.access_count + 1)
            item.last_accessed = now
        tiers[tier] = {
            "budget_tokens": budget,
            "tokens_used": used,
            "tokens_remaining": budget - used,
            "memories_available": len(rows),
            "memories_selected": len(chosen[tier]),
            "utilization_pct": round(used / budget * 100, 2) if budget else 0.0,
        }
    for tier, rows in chosen.items():  # after all counting: an object taken twice shows its final count
        tiers[tier]["selected_memories"] = [
            selected_entry(item, tier, tokens, score, fresh) for score, fresh, tokens, item in rows
        ]
    return {
        "query": query,
        "workspace_id": config.workspace_id if workspace_id is None else workspace_id,
        "project_id": project_id,
        "config_scope": config_scope,
        "complexity": level,
        "timestamp": now.isoformat(),
        "budget": {
            "max_total_tokens": config.max_total_tokens,
            "tier_percentages": {tier: getattr(config, f"{tier}_memory_pct") for tier in TIERS},
            "complexity_multiplier": config.complexity_multipliers.get(level, 1.0),
        },
        "tiers": tiers,
        "total_tokens_allocated": sum(entry["tokens_used"] for entry in tiers.values()),
        "total_memories_selected": sum(entry["memories_selected"] for entry in tiers.values()),
        "processing_time_ms": (perf_counter() - started) * 1000.0,
    }


# --- Promotion and demotion -------------------------------------------------------------------------------


def promotion_score(item: Any, config: Any, now: datetime) -> float:
    """Half the combined score, three tenths how often it is used, two tenths how lately."""
    threshold = config.promotion_access_threshold
    frequency = min(1.0, item.access_count / threshold) if threshold else 1.0
    last = item.timestamp if item.last_accessed is None else item.last_accessed
    days = 0.0 if last is None else age_microseconds(last, now) / 1e6 / 86400.0
    return 0.5 * finite(item.combined_score) + 0.3 * frequency + 0.2 * exp(-0.1 * days)


def evaluate_promotion_demotion(
    items: Iterable[Any], config: Any, now: datetime, ladder: Sequence[str] = LADDER
) -> dict[str, Any]:
    """Recommend a step up or down the ladder, and write each promotion score. (Reasons are free text.)"""
    now = in_utc(now)
    promotions: list[dict[str, Any]] = []
    demotions: list[dict[str, Any]] = []
    total = 0
    for item in items:
        total += 1
        item.promotion_score = score = promotion_score(item, config, now)
        if item.tier not in ladder:
            continue
        rung = ladder.index(item.tier)
        earned = score >= config.promotion_threshold
        used_enough = item.access_count >= config.promotion_access_threshold
        if earned and used_enough and rung + 1 < len(ladder):
            moves, target = promotions, rung + 1
        elif score < config.demotion_threshold and rung > 0:
            moves, target = demotions, rung - 1
        else:
            continue
        moves.append(
            {
                "memory_id": item.memory_id,
                "current_tier": ladder[rung],
                "target_tier": ladder[target],
                "promotion_score": score,
                "access_count": item.access_count,
                "combined_score": finite(item.combined_score),
            }
        )
    return {
        "promotions": promotions,
        "demotions": demotions,
        "total_evaluated": total,
        "timestamp": now.isoformat(),
    }


# --- Statistics -------------------------------------------------------------------------------------------


def allocation_statistics(
    results: Iterable[dict[str, Any]],
    now: datetime,
    workspace_id: str | None = None,
    time_window_hours: float | None = None,
) -> dict[str, Any]:
    """Averages over the results of one workspace, or of all, within a window that ends now."""
    since = in_utc(now) - timedelta(hours=time_window_hours) if time_window_hours else None
    counted = [
        result
        for result in results
        if (workspace_id is None or result["workspace_id"] == workspace_id)
        and (since is None or datetime.fromisoformat(result["timestamp"]) >= since)
    ]
    number = len(counted) or 1  # every average of nothing is 0
    hundredths = {
        tier: sum(round(result["tiers"][tier]["utilization_pct"] * 100) for result in counted)
        for tier in TIERS
    }
    return {
        "total_allocations": len(counted),
        "workspace_id": "all" if workspace_id is None else workspace_id,
        "time_window_hours": time_window_hours,
        "averages": {
            "tokens_allocated": sum(result["total_tokens_allocated"] for result in counted) / number,
            "memories_selected": sum(result["total_memories_selected"] for result in counted) / number,
            "processing_time_ms": sum(result["processing_time_ms"] for result in counted) / number,
        },
        "complexity_distribution": dict(Counter(result["complexity"] for result in counted)),
        "tier_statistics": {
            tier: {
                "avg_utilization_pct": hundredths[tier] / 100 / number,
                "avg_memories_selected": sum(r["tiers"][tier]["memories_selected"] for r in counted) / number,
                "avg_tokens_used": sum(r["tiers"][tier]["tokens_used"] for r in counted) / number,
            }
            for tier in TIERS
        },
        "timestamp": in_utc(now).isoformat(),
        "complete": True,
    }
