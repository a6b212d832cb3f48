"""A pool beside a dict of memories and a list of row numbers, through any sequence of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import strategies
from memory_budget_allocator import (
    ArgumentValueError,
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    PoolSnapshot,
    UnknownMemoryError,
    WorkspaceConfig,
)
from pool_helpers import comparable, state
from reference import Memory

NAMES = ["a", "b", "c", "é", "\ud800", "", "a" * 50]
users = st.sampled_from([None, "ada", "bob"])


class PoolAgainstDict(RuleBasedStateMachine):
    """A pool does what a dict of items and a list of row numbers do."""

    ids = st.sampled_from(NAMES)

    def __init__(self) -> None:
        super().__init__()
        self.pool = MemoryPool()
        self.model: dict[str, MemoryItem] = {}
        self.rows: list[str | None] = []
        self.snapshots: list[tuple[PoolSnapshot, list[str | None]]] = []

    def _present(self) -> list[MemoryItem]:
        return [self.model[memory_id] for memory_id in self.rows if memory_id is not None]

    def _added(self, memory: MemoryItem) -> int:
        if memory.memory_id not in self.model:
            self.rows.append(memory.memory_id)
        self.model[memory.memory_id] = memory
        return self.rows.index(memory.memory_id)

    @rule(drawn=strategies.memories(), memory_id=ids, user_id=users)
    def add(self, drawn: dict[str, Any], memory_id: str, user_id: str | None) -> None:
        memory = MemoryItem(**drawn | {"memory_id": memory_id, "user_id": user_id, "last_accessed": None})
        row = self._added(memory)
        assert self.pool.add(memory) == row

    @rule(drawn=st.lists(st.tuples(strategies.memories(), ids, users), max_size=6))
    def add_many(self, drawn: list[tuple[dict[str, Any], str, str | None]]) -> None:
        added = [
            MemoryItem(**fields | {"memory_id": memory_id, "user_id": user_id, "last_accessed": None})
            for fields, memory_id, user_id in drawn
        ]
        rows = [self._added(memory) for memory in added]  # of an id that comes twice, the last one stays
        assert self.pool.add_many(added) == rows

    @rule(drawn=st.lists(st.tuples(strategies.memories(), ids), max_size=3), memory_id=ids)
    def add_what_cannot_be(self, drawn: list[tuple[dict[str, Any], str]], memory_id: str) -> None:
        good: list[Any] = [MemoryItem(**fields | {"memory_id": name}) for fields, name in drawn]
        bad: Any = Memory(memory_id, "text", "rag", None, token_count=-1)
        version = self.pool.version
        with pytest.raises(MemoryBudgetError):
            self.pool.add_many([*good, bad])
        with pytest.raises(MemoryBudgetError):
            self.pool.add(bad)
        assert self.pool.version == version

    @rule(memory_id=ids)
    def remove(self, memory_id: str) -> None:
        if self.model.pop(memory_id, None) is None:
            with pytest.raises(UnknownMemoryError):
                self.pool.remove(memory_id)
            return
        self.pool.remove(memory_id)
        assert memory_id not in self.pool
        self.rows[self.rows.index(memory_id)] = None

    @rule(memory_id=ids, text=strategies.texts, importance=strategies.scores)
    def update(self, memory_id: str, text: str, importance: float) -> None:
        if memory_id in self.model:
            self.pool.update(memory_id, text=text, importance_score=importance)
            self.model[memory_id].text = text
            self.model[memory_id].importance_score = importance

    @rule(memory_id=ids, tier=st.sampled_from(MemoryTier), user_id=users, count=strategies.access_counts)
    def update_more(self, memory_id: str, tier: MemoryTier, user_id: str | None, count: int) -> None:
        changes: Any = {"tier": tier, "user_id": user_id, "access_count": count, "metadata": {"n": count}}
        if memory_id not in self.model:
            with pytest.raises(UnknownMemoryError):
                self.pool.update(memory_id, **changes)
            return
        self.pool.update(memory_id, **changes)
        for name, value in changes.items():
            setattr(self.model[memory_id], name, value)

    @rule(memory_id=ids, changes=st.sampled_from([{"token_count": -1}, {"tier": "attic"}, {"colour": 1}]))
    def update_to_what_cannot_be(self, memory_id: str, changes: Any) -> None:
        version = self.pool.version
        with pytest.raises(MemoryBudgetError):
            self.pool.update(memory_id, text="changed", **changes)
        assert self.pool.version == version

    @rule()
    def compact(self) -> None:
        kept = [row for row, memory_id in enumerate(self.rows) if memory_id is not None]
        assert self.pool.compact() == kept
        self.rows = [self.rows[row] for row in kept]

    @rule()
    def look(self) -> None:
        self.snapshots.append((self.pool.snapshot(), list(self.rows)))

    def _allocated_alike(self, query: str, candidates: list[MemoryItem], **options: Any) -> None:
        counted = {id(memory): memory.token_count for memory in candidates}
        here = MemoryBudgetAllocator().allocate(query, self.pool, current_time=strategies.NOW, **options)
        there = MemoryBudgetAllocator().allocate(query, candidates, current_time=strategies.NOW)
        assert comparable(here) == comparable(there)
        rows = [self.rows.index(memory.memory_id) for memory in candidates]
        assert here.selected_positions == [rows[position] for position in there.selected_positions]
        for memory in candidates:
            if not counted[id(memory)]:
                memory.token_count = 0  # a pool writes no estimate back

    @rule(query=strategies.queries)
    def allocate(self, query: str) -> None:
        self._allocated_alike(query, self._present())

    @rule(user_id=users, tiers=st.lists(st.sampled_from(MemoryTier), min_size=1, unique=True))
    def allocate_for_some(self, user_id: str | None, tiers: list[MemoryTier]) -> None:
        candidates = [
            memory
            for memory in self._present()
            if memory.tier in tiers and (user_id is None or memory.user_id == user_id)
        ]
        self._allocated_alike("q", candidates, user_id=user_id, tiers=tiers)

    @rule(data=st.data())
    def allocate_by_relevance(self, data: st.DataObject) -> None:
        """As a buffer in the order of rows, and as a mapping."""
        drawn = data.draw(st.lists(st.floats(0, 1), min_size=len(self.rows), max_size=len(self.rows)))
        by_id = {name: value for name, value in zip(self.rows, drawn, strict=True) if name is not None}
        for relevance in (np.array(drawn, dtype=np.float64), by_id):
            stored = {memory.memory_id: memory.relevance_score for memory in self._present()}
            for memory in self._present():
                memory.relevance_score = by_id[memory.memory_id]
            self._allocated_alike("q", self._present(), relevance=relevance)
            for memory in self._present():
                memory.relevance_score = stored[memory.memory_id]

    @rule()
    def allocate_with_a_relevance_of_another_version(self) -> None:
        counts = [memory.access_count for memory in self.pool]
        with pytest.raises(ArgumentValueError):
            MemoryBudgetAllocator().allocate(
                "q", self.pool, relevance=np.zeros(len(self.rows)), relevance_version=self.pool.version + 1
            )
        assert [memory.access_count for memory in self.pool] == counts

    @rule(threshold=st.sampled_from([0.2, 0.5, 0.8]))
    def promote(self, threshold: float) -> None:
        config = WorkspaceConfig("w", promotion_threshold=threshold, demotion_threshold=threshold / 2)
        allocator = MemoryBudgetAllocator()
        ordered = self._present()
        for memory in ordered:  # a pool scores first
            allocator.calculate_memory_score(memory, config, strategies.NOW)
        here = allocator.evaluate_promotion_demotion(self.pool, config, strategies.NOW)
        there = allocator.evaluate_promotion_demotion(ordered, config, strategies.NOW)
        assert here == there
        assert allocator.apply_tier_changes(self.pool, here) == allocator.apply_tier_changes(ordered, there)

    @precondition(lambda self: self.snapshots)
    @rule()
    def snapshots_stay(self) -> None:
        for snapshot, rows in self.snapshots:
            assert (snapshot.ids, snapshot.rows) == (rows, len(rows))

    @invariant()
    def the_same(self) -> None:
        assert self.pool.ids == self.rows
        assert len(self.pool) == len(self.model)
        found = {memory.memory_id: state(memory) for memory in self.pool}
        assert found == {memory_id: state(memory) for memory_id, memory in self.model.items()}


TestPoolAgainstDict = PoolAgainstDict.TestCase
TestPoolAgainstDict.settings = settings(max_examples=25)
TestPoolAgainstDict.pytestmark = [pytest.mark.thread_unsafe(reason="one machine at a time")]  # type: ignore[attr-defined]


@pytest.mark.verify
def test_many_more_sequences() -> None:
    run_state_machine_as_test(PoolAgainstDict, settings=settings(max_examples=300, stateful_step_count=40))
