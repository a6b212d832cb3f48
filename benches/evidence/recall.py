"""Recall of the evidence, its average over questions, and how far chance may have moved that average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evidence.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evidence.conversations import Conversation

__all__ = ["ConversationRecall", "Estimate", "estimate", "measure"]

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)  # percentiles: a 95 % interval


@dataclass(frozen=True)
class ConversationRecall:
    """The recalls of one conversation: by policy an array of questions x budgets, values 0 to 1."""

    name: str
    recalls: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Estimate:
    """An average with its 95 % interval, in percent; no interval where there is one conversation only."""

    mean: float
    low: float | None
    high: float | None


def measure(conversation: Conversation, budgets: Sequence[int], seed: int) -> ConversationRecall:
    """Let every policy answer every question that has evidence.

    Raises:
        RuntimeError: a policy took a message twice or more tokens than the budget.
    """
    questions = [question for question in conversation.questions if question.evidence]
    recalls: dict[str, NDArray[np.float64]] = {}
    for policy_type in POLICIES:
        policy = policy_type(conversation, seed)
        table = np.zeros((len(questions), len(budgets)))
        for row, question in enumerate(questions):
            for column, selections in enumerate(policy.select(question, budgets)):
                for selection in selections:
                    spent = sum(policy.tokens[position] for position in selection)
                    if spent > budgets[column] or len(set(selection)) != len(selection):
                        raise RuntimeError(
                            f"{policy.name}, {conversation.name}, question {question.question_id}: "
                            f"{spent} tokens selected for a budget of {budgets[column]}"
                        )
                found = sum(len(question.evidence.intersection(selection)) for selection in selections)
                table[row, column] = found / len(selections) / len(question.evidence)
        recalls[policy.name] = table
    return ConversationRecall(conversation.name, recalls)


def estimate(tables: Sequence[NDArray[np.float64]], seed: int) -> list[Estimate]:
    """The average over all questions for each budget; each table holds the questions of one conversation.

    The interval comes from drawing whole conversations again and again: questions about the same
    conversation resemble each other, so that drawing single questions would claim too much certainty.
    """
    sums = np.array([table.sum(axis=0) for table in tables])
    counts = np.array([len(table) for table in tables])
    means = 100.0 * sums.sum(axis=0) / counts.sum()
    if len(tables) < 2:
        return [Estimate(float(mean), None, None) for mean in means]
    drawn = np.random.default_rng(seed).integers(0, len(tables), (RESAMPLES, len(tables)))
    resampled = 100.0 * sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)[:, np.newaxis]
    low, high = np.percentile(resampled, INTERVAL, axis=0)
    return [Estimate(*map(float, figures)) for figures in zip(means, low, high, strict=True)]
