"""`WorkspaceConfig`: construction, warnings, budgets, the nested shape, copies and pickles."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
from types import MappingProxyType
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import MemoryBudgetError, MemoryTier, QueryComplexity, WorkspaceConfig
from memory_budget_allocator.errors import ConfigurationError, ConfigurationTypeError
from memory_budget_allocator.workspace import concerns, sums_to_one

NESTED: dict[str, Any] = {
    "workspace_id": "default",
    "max_total_tokens": 8192,
    "tier_allocation": {
        "working_memory_pct": 0.30,
        "project_memory_pct": 0.25,
        "long_term_memory_pct": 0.20,
        "rag_memory_pct": 0.25,
    },
    "complexity_multipliers": {"simple": 0.5, "medium": 1.0, "complex": 1.5, "expert": 2.0},
    "scoring_weights": {"relevance": 0.5, "importance": 0.3, "freshness": 0.2},
    "freshness": {"half_life_hours": 168.0},
    "promotion": {"threshold": 0.8, "access_threshold": 3},
    "demotion": {"threshold": 0.3},
    "tokens_per_char": 0.25,
}

FIELDS = [
    "workspace_id",
    "max_total_tokens",
    "working_memory_pct",
    "project_memory_pct",
    "long_term_memory_pct",
    "rag_memory_pct",
    "complexity_multipliers",
    "relevance_weight",
    "importance_weight",
    "freshness_weight",
    "freshness_half_life_hours",
    "promotion_threshold",
    "demotion_threshold",
    "promotion_access_threshold",
    "tokens_per_char",
    "tokenizer",
    "max_prompt_tokens",
    "reserves",
    "tier_floors",
    "tier_caps",
    "spill_over",
    "spill_over_order",
    "minimum_score",
    "oversized",
    "ranking",
    "template",
]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_fields_order_and_defaults() -> None:
    assert [field.name for field in dataclasses.fields(WorkspaceConfig)] == FIELDS
    assert WorkspaceConfig("default").to_dict() == NESTED
    assert WorkspaceConfig.from_dict(NESTED) == WorkspaceConfig("default")


def test_the_id_is_required() -> None:
    with pytest.raises(TypeError):
        WorkspaceConfig()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(ConfigurationError, match="workspace_id is missing"):
        WorkspaceConfig.from_dict({})


def test_multipliers_are_never_shared() -> None:
    first, second = WorkspaceConfig("a"), WorkspaceConfig("b")
    first.complexity_multipliers["simple"] = 9.0
    assert second.complexity_multipliers["simple"] == 0.5
    replaced = dataclasses.replace(first, workspace_id="c")
    replaced.complexity_multipliers["simple"] = 1.0
    assert first.complexity_multipliers["simple"] == 9.0
    given = {"simple": 0.1}
    held = WorkspaceConfig("d", complexity_multipliers=given)
    given["simple"] = 0.2
    assert held.complexity_multipliers == {"simple": 0.1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_total_tokens", -1),
        ("max_total_tokens", 2**53),
        ("working_memory_pct", float("nan")),
        ("project_memory_pct", float("inf")),
        ("long_term_memory_pct", -0.1),
        ("rag_memory_pct", -1e-300),
        ("relevance_weight", float("-inf")),
        ("importance_weight", -1),
        ("freshness_weight", float("nan")),
        ("freshness_half_life_hours", 0),
        ("freshness_half_life_hours", -24.0),
        ("promotion_threshold", float("nan")),
        ("demotion_threshold", -0.5),
        ("promotion_access_threshold", -1),
        ("tokens_per_char", float("inf")),
    ],
)
def test_impossible_values_name_workspace_field_and_value(field: str, value: float) -> None:
    arguments: dict[str, Any] = {"workspace_id": "mine", field: value}
    with pytest.raises(ConfigurationError) as caught:
        WorkspaceConfig(**arguments)
    message = str(caught.value)
    assert "'mine'" in message
    assert field in message
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MemoryBudgetError)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("workspace_id", None),
        ("workspace_id", 5),
        ("max_total_tokens", "8192"),
        ("max_total_tokens", 8192.5),
        ("max_total_tokens", True),
        ("working_memory_pct", "0.3"),
        ("working_memory_pct", None),
        ("tokens_per_char", False),
        ("complexity_multipliers", None),
        ("complexity_multipliers", [0.5]),
        ("complexity_multipliers", {"simple": "half"}),
    ],
)
def test_wrong_types_are_type_errors_and_value_errors(field: str, value: object) -> None:
    arguments: dict[str, Any] = {"workspace_id": "mine", field: value}
    with pytest.raises(ConfigurationTypeError, match=field) as caught:
        WorkspaceConfig(**arguments)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="trivial"):
        WorkspaceConfig("mine", complexity_multipliers={"trivial": 1.0})


def test_one_warning_for_everything_unusual(caplog: pytest.LogCaptureFixture) -> None:
    WorkspaceConfig(
        "a\nb",
        working_memory_pct=0.9,
        relevance_weight=0.9,
        promotion_threshold=0.3,
        demotion_threshold=0.3,
    )
    (message,) = warnings_in(caplog)
    assert caplog.records[0].name == "memory_budget_allocator"
    assert "\n" not in message
    assert "a\\nb" in message
    assert "shares sum to 1.6" in message
    assert "weights sum to 1.4" in message
    assert "promotion_threshold 0.3 is not above demotion_threshold 0.3" in message


def test_nothing_unusual_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    WorkspaceConfig("a", working_memory_pct=0.31)
    WorkspaceConfig("b", rag_memory_pct=0.24)
    WorkspaceConfig("c", promotion_threshold=0.4, demotion_threshold=0.39)
    assert warnings_in(caplog) == []


def test_concerns_are_read_from_the_fields_as_they_are_now() -> None:
    config = WorkspaceConfig("a")
    assert concerns(config) == []
    config.freshness_weight = 0.4
    assert concerns(config) == ["the scoring weights sum to 1.2, not 1"]


@pytest.mark.parametrize(
    ("total", "fine"), [(1.0, True), (0.99, True), (1.01, True), (0.9899, False), (1.0101, False)]
)
def test_the_tolerance_of_sums(total: float, fine: bool) -> None:
    assert sums_to_one(total) is fine


@pytest.mark.parametrize("complexity", [QueryComplexity.COMPLEX, "complex"])
def test_tier_budgets_take_members_and_strings(complexity: QueryComplexity | str) -> None:
    config = WorkspaceConfig("default")
    budgets = [config.get_tier_budget(tier, complexity) for tier in MemoryTier]
    assert budgets == [3686, 3072, 2458, 3072]
    assert config.get_tier_budget("long_term", complexity) == 2458


def test_a_missing_level_counts_as_one_and_changes_count_at_once() -> None:
    config = WorkspaceConfig("a", max_total_tokens=1000, complexity_multipliers={QueryComplexity.SIMPLE: 0.5})
    assert config.get_tier_budget("working", "simple") == 150
    assert config.get_tier_budget("working", "expert") == 300
    config.complexity_multipliers["expert"] = 3.0
    config.max_total_tokens = 100
    assert config.get_tier_budget("working", "expert") == 90
    config.working_memory_pct = float("nan")
    with pytest.raises(ConfigurationError, match="working_memory_pct"):
        config.get_tier_budget("working", "expert")


def test_budgets_of_unknown_tiers_and_levels() -> None:
    with pytest.raises(MemoryBudgetError, match="attic"):
        WorkspaceConfig("a").get_tier_budget("attic", "simple")
    with pytest.raises(MemoryBudgetError, match="trivial"):
        WorkspaceConfig("a").get_tier_budget("working", "trivial")


def test_from_dict_fills_in_what_is_missing() -> None:
    config = WorkspaceConfig.from_dict(
        MappingProxyType(
            {"workspace_id": "a", "complexity_multipliers": {QueryComplexity.EXPERT: 3}, "promotion": {}}
        )
    )
    assert config == WorkspaceConfig(
        "a", complexity_multipliers={"simple": 0.5, "medium": 1.0, "complex": 1.5, "expert": 3}
    )


@pytest.mark.parametrize(
    ("data", "named", "hint"),
    [
        ({"max_tokens": 5}, "max_tokens", "'max_total_tokens'"),
        ({"tier_alocation": {}}, "tier_alocation", "'tier_allocation'"),
        ({"freshness": {"half_life": 5}}, "freshness.half_life", "'half_life_hours'"),
        ({"working_memory_pct": 0.5}, "working_memory_pct", "'tier_allocation.working_memory_pct'"),
        ({"promotion_threshold": 0.5}, "promotion_threshold", "'promotion.threshold'"),
        ({"complexity_multipliers": {"Expert": 2}}, "complexity_multipliers.Expert", "'expert'"),
    ],
)
def test_from_dict_refuses_unknown_keys(data: dict[str, object], named: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WorkspaceConfig.from_dict({"workspace_id": "mine", **data})
    assert "'mine'" in str(caught.value)
    assert f"unknown key '{named}'" in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "workspace_id",
        {"workspace_id": "a", "freshness": None},
        {"workspace_id": "a", "freshness": 24},
        {"workspace_id": "a", 5: 6},
        {"workspace_id": "a", "promotion": {None: 1}},
        {"workspace_id": "a", "max_total_tokens": "many"},
    ],
)
def test_from_dict_refuses_wrong_shapes(data: Any) -> None:
    with pytest.raises(ConfigurationTypeError):
        WorkspaceConfig.from_dict(data)


def test_to_dict_writes_built_in_types() -> None:
    config = WorkspaceConfig(
        "a",
        max_total_tokens=numpy.int64(100),  # type: ignore[arg-type]
        tokens_per_char=numpy.float32(0.5),  # type: ignore[arg-type]
        freshness_half_life_hours=24,
        complexity_multipliers={"simple": numpy.float64(2.0)},
    )
    data = config.to_dict()
    assert type(data["max_total_tokens"]) is int
    assert type(data["tokens_per_char"]) is float
    assert type(data["freshness"]["half_life_hours"]) is float
    assert data["complexity_multipliers"] == {"simple": 2.0, "medium": 1.0, "complex": 1.0, "expert": 1.0}
    assert WorkspaceConfig.from_dict(json.loads(json.dumps(data))).to_dict() == data


def test_to_dict_refuses_what_was_assigned_wrongly() -> None:
    config = WorkspaceConfig("a")
    config.max_total_tokens = "many"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ConfigurationError, match="max_total_tokens"):
        config.to_dict()


finite = st.floats(0, 1e9)


@given(
    st.text(),
    st.integers(0, 2**53 - 1),
    st.lists(finite, min_size=14, max_size=14),
    st.floats(1e-9, 1e9),
    st.integers(0, 2**53 - 1),
)
def test_the_nested_shape_round_trips(
    name: str, total: int, numbers: list[float], half_life: float, accesses: int
) -> None:
    multipliers = dict(zip(("simple", "medium", "complex", "expert"), numbers[4:8], strict=True))
    values: list[Any] = [name, total, *numbers[:4], multipliers, *numbers[8:11], half_life]
    values += [numbers[11], numbers[12], accesses, numbers[13]]
    config = WorkspaceConfig(*values)
    assert WorkspaceConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_and_copies_are_equal_and_independent(protocol: int) -> None:
    config: Any = WorkspaceConfig("a", max_total_tokens=5)
    config.note = "extra"
    for made in (pickle.loads(pickle.dumps(config, protocol)), copy.deepcopy(config)):
        assert made == config
        assert made.note == "extra"
        made.complexity_multipliers["simple"] = 7.0
        assert config.complexity_multipliers["simple"] == 0.5
    assert copy.copy(config) == config


def test_pickles_carry_a_format_number() -> None:
    state = WorkspaceConfig("a").__getstate__()
    assert state["format"] == 1
    with pytest.raises(ConfigurationError, match="format 2"):
        WorkspaceConfig.__new__(WorkspaceConfig).__setstate__({**state, "format": 2})


def test_user_subclasses_work() -> None:
    @dataclasses.dataclass
    class Audited(WorkspaceConfig):
        owner: str = "nobody"

    config = Audited.from_dict({"workspace_id": "a"})
    assert isinstance(config, Audited)
    assert dataclasses.replace(config, owner="me").owner == "me"
