"""The design document's examples, in its order, as one program; the outcomes are the specification's.

The steps share one state on purpose: what an earlier example writes to the memories (access counts, scores)
is what a later one recommends and reports from.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    QueryComplexity,
    WorkspaceConfig,
)
from memory_budget_config_loader import MemoryBudgetConfigLoader

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGURATION_FILE = REPOSITORY / "configs" / "memory-budget.yaml"


@dataclass
class Program:
    """The variables that the examples hand on to each other."""

    allocator: MemoryBudgetAllocator
    memories: list[MemoryItem]


def start() -> Program:
    current = datetime.now(UTC)
    return Program(
        MemoryBudgetAllocator(),
        [
            MemoryItem(
                memory_id="m1",
                text="Currently writing the endpoints of some API",
                tier=MemoryTier.WORKING,
                timestamp=current - timedelta(hours=1),
                relevance_score=0.9,
                importance_score=0.8,
            ),
            MemoryItem(
                memory_id="m2",
                text="All records are kept in Postgres",
                tier=MemoryTier.PROJECT,
                timestamp=current - timedelta(days=1),
                relevance_score=0.7,
                importance_score=0.8,
            ),
        ],
    )


def basic_usage(program: Program) -> None:
    result = program.allocator.allocate_memory_budget(
        query="How should I optimize the database queries?", available_memories=program.memories
    )
    assert result["complexity"] == "medium"
    assert result["total_tokens_allocated"] == 18
    assert result["total_memories_selected"] == 2
    assert [item.token_count for item in program.memories] == [10, 8]
    assert round(program.memories[0].combined_score, 4) == 0.8892
    assert round(program.memories[1].combined_score, 4) == 0.7711


def workspace_of_ones_own(program: Program) -> None:
    development = WorkspaceConfig(
        workspace_id="development",
        max_total_tokens=4096,
        working_memory_pct=0.50,
        project_memory_pct=0.30,
        long_term_memory_pct=0.10,
        rag_memory_pct=0.10,
    )
    program.allocator.register_workspace(development)
    assert program.allocator.workspace_configs["development"] is development
    result = program.allocator.allocate_memory_budget(
        query="What's my current task?", available_memories=program.memories, workspace_id="development"
    )
    assert (result["workspace_id"], result["config_scope"]) == ("development", "workspace")
    assert result["complexity"] == "simple"
    budgets = [tier["budget_tokens"] for tier in result["tiers"].values()]
    assert budgets == [1024, 614, 205, 205]
    assert result["total_memories_selected"] == 2


def workspaces_of_a_file(program: Program) -> None:
    configurations = MemoryBudgetConfigLoader.load_from_yaml(CONFIGURATION_FILE)
    for workspace_id, configuration in configurations.items():
        assert configuration.workspace_id == workspace_id
        program.allocator.register_workspace(configuration)
    result = program.allocator.allocate_memory_budget(
        query="Explain the architecture", available_memories=program.memories, workspace_id="research"
    )
    assert result["complexity"] == "medium"
    assert result["budget"]["max_total_tokens"] == 16384
    assert result["tiers"]["rag"]["budget_tokens"] == round(16384 * 0.40 * 1.2)
    assert [item.access_count for item in program.memories] == [3, 3]


def promotion(program: Program) -> None:
    configuration = program.allocator.workspace_configs["default"]
    for item in program.memories:
        program.allocator.calculate_memory_score(item, configuration)
    result = program.allocator.evaluate_promotion_demotion(program.memories, configuration)
    assert result["demotions"] == []
    (only,) = result["promotions"]
    assert (only["memory_id"], only["current_tier"], only["target_tier"]) == ("m2", "project", "working")
    assert round(only["promotion_score"], 4) == 0.8856
    assert f"{only['current_tier']} → {only['target_tier']}" == "project → working"


def statistics(program: Program, folder: Path) -> None:
    overall = program.allocator.get_allocation_statistics()
    assert overall["total_allocations"] == 3
    assert overall["averages"]["tokens_allocated"] == 18.0
    assert overall["complexity_distribution"] == {"medium": 2, "simple": 1}
    development = program.allocator.get_allocation_statistics(
        workspace_id="development", time_window_hours=24
    )
    assert (development["total_allocations"], development["workspace_id"]) == (1, "development")
    assert development["complete"] is True

    exported = folder / "allocation_log.json"
    program.allocator.export_allocation_log(str(exported))
    entries: list[dict[str, Any]] = json.loads(exported.read_text(encoding="utf-8"))
    assert [entry["workspace_id"] for entry in entries] == ["default", "development", "research"]


def test_the_examples_in_their_order(tmp_path: Path) -> None:
    program = start()
    basic_usage(program)
    workspace_of_ones_own(program)
    workspaces_of_a_file(program)
    promotion(program)
    statistics(program, tmp_path)


def test_the_example_configuration_spells_out_the_defaults(tmp_path: Path) -> None:
    written_out = """
