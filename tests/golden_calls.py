"""Two hundred allocations made from one seed; run as a program it prints the digest of their results.

Only `random()` is drawn from the generator: its sequence is the same in every version of Python.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryPool, MemoryTier, WorkspaceConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Choice = TypeVar("Choice")

CALLS = 200
EXPECTED = Path(__file__).with_name("golden") / "allocations.jsonl"
START = datetime(2026, 3, 14, 15, 9, 26, 535_897, tzinfo=UTC)

WORKSPACES = (
    *("default", "development", "research", "production", "conversation", "code_analysis"),
    *("nowhere", "tiny", "wide"),
)
QUERIES = (
    *("", "Hello", "What time is it?", "How do I use FastAPI?", "Explain the architecture"),
    "Design a scalable microservices architecture with event-driven communication",
    "Explain async vs sync programming and analyze performance impact",
    "Ünïcode 漢字 😀 \ud800 why?",
    "word " * 55 + "how, why, what-if: compare, optimise and debug the relationship between both designs",
)
CONTEXTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"history_length": 9},
    {"turns": 4, "requires_retrieval": True},
    {"history": ["a"] * 7, "multi_turn": True, "needs_retrieval": 1, "other": None},
)
TEXTS = (
    "",
    "short",
    "漢字かな交じり文",
    "naïve 😀\n" * 3,
    "x" * 99,
    "y" * 101,
    "lone \udfff",
    'quo"te\\ </b>',
)
ZONES = (UTC, None, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11)))
SCORES = (0.0, 1.0, 0.5, 0.1 + 0.2, -0.25, 1.5, 1e300, 5e-324)


class Chance:
    """Choices made with nothing but `random()`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        return choices[self.below(len(choices))]

    def score(self) -> float:
        return self.one_of(SCORES) if self.below(5) == 0 else round(self._random(), 3)


@dataclass(frozen=True)
class Call:
    """One allocation, without its door."""

    query: str
    workspace_id: str
    project_id: str | None
    context: dict[str, Any] | None
    current_time: datetime
    memories: list[dict[str, Any]]


def calls() -> list[Call]:
    chance = Chance(20_260_314)
    return [_call(chance, number) for number in range(CALLS)]


def _call(chance: Chance, number: int) -> Call:
    now = START + timedelta(hours=chance.below(20_000), microseconds=chance.below(10**6))
    # Some calls have enough memories a tier for the selection that does not sort.
    count = 2_500 if number % 100 == 99 else chance.below(14)
    return Call(
        query=chance.one_of(QUERIES),
        workspace_id="tiny" if count > 100 else chance.one_of(WORKSPACES),
        project_id=chance.one_of((None, None, "thesis", "unknown")),
        context=chance.one_of(CONTEXTS),
        current_time=now,
        memories=[_memory(chance, now, at) for at in range(count)],
    )


def _memory(chance: Chance, now: datetime, at: int) -> dict[str, Any]:
    moment: datetime | None = now - timedelta(minutes=chance.below(100_000), microseconds=chance.below(10**6))
    if chance.below(10) == 0:
        moment = chance.one_of((None, datetime.min, datetime.max, now + timedelta(days=400)))
    if moment is not None and datetime.min + timedelta(2) < moment.replace(tzinfo=None) < datetime(
        9000, 1, 1
    ):
        zone = chance.one_of(ZONES)
        moment = moment.astimezone(zone) if zone else moment.replace(tzinfo=None)
    return {
        "memory_id": chance.one_of(("m", "é", "\ud800")) + str(at),
        "text": chance.one_of(TEXTS),
        "tier": chance.one_of(tuple(MemoryTier)),
        "timestamp": moment,
        "relevance_score": chance.score(),
        "importance_score": chance.score(),
        "token_count": chance.one_of((0, 0, 1, 40, 400, 2**53 - 1, chance.below(3000))),
        "access_count": chance.one_of((0, 0, 1, 7, 2**53 - 1)),
    }


def through_list(call: Call) -> Any:
    return [MemoryItem(**fields) for fields in call.memories]


def through_pool(call: Call) -> Any:
    return MemoryPool.from_items(MemoryItem(**fields) for fields in call.memories)


def through_columns(call: Call) -> Any:
    if not call.memories:
        return {"relevance_score": [], "token_count": []}
    return {name: [fields[name] for fields in call.memories] for name in call.memories[0]}


DOORS: dict[str, Callable[[Call], Any]] = {
    "list": through_list,
    "pool": through_pool,
    "columns": through_columns,
}


def make_allocator() -> MemoryBudgetAllocator:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocator.register_workspace(WorkspaceConfig("tiny", max_total_tokens=100, freshness_half_life_hours=5))
    shares = {f"{tier.value}_memory_pct": 0.9 for tier in MemoryTier}
    allocator.register_workspace(WorkspaceConfig("wide", max_total_tokens=2**40, **shares))
    for workspace in ("research", "default"):
        allocator.register_project(workspace, "thesis", WorkspaceConfig("thesis", tokens_per_char=0.4))
    return allocator


def result_line(allocator: MemoryBudgetAllocator, call: Call, door: str) -> str:
    """A result as one line of JSON, the same to the byte whenever and wherever the call is made."""
    result: dict[str, Any] = dict(
        allocator.allocate_memory_budget(
            call.query,
            DOORS[door](call),
            call.workspace_id,
            call.context,
            project_id=call.project_id,
            current_time=call.current_time,
        )
    )
    assert result.pop("processing_time_ms") > 0
    return json.dumps(result, allow_nan=False, separators=(",", ":")) + "\n"


def expected_text(door: str = "list") -> str:
    allocator = make_allocator()
    return "".join(result_line(allocator, call, door) for call in calls())


def main() -> None:
    print(hashlib.sha256(expected_text(sys.argv[1]).encode()).hexdigest())


if __name__ == "__main__":
    main()
