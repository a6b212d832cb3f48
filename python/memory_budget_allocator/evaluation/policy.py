"""What a policy is: for a question and a budget, positions of candidates that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memory_budget_allocator.evaluation.dataset import JudgedQuestion

__all__ = ["Policy"]


class Policy(Protocol):
    """Selects candidates."""

    def select(self, question: JudgedQuestion, budgets: Sequence[int]) -> Sequence[Sequence[Sequence[int]]]:
        """For each budget one selection, or several of equal weight if the policy is one of chance."""
        ...
