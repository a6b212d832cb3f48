"""What a session does and what its receipts say, in plain Python: the judge of the native code.

For counters that add up, such as `len`: then the text is a sum of parts, and what fits is taken best first.
For rankings by key, without floors, caps, spill-over and duplicates, and for fewer candidates than the 64
that a text tries in vain before it gives up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from reference import TIERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Call", "Candidate", "Frame", "Outcome", "step"]


@dataclass(frozen=True)
class Candidate:
    """One memory of a call; rows are places in the list of candidates."""

    memory_id: str
    text: str
    tier: str
    tokens: int
    key: float
    score: float
    verdict: str = "kept"
    pinned: bool = False


@dataclass(frozen=True)
class Frame:
    """What a template puts around memories; its lengths are its tokens."""

    prologue: str
    before: str
    after: str
    between: str
    epilogue: str

    def tokens(self, texts: Sequence[str]) -> int:
        """Of a whole text."""
        if not texts:
            return 0
        parts = [len(self.before) + len(text) + len(self.after) for text in texts]
        return len(self.prologue) + sum(parts) + len(self.between) * (len(parts) - 1) + len(self.epilogue)


@dataclass(frozen=True)
class Call:
    """What one call may use."""

    budgets: dict[str, int]
    """Per tier, before the ceiling scales them down."""
    available: int
    fill: float
    rebuild_share: float
    frame: Frame


@dataclass
class Outcome:
    """What is in the text, in its order as far as it is kept, and why."""

    kept: list[int] = field(default_factory=list)
    appended: set[int] = field(default_factory=set)
    rebuilt: str | None = None
    reasons: list[str] = field(default_factory=list)
    budgets: dict[str, int] = field(default_factory=dict)
    is_first_above_share: bool = False
    """Whether a new text holds one memory although the share has room for none but pinned ones."""


def scaled(budgets: dict[str, int], available: int) -> dict[str, int]:
    """Down to what is available, by largest remainder."""
    whole = sum(budgets.values())
    if whole <= available:
        return dict(budgets)
    exact = {tier: Fraction(available * budget, whole) for tier, budget in budgets.items()}
    parts = {tier: int(part) for tier, part in exact.items()}
    by_remainder = sorted(TIERS, key=lambda tier: parts[tier] - exact[tier])
    for tier in by_remainder[: available - sum(parts.values())]:
        parts[tier] += 1
    return parts


def order(candidates: Sequence[Candidate], rows: Iterable[int]) -> list[int]:
    """That of a plan: by tier, pinned ones as they came, then the greatest key."""

    def place(row: int) -> tuple[int, bool, float, int]:
        it = candidates[row]
        return (TIERS.index(it.tier), not it.pinned, 0.0 if it.pinned else -it.key, row)

    return sorted(rows, key=place)


def plan(candidates: Sequence[Candidate], budgets: dict[str, int]) -> set[int]:
    """What the budgets take; a budget of nothing at all takes nothing at all."""
    left = dict(budgets)
    taken = {row for row, it in enumerate(candidates) if it.pinned}
    for row in taken:
        left[candidates[row].tier] -= candidates[row].tokens
    for row in sorted(set(range(len(candidates))) - taken, key=lambda row: (-candidates[row].key, row)):
        it = candidates[row]
        if it.verdict == "kept" and it.tokens <= left[it.tier]:
            left[it.tier] -= it.tokens
            taken.add(row)
    return taken


def fitting(
    candidates: Sequence[Candidate],
    rows: Sequence[int],
    held: Sequence[str],
    ceiling: int,
    *,
    share: int,
    budgets: dict[str, int] | None,
    frame: Frame,
) -> tuple[list[int], int]:
    """Which of the rows fit behind the held texts; and the tokens of it all.

    What is pinned and the first of the others that fits may use the whole ceiling, all else the share.
    """
    taken: list[int] = []
    for row in sorted(rows, key=lambda row: (not candidates[row].pinned, -candidates[row].key)):
        it = candidates[row]
        if not it.pinned:
            used = sum(candidates[other].tokens for other in taken if candidates[other].tier == it.tier)
            if budgets is not None and used + it.tokens > budgets[it.tier]:
                continue
            texts = [*held, *(candidates[other].text for other in taken), it.text]
            is_first = all(candidates[other].pinned for other in taken)
            if frame.tokens(texts) > (ceiling if is_first else share):
                continue
        taken.append(row)
    return taken, frame.tokens([*held, *(candidates[row].text for row in taken)])


def worth(values: Iterable[float]) -> float:
    """Smallest first, so that the order in which they come does not count."""
    total = 0.0
    for value in sorted(values):
        total += value
    return total


def overflows(candidates: Sequence[Candidate], budgets: dict[str, int]) -> bool:
    """Whether what is pinned exceeds the budget of its tier."""
    needed = dict.fromkeys(TIERS, 0)
    for it in candidates:
        needed[it.tier] += it.tokens * it.pinned
    return any(needed[tier] > budgets[tier] for tier in TIERS)


def tried(candidates: Sequence[Candidate], call: Call, budgets: dict[str, int]) -> list[int]:
    """What the budgets take, and what twice as much of everything would."""
    if call.available == 0:
        return order(candidates, (row for row, it in enumerate(candidates) if it.pinned))
    doubled = {tier: 2 * budget for tier, budget in call.budgets.items()}
    wider = plan(candidates, scaled(doubled, 2 * call.available))
    return order(candidates, plan(candidates, budgets) | wider)


def found(candidates: Sequence[Candidate], held: Sequence[Candidate]) -> list[int]:
    """Where the held ones are, as far as they are there and what they were."""
    rows: list[int] = []
    for member in held:
        same = [
            row
            for row, it in enumerate(candidates)
            if (it.memory_id, it.text, it.tokens) == (member.memory_id, member.text, member.tokens)
            and (it.verdict != "superseded" or it.pinned)
            and row not in rows
        ]
        if not same:
            break
        rows.append(same[0])
    return rows


def step(candidates: Sequence[Candidate], held: Sequence[Candidate], call: Call) -> Outcome | None:
    """The next text after one that holds `held`; None where the pinned ones do not fit."""
    budgets = scaled(call.budgets, call.available)
    if overflows(candidates, budgets):
        return None
    rows = tried(candidates, call, budgets)
    aim = min(int(call.available * call.fill), call.available)
    fresh, tokens = fitting(candidates, rows, [], aim, share=aim, budgets=budgets, frame=call.frame)
    if all(candidates[row].pinned for row in fresh):
        fresh, tokens = fitting(
            candidates, rows, [], call.available, share=aim, budgets=budgets, frame=call.frame
        )
    if tokens > call.available:
        return None
    kept = found(candidates, held)
    gap = len(kept) < len(held)
    outcome = Outcome(kept, set(), "changed" if gap else None, budgets=budgets)
    others = [row for row in fresh if not candidates[row].pinned]
    outcome.is_first_above_share = bool(others) and tokens > aim

    texts = [candidates[row].text for row in kept]
    missing = [row for row in rows if row in fresh and row not in kept]
    ceiling = aim if gap else call.available
    appended, tokens = fitting(
        candidates, missing, texts, ceiling, share=ceiling, budgets=None, frame=call.frame
    )
    present = {*kept, *appended}
    best = max(others, key=lambda row: (candidates[row].key, -rows.index(row)), default=None)

    def value(of: Iterable[int]) -> float:
        return worth(max(candidates[row].score, 0.0) * candidates[row].tokens for row in of)

    why = None
    if not kept:
        why = "first"
    elif tokens > call.available or (best is not None and best not in present):
        why = "full"
    elif value(present) < call.rebuild_share * value(fresh):
        why = "value"
    if why is None:
        outcome.appended = set(appended)
    else:
        outcome.kept, outcome.appended = [], set(fresh)
        outcome.rebuilt = outcome.rebuilt or why
    free = plan(candidates, call.budgets)
    outcome.reasons = [reason(candidates, row, outcome, set(fresh), free) for row in range(len(candidates))]
    return outcome


def reason(
    candidates: Sequence[Candidate], row: int, outcome: Outcome, fresh: set[int], free: set[int]
) -> str:
    """Why a candidate is in the text or not."""
    it = candidates[row]
    if row in outcome.kept or row in outcome.appended:
        if it.pinned:
            return "pinned"
        return "held" if row in outcome.kept else "selected"
    if row in fresh:
        return "no_room_behind_held"
    if row in free:
        return "over_ceiling"
    if it.verdict != "kept":
        return it.verdict
    return "oversized" if it.tokens > outcome.budgets[it.tier] else "over_tier_budget"
