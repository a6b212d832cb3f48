"""A function of the caller as a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from memory_budget_allocator.errors import ArgumentTypeError, ArgumentValueError
from memory_budget_allocator.evaluation.dataset import Candidate, Question
from memory_budget_allocator.evaluation.packing import skip_what_does_not_fit
from memory_budget_allocator.wording import one_line, shown

if TYPE_CHECKING:
    from memory_budget_allocator.evaluation.dataset import JudgedQuestion

__all__ = ["FunctionPolicy", "PolicyFunction"]

PolicyFunction: TypeAlias = Callable[[Question, Sequence[Candidate], int], Iterable[str]]
"""Gets a question, its candidates and a budget in tokens; returns ids in the order they are to be taken."""


class FunctionPolicy:
    """Takes candidates in the order a function gives, passing over what does not fit.

    So the function may return a selection that fits, which is taken as it is, or a ranking of all.

    Args:
        name: of the policy, for messages.
        function: gets the question, its candidates and the budget in tokens, and returns ids.
    """

    def __init__(self, name: str, function: PolicyFunction) -> None:
        self._name = name
        self._function = function

    def select(self, question: JudgedQuestion, budgets: Sequence[int]) -> Sequence[Sequence[Sequence[int]]]:
        """One selection for each budget.

        Raises:
            ArgumentTypeError: the function returned something else than ids.
            ArgumentValueError: it returned an id twice or one that no candidate has, or it raised; its own
                exception is the cause.
        """
        return [
            [skip_what_does_not_fit(self._order(question, budget), question.candidate_set, budget)]
            for budget in budgets
        ]

    def _order(self, question: JudgedQuestion, budget: int) -> list[int]:
        place = (
            f"policy {shown(self._name)}, question {shown(question.question.question_id)}, budget {budget}"
        )
        try:
            returned = self._function(question.question, question.candidates, budget)
            # A string is an iterable of strings too, and never meant.
            ids: list[object] | None = None if isinstance(returned, str) else list(returned)
        except Exception as error:
            reason = one_line(f"{type(error).__name__}: {error}")
            raise ArgumentValueError(f"{place}: {reason}") from error
        if ids is None:
            raise ArgumentTypeError(f"{place}: must return ids of candidates, got {shown(returned)}")
        positions: dict[int, None] = {}
        for candidate_id in ids:
            if not isinstance(candidate_id, str):
                raise ArgumentTypeError(f"{place}: must return ids as text, got {shown(candidate_id)}")
            position = question.candidate_set.positions.get(candidate_id)
            if position is None:
                raise ArgumentValueError(f"{place}: returned {shown(candidate_id)}, which is no candidate")
            if position in positions:
                raise ArgumentValueError(f"{place}: returned {shown(candidate_id)} twice")
            positions[position] = None
        return list(positions)
