"""The policies that come with the evaluation, by name."""

from __future__ import annotations

import random
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from memory_budget_allocator.evaluation.bm25 import bm25_scores
from memory_budget_allocator.evaluation.library_policy import LibraryPolicy
from memory_budget_allocator.evaluation.packing import skip_what_does_not_fit, stop_at_what_does_not_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memory_budget_allocator.evaluation.dataset import CandidateSet, JudgedQuestion
    from memory_budget_allocator.evaluation.policy import Policy

    Order: TypeAlias = Callable[[JudgedQuestion], Sequence[int]]
    Packer: TypeAlias = Callable[[Sequence[int], CandidateSet, int], Sequence[int]]

__all__ = ["BUILTIN_POLICIES"]


class OrderPolicy:
    """Takes candidates in an order that does not depend on the budget."""

    def __init__(self, order: Order, pack: Packer = skip_what_does_not_fit) -> None:
        self._order = order
        self._pack = pack

    def select(self, question: JudgedQuestion, budgets: Sequence[int]) -> Sequence[Sequence[Sequence[int]]]:
        """One selection for each budget."""
        order = self._order(question)
        return [[self._pack(order, question.candidate_set, budget)] for budget in budgets]


class RandomPolicy:
    """Takes any candidate first: what a budget gives without judgement. Several orders tame the noise."""

    ORDERS = 10

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def select(self, question: JudgedQuestion, budgets: Sequence[int]) -> Sequence[Sequence[Sequence[int]]]:
        """The selections of ten orders for each budget."""
        asked = question.question
        generator = random.Random(f"{self._seed}/{asked.conversation}/{asked.question_id}")
        positions = range(len(question.candidate_set))
        orders = [generator.sample(positions, len(positions)) for _ in range(self.ORDERS)]
        return [
            [skip_what_does_not_fit(order, question.candidate_set, budget) for order in orders]
            for budget in budgets
        ]


def _most_relevant_first(question: JudgedQuestion) -> Sequence[int]:
    return question.most_relevant_first


def _newest_first(question: JudgedQuestion) -> Sequence[int]:
    return question.candidate_set.newest_first


def _most_shared_words_first(question: JudgedQuestion) -> Sequence[int]:
    scores = question.bm25
    if scores is None:
        scores = bm25_scores(question.question.text, question.candidate_set)
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    return order


def _shortest_gold_first(question: JudgedQuestion) -> Sequence[int]:
    return sorted(sorted(question.gold), key=question.candidate_set.tokens.__getitem__)


BUILTIN_POLICIES: Mapping[str, Callable[[int], Policy]] = MappingProxyType(
    {
        "formula": lambda _: LibraryPolicy(),
        "evidence": lambda _: LibraryPolicy(ranking="evidence"),
        "cosine": lambda _: OrderPolicy(_most_relevant_first),
        "cosine-cut": lambda _: OrderPolicy(_most_relevant_first, stop_at_what_does_not_fit),
        "recent": lambda _: OrderPolicy(_newest_first),
        "bm25": lambda _: OrderPolicy(_most_shared_words_first),
        "random": RandomPolicy,
        "oracle": lambda _: OrderPolicy(_shortest_gold_first),
    }
)
"""How each policy is made, given the seed of the evaluation:

- formula: the library with its default weights, all candidates in one tier with the whole budget;
- evidence: the same with `ranking="evidence"`;
- cosine: the most relevant candidate first, what does not fit is passed over;
- cosine-cut: the same, cut off at the first that does not fit;
- recent: the newest first;
- bm25: by BM25 over the candidates of the question, the data's own scores where it has some;
- random: ten orders of chance, averaged;
- oracle: the gold itself, the shortest first: no selection can hold more of it.
"""
