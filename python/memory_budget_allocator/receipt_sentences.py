"""A receipt in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from memory_budget_allocator.wording import shown

if TYPE_CHECKING:
    from memory_budget_allocator._core import Allocation
    from memory_budget_allocator.receipts import Receipt, ScoreTerm

__all__ = ["sentence", "why"]


def sentence(allocation: Allocation, receipt: Receipt) -> str:
    """What became of a candidate, why, and what its score is made of."""
    tier, name = receipt.tier.value, shown(receipt.memory_id)
    if receipt.reason == "filtered":
        return f"{name} was no candidate: the call asks for other users, tiers or ids."
    of = f"rank {receipt.rank} of {allocation.tiers[receipt.tier].available}"
    tokens = _tokens(receipt.tokens)
    if receipt.truncated:
        tokens = f"cut to {receipt.tokens} of its {_tokens(receipt.whole_tokens)}"
    if receipt.reason == "selected":
        decision = f"{name} was selected in the {tier} tier, {of}: {tokens}."
    elif receipt.reason == "pinned":
        held = ", and was kept from an earlier call" if receipt.held else ""
        decision = f"{name} was selected in the {tier} tier because it is pinned{held}: {tokens}."
    elif receipt.reason == "held":
        decision = f"{name} was kept from an earlier call in the {tier} tier, {of}: {tokens}."
    else:
        left_out = f"{name} was left out of the {tier} tier, {of}: {why(allocation, receipt)}."
        decision = f"{left_out} {_remedy(allocation, receipt)}"
    return f"{decision} {_score(receipt)}{_value(receipt)}"


def why(allocation: Allocation, receipt: Receipt) -> str:
    """Why a memory was left out, as a clause about "it"."""
    if receipt.reason == "filtered":
        return "it was no candidate"
    budget = allocation.tiers[receipt.tier].own_budget
    score = "score" if allocation._decided_by == "formula" else "documented score"
    instead = shown(receipt.instead)
    minimum, of_ranking, gate = allocation._minimums
    relevance = receipt.terms[0].given
    relevance = relevance if relevance is not None and math.isfinite(relevance) else 0.0
    reasons = {
        "below_minimum": _below(score, receipt.combined_score, "minimum score", minimum),
        "below_ranking_minimum": _below("score", receipt.score, "ranking's minimum", of_ranking),
        "below_gate": _below("relevance", relevance, "gate", gate),
        "superseded": f"{instead} replaces it",
        "duplicate": f"it says what {instead} says, which had its turn before",
    }
    if receipt.reason in reasons:
        return reasons[receipt.reason]
    ceiling = f"the ceiling of {_tokens(allocation.max_prompt_tokens or 0)}"
    room = allocation._new_text_tokens
    if receipt.reason == "no_room_behind_held":
        what = f"and does not fit behind what is kept under {ceiling}"
    elif receipt.reason == "over_ceiling" and room is not None:
        what = f"and {ceiling}, {room} of them for a new text, leaves no room for it"
    elif receipt.reason == "over_ceiling":
        what = f"and {ceiling} leaves no room for it"
    elif receipt.reason == "oversized" and allocation._spills_over:
        what = f"more than its tier's own budget of {budget}, and {_no_help(allocation, receipt)}"
    elif receipt.reason == "oversized":
        what = f"more than the whole budget of {budget}"
    elif allocation._decided_by == "choice":
        what = f"and others were chosen for the budget of {budget}"
    elif receipt.left is None and allocation._spills_over:
        left = f"more than was left of its tier's own budget of {budget}"
        what = f"{left}, and {_no_help(allocation, receipt)}"
    elif receipt.left is None:
        what = f"more than was left of the budget of {budget}"
    else:
        what = f"and {receipt.left} of the budget of {budget} were left when its turn came"
    return f"it needs {_tokens(receipt.tokens)}, {what}"


def _no_help(allocation: Allocation, receipt: Receipt) -> str:
    """Why it took nothing of what others left; where both may have stopped it, the cap and the rest."""
    cap = allocation._cap(receipt.tier)
    if cap is None:
        return "what others left was not enough"
    if receipt.tokens > cap:
        return f"its tier's cap is {cap}"
    # What a text under a ceiling has lost since was still there when its turn came.
    if allocation.max_prompt_tokens is None:
        tiers = allocation.tiers.values()
        if allocation.tiers[receipt.tier].used + receipt.tokens <= cap:
            return "what others left was not enough"
        if sum(tier.own_budget - tier.used for tier in tiers) >= receipt.tokens:
            return f"its tier's cap of {cap} left no room for it"
    return f"what others left, up to its tier's cap of {cap}, was not enough"


def _below(name: str, value: float, limit_name: str, limit: float | None) -> str:
    if limit is None:
        return f"its {name} is below the {limit_name}"
    numbers = [_number(value), _number(limit)]
    if numbers[0] == numbers[1]:
        numbers = [repr(value), repr(limit)]
    return f"its {name} {numbers[0]} is below the {limit_name} of {numbers[1]}"


def _remedy(allocation: Allocation, receipt: Receipt) -> str:
    if receipt.reason in ("over_ceiling", "no_room_behind_held"):
        return _remedy_of_ceiling(allocation, receipt)
    if receipt.fits_at is not None:
        return f"With a tier budget of {receipt.fits_at} it would be selected."
    if receipt.fits_at_known:
        return "No budget would change that."
    if allocation.max_prompt_tokens is not None:
        return "Under the ceiling, no tier budget is known that would change that."
    return "At which tier budget it would be selected was not found out: the search takes too long."


def _remedy_of_ceiling(allocation: Allocation, receipt: Receipt) -> str:
    if receipt.fits_at is not None:
        return f"With max_prompt_tokens={receipt.fits_at} it would be selected."
    if receipt.fits_at_known:
        return "No ceiling would change that."
    if not allocation._has_texts:
        return "No ceiling is known at which it would be selected (a list needs receipts=True for that)."
    return "No ceiling is known at which it would be selected: the search was given up."


def _score(receipt: Receipt) -> str:
    weighing = [term for term in receipt.terms if term.weight != 0]
    if not weighing:
        return f"Its score is {_number(receipt.score)}: nothing about it has a weight."
    terms = " + ".join(map(_named, weighing))
    total = receipt.unclamped
    # Only the formula clamps what its terms come to; elsewhere the two differ by rounding.
    is_clamped = _number(total) != _number(receipt.score) and not 0 <= total <= 1
    clamped = f" = {_number(total)}, clamped to" if is_clamped else " ="
    return f"Its score is {terms}{clamped} {_number(receipt.score)}."


def _named(term: ScoreTerm) -> str:
    given = "" if term.given in (None, term.value) else f" (given {_number(term.given)})"
    if term.given is None and term.component in ("relevance", "importance", "freshness", "bm25"):
        given = " (not known)"
    return f"{_number(term.weight)} x {term.component} {_number(term.value)}{given}"


def _value(receipt: Receipt) -> str:
    if receipt.cost is None or receipt.cost.given is None:
        return ""
    exponent = -receipt.cost.weight
    cost = f"{receipt.cost.given:.0f}{'' if exponent == 1 else f'^{_number(exponent)}'}"
    worth = math.exp(receipt.key) if receipt.key < 700 else math.inf
    return f" Its value for its cost is exp({_number(receipt.score)}) / {cost} = {_number(worth)}."


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"


def _number(value: float) -> str:
    return f"{value:.4g}"
