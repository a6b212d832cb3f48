"""What the selections of policies hold of the gold, question by question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from memory_budget_allocator.evaluation.dataset import Conversation, JudgedQuestion
    from memory_budget_allocator.evaluation.policy import Policy

__all__ = ["Measurements", "measure"]


@dataclass(frozen=True)
class Measurements:
    """Figures of the questions that have gold: arrays of questions x policies x budgets, values 0 to 1."""

    recall: NDArray[np.float64]
    """The share of the gold that was selected."""
    all_evidence: NDArray[np.float64]
    """1 where all of it was, averaged where a policy is one of chance."""
    newer_fact: NDArray[np.float64]
    """1 where all of the newer fact was selected; without meaning where there is none."""
    has_newer_fact: NDArray[np.bool_]
    """For each question."""
    categories: tuple[str | None, ...]
    """Of each question."""
    conversations: NDArray[np.intp]
    """The number of each question's conversation, counted from 0 without gaps."""


def measure(
    conversations: Iterable[Conversation], policies: Mapping[str, Policy], budgets: Sequence[int]
) -> Measurements:
    """Let every policy answer every question that has gold.

    Raises:
        RuntimeError: a policy took a candidate twice or more tokens than the budget.
    """
    answers: list[NDArray[np.float64]] = []
    asked: list[JudgedQuestion] = []
    numbers: list[int] = []
    number = 0
    for conversation in conversations:
        judged = [question for question in conversation.questions if question.gold]
        for question in judged:
            answers.append(_answer(question, policies, budgets))
            asked.append(question)
            numbers.append(number)
        number += bool(judged)
    shape = (len(asked), len(policies), len(budgets), 3)
    figures = np.array(answers).reshape(shape)
    return Measurements(
        recall=figures[..., 0],
        all_evidence=figures[..., 1],
        newer_fact=figures[..., 2],
        has_newer_fact=np.array([bool(question.updated) for question in asked], np.bool_),
        categories=tuple(question.category for question in asked),
        conversations=np.array(numbers, np.intp),
    )


def _answer(
    question: JudgedQuestion, policies: Mapping[str, Policy], budgets: Sequence[int]
) -> NDArray[np.float64]:
    """The three figures of one question, for each policy and budget."""
    figures = np.zeros((len(policies), len(budgets), 3))
    for row, (name, policy) in enumerate(policies.items()):
        for column, selections in enumerate(policy.select(question, budgets)):
            for selection in selections:
                taken = _checked(name, question, selection, budgets[column])
                found = len(question.gold & taken)
                figures[row, column] += (
                    found / len(question.gold),
                    found == len(question.gold),
                    question.updated <= taken,
                )
            figures[row, column] /= len(selections)
    return figures


def _checked(name: str, question: JudgedQuestion, selection: Sequence[int], budget: int) -> set[int]:
    """The selection as a set; that it fits is asserted of every policy, whatever packed it."""
    taken = set(selection)
    spent = sum(map(question.candidate_set.tokens.__getitem__, selection))
    if spent > budget or len(taken) != len(selection):
        raise RuntimeError(
            f"{name}, question {question.question.question_id}: {len(selection)} candidates of {spent} "
            f"tokens selected for a budget of {budget}"
        )
    return taken
