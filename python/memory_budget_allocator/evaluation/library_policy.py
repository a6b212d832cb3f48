"""The library itself as a policy, through its public interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memory_budget_allocator.allocator import MemoryBudgetAllocator
from memory_budget_allocator.item_face import MemoryItem
from memory_budget_allocator.levels import MemoryTier, QueryComplexity
from memory_budget_allocator.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memory_budget_allocator.evaluation.dataset import CandidateSet, JudgedQuestion

__all__ = ["LibraryPolicy"]


class LibraryPolicy:
    """Allocates with the settings of a workspace.

    All candidates are of one tier, which gets the whole budget whatever the complexity of the question.

    Args:
        settings: fields of `WorkspaceConfig` beyond its defaults.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=1)
        self._candidates: CandidateSet | None = None
        self._memories: list[MemoryItem] = []

    def select(self, question: JudgedQuestion, budgets: Sequence[int]) -> Sequence[Sequence[Sequence[int]]]:
        """One selection for each budget."""
        if self._candidates is not question.candidate_set:
            self._candidates = question.candidate_set
            self._memories = _memories(question.candidate_set)
        for memory, relevance in zip(self._memories, question.relevance.tolist(), strict=True):
            memory.relevance_score = relevance
        return [[self._allocate(question, budget)] for budget in budgets]

    def _allocate(self, question: JudgedQuestion, budget: int) -> Sequence[int]:
        asked = question.question
        allocation = self._allocator.allocate(
            asked.text, self._memories, self._workspace(budget), current_time=asked.now
        )
        return allocation.selected_positions

    def _workspace(self, budget: int) -> str:
        workspace_id = f"{budget} tokens"
        if workspace_id not in self._allocator.workspace_configs:
            self._allocator.register_workspace(
                WorkspaceConfig(
                    workspace_id,
                    max_total_tokens=budget,
                    working_memory_pct=1.0,
                    project_memory_pct=0.0,
                    long_term_memory_pct=0.0,
                    rag_memory_pct=0.0,
                    complexity_multipliers={level.value: 1.0 for level in QueryComplexity},
                    **self._settings,
                )
            )
        return workspace_id


def _memories(candidates: CandidateSet) -> list[MemoryItem]:
    return [
        MemoryItem(
            memory_id=memory_id,
            text=text,
            tier=MemoryTier.WORKING,
            timestamp=timestamp,
            importance_score=importance,
            token_count=tokens,
            session_id=session,
            position=place,
        )
        for memory_id, text, tokens, timestamp, importance, session, place in zip(
            candidates.ids,
            candidates.texts,
            candidates.tokens,
            candidates.timestamps,
            candidates.importances,
            candidates.sessions,
            candidates.places,
            strict=True,
        )
    ]
