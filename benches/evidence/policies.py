"""Ways to select messages for a question: the library, and the orders it is compared with.

A policy is made once for a conversation and gives, for a question and a budget, the positions of the messages
it selects.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    QueryComplexity,
    WorkspaceConfig,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidence.conversations import Conversation, Question

__all__ = ["POLICIES", "Policy", "pack"]


def pack(order: Sequence[int], tokens: Sequence[int], budget: int) -> list[int]:
    """Positions taken in this order, skipping what does not fit into what is left."""
    taken: list[int] = []
    left = budget
    for position in order:
        if tokens[position] <= left:
            taken.append(position)
            left -= tokens[position]
    return taken


class Policy(ABC):
    """Selects messages of one conversation."""

    name: str

    def __init__(self, conversation: Conversation, seed: int) -> None:
        self.conversation = conversation
        self.tokens = [message.tokens for message in conversation.messages]
        self.seed = seed

    @abstractmethod
    def select(self, question: Question, budgets: Sequence[int]) -> list[list[list[int]]]:
        """For each budget one selection, or several of equal weight if the policy is one of chance."""


class Formula(Policy):
    """The documented formula with its default weights, through the public interface of the library.

    All messages are of one tier, which gets the whole budget whatever the complexity of the question.
    """

    name = "formula"

    def __init__(self, conversation: Conversation, seed: int) -> None:
        super().__init__(conversation, seed)
        self.allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=1)
        self.memories = [
            MemoryItem(
                memory_id=message.message_id,
                text=message.text,
                tier=MemoryTier.WORKING,
                timestamp=message.timestamp,
                importance_score=0.5,
                token_count=message.tokens,
            )
            for message in conversation.messages
        ]

    def select(self, question: Question, budgets: Sequence[int]) -> list[list[list[int]]]:
        for memory, cosine in zip(self.memories, question.cosines, strict=True):
            memory.relevance_score = cosine
        return [[self._allocate(question, budget)] for budget in budgets]

    def _allocate(self, question: Question, budget: int) -> list[int]:
        workspace_id = f"{budget} tokens"
        if workspace_id not in self.allocator.workspace_configs:
            self.allocator.register_workspace(
                WorkspaceConfig(
                    workspace_id,
                    max_total_tokens=budget,
                    working_memory_pct=1.0,
                    project_memory_pct=0.0,
                    long_term_memory_pct=0.0,
                    rag_memory_pct=0.0,
                    complexity_multipliers={level.value: 1.0 for level in QueryComplexity},
                )
            )
        allocation = self.allocator.allocate(
            question.text, self.memories, workspace_id, current_time=self.conversation.now
        )
        return allocation.selected_positions


class CosineOrder(Policy):
    """The most similar message first."""

    name = "cosine order"

    def select(self, question: Question, budgets: Sequence[int]) -> list[list[list[int]]]:
        order = sorted(range(len(self.tokens)), key=lambda position: -question.cosines[position])
        return [[pack(order, self.tokens, budget)] for budget in budgets]


class MostRecentFirst(Policy):
    """The newest message first, whatever the question."""

    name = "most recent first"

    def select(self, question: Question, budgets: Sequence[int]) -> list[list[list[int]]]:
        messages = self.conversation.messages
        order = sorted(range(len(messages)), key=lambda position: messages[position].timestamp, reverse=True)
        return [[pack(order, self.tokens, budget)] for budget in budgets]


class RandomOrder(Policy):
    """Any message first: what a budget gives without any judgement. Several orders, to tame the noise."""

    name = "random"
    orders = 10

    def select(self, question: Question, budgets: Sequence[int]) -> list[list[list[int]]]:
        generator = random.Random(f"{self.seed}/{self.conversation.name}/{question.question_id}")
        positions = range(len(self.tokens))
        shuffled = [generator.sample(positions, len(positions)) for _ in range(self.orders)]
        return [[pack(order, self.tokens, budget) for order in shuffled] for budget in budgets]


class Oracle(Policy):
    """Knows the evidence and takes its shortest messages first: what the budget allows at most."""

    name = "oracle"

    def select(self, question: Question, budgets: Sequence[int]) -> list[list[list[int]]]:
        order = sorted(sorted(question.evidence), key=self.tokens.__getitem__)
        return [[pack(order, self.tokens, budget)] for budget in budgets]


POLICIES: tuple[type[Policy], ...] = (Formula, CosineOrder, MostRecentFirst, RandomOrder, Oracle)
