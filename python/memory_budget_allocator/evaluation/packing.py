"""From an order to a selection that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memory_budget_allocator.evaluation.dataset import CandidateSet

__all__ = ["skip_what_does_not_fit", "stop_at_what_does_not_fit"]


def skip_what_does_not_fit(order: Iterable[int], candidates: CandidateSet, budget: int) -> list[int]:
    """Positions taken in this order; what does not fit into what is left is passed over."""
    tokens, smallest = candidates.tokens, candidates.smallest
    taken: list[int] = []
    left = budget
    for position in order:
        if tokens[position] <= left:
            taken.append(position)
            left -= tokens[position]
            if left < smallest:
                break
    return taken


def stop_at_what_does_not_fit(order: Iterable[int], candidates: CandidateSet, budget: int) -> list[int]:
    """Positions taken in this order up to the first that does not fit."""
    taken: list[int] = []
    left = budget
    for position in order:
        left -= candidates.tokens[position]
        if left < 0:
            break
        taken.append(position)
    return taken
