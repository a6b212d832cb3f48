"""Section 1: the configuration of a workspace."""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
from typing import Any

import pytest

import reference
from memory_budget_allocator import MemoryBudgetAllocator, MemoryTier, QueryComplexity, WorkspaceConfig

NESTED: dict[str, Any] = {
    "workspace_id": "desk",
    "max_total_tokens": 4096,
    "tier_allocation": {
        "working_memory_pct": 0.4,
        "project_memory_pct": 0.3,
        "long_term_memory_pct": 0.2,
        "rag_memory_pct": 0.1,
    },
    "complexity_multipliers": {"simple": 0.4, "medium": 0.8, "complex": 1.2, "expert": 1.6},
    "scoring_weights": {"relevance": 0.6, "importance": 0.1, "freshness": 0.3},
    "freshness": {"half_life_hours": 72.0},
    "promotion": {"threshold": 0.75, "access_threshold": 2},
    "demotion": {"threshold": 0.25},
    "tokens_per_char": 0.3,
}


def test_fields_and_defaults() -> None:
    assert dataclasses.is_dataclass(WorkspaceConfig)
    expected = dataclasses.asdict(reference.Workspace("w"))
    found = dataclasses.asdict(WorkspaceConfig("w"))
    assert list(found)[:15] == list(expected)
    assert {name: found[name] for name in expected} == expected
    assert all(each.kw_only for each in dataclasses.fields(WorkspaceConfig)[15:])
    missing: Any = WorkspaceConfig
    with pytest.raises(TypeError, match="workspace_id"):
        missing()


def test_the_multipliers_are_never_shared() -> None:
    one, other = WorkspaceConfig("a"), WorkspaceConfig("b")
    one.complexity_multipliers["simple"] = 9.0
    assert other.complexity_multipliers["simple"] == 0.5
    assert WorkspaceConfig("c").complexity_multipliers["simple"] == 0.5


def test_a_budget_of_a_tier() -> None:
    budget = WorkspaceConfig("w").get_tier_budget(MemoryTier.WORKING, QueryComplexity.COMPLEX)
    assert (budget, type(budget)) == (3686, int)


def test_from_and_to_the_nested_shape() -> None:
    config = WorkspaceConfig.from_dict(NESTED)
    assert config == WorkspaceConfig(
        "desk",
        max_total_tokens=4096,
        working_memory_pct=0.4,
        project_memory_pct=0.3,
        long_term_memory_pct=0.2,
        rag_memory_pct=0.1,
        complexity_multipliers={"simple": 0.4, "medium": 0.8, "complex": 1.2, "expert": 1.6},
        relevance_weight=0.6,
        importance_weight=0.1,
        freshness_weight=0.3,
        freshness_half_life_hours=72.0,
        promotion_threshold=0.75,
        promotion_access_threshold=2,
        demotion_threshold=0.25,
        tokens_per_char=0.3,
    )
    assert config.to_dict() == NESTED
    assert WorkspaceConfig.from_dict(config.to_dict()) == config


def test_copies_are_equal_and_independent() -> None:
    config = WorkspaceConfig.from_dict(NESTED)
    for twin in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert twin == config
        twin.complexity_multipliers["simple"] = 9.0
        assert config.complexity_multipliers["simple"] == 0.4
    assert dataclasses.replace(config, max_total_tokens=1).max_total_tokens == 1


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({}, 0),
        ({"rag_memory_pct": 0.255}, 0),
        ({"rag_memory_pct": 0.5}, 1),
        ({"relevance_weight": 0.9}, 1),
        ({"rag_memory_pct": 0.5, "relevance_weight": 0.9}, 1),
        ({"working_memory_pct": 2.0, "project_memory_pct": 3.0}, 1),
    ],
)
def test_sums_off_one_are_accepted_with_one_warning(
    fields: dict[str, float], warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="memory_budget_allocator"):
        config = WorkspaceConfig("the desk", **fields)  # type: ignore[arg-type]
        assert len(caplog.records) == warned
        caplog.clear()
        MemoryBudgetAllocator().register_workspace(config)
    assert len(caplog.records) == warned
    assert all("the desk" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((f"{tier}_memory_pct", -0.1) for tier in ("working", "project", "long_term", "rag")),
        ("working_memory_pct", float("nan")),
        ("rag_memory_pct", float("inf")),
        *((f"{part}_weight", -0.1) for part in ("relevance", "importance", "freshness")),
        ("relevance_weight", float("nan")),
        ("freshness_half_life_hours", 0.0),
        ("freshness_half_life_hours", -1.0),
        ("freshness_half_life_hours", float("nan")),
        ("max_total_tokens", -1),
        ("max_total_tokens", 2**53),
        ("promotion_threshold", float("nan")),
        ("demotion_threshold", -0.1),
        ("promotion_access_threshold", -1),
        ("tokens_per_char", -0.25),
        ("tokens_per_char", float("nan")),
        ("complexity_multipliers", {"simple": -1.0}),
        ("complexity_multipliers", {"simple": float("nan")}),
        ("complexity_multipliers", {"hard": 1.0}),
    ],
)
def test_impossible_values_name_field_and_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        WorkspaceConfig("w", **{name: value})
    message = str(caught.value).lower()
    if value == {"hard": 1.0}:
        assert "hard" in message
    else:
        shown = value["simple"] if isinstance(value, dict) else value
        assert str(shown).removesuffix(".0") in message
    config = WorkspaceConfig("w")
    setattr(config, name, value)
    allocator = MemoryBudgetAllocator()
    with pytest.raises(ValueError, match=name):
        allocator.register_workspace(config)
    assert "w" not in allocator.workspace_configs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_total_tokens", "8192"),
        ("max_total_tokens", 1.5),
        ("max_total_tokens", None),
        ("max_total_tokens", True),
        ("rag_memory_pct", "half"),
        ("rag_memory_pct", None),
        ("complexity_multipliers", [0.5, 1.0]),
        ("complexity_multipliers", {"simple": "half"}),
        ("promotion_access_threshold", 2.5),
        ("workspace_id", 5),
    ],
)
def test_wrong_types_name_the_field(name: str, value: Any) -> None:
    fields = {"workspace_id": "w"} | {name: value}
    with pytest.raises(TypeError, match=name):
        WorkspaceConfig(**fields)


def test_the_mapping_holds_the_callers_object() -> None:
    allocator = MemoryBudgetAllocator()
    config = WorkspaceConfig("desk")
    allocator.register_workspace(config)
    assert allocator.workspace_configs["desk"] is config
    assert "nowhere" not in allocator.workspace_configs


def test_a_changed_configuration_is_checked_at_the_next_call() -> None:
    allocator = MemoryBudgetAllocator()
    config = WorkspaceConfig("desk")
    allocator.register_workspace(config)
    config.complexity_multipliers["simple"] = -1.0
    with pytest.raises(ValueError, match="complexity_multipliers"):
        allocator.allocate_memory_budget("", [], "desk")
    config.complexity_multipliers["simple"] = 1.0
    assert allocator.allocate_memory_budget("", [], "desk")["tiers"]["rag"]["budget_tokens"] == 2048
    broken: Any = "no configuration"
    allocator.workspace_configs["desk"] = broken
    with pytest.raises(TypeError):
        allocator.allocate_memory_budget("", [], "desk")
