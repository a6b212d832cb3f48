"""A pool under sixteen threads that do everything with it at the same time keeps every invariant."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memory_budget_allocator import (
    ArgumentValueError,
    MemoryBudgetAllocator,
    MemoryPool,
    MemoryTier,
    UnknownMemoryError,
    WorkspaceConfig,
)
from pool_helpers import NOW, comparable, item
from threads import eager_switching, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.thread_unsafe(reason="starts sixteen threads itself")

THREADS = 16
STEADY = 300
TOKENS = 5


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    with eager_switching():
        yield


class Everything:
    """A pool of memories that stay and memories that pass, and what each thread does with it."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.pool = MemoryPool.from_items(
            item(
                f"steady-{number}",
                tier=list(MemoryTier)[number % 4],
                token_count=TOKENS,
                timestamp=NOW - timedelta(hours=number),
                importance_score=number % 10 / 10,
            )
            for number in range(STEADY)
        )
        self.allocator = MemoryBudgetAllocator(
            WorkspaceConfig("default", max_total_tokens=800), log_allocations=False, history_limit=50
        )
        self.selected: list[Counter[str]] = [Counter() for _ in range(THREADS)]
        self.allocations = [0] * THREADS

    def work(self, number: int) -> None:
        works: list[Callable[[int, int], None]] = [
            self.allocate,
            self.add_and_remove,
            self.allocate_with_relevance,
            self.add_many,
            self.allocate,
            self.update,
            self.promote,
            self.compact_and_look,
        ]
        for turn in range(self.rounds):
            works[number % len(works)](number, turn)

    def _check(self, number: int, allocation: Any) -> None:
        self.allocations[number] += 1
        for tier, part in allocation.tiers.items():
            assert part.used <= part.budget
            assert part.used == sum(memory.token_count for memory in part)
            assert all(memory.tier is tier for memory in part)
        ids = [memory.memory_id for memory in allocation]
        assert len(set(ids)) == len(ids)
        assert all(memory.text == f"text of {memory.memory_id}" for memory in allocation)
        self.selected[number].update(name for name in ids if name.startswith("steady"))

    def allocate(self, number: int, turn: int) -> None:
        self._check(number, self.allocator.allocate(f"Query {turn}", self.pool, current_time=NOW))

    def allocate_with_relevance(self, number: int, turn: int) -> None:
        """The rows of a snapshot stay, those of a pool may have changed: then the call says so."""
        snapshot = self.pool.snapshot()
        relevance = np.linspace(0.0, 1.0, snapshot.rows)
        self._check(number, self.allocator.allocate("q", snapshot, relevance=relevance, current_time=NOW))
        options: dict[str, Any] = {"relevance": relevance, "relevance_version": snapshot.version}
        try:
            self._check(number, self.allocator.allocate("q", self.pool, current_time=NOW, **options))
        except ArgumentValueError as error:
            assert "its rows have changed" in str(error)  # noqa: PT017 - either outcome is right

    def add_and_remove(self, number: int, turn: int) -> None:
        name = f"passing-{number}-{turn % 30}"
        self.pool.add(item(name, token_count=turn % 4, importance_score=turn % 7 / 7))
        assert self.pool[name].text == f"text of {name}"
        if turn % 3:
            self.pool.remove(name)
            assert name not in self.pool
            with pytest.raises(UnknownMemoryError):
                self.pool.remove(name)

    def add_many(self, number: int, turn: int) -> None:
        names = [f"many-{number}-{turn % 5}-{place}" for place in range(20)]
        rows = self.pool.add_many(item(name, token_count=2) for name in names)
        assert len(set(rows)) == len(names)
        for name in names[::2]:
            self.pool.remove(name)

    def update(self, number: int, turn: int) -> None:
        # Each of these threads changes memories of its own.
        mine = [place for place in range(STEADY) if place % THREADS == number]
        name = f"steady-{mine[turn % len(mine)]}"
        self.pool.update(name, importance_score=turn % 5 / 5)
        assert self.pool[name].importance_score == turn % 5 / 5

    def promote(self, number: int, turn: int) -> None:
        config = self.allocator.workspace_configs["default"]
        result = self.allocator.evaluate_promotion_demotion(self.pool, config, NOW)
        outcome = self.allocator.apply_tier_changes(self.pool, result)
        changes = len(result["promotions"]) + len(result["demotions"])
        assert sum(map(len, (outcome["moved"], outcome["stale"], outcome["unknown"]))) == changes

    def compact_and_look(self, number: int, turn: int) -> None:
        snapshot = self.pool.snapshot()
        ids = snapshot.ids
        present = [name for name in ids if name is not None]
        assert len(ids) == snapshot.rows
        assert len(present) == len(set(present)) == len(snapshot)
        assert sum(name.startswith("steady") for name in present) == STEADY
        if turn % 3 == 0:
            kept = self.pool.compact()
            assert kept == sorted(set(kept))
        assert snapshot.ids == ids
        first, second = (
            MemoryBudgetAllocator(log_allocations=False).allocate("q", snapshot, current_time=NOW)
            for _ in range(2)
        )
        one, other = comparable(first), comparable(second)
        for result in (one, other):
            for tier in result["tiers"].values():
                for entry in tier["selected_memories"]:
                    del entry["access_count"]
        assert one == other
        self.selected[number].update(
            memory.memory_id
            for allocation in (first, second)
            for memory in allocation
            if memory.memory_id.startswith("steady")
        )

    def check_the_end(self) -> None:
        expected: Counter[str] = sum(self.selected, Counter())
        memories = {memory.memory_id: memory for memory in self.pool}
        counts = {name: memory.access_count for name, memory in memories.items() if name.startswith("steady")}
        assert len(counts) == STEADY
        assert {name: count for name, count in counts.items() if count} == dict(expected)
        assert len(self.pool) == len(memories) == sum(name is not None for name in self.pool.ids)
        assert all(name in self.pool for name in memories)
        assert self.allocator.get_allocation_statistics()["total_allocations"] == sum(self.allocations)
        self.pool.compact()
        assert self.pool.ids == list(memories)
        assert self.pool.rows == len(memories)


def test_everything_at_once() -> None:
    everything = Everything(rounds=40)
    together(THREADS, everything.work)
    everything.check_the_end()


@pytest.mark.verify
@pytest.mark.parametrize("repetition", range(3))
def test_everything_at_once_for_longer(repetition: int) -> None:
    everything = Everything(rounds=400 + repetition)
    together(THREADS, everything.work)
    everything.check_the_end()