default:
  workspace_id: default
  max_total_tokens: 8192
  tier_allocation: {working_memory_pct: 0.30, project_memory_pct: 0.25, long_term_memory_pct: 0.20,
                    rag_memory_pct: 0.25}
  complexity_multipliers: {simple: 0.5, medium: 1.0, complex: 1.5, expert: 2.0}
  scoring_weights: {relevance: 0.5, importance: 0.3, freshness: 0.2}
  freshness: {half_life_hours: 168.0}
  promotion: {threshold: 0.8, access_threshold: 3}
  demotion: {threshold: 0.3}
  tokens_per_char: 0.25
"""
    path = tmp_path / "example.yaml"
    path.write_text(written_out, encoding="utf-8")
    assert MemoryBudgetConfigLoader.load_from_yaml(str(path)) == {"default": WorkspaceConfig("default")}


def test_the_six_workspaces_are_there_without_a_file() -> None:
    names = ["default", "development", "research", "production", "conversation", "code_analysis"]
    assert sorted(MemoryBudgetAllocator().workspace_configs) == sorted(names)


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("Hello", "simple"),
        ("What time is it?", "simple"),
        ("How do I use FastAPI?", "medium"),
        ("Explain async vs sync programming and analyze performance impact", "complex"),
        ("Design a scalable microservices architecture with event-driven communication", "expert"),
    ],
)
def test_one_query_of_each_level(query: str, level: str) -> None:
    allocator = MemoryBudgetAllocator()
    assert allocator.estimate_query_complexity(query) is QueryComplexity(level)
    assert allocator.estimate_query_complexity(query, {}) is QueryComplexity(level)


def test_the_printed_budgets() -> None:
    default = MemoryBudgetAllocator().workspace_configs["default"]
    budgets = {
        level: [default.get_tier_budget(tier, level) for tier in MemoryTier]
        for level in (QueryComplexity.COMPLEX, QueryComplexity.MEDIUM)
    }
    assert budgets[QueryComplexity.COMPLEX] == [3686, 3072, 2458, 3072]
    assert sum(budgets[QueryComplexity.COMPLEX]) == 12_288
    assert budgets[QueryComplexity.MEDIUM] == [2458, 2048, 1638, 2048]


@pytest.mark.parametrize("weights", [(0.7, 0.2, 0.1), (0.3, 0.6, 0.1), (0.3, 0.2, 0.5)])
def test_the_suggested_weights(weights: tuple[float, float, float], now: datetime) -> None:
    relevance, importance, freshness = weights
    configuration = WorkspaceConfig.from_dict(
        {
            "workspace_id": "tuned",
            "scoring_weights": {
                "relevance": relevance,
                "importance": importance,
                "freshness": freshness,
            },
        }
    )
    item = MemoryItem("m", "text", MemoryTier.RAG, now, relevance_score=0.4, importance_score=0.6)
    score = MemoryBudgetAllocator().calculate_memory_score(item, configuration, now)
    assert score == 0.4 * relevance + 0.6 * importance + 1.0 * freshness


@pytest.mark.parametrize("half_life", [24.0, 168.0, 720.0])
def test_the_suggested_half_lives(half_life: float, now: datetime) -> None:
    configuration = WorkspaceConfig.from_dict(
        {"workspace_id": "tuned", "freshness": {"half_life_hours": half_life}}
    )
    item = MemoryItem("m", "text", MemoryTier.RAG, now - timedelta(hours=half_life))
    MemoryBudgetAllocator().calculate_memory_score(item, configuration, now)
    assert item.freshness_score == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(("threshold", "accesses"), [(0.7, 2), (0.85, 5)])
def test_the_suggested_promotion_thresholds(threshold: float, accesses: int, now: datetime) -> None:
    configuration = WorkspaceConfig.from_dict(
        {"workspace_id": "tuned", "promotion": {"threshold": threshold, "access_threshold": accesses}}
    )
    allocator = MemoryBudgetAllocator()
    enough = MemoryItem(
        "enough", "text", MemoryTier.RAG, now, combined_score=0.75, access_count=accesses, last_accessed=now
    )
    seldom = replace(enough, memory_id="seldom", access_count=accesses - 1)
    result = allocator.evaluate_promotion_demotion([seldom, enough], configuration, now)
    assert [move["memory_id"] for move in result["promotions"]] == ["enough"]


def test_the_example_program_runs() -> None:
    example = REPOSITORY / "examples" / "memory_budget_example.py"
    finished = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.strip()
