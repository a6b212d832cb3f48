"""What a ceiling, floors, caps, pins, spill-over and a minimum score mean, in plain Python.

As `reference`: written to be checked by eye, one loop per rule, nothing outside the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import reference
from reference import TIERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

RESERVES = ("system", "query", "history", "completion")


class Refused(Exception):  # noqa: N818 - what the library says with an exception of its own
    """The call cannot be followed; the arguments say why."""


@dataclass
class Grant:
    """What one call gives out."""

    selected: dict[str, list[int]]
    """Positions by tier: pinned ones in input order, then best score first."""
    budgets: dict[str, int]
    """What each tier may use, with what it took over and without what it gave away."""
    own: dict[str, int]
    """What each tier may use before anything is shared."""
    available: int | None


def available_tokens(
    max_prompt_tokens: int | None, reserves: Mapping[str, int | str], tokens_per_char: float
) -> int | None:
    """What the reserves leave of the ceiling; texts are counted."""
    if max_prompt_tokens is None:
        return None
    counted = [
        reference.estimated_tokens(it, tokens_per_char) if isinstance(it, str) else it
        for it in reserves.values()
    ]
    if sum(counted) > max_prompt_tokens:
        raise Refused("reserves")
    return max_prompt_tokens - sum(counted)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Parts in proportion to the weights, by largest remainder; the earlier one first among equals."""
    if not sum(weights):
        return [0 for _ in weights]
    quotas = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(weights)), key=lambda at: (parts[at] - quotas[at], at))
    for at in by_remainder[: total - sum(parts)]:
        parts[at] += 1
    return parts


def tokens(amount: float, whole: int) -> int:
    """An int is tokens, a float a share of the whole."""
    return amount if isinstance(amount, int) else min(int(whole * amount), whole)


def tier_budgets(
    config: Any, level: str, available: int | None
) -> tuple[dict[str, int], dict[str, int | None]]:
    """Own budgets and caps in tokens."""
    plain = {tier: reference.tier_budget(config, tier, level) for tier in TIERS}
    whole = sum(plain.values()) if available is None else min(sum(plain.values()), available)
    floors = {tier: tokens(config.tier_floors.get(tier, 0), whole) for tier in TIERS}
    caps = {
        tier: tokens(config.tier_caps[tier], whole) if tier in config.tier_caps else None for tier in TIERS
    }
    budgets: dict[str, int] = {}
    for tier in TIERS:
        cap = caps[tier]
        if cap is not None and floors[tier] > cap:
            raise Refused("floor above cap", tier)
        raised = max(plain[tier], floors[tier])
        budgets[tier] = raised if cap is None else min(raised, cap)
    if available is not None and sum(budgets.values()) > available:
        rest = available - sum(floors.values())
        if rest < 0:
            raise Refused("floors", sum(floors.values()), available)
        parts = apportion(rest, [budgets[tier] - floors[tier] for tier in TIERS])
        budgets = {tier: floors[tier] + part for tier, part in zip(TIERS, parts, strict=True)}
    return budgets, caps


def allocate(  # noqa: PLR0917 - the six things that a call depends on
    memories: Sequence[Any],
    config: Any,
    level: str,
    now: datetime,
    max_prompt_tokens: int | None,
    reserves: Mapping[str, int | str],
) -> Grant:
    """Pinned ones, then the best of each tier, then what is left over to whom it serves."""
    available = available_tokens(max_prompt_tokens, reserves, config.tokens_per_char)
    budgets, caps = tier_budgets(config, level, available)
    scores: list[float] = []
    costs: list[int] = []
    for memory in memories:
        fresh = (
            1.0
            if memory.evergreen
            else reference.freshness(memory.timestamp, config.freshness_half_life_hours, now)
        )
        combined = (
            reference.finite(memory.relevance_score) * config.relevance_weight
            + reference.finite(memory.importance_score) * config.importance_weight
            + fresh * config.freshness_weight
        )
        scores.append(min(1.0, combined) if combined > 0.0 else 0.0)
        costs.append(memory.token_count or reference.estimated_tokens(memory.text, config.tokens_per_char))

    selected: dict[str, list[int]] = {tier: [] for tier in TIERS}
    used = dict.fromkeys(TIERS, 0)

    def take(position: int) -> None:
        tier = str(memories[position].tier)
        selected[tier].append(position)
        used[tier] += costs[position]

    for position, memory in enumerate(memories):
        if memory.pinned:
            take(position)
    for tier in TIERS:
        if used[tier] > budgets[tier]:
            raise Refused("pinned", tier, used[tier], budgets[tier])
    pinned = {tier: len(selected[tier]) for tier in TIERS}

    candidates = [
        position
        for position, memory in enumerate(memories)
        if available != 0 and not memory.pinned and scores[position] >= config.minimum_score
    ]
    candidates.sort(key=lambda position: -scores[position])
    for position in candidates:
        tier = memories[position].tier
        if used[tier] + costs[position] <= budgets[tier]:
            take(position)

    own = dict(budgets)
    if config.spill_over:
        if config.spill_over_order == "tier":
            candidates.sort(key=lambda position: TIERS.index(memories[position].tier))
        for position in candidates:
            tier = memories[position].tier
            cap = caps[tier]
            within_cap = cap is None or used[tier] + costs[position] <= cap
            fits = sum(used.values()) + costs[position] <= sum(own.values())
            if position not in selected[tier] and within_cap and fits:
                take(position)
        over = [max(0, used[tier] - own[tier]) for tier in TIERS]
        left = [max(0, own[tier] - used[tier]) for tier in TIERS]
        given = apportion(sum(over), left)
        budgets = {tier: own[tier] + more - less for tier, more, less in zip(TIERS, over, given, strict=True)}
    for tier in TIERS:
        first = pinned[tier]
        selected[tier][first:] = sorted(
            selected[tier][first:], key=lambda position: (-scores[position], position)
        )
    return Grant(selected, budgets, own, available)
