"""The same inputs give the same bytes: across runs, doors, threads, hash seeds and builds."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import golden_calls
from golden_calls import CALLS, DOORS, EXPECTED, calls, expected_text, make_allocator, result_line
from memory_budget_allocator.results import AllocationResult
from threads import eager_switching, together

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def expected(request: pytest.FixtureRequest) -> str:
    if request.config.getoption("--rewrite-expected"):
        EXPECTED.write_text(expected_text(), encoding="ascii", newline="\n")
    return EXPECTED.read_text(encoding="ascii")


@pytest.mark.parametrize("door", DOORS)
def test_every_door_gives_the_golden_results(expected: str, door: str) -> None:
    for number, (found, line) in enumerate(
        zip(expected_text(door).splitlines(), expected.splitlines(), strict=True)
    ):
        assert found == line, f"call {number}"


@pytest.mark.thread_unsafe(reason="starts sixteen threads itself")
def test_one_allocator_and_sixteen_threads_give_the_same_bytes(expected: str) -> None:
    lines = expected.splitlines(keepends=True)
    work = calls()
    allocator = make_allocator()

    def run(number: int) -> None:
        door = list(DOORS)[number % len(DOORS)]
        order = list(range(CALLS))
        random.Random(number).shuffle(order)
        for which in order[:50]:
            assert result_line(allocator, work[which], door) == lines[which]

    with eager_switching():
        together(16, run)


@pytest.mark.parametrize(("seed", "door"), [("0", "list"), ("1", "pool"), ("4294967295", "columns")])
def test_hash_seeds_change_nothing(expected: str, seed: str, door: str) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(golden_calls.__file__)), door],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(expected.encode()).hexdigest()
    assert "unknown workspace" in done.stderr  # the last resort of logging shows what nobody else does


# The documented keys, in their order; the file has them and nothing else.

RESULT = (
    *("query", "workspace_id", "project_id", "config_scope", "complexity", "timestamp", "budget", "tiers"),
    *("total_tokens_allocated", "total_memories_selected"),
)
BUDGET = ("max_total_tokens", "tier_percentages", "complexity_multiplier")
TIERS = ("working", "project", "long_term", "rag")
TIER = (
    *("budget_tokens", "tokens_used", "tokens_remaining", "memories_available", "memories_selected"),
    *("utilization_pct", "selected_memories"),
)
MEMORY = (
    *("memory_id", "tier", "text", "text_preview", "token_count", "combined_score", "relevance_score"),
    *("importance_score", "freshness_score", "access_count", "timestamp"),
)


def test_the_golden_file_holds_the_documented_keys(expected: str) -> None:
    results: list[Any] = [json.loads(line) for line in expected.splitlines()]
    assert len(results) == CALLS
    only_when_asked_for = {"receipts"}
    assert {*RESULT, "processing_time_ms", *only_when_asked_for} == set(AllocationResult.__annotations__)
    for result in results:
        assert tuple(result) == RESULT
        assert tuple(result["budget"]) == BUDGET
        assert tuple(result["budget"]["tier_percentages"]) == tuple(result["tiers"]) == TIERS
        for tier in result["tiers"].values():
            assert tuple(tier) == TIER
            assert tier["tokens_used"] + tier["tokens_remaining"] == tier["budget_tokens"]
            assert all(tuple(memory) == MEMORY for memory in tier["selected_memories"])


SEEN: list[tuple[str, Callable[[Any], Any], set[Any]]] = [
    ("levels", lambda result: result["complexity"], {"simple", "medium", "complex", "expert"}),
    ("scopes", lambda result: result["config_scope"], {"project", "workspace", "default"}),
    ("workspaces", lambda result: result["workspace_id"], set(golden_calls.WORKSPACES)),
    ("projects", lambda result: result["project_id"], {None, "thesis", "unknown"}),
    ("queries", lambda result: result["query"], set(golden_calls.QUERIES)),
]


@pytest.mark.parametrize(("what", "of", "every"), SEEN, ids=[row[0] for row in SEEN])
def test_the_golden_file_is_varied(
    expected: str, what: str, of: Callable[[Any], Any], every: set[Any]
) -> None:
    results = [json.loads(line) for line in expected.splitlines()]
    assert {of(result) for result in results} == every
    skipped = sum(
        tier["memories_available"] > tier["memories_selected"]
        for result in results
        for tier in result["tiers"].values()
    )
    assert skipped > 100
    assert any(tier["memories_available"] > 500 for result in results for tier in result["tiers"].values())
