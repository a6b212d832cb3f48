"""What a ceiling, floors, caps, pins, spill-over and a minimum score mean, in plain Python.

`allocate` is what the budgets allow; `render` what a ceiling on the text leaves of it.

As `reference`: written to be checked by eye, one loop per rule, nothing outside the standard library.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import reference
from reference import LEVELS, TIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
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
    scores: list[float]
    """By position, as the costs in tokens."""
    costs: list[int]
    floors: dict[str, int]
    strict: set[int]
    """What each tier took for itself, before anything was shared."""


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
) -> tuple[dict[str, int], dict[str, int | None], dict[str, int]]:
    """Own budgets, caps and floors in tokens; where nothing is available, nothing for anybody."""
    if available == 0:
        nothing = dict.fromkeys(TIERS, 0)
        return nothing, dict.fromkeys(TIERS, None), nothing
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
    return budgets, caps, floors


def some_call_keeps_floors(config: Any) -> bool:
    """Whether a query of some level, under no ceiling, leaves every floor in tokens below its cap."""
    in_tokens = {tier: it for tier, it in config.tier_floors.items() if isinstance(it, int)}

    def keeps(level: str) -> bool:
        whole = sum(reference.tier_budget(config, tier, level) for tier in TIERS)
        caps = {tier: tokens(cap, whole) for tier, cap in config.tier_caps.items()}
        return all(floor <= caps.get(tier, floor) for tier, floor in in_tokens.items())

    return any(map(keeps, LEVELS))


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
    budgets, caps, floors = tier_budgets(config, level, available)
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
    strict = {position for tier in TIERS for position in selected[tier]}
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
    return Grant(selected, budgets, own, available, scores, costs, floors, strict)


@dataclass
class Text:
    """Positions whose memories stand in the text, in the order of priority, and its tokens."""

    rows: list[int]
    tokens: int
    raised: set[int] = field(default_factory=set)
    """Those that were overtaken by others, though the floor of their tier had room for them."""


@dataclass
class Frame:
    """A template without headings and slots but the text, and what counts tokens; no text has none."""

    prologue: str
    before: str
    behind: str
    between: str
    epilogue: str
    count: Callable[[str], int]

    def item(self, memory: Any) -> str:
        return self.before + memory.text + self.behind

    def tokens(self, text: str) -> int:
        return self.count(text) if text else 0


# How firmly a memory holds its place, firmest first.
PINNED, FLOOR, CHOSEN, FREE = range(4)
PATIENCE = 64
REFILLS = 3
FLOOR_ROUNDS = 3


def wider(  # noqa: PLR0917 - as `allocate`
    memories: Sequence[Any], config: Any, level: str, now: datetime, available: int, most: int
) -> dict[str, list[int]]:
    """What twice the tokens would select; nothing where that is refused."""
    doubled = copy(config)  # unchecked: what no workspace may say is for `allocate` to refuse
    doubled.max_total_tokens = min(2 * config.max_total_tokens, most)
    try:
        return allocate(memories, doubled, level, now, min(2 * available, most), {}).selected
    except Refused:
        return {tier: [] for tier in TIERS}


def covered(memories: Sequence[Any], config: Any, grant: Grant) -> dict[str, list[int]]:
    """What each tier would select within its floor alone, or what its pinned ones need."""
    rows: dict[str, list[int]] = {tier: [] for tier in TIERS}
    if not any(grant.floors.values()):
        return rows
    for tier in TIERS:
        members = [row for row, memory in enumerate(memories) if memory.tier == tier]
        used = sum(grant.costs[row] for row in members if memories[row].pinned)
        budget = max(grant.floors[tier], used)
        for row in sorted(members, key=lambda row: -grant.scores[row]):
            fits = used + grant.costs[row] <= budget
            if fits and not memories[row].pinned and grant.scores[row] >= config.minimum_score:
                rows[tier].append(row)
                used += grant.costs[row]
    return rows


def held(memories: Sequence[Any], candidates: Sequence[int], grant: Grant, config: Any) -> dict[int, int]:
    """How firmly each candidate holds its place: the first of a tier that its floor covers are its floor."""
    floors = dict(grant.floors)
    holds: dict[int, int] = {}
    for row in candidates:
        tier, cost = str(memories[row].tier), grant.costs[row]
        is_in_plan = row in grant.selected[tier]
        if memories[row].pinned:
            holds[row] = PINNED
            floors[tier] = max(0, floors[tier] - cost)
        elif is_in_plan and 0 < floors[tier] >= cost:
            holds[row] = FLOOR
            floors[tier] -= cost
        else:
            holds[row] = CHOSEN if config.spill_over and row in grant.strict else FREE
    return holds


def render(
    memories: Sequence[Any], config: Any, grant: Grant, more: dict[str, list[int]], frame: Frame
) -> Text:
    """Whom the text holds: `grant` of a call with a ceiling, and of `more` those who move up.

    Taken by the sum of the parts; as long as the whole, counted, is above the ceiling, the last in the order
    of priority give way, twice as many each time; then as many are given back as fit; then what was left out
    is tried, three times, without whom it failed for. Those who hold their places more firmly have all they
    can have before others have a turn. While a tier is below its floor and has something for it, that comes
    beside what the floors cover of the text, and others refill it.
    """
    fitting = Fitting(memories, config, grant, more, frame)
    text = fitting.once()
    in_vain: set[int] = set()
    for _ in range(FLOOR_ROUNDS):
        found = fitting.overtaken(text, in_vain)
        if found is None:
            break
        firm, overtaken = found
        raised, refused = fitting.beside(firm, overtaken)
        in_vain |= set(refused)
        if len(raised.rows) > len(firm.rows):
            for row in raised.rows:
                fitting.holds[row] = min(fitting.holds[row], FLOOR)
            beside = text.raised | set(raised.rows[len(firm.rows) :])
            text = replace(fitting.fill(raised, refused), raised=beside)
    return text


class Fitting:
    """The steps of `render`."""

    def __init__(
        self, memories: Sequence[Any], config: Any, grant: Grant, more: dict[str, list[int]], frame: Frame
    ) -> None:
        self.memories, self.grant, self.frame = memories, grant, frame
        assert grant.available is not None
        self.ceiling = grant.available

        def by_rank(row: int) -> tuple[int, bool, float, int]:
            is_pinned = memories[row].pinned
            return (
                TIERS.index(memories[row].tier),
                not is_pinned,
                0.0 if is_pinned else -grant.scores[row],
                row,
            )

        plans = (grant.selected, more, covered(memories, config, grant))
        rows = {row for plan in plans for tier in TIERS for row in plan[tier]}
        candidates = sorted(rows, key=by_rank)
        self.place = {row: at for at, row in enumerate(candidates)}
        self.holds = held(memories, candidates, grant, config)
        self.parts = {row: frame.tokens(frame.item(memories[row])) for row in candidates}

    @property
    def priority(self) -> list[int]:
        return sorted(self.place, key=lambda row: (self.holds[row], -self.grant.scores[row], self.place[row]))

    def turns(self) -> list[int]:
        """How places are held beside the pinned ones, firmest first."""
        return sorted(set(self.holds.values()) - {PINNED})

    def once(self) -> Text:
        """Evicts and fills, with the present holds."""
        first = next(iter(self.turns()), FREE)
        text, refused = self.evict(self.whole(self.take(Text([], 0), [], first)))
        return self.fill(text, refused)

    def fill(self, text: Text, refused: list[int]) -> Text:
        for turn in self.turns():
            for _ in range(REFILLS):
                batch = self.take(text, refused, turn)
                if not batch:
                    break
                fuller = self.whole(text.rows + batch)
                if fuller.tokens <= self.ceiling:
                    text = fuller
                else:
                    text, failed = self.give_back(text, batch)
                    refused.append(failed)
        return text

    def beside(self, text: Text, more: list[int]) -> tuple[Text, list[int]]:
        """A text with what of `more` fits beside it, and whom it failed for."""
        refused: list[int] = []
        for _ in range(REFILLS):
            fuller = self.whole(text.rows + more)
            if fuller.tokens <= self.ceiling:
                return fuller, refused
            text, failed = self.give_back(text, more)
            refused.append(failed)
            more = more[more.index(failed) + 1 :]
            if not more:
                break
        return text, refused

    def overtaken(self, text: Text, in_vain: set[int]) -> tuple[Text, list[int]] | None:
        """What the floors cover of a text, and of what it leaves out: all that the parts leave room for,
        or the first if that is nothing."""
        memories, frame, costs, floors = self.memories, self.frame, self.grant.costs, self.grant.floors
        rests, used = dict(floors), dict.fromkeys(TIERS, 0)
        rows: list[int] = []
        for row in (row for row in self.priority if row in text.rows):
            tier = memories[row].tier
            used[tier] += costs[row]
            if self.holds[row] <= FLOOR or (rests[tier] > 0 and costs[row] <= rests[tier]):
                rests[tier] = max(0, rests[tier] - costs[row])
                rows.append(row)
        firm = self.whole(rows)
        total = firm.tokens if rows else frame.tokens(frame.prologue) + frame.tokens(frame.epilogue)
        covered: list[int] = []
        overtaken: list[int] = []
        for row in sorted(self.place, key=lambda row: (-self.grant.scores[row], self.place[row])):
            tier = memories[row].tier
            floor = min(floors[tier], self.grant.budgets[tier])
            is_open = self.holds[row] != PINNED and row not in text.rows and row not in in_vain
            if not is_open or not 0 < used[tier] + costs[row] <= floor:
                continue
            covered.append(row)
            grown = total + self.parts[row] + (frame.tokens(frame.between) if rows or overtaken else 0)
            if grown <= self.ceiling:
                overtaken.append(row)
                used[tier] += costs[row]
                total = grown
        if not covered or firm.tokens > self.ceiling:
            return None
        return firm, overtaken or covered[:1]

    def whole(self, rows: list[int]) -> Text:
        if not rows:
            return Text([], 0)
        in_order = sorted(rows, key=lambda row: (-self.grant.scores[row], self.place[row]))
        items = self.frame.between.join(self.frame.item(self.memories[row]) for row in in_order)
        return Text(rows, self.frame.count(self.frame.prologue + items + self.frame.epilogue))

    def take(self, text: Text, refused: list[int], turn: int) -> list[int]:
        """Whom the parts leave room for beside a text, of those who have their turn."""
        frame, costs, budgets = self.frame, self.grant.costs, self.grant.budgets
        total = text.tokens if text.rows else frame.tokens(frame.prologue) + frame.tokens(frame.epilogue)
        used = dict.fromkeys(TIERS, 0)
        for row in text.rows:
            used[self.memories[row].tier] += costs[row]
        taken: list[int] = []
        in_vain = 0
        for row in self.priority:
            tier, is_pinned = self.memories[row].tier, self.holds[row] == PINNED
            if row in text.rows or row in refused or self.holds[row] > turn:
                continue
            if used[tier] + costs[row] > budgets[tier] and not is_pinned:
                continue
            grown = total + self.parts[row] + (frame.tokens(frame.between) if text.rows or taken else 0)
            if grown > self.ceiling and not is_pinned:
                in_vain += 1
                if in_vain == PATIENCE:
                    break
                continue
            total, in_vain = grown, 0
            used[tier] += costs[row]
            taken.append(row)
        return taken

    def evict(self, text: Text) -> tuple[Text, list[int]]:
        """What of a text fits; and who was evicted, and fails to fit beside it, if anyone was."""
        least = 1
        while text.tokens > self.ceiling:
            evictable = [row for row in text.rows if self.holds[row] != PINNED]
            if not evictable:
                raise Refused("pinned text", text.tokens, self.ceiling)
            excess, freed, count = text.tokens - self.ceiling, 0, 0
            while count < len(evictable) and (count < least or freed < excess):
                count += 1
                freed += self.parts[text.rows[-count]]
            kept, evicted = text.rows[:-count], text.rows[-count:]
            text = self.whole(kept)
            least *= 2
            if text.tokens <= self.ceiling:
                text, failed = self.give_back(text, evicted)
                return text, [failed]
        return text, []

    def give_back(self, text: Text, more: list[int]) -> tuple[Text, int]:
        """The longest beginning of `more` that fits, by bisection, and who comes next."""
        base, fits, too_many = text.rows, 0, len(more)
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            tried = self.whole(base + more[:middle])
            if tried.tokens <= self.ceiling:
                fits, text = middle, tried
            else:
                too_many = middle
        return text, more[fits]
